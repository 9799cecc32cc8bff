"""What the checkers of algebra share: the plain verdicts, and how an answer is judged.

A family's ledger keeps what a trace has established. Does not know equations or expressions.
"""

from collections.abc import Container, Iterable
from fractions import Fraction
from typing import Any

from prmlab.families.formulas import squeeze
from prmlab.verdicts import Verdict

NONSENSE = Verdict(-1, "nonsense", note="no claim about this problem can be read from this")
RIGHT = Verdict(1, "right")
REPEATED = Verdict(0, "repeated")
NOT_NEEDED = Verdict(0, "not needed")
AFTER = Verdict(0, "after the answer")
CARRIED = Verdict(-1, "carried error", carried=True, note="follows from an earlier wrong step")


class Ledger:
    """What a trace has established so far; a family says how it reads and judges a step."""

    truth: Fraction | int
    moves_left: int  # from the best of what is true so far to the answer
    answered = False

    def read(self, text: str) -> Any:
        """The step that a text states. ValueError or ArithmeticError if it states nothing."""
        raise NotImplementedError

    def judge(self, step: Any) -> list[Verdict]:
        """The verdicts on the parts of a step, which then stand."""
        raise NotImplementedError

    def check(self, steps: Iterable[str]) -> list[Verdict]:
        """One verdict a step."""
        return [self.step(squeeze(text)) for text in steps]

    def step(self, text: str) -> Verdict:
        """The verdict on the next step: the worst on its parts, and right above neutral."""
        try:
            verdicts = self.judge(self.read(text))
        except (ValueError, ArithmeticError, RecursionError):
            return NONSENSE
        return min(verdicts, key=lambda verdict: (verdict.label >= 0, -verdict.label))

    def late(self, verdict: Verdict) -> Verdict:
        """The verdict, or that the step comes after the answer: then nothing true is needed."""
        return AFTER if self.answered else verdict

    def answer(self, value: Fraction | int,
               own_wrong: Container[Fraction | int | str]) -> Verdict:
        """The verdict on an answer; `own_wrong` are the answers to the trace's wrong steps."""
        if value != self.truth:
            verdict = Verdict(-1, "wrong answer", carried=value in own_wrong,
                              note=f"the answer is {self.truth}, not {value}")
        elif self.answered:
            verdict = AFTER
        elif self.moves_left > 1:
            verdict = Verdict(-1, "unsupported", note=f"no step before it shows {value}")
        else:
            verdict = RIGHT
        self.answered = True
        return verdict
