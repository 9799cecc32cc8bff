"""Checks of notebook 00: read a scored trace, count low scores, spot the first wrong step."""

from collections.abc import Mapping, Sequence

from prmlab.checks.attempts import Check, compare, compare_value

# The trace of the bank's `first_wrong` and `label_steps`; steps from 0.
LABELS = (1, 1, -1, 0, -1, -1)
FIRST_WRONG = 2

_SCORES = [([0.9, 0.5, 0.2, 0.4, 0.95],), ([0.8, 0.7, 0.6],), ([0.5, 0.49],), ([0.1, 0.2],)]


def _count(step_scores: Sequence[float]) -> int:
    return sum(score < 0.5 for score in step_scores)


def count_low(attempt: object) -> str | None:
    """`count_low(step_scores)`: how many scores lie below 0.5."""
    return compare(attempt, _SCORES, _count, [
        ("You counted the scores that are exactly 0.5 as well: below means `<`, not `<=`.",
         lambda s: sum(x <= 0.5 for x in s)),
        ("You counted the steps that score 0.5 or more; the low ones are the others.",
         lambda s: sum(x >= 0.5 for x in s)),
        ("You counted the steps that score above 0.5; the low ones are on the other side.",
         lambda s: sum(x > 0.5 for x in s)),
        ("You returned the share of low steps; a count is not divided by anything.",
         lambda s: _count(s) / len(s)),
        ("You returned the low scores themselves; count them with `len`.",
         lambda s: [x for x in s if x < 0.5]),
        ("You returned the positions of the low scores; count them with `len`.",
         lambda s: [i for i, x in enumerate(s) if x < 0.5]),
        ("You returned whether there is a low score; count how many there are.",
         lambda s: any(x < 0.5 for x in s)),
    ])


def first_wrong(attempt: object) -> str | None:
    """The index of the first wrong step of the trace about pens."""
    return compare_value(attempt, FIRST_WRONG, [
        ("Step 0 is right: Ben has 3 times as many as Ana, and 3 * 12 is 36.", 0),
        ("Step 1 is right: 6 fewer than 36 is 30.", 1),
        ("Step 3 is true, 12 + 4 is 16. Did you count from 1? Steps are counted from 0.", 3),
        ("Step 4 correctly halves the number it was given. That number, 44, was wrong before: "
         "this is a carried error, and the first wrong step is where it came from.", 4),
        ("The answer of step 5 is wrong, but it was wrong before it was said: an ORM looks "
         "here, a PRM looks for the step where it began.", 5),
        ("-1 is what some files write for a trace without a wrong step; this one has one.", -1),
    ], "The trace has the steps 0 to 5: give the index of one of them.")


def label_steps(attempt: object) -> str | None:
    """The six labels of the trace about pens."""
    right = list(LABELS)

    def with_label(*changes: tuple[int, int]) -> list[int]:
        changed: Mapping[int, int] = dict(changes)
        return [changed.get(i, label) for i, label in enumerate(right)]

    return compare_value(attempt, right, [
        ("You labelled step 4 right, since 44 / 2 is 22. But Finn does not have 22 pens: a step "
         "that computes correctly with a wrong number is a carried error, -1.",
         with_label((4, 1))),
        ("You labelled steps 4 and 5 right because they follow from step 2. What follows from "
         "a wrong number is wrong too: carried errors are -1.",
         with_label((4, 1), (5, 1))),
        ("You labelled step 3 right, +1. It is true, but nothing in the question depends on "
         "Eve: true and not needed is neutral, 0.",
         with_label((3, 1))),
        ("You labelled step 3 wrong. It comes after the error but does not use the wrong "
         "number: 12 + 4 is 16. True and only not needed is neutral, 0.",
         with_label((3, -1))),
        ("You wrote 0 for wrong, as 1 and 0 for right and wrong. Here wrong is -1, and 0 is "
         "neutral.",
         [1, 1, 0, 1, 0, 0]),
        ("You labelled all steps right: compute step 2 by hand.", [1] * 6),
    ], "Not yet. Compute each step by hand, then ask of each: is it true, and is it needed?")


CHECKS: dict[str, Check] = {
    "count_low": count_low,
    "first_wrong": first_wrong,
    "label_steps": label_steps,
}
