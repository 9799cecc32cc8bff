"""Checks of notebook 02: steps, PRM800K rows, neutral steps, kappa, an arithmetic checker."""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

from prmlab.checks.attempts import (
    Check,
    NotAttempted,
    blank,
    call,
    compare,
    names_used,
    same,
    show,
)
from prmlab.traces import split_steps as package_split_steps

_TEXTS = [
    ("Ben has 3 times as many as Ana: 3 * 12 = 36\n\n  Cy has 6 fewer. 36 - 6 = 30 \nAnswer: "
     "30\n",),
    ("2x = 10\n\n\nx = 5",),
    ("\nOnly one step. It has two sentences.\n",),
]


def split_steps(attempt: object) -> str | None:
    """`split_steps(text)`: one step a non-empty line, without the space around it."""
    def lines(text: str) -> list[str]:
        return text.split("\n")

    return compare(attempt, _TEXTS, package_split_steps, [
        ("You kept the empty lines; they are no steps.",
         lambda t: [x.strip() for x in lines(t)]),
        ("You kept empty lines and the space around a step; `strip` each line, then drop the "
         "empty ones.", lines),
        ("You kept the space around a step; `strip` it.",
         lambda t: [x for x in lines(t) if x.strip()]),
        ("You split at every blank; a step is a whole line.", str.split),
        ("You split at full stops; a step is a line here, and may hold several sentences.",
         lambda t: [x.strip() for x in t.split(".") if x.strip()]),
        ("You split at blank lines only; every line is a step.",
         lambda t: [x.strip() for x in t.split("\n\n") if x.strip()]),
        ("You returned how many steps there are; return the steps.",
         lambda t: len(package_split_steps(t))),
        ("You dropped the last line; it is a step even if no line follows it.",
         lambda t: package_split_steps(t)[:-1]),
    ])


_ROWS = [
    ("Solve 2x + 5 = 15.", ["2x = 10", "x = 5", "Answer: 5"], [1, 0, 1]),
    ("Solve 2x + 5 = 15.", ["2x = 10", "x = 6", "Answer: 6"], [1, -1, -1]),
    ("Solve x + 1 = 3.", ["x = 4"], [-1]),
]


def prm800k_row(attempt: object) -> str | None:
    """`prm800k_row(problem, steps, ratings)`: a row in the schema of PRM800K."""
    for problem, steps, ratings in _ROWS:
        row = call(attempt, problem, steps, ratings)
        if blank(row):
            raise NotAttempted
        end = next((i for i, rating in enumerate(ratings) if rating == -1), None)
        found = _row_mistake(row, problem, steps, ratings, end)
        if found:
            return found
    return None


def _row_mistake(row: Any, problem: str, steps: Sequence[str], ratings: Sequence[int],
                 end: int | None) -> str | None:
    try:
        asked, rows, reason = (row["question"]["problem"], row["label"]["steps"],
                               row["label"]["finish_reason"])
        completions = [step["completions"][0] for step in rows]
        texts = [completion["text"] for completion in completions]
        rated = [completion["rating"] for completion in completions]
        chosen = [step["chosen_completion"] for step in rows]
        flagged = [completion["flagged"] for completion in completions]
        written = [step["human_completion"] for step in rows]
    except (KeyError, TypeError, IndexError) as error:
        missing = error.args[0] if isinstance(error, KeyError) else "the nesting"
        return (f"The row does not have PRM800K's shape, look at {missing!r}: "
                f"question.problem, "
                "label.steps[i].completions[0].text, .rating and .flagged, label.steps[i]."
                "human_completion and .chosen_completion, label.finish_reason.")
    kept = len(steps) if end is None else end + 1
    if asked != problem:
        return f"question.problem must be the problem's text, got {show(asked)}."
    if len(texts) == len(steps) > kept:
        return ("You wrote steps after the first wrong one. Phase 2 of PRM800K stops there: "
                "what follows an error was never rated.")
    if len(texts) < kept and end is not None:
        return "You left out the first wrong step; it is the last one in the row, rated -1."
    if not same(texts, list(steps[:kept])):
        return f"The texts must be {show(list(steps[:kept]))}, got {show(texts)}."
    if any(isinstance(x, bool) for x in rated) or (end is not None and rated[end] == 0):
        return "A rating is +1, 0 or -1: 0 is neutral, not wrong; True and False will not do."
    if not same(rated, list(ratings[:kept])):
        return f"The ratings must be {show(list(ratings[:kept]))}, got {show(rated)}."
    if end is not None and chosen[-1] is not None:
        return ("A wrong step is not chosen to go on from: its chosen_completion is None (null "
                "in JSON), so that no one mistakes it for part of the solution.")
    if any(index != 0 for index in chosen[:kept if end is None else end]):
        return ("chosen_completion is the index of the completion that the solution goes on "
                "from: 0, where there is only one.")
    if any(flag is not False for flag in flagged):
        return f"flagged must be False: no completion is reported as unfit. Got {show(flagged)}."
    if any(text is not None for text in written):
        return ("human_completion must be None (null in JSON): no labeller wrote a step here. "
                f"Got {show(written)}.")
    wanted = "solution" if end is None else "found_error"
    if reason != wanted:
        return f'finish_reason must be "{wanted}" for ratings {ratings}, got {show(reason)}.'
    return None


_RATINGS = [([1, 0, -1, None, 1], neutral) for neutral in (1.0, 0.0, None)] + [([0, 0], 1.0)]


def _targets(ratings: Sequence[int | None], neutral: float | None) -> list[float | None]:
    meaning = {1: 1.0, 0: neutral, -1: 0.0, None: None}
    return [meaning[rating] for rating in ratings]


def targets(attempt: object) -> str | None:
    """`targets(ratings, neutral)`: P(right) that each rating asks for, None for nothing."""
    def number(x: int | None, neutral: float | None) -> float | None:
        return 0.0 if x is None else _targets([x], neutral)[0]

    return compare(attempt, _RATINGS, _targets, [
        ("You left -1 as it is; as a probability of being right, wrong is 0.",
         lambda r, n: [-1 if x == -1 else _targets([x], n)[0] for x in r]),
        ("You dropped the steps without a target; put None there, so that targets and steps "
         "keep the same places.",
         lambda r, n: [t for t in _targets(r, n) if t is not None]),
        ("You made unrated steps (None) wrong; nobody rated them, so there is nothing to "
         "learn.",
         lambda r, n: [number(x, n) for x in r]),
        ("You made unrated steps (None) neutral; nobody rated them, so they have no target.",
         lambda r, n: [n if x is None else _targets([x], n)[0] for x in r]),
        ("You counted neutral steps as right whatever `neutral` says: that is the choice of "
         "Let's Verify, but it is a choice.",
         lambda r, n: _targets(r, 1.0)),
        ("You counted neutral steps as wrong whatever `neutral` says: that is the choice of "
         "TRL's conversion script, and the opposite of Let's Verify.",
         lambda r, n: _targets(r, 0.0)),
        ("You left neutral steps out whatever `neutral` says.", lambda r, n: _targets(r, None)),
        ("You gave neutral steps 0.5; the target of a neutral step is `neutral`.",
         lambda r, n: _targets(r, 0.5)),
    ])


_LABELLERS = [
    ([1, 1, 1, -1, -1], [1, 1, -1, -1, -1]),
    ([1, 1, 1, 1, 0, -1, 1, 1], [1, 1, 1, 0, 0, 1, 1, 1]),
    ([1, -1, 1, -1], [-1, 1, -1, 1]),
    ([1, 1, 1, 1, -1, -1], [1, 1, -1, -1, -1, -1]),
]


def _agreement(a: Sequence[int], b: Sequence[int]) -> tuple[float, list[float], list[float]]:
    """Observed agreement, and how often each labeller uses each label."""
    observed = sum(x == y for x, y in zip(a, b)) / len(a)
    labels = sorted({*a, *b})
    return observed, [list(a).count(k) / len(a) for k in labels], [
        list(b).count(k) / len(b) for k in labels]


def _kappa(a: Sequence[int], b: Sequence[int]) -> float:
    observed, of_a, of_b = _agreement(a, b)
    expected = sum(p * q for p, q in zip(of_a, of_b))
    return (observed - expected) / (1 - expected)


def kappa(attempt: object) -> str | None:
    """`kappa(a, b)`: Cohen's kappa of two labellers."""
    def beyond(a: Sequence[int], b: Sequence[int], expected: float) -> float:
        return (_agreement(a, b)[0] - expected) / (1 - expected)

    def pooled(a: Sequence[int], b: Sequence[int]) -> float:
        _, of_a, of_b = _agreement(a, b)
        return beyond(a, b, sum(((p + q) / 2) ** 2 for p, q in zip(of_a, of_b)))

    def expected(a: Sequence[int], b: Sequence[int]) -> float:
        _, of_a, of_b = _agreement(a, b)
        return sum(p * q for p, q in zip(of_a, of_b))

    return compare(attempt, _LABELLERS, _kappa, [
        ("You returned the plain agreement; two labellers who both nearly always say right "
         "agree often by chance, and kappa takes that away.",
         lambda a, b: _agreement(a, b)[0]),
        ("You took chance to be 1 / (number of labels), as if every label were equally "
         "frequent; use how often each labeller really uses each label.",
         lambda a, b: beyond(a, b, 1 / len({*a, *b}))),
        ("You took chance to be one half; use how often each labeller really uses each label.",
         lambda a, b: beyond(a, b, 1 / 2)),
        ("You pooled the habits of both labellers: that is Scott's pi. Cohen's kappa "
         "multiplies the share of a label by one with its share by the other.", pooled),
        ("You subtracted chance but did not divide by what is left, 1 - expected: full "
         "agreement would not be 1.",
         lambda a, b: _agreement(a, b)[0] - expected(a, b)),
        ("You returned the agreement expected by chance.", expected),
        ("You divided by the expected agreement; divide by what chance leaves, 1 - expected.",
         lambda a, b: (_agreement(a, b)[0] - expected(a, b)) / expected(a, b)),
    ])


_CLAIMS = [
    ("3 * 12 = 36",), ("36 - 5 = 32",), ("12+4=16",), ("8 / 2 = 4",), ("7 / 2 = 3",),
    ("3 + -4 = -1",), ("5 / 0 = 0",), ("0 / 5 = 0",), ("Ben has many pens",), ("2 + 2",),
    ("-9 - 5 = -14",), ("2 - 5 = 3",), ("1 + 2 + 3 = 6",), ("3 * 12 = 36.5",),
]
_CLAIM = re.compile(r"\s*(-?\d+)\s*([-+*/])\s*(-?\d+)\s*=\s*(-?\d+)\s*")
Read = Callable[[str], re.Match[str] | None]


def _claim(text: str, *, floor: bool = False, unreadable: bool | None = None,
           unsigned: bool = False, read: Read = _CLAIM.fullmatch) -> bool | None:
    match = read(text)
    if not match or (unsigned and "-" in match[1] + match[3] + match[4]):
        return unreadable
    a, b, c = int(match[1]), int(match[3]), int(match[4])
    if match[2] == "/":
        return False if b == 0 else (a // b == c if floor else Fraction(a, b) == c)
    return {"+": a + b, "-": a - b, "*": a * b}[match[2]] == c


def check_claim(attempt: object) -> str | None:
    """`check_claim(text)`: True, False, or None where there is no claim a op b = c."""
    dangerous = names_used(attempt) & {"eval", "exec", "__import__"}
    if dangerous:
        return (f"You used `{min(dangerous)}`. The text was written by a language model: it "
                "would run whatever stands there, and `9**9**9` would never end. Read the numbers "
                "and the sign yourself.")

    def spaced(text: str) -> bool | None:
        return _claim(text) if len(text.split()) == 5 else None

    def size(text: str) -> bool | None:
        found = _claim(text)
        return found or (_claim(text.replace("= ", "= -")) if found is False else None)

    return compare(attempt, _CLAIMS, _claim, [
        ("You divided with `//`, which cuts the rest off: 7 / 2 = 3 is false.",
         lambda t: _claim(t, floor=True)),
        ("You answered False where there is no claim at all; False accuses the step, None says "
         "that there is nothing to check.",
         lambda t: _claim(t, unreadable=False)),
        ("You answered True where there is no claim at all; None says that there is nothing to "
         "check.",
         lambda t: _claim(t, unreadable=True)),
        ("You read no negative numbers: `3 + -4 = -1` is a claim, and true.",
         lambda t: _claim(t, unsigned=True)),
        ("You read claims with blanks only: `12+4=16` is one as well.", spaced),
        ("You ignored the sign of the result: 2 - 5 is -3, not 3.", size),
        ("A division by zero has no value, so that `5 / 0 = 0` is a false claim: return False, "
         "not None.",
         lambda t: None if "/ 0" in t else _claim(t)),
        ("You called every claim true; compute the left side and compare.",
         lambda t: None if _claim(t) is None else True),
        ("You found a claim inside a longer text: `1 + 2 + 3 = 6` is not of the form a op b = c, "
         "and `3 * 12 = 36.5` does not say 36. Match the whole text.",
         partial(_claim, read=_CLAIM.search)),
        ("You matched the beginning and ignored the rest: `3 * 12 = 36.5` does not say 36. Match "
         "the whole text.", partial(_claim, read=_CLAIM.match)),
    ])


CHECKS: dict[str, Check] = {
    "split_steps": split_steps,
    "prm800k_row": prm800k_row,
    "targets": targets,
    "kappa": kappa,
    "check_claim": check_claim,
}
