"""What the checker says about one step: a label, a reason from a fixed list, a note.

Owns the list of reasons, in the reader's words. Does not decide anything: the families do.
"""

from dataclasses import dataclass

REASONS = {
    "right": "The step is true, supported by what came before, and leads to the answer.",
    "repeated": "The step is true, but says again what an earlier step already said.",
    "not needed": "The step is true, but nothing in the question depends on it.",
    "after the answer": "The trace had already given its answer; the step adds nothing.",
    "slip": "The arithmetic, or the algebra, does not come out as written.",
    "wrong quantity": "The step computes with a quantity that this relation does not use.",
    "wrong operation": "The numbers are those of the fact, but the operation is another one.",
    "wrong relation": "The step states a relation that the problem does not state.",
    "unsupported": "The step uses or states something that is not established at this point.",
    "carried error": "The step follows correctly from an earlier step that was wrong.",
    "wrong answer": "The stated answer is not the answer of the problem.",
    "nonsense": "The text makes no claim about this problem that could be checked.",
}


@dataclass(frozen=True)
class Verdict:
    """The exact finding on one step.

    Args:
        label: +1 right, 0 neutral (true but not needed), -1 wrong.
        reason: a key of `REASONS`.
        carried: True if the step is wrong only because an earlier step was.
        note: the particulars, for a person ("3 * 12 is 36, not 35"); may be empty.

    Raises:
        ValueError: if the label is none of -1, 0, +1 or the reason is not in `REASONS`.

    Example:
        >>> Verdict(-1, "slip", note="3 * 12 is 36, not 35").label
        -1
    """

    label: int
    reason: str
    carried: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if self.label not in (-1, 0, 1):
            raise ValueError(f"a verdict's label must be -1, 0 or +1, got {self.label!r}")
        if self.reason not in REASONS:
            raise ValueError(f"unknown reason {self.reason!r}; known: {', '.join(REASONS)}")
