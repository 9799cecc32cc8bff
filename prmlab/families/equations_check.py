"""The exact verdict on every step of an equation, for any text.

The rule. A trace states equations, the problem's first. An equation is true if it has exactly
the problem's solution. A true one is right if its moves, where it names any, turn an equation
stated before into it (each side may be rewritten freely) and it is progress: its `rank` is
below that of every true equation before it. Otherwise it is repeated or not needed. A false
one is a slip or a wrong operation, unless it follows from a false one of the trace: then it
is a carried error. An answer is supported when at most one move is left.
"""

from collections.abc import Sequence

from prmlab.families.equations_reading import (
    Equation,
    Line,
    Move,
    Number,
    Step,
    ordered,
    parse_problem,
    read,
    show,
    side,
)
from prmlab.families.ledger import CARRIED, NOT_NEEDED, REPEATED, RIGHT, Ledger
from prmlab.traces import Problem
from prmlab.verdicts import Verdict


def check(problem: Problem, steps: Sequence[str]) -> list[Verdict]:
    """The exact verdict on every step; the truth is read from the problem's text.

    Raises:
        ValueError: if the problem's text holds no linear equation with exactly one solution.

    Example:
        >>> problem = Problem("", "Solve 2x + 5 = 15.", None, "equations")
        >>> [verdict.reason for verdict in check(problem, ["2x = 20", "x = 10"])]
        ['slip', 'carried error']
    """
    return _Equations(parse_problem(problem.text)).check(steps)


class _Equations(Ledger):
    """The equations that a trace has stated, by what their sides come to."""

    def __init__(self, problem: Equation):
        self.truth = problem.solution
        self.current = problem
        self.stated: dict[tuple[Line, Line], tuple[int, int]] = {}  # brackets, work
        self.keys: set[tuple] = set()  # of the true ones
        self.wrong: set[Number | str] = set()  # solutions of the false ones
        self.rank = problem.rank
        self.moves_left = problem.rank[0] + problem.rank[2]
        self.take(problem)

    def read(self, text: str) -> Step:
        """The step that a text states."""
        return read(text)

    def judge(self, step: Step) -> list[Verdict]:
        """The verdicts on a step's equations and answer, which then stand."""
        moves, verdicts = step.moves, []
        for equation in step.equations:
            aside = not equation.has_x and equation is not step.equations[-1]
            verdicts.append(self.equation(() if aside else moves, equation))
            if equation.has_x and equation.solution != "any" or moves and not aside:
                self.take(equation)
            moves = moves if aside else ()
        if step.answer is not None:
            verdicts.append(self.answer(step.answer, self.wrong))
        return verdicts

    def take(self, equation: Equation) -> None:
        """Let an equation stand, true or not."""
        self.stated[equation.lines] = equation.brackets, equation.work
        if equation.solution == self.truth:
            self.keys.add(equation.key)
            self.rank = min(self.rank, equation.rank)
            self.moves_left = min(self.moves_left, equation.rank[0] + equation.rank[2])
        else:
            self.wrong.add(equation.solution)
        self.current = equation

    def equation(self, moves: tuple[Move, ...], new: Equation) -> Verdict:
        """The verdict on an equation said to come of these moves."""
        if not moves and new.solution == "any":
            return self.late(NOT_NEEDED)
        if not moves and not new.has_x:
            return Verdict(-1, "slip", note=" is not ".join(new.text.split(" = ")))
        follows = self.follows(moves, new)
        if new.solution != self.truth:
            return CARRIED if follows else self.astray(moves, new)
        if new.key in self.keys and (follows or all(move.rewrites for move in moves)):
            return self.late(REPEATED)
        if not follows:
            return self.astray(moves, new)
        return self.late(RIGHT if new.rank < self.rank else NOT_NEEDED)

    def follows(self, moves: tuple[Move, ...], new: Equation) -> bool:
        """Whether the moves lead from a stated equation to it; without any: whether some do."""
        if not moves:
            return new.solution == self.truth or new.solution in self.wrong
        one, other = new.lines
        for move in reversed(moves):
            one, other = move.undo(one), move.undo(other)
            if one is None or other is None:
                return False
        before = self.stated.get(ordered(one, other))
        if before is None:
            return False
        kind = moves[-1].kind
        if kind == "expand":
            return new.brackets < before[0]
        if kind == "combine":
            return new.work < before[1]
        return kind != "simplify" or new.brackets + new.work < sum(before)

    def astray(self, moves: tuple[Move, ...], new: Equation) -> Verdict:
        """The verdict on an equation that does not follow."""
        if not moves:
            note = f"{new.text} does not follow from {self.current.text}"
            return Verdict(-1, "slip", note=note)
        same = new.solution == self.current.solution
        return Verdict(-1, "wrong operation" if same else "slip",
                       note=_told(moves, self.current, new))


_TOLD = {"+": "adding {} to both sides of", "-": "subtracting {} from both sides of",
         "*": "multiplying by {} both sides of", "/": "dividing by {} both sides of",
         "expand": "expanding the brackets of", "combine": "combining the like terms of",
         "simplify": "simplifying", "swap": "swapping the sides of"}


def _told(moves: tuple[Move, ...], start: Equation, new: Equation) -> str:
    """What the moves give from an equation, in words."""
    lines: list[Line | None] = [side(text).line for text in start.text.split(" = ")]
    for move in moves:
        lines = [move.give(line) for line in lines]
    words = " and ".join(_TOLD[move.kind].format(show(move.amount)) for move in moves)
    if None in lines:
        return f"{words} {start.text} is not possible"
    if ordered(*lines) == new.lines:
        return f"{words} {start.text} does not give {new.text}"
    return f"{words} {start.text} gives {show(lines[0])} = {show(lines[1])}, not {new.text}"
