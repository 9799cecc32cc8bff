"""Checks of notebook 07: the textbook rule and its mend, F1, a threshold, chances, recovery."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from prmlab import metrics, rules, scoring
from prmlab.checks.attempts import Check, NotAttempted, blank, compare, show

_SCORED = [
    ([0.95, 0.88, 0.72, 0.05, 0.02],), ([0.9, 0.8, 0.85],), ([0.8, 0.4, 0.1],), ([0.9],),
    ([0.02, 0.02, 0.01],), ([0.3, 0.9, 0.4, 0.9, 0.05],), ([0.9, 0.3, 0.01, 0.2],),
    ([0.2, 0.3, 0.9],), ([0.99, 0.6, 0.45],), ([0.1, 0.9, 0.8],),
]


def _first(step_scores: Sequence[float], bad: Callable[[Sequence[float], int], bool],
           start: int = 1) -> int:
    return next((i for i in range(start, len(step_scores)) if bad(step_scores, i)), -1)


def _halved(s: Sequence[float], i: int) -> bool:
    return s[i] < 0.5 * s[i - 1]


def _last_drop(s: Sequence[float]) -> int:
    return max((i for i in range(1, len(s)) if _halved(s, i)), default=-1)


def _deepest(s: Sequence[float]) -> int:
    drops = [i for i in range(1, len(s)) if _halved(s, i)]
    return min(drops, key=lambda i: s[i] / s[i - 1], default=-1)


def find_error_step(attempt: object) -> str | None:
    """`find_error_step(step_scores)`: the textbook rule."""
    return compare(attempt, _SCORED, scoring.find_error_step, [
        ("You compared each score with 0.5; the rule compares it with half of the score "
         "before.",
         lambda s: _first(s, lambda s, i: s[i] < 0.5, 0)),
        ("You compared each score from step 1 on with 0.5; the rule compares it with half of "
         "the score before.",
         lambda s: _first(s, lambda s, i: s[i] < 0.5)),
        ("You used `<=`: a score that is exactly half of the one before is no error yet.",
         lambda s: _first(s, lambda s, i: s[i] <= 0.5 * s[i - 1])),
        ("You started at step 0, where `s[i - 1]` is `s[-1]`: in Python that is the last score "
         "of the trace. Start at step 1.",
         lambda s: _first(s, _halved, 0)),
        ("You took a drop by 0.5; the rule is a drop to less than half.",
         lambda s: _first(s, lambda s, i: s[i] < s[i - 1] - 0.5)),
        ("You took any drop; the rule is a drop to less than half.",
         lambda s: _first(s, lambda s, i: s[i] < s[i - 1])),
        ("You returned the last drop; the first error is the first one, what follows may be "
         "carried.", _last_drop),
        ("You returned the deepest drop; the rule takes the first one.", _deepest),
        ("You returned the step before the drop; the wrong step is the one that scores low.",
         lambda s: scoring.find_error_step(s) - (scoring.find_error_step(s) > 0)),
        ("You return None where there is no drop; the textbook rule returns -1.",
         lambda s: scoring.first_error(s, rule="drop")),
        ("You return 0 where there is no drop, but 0 is a step; return -1.",
         lambda s: max(scoring.find_error_step(s), 0)),
        ("You counted steps from 1; they are counted from 0.",
         lambda s: scoring.find_error_step(s) + (scoring.find_error_step(s) >= 0)),
        ("You compared with the score before the other way round: a rise is no error.",
         lambda s: _first(s, lambda s, i: s[i - 1] < 0.5 * s[i])),
    ])


def blind_spot(attempt: Any) -> str | None:
    """Any scores of a trace whose step 0 is wrong and that the textbook rule does not flag."""
    if blank(attempt):
        raise NotAttempted
    try:
        scores = scoring.as_scores(attempt)
    except (ValueError, TypeError) as error:
        return f"Give a list of scores in [0, 1], one a step: {error}."
    found = scoring.find_error_step(scores)
    if scores[0] >= 0.5:
        return (f"Step 0 scores {show(float(scores[0]))}: the PRM calls it right. To show the "
                "blind spot it must see the error (a score below 0.5), and the rule must not.")
    if len(scores) == 1:
        return "One step is no trace of `2x + 5 = 15`: give the scores of at least two steps."
    if found >= 0:
        return (f"The rule does flag this trace, at step {found}, where the score falls from "
                f"{show(float(scores[found - 1]))} to {show(float(scores[found]))}. Keep the "
                "later scores from falling to less than half.")
    return None


def mend(attempt: object) -> str | None:
    """`first_drop(step_scores)`: the rule without its blind spot, None for no error."""
    def mended(s: Sequence[float]) -> int | None:
        found = scoring.find_error_step([1.0, *s])
        return None if found < 0 else found - 1

    def sentinel(s: Sequence[float]) -> int:
        found = mended(s)
        return -1 if found is None else found

    def by_zero(s: Sequence[float]) -> int | None:
        return scoring.first_error([0.0, *s], rule="drop")

    def shifted(s: Sequence[float]) -> int | None:
        return scoring.first_error([1.0, *s], rule="drop")

    return compare(attempt, _SCORED, mended, [
        ("The blind spot is still there: step 0 has nothing before it. Pretend that a score of "
         "1 stands before it.",
         lambda s: scoring.first_error(s, rule="drop")),
        ("The blind spot is still there, and -1 still means no error: use None.",
         scoring.find_error_step),
        ("Almost: return None, not -1, where there is no error. -1 is a valid index in Python, "
         "and `steps[-1]` would quietly be the last step.", sentinel),
        ("With a 1 put in front, every index is one too high: subtract it again.", shifted),
        ("You put a 0 in front; nothing can fall below half of 0. Put a 1: before the first "
         "step nothing is wrong.", by_zero),
        ("You compared every step with 0.5: a good rule, but another one. A step that falls to "
         "less than half of the one before is what is asked, with 1 before step 0.",
         lambda s: scoring.first_error(s)),
        ("You used `<=`: exactly half is no error.",
         lambda s: None if (i := _first([1.0, *s], lambda s, i: s[i] <= 0.5 * s[i - 1])) < 0
         else i - 1),
        ("You return 0 for no error; 0 is the first step.", lambda s: mended(s) or 0),
    ])


_JUDGED = [
    ([1, 2, 0, None, 3, None, 0], [1, 2, 1, 0, 2, None, None]),
    ([None, None, None, 2], [None, None, None, 2]),
    ([None] * 4, [None, None, 1, 2]),
    ([0, 1, None], [0, None, None]),
    ([2, 2, None, None, 1], [2, 1, 1, None, None]),
    ([3, 1, None], [0, 1, None]),
    ([0, 0], [1, None]),  # both accuracies are 0
]


def _accuracies(
    predicted: Sequence[int | None], true: Sequence[int | None]
) -> tuple[float, float]:
    result = metrics.first_error_f1(predicted, true, draws=1)
    return result.acc_error, result.acc_correct


def processbench_f1(attempt: object) -> str | None:
    """`processbench_f1(predicted, true)`: harmonic mean of the two accuracies."""
    def right(p: Sequence[int | None], t: Sequence[int | None]) -> float:
        return metrics.first_error_f1(p, t, draws=1).f1

    def detection(p: Sequence[int | None], t: Sequence[int | None]) -> float:
        both = sum(x is not None and y is not None for x, y in zip(p, t))
        found, there = sum(x is not None for x in p), sum(y is not None for y in t)
        return 2 * both / (found + there) if both else 0.0

    def any_step(p: Sequence[int | None], t: Sequence[int | None]) -> float:
        return right([y if x is not None and y is not None else x for x, y in zip(p, t)], t)

    def near(p: Sequence[int | None], t: Sequence[int | None]) -> float:
        return right([y if x is not None and y is not None and abs(x - y) <= 1 else x
                      for x, y in zip(p, t)], t)

    return compare(attempt, _JUDGED, right, [
        ("You took the plain average of the two accuracies; the harmonic mean, 2ab / (a + b), "
         "gives 0 to a judge that never finds an error.",
         lambda p, t: sum(_accuracies(p, t)) / 2),
        ("You took the accuracy over all traces; then always saying no error looks good "
         "wherever most traces are right.",
         lambda p, t: sum(x == y for x, y in zip(p, t)) / len(t)),
        ("You took the F1 of a classifier, error or no error. ProcessBench asks for the exact "
         "step, and its F1 is the harmonic mean of two accuracies.", detection),
        ("You counted an error as found wherever it was claimed; it must be the exact step.",
         any_step),
        ("You let a neighbouring step count; it must be the exact step.", near),
        ("You returned the accuracy on traces with an error only.",
         lambda p, t: _accuracies(p, t)[0]),
        ("You returned the accuracy on traces without an error only.",
         lambda p, t: _accuracies(p, t)[1]),
        ("You multiplied the two accuracies and stopped; the harmonic mean is 2ab / (a + b).",
         lambda p, t: _accuracies(p, t)[0] * _accuracies(p, t)[1]),
        ("You took the geometric mean, the root of ab; the harmonic mean is 2ab / (a + b).",
         lambda p, t: (_accuracies(p, t)[0] * _accuracies(p, t)[1]) ** 0.5),
        ("The factor 2 is missing: the harmonic mean is 2ab / (a + b).",
         lambda p, t: right(p, t) / 2),
    ])


_VALIDATION = [
    ([[0.9, 0.6, 0.2], [0.8, 0.7], [0.95, 0.4, 0.6], [0.55, 0.9]], [2, None, 1, None],
     [0.1, 0.3, 0.5, 0.75]),
    ([[0.9, 0.3], [0.45, 0.9], [0.35, 0.8], [0.9, 0.2]], [1, None, None, 1],
     [0.25, 0.32, 0.5, 0.9]),
    ([[0.9, 0.6], [0.9, 0.3], [0.65, 0.9], [0.8, 0.62]], [1, 1, None, None], [0.4, 0.7]),
    ([[0.9, 0.45], [0.9, 0.8], [0.9, 0.95], [0.5, 0.9], [0.48, 0.9]],
     [1, None, None, None, None], [0.4, 0.6]),
    ([[0.9, 0.45, 0.55, 0.55, 0.55], [0.9, 0.52]], [1, None], [0.5, 0.6]),
    ([[0.9, 0.6], [0.95, 0.85], [0.8, 0.9, 0.7]], [1, None, None], [0.65, 0.75, 0.9]),
    ([[0.9, 0.1], [0.9, 0.8]], [1, None], [0.3, 0.5, 0.7]),  # all equal: the first
]


def _f1s(scores: Any, true: Any, candidates: Sequence[float]) -> list[metrics.FirstErrorF1]:
    return [metrics.first_error_f1([scoring.first_error(s, threshold=c) for s in scores], true,
                                   draws=1) for c in candidates]


def choose(attempt: object) -> str | None:
    """`choose(scores, true, candidates)`: the candidate with the best F1, first of equals."""
    def best(by: Callable[[Any], float], last: bool = False) -> Callable[..., Any]:
        def pick(scores: Any, true: Any, candidates: Sequence[float]) -> float:
            values = [by(result) for result in _f1s(scores, true, candidates)]
            top = [i for i, v in enumerate(values) if v == max(values)]
            return candidates[top[-1 if last else 0]]
        return pick

    right = best(lambda result: result.f1)

    def step_accuracy(scores: Any, true: Any, candidates: Sequence[float]) -> float:
        def agree(c: float) -> float:
            return float(np.mean([(x >= c) == (y is None or i < y)
                                  for s, y in zip(scores, true) for i, x in enumerate(s)]))
        return max(candidates, key=agree)

    return compare(attempt, _VALIDATION, right, [
        ("You maximised the accuracy on traces with an error. The highest threshold flags "
         "early and often, and never spares a right trace; maximise F1.",
         best(lambda r: r.acc_error)),
        ("You maximised the accuracy on traces without an error: the lowest threshold wins, "
         "and finds nothing. Maximise F1.",
         best(lambda r: r.acc_correct)),
        ("You maximised the accuracy over all traces; maximise F1.",
         best(lambda r: r.acc_error * r.n_error + r.acc_correct * r.n_correct)),
        ("You returned the best F1; return the threshold that reaches it.",
         lambda s, t, c: max(r.f1 for r in _f1s(s, t, c))),
        ("You returned the index of the best candidate; return the candidate.",
         lambda s, t, c: list(c).index(right(s, t, c))),
        ("Of equally good candidates take the first; you took the last.",
         best(lambda r: r.f1, last=True)),
        ("You took the candidate with the smallest F1.", best(lambda r: -r.f1)),
        ("You counted steps on the right side of the threshold; what counts is the first error "
         "of each trace.", step_accuracy),
        ("You always take 0.5; try the candidates.", lambda s, t, c: 0.5),
    ])


_CALIBRATED = [([0.9, 0.5, 0.8],), ([0.9, 0.5],), ([0.25],), ([0.7, 1.0, 0.4, 0.6],),
               ([0.3, 0.2, 0.9],)]


def chances(attempt: object) -> str | None:
    """`chances(step_scores)`: of each step to be the first error, and of none."""
    def right(s: Sequence[float]) -> list[float]:
        return rules.chances(scoring.as_scores(s)).tolist()

    def swapped(s: Sequence[float]) -> list[float]:
        return right([1 - p for p in s])

    def scaled(s: Sequence[float]) -> list[float]:
        weights = [*(1 - p for p in s), float(np.prod(s))]
        return [w / sum(weights) for w in weights]

    return compare(attempt, _CALIBRATED, right, [
        ("The last one is missing: the chance that no step is wrong.", lambda s: right(s)[:-1]),
        ("The chance of no error stands first; put it last.",
         lambda s: [right(s)[-1], *right(s)[:-1]]),
        ("You returned the chance of each step to be wrong; to be the *first* error, all steps "
         "before it must be right.", lambda s: [1 - p for p in s]),
        ("You did not ask that the steps before be right: multiply by their scores.",
         lambda s: [*(1 - p for p in s), float(np.prod(s))]),
        ("You scaled the chances to be wrong so that they sum to 1; multiply each by the scores "
         "of the steps before instead, and they do so by themselves.", scaled),
        ("You took the score for the chance that the step is wrong; it is the chance that it is "
         "right.", swapped),
        ("You multiplied by the step's own score as well: `all_right` holds the steps before "
         "it only.", lambda s: [*(float(np.prod(s[:i + 1])) * (1 - p)
                                  for i, p in enumerate(s)), float(np.prod(s))]),
        ("You returned the chance that everything up to each step is right; the chance of a "
         "first error at it is what each step takes away from that.",
         lambda s: np.cumprod(s).tolist()),
    ])


_LABELS = [([1, -1, 1],), ([1, 1, 1],), ([1, 1, -1],), ([-1, -1, 1, -1],), ([1, -1, 0, -1],),
           ([-1, 0, 1],), ([-1, 1, -1],), ([-1],), ([0, -1, 0],), ([1, 0],), ([1, -1, 1, 0],)]


def recovered(attempt: object) -> str | None:
    """`recovered(labels)`: a right step somewhere after the first wrong one."""
    def after(y: Sequence[int]) -> Sequence[int]:
        return y[list(y).index(-1):] if -1 in y else []

    return compare(attempt, _LABELS, lambda y: 1 in after(y), [
        ("You looked for a right step anywhere; it must come after the first wrong one.",
         lambda y: -1 in y and 1 in y),
        ("You asked whether the last step is right; the right step may stand anywhere after the "
         "first wrong one.", lambda y: -1 in y and y[-1] == 1),
        ("You asked whether the last step is right, of traces without a wrong step too; those "
         "have nothing to recover from.", lambda y: y[-1] == 1),
        ("You counted a neutral step as right; it is true, but puts nothing right.",
         lambda y: any(label >= 0 for label in after(y))),
        ("You asked for a right step directly after a wrong one; it may come later.",
         lambda y: any(a == -1 and b == 1 for a, b in zip(y, y[1:]))),
        ("You looked after the last wrong step; look after the first one.",
         lambda y: -1 in y and 1 in y[len(y) - 1 - list(y)[::-1].index(-1):]),
        ("You count a trace without a wrong step as recovered; it has nothing to recover from.",
         lambda y: -1 not in y or 1 in after(y)),
        ("You asked only whether there is a wrong step.", lambda y: -1 in y),
        ("It is the other way round: you return False for those that recover.",
         lambda y: 1 not in after(y)),
    ])


CHECKS: dict[str, Check] = {
    "find_error_step": find_error_step,
    "blind_spot": blind_spot,
    "mend": mend,
    "processbench_f1": processbench_f1,
    "choose": choose,
    "chances": chances,
    "recovered": recovered,
}
