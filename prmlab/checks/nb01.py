"""Checks of notebook 01: aggregations, best of n, lucky answers, ORM or PRM."""

import math
from collections.abc import Callable, Sequence

from prmlab.checks.attempts import (
    Check,
    Mistakes,
    NotAttempted,
    blank,
    call,
    compare,
    compare_value,
)
from prmlab.scoring import aggregate as package_aggregate

_TRACES = ([0.9, 0.5, 0.8], [0.2, 0.9], [0.7], [0.6, 0.95, 0.9, 0.3])

# What a reader computes instead, for each rule. A wrong rule is named by what it does.
_INSTEAD: dict[str, Mistakes] = {
    "min": [
        ("you averaged the steps; the minimum is the score of the weakest step",
         lambda s: sum(s) / len(s)),
        ("you took the largest score; a trace is as good as its weakest step", max),
        ("you took the last step", lambda s: s[-1]),
        ("you multiplied the steps", math.prod),
        ("you returned where the smallest score is; the minimum is the score itself",
         lambda s: s.index(min(s))),
    ],
    "product": [
        ("you added the scores; the product multiplies them", sum),
        ("you averaged the steps; the product multiplies them", lambda s: sum(s) / len(s)),
        ("you took the root, the geometric mean; the product has no root",
         lambda s: math.prod(s) ** (1 / len(s))),
        ("you returned the logarithm; the product itself lies between 0 and 1",
         lambda s: sum(map(math.log, s))),
        ("you took the minimum", min),
        ("you started the product at 0, and 0 times anything is 0; start at 1", lambda s: 0.0),
    ],
    "mean": [
        ("you added the scores without dividing by their number", sum),
        ("you divided by one too few, as a sample variance does; a mean divides by S",
         lambda s: sum(s) / max(len(s) - 1, 1)),
        ("you took the median, the score in the middle",
         lambda s: (sorted(s)[(len(s) - 1) // 2] + sorted(s)[len(s) // 2]) / 2),
        ("you took the middle between the smallest and the largest score",
         lambda s: (min(s) + max(s)) / 2),
        ("you took the geometric mean; this one is the plain average",
         lambda s: math.prod(s) ** (1 / len(s))),
    ],
    "last": [
        ("you took the first step, s[0]; the last is s[-1]", lambda s: s[0]),
        ("you took the last but one; Python counts from the end with s[-1]",
         lambda s: s[-2] if len(s) > 1 else s[0]),
        ("you took the largest score, not the last", max),
        ("you took the smallest score, not the last", min),
    ],
}


def aggregate(attempt: object) -> str | None:
    """`aggregate(step_scores, how)` for min, product, mean and last."""
    rules = list(_INSTEAD)
    if all(blank(call(attempt, list(s), how)) for s in _TRACES for how in rules):
        raise NotAttempted
    if _ignores_rule(attempt, rules):
        return ("Your function gives the same number whatever `how` says: choose the rule by "
                "`how`, for example with a dictionary of functions.")
    for how in rules:
        if all(blank(call(attempt, list(s), how)) for s in _TRACES):
            return f"For how={how!r} your function returns nothing yet."
        found = compare(
            attempt,
            [(list(s), how) for s in _TRACES],
            package_aggregate,
            [(f"For how={how!r} {text}.", _by_scores(wrong)) for text, wrong in _INSTEAD[how]],
        )
        if found:
            return found
    return None


def _ignores_rule(attempt: object, rules: Sequence[str]) -> bool:
    return all(len({repr(call(attempt, list(s), how)) for how in rules}) == 1 for s in _TRACES)


def _by_scores(wrong: Callable[[list[float]], object]) -> Callable[..., object]:
    return lambda step_scores, how: wrong(step_scores)


def _weakest(step_scores: Sequence[float]) -> float:
    return min(step_scores)


def _average(step_scores: Sequence[float]) -> float:
    return sum(step_scores) / len(step_scores)


def _pick(traces: Sequence[Sequence[float]], how: Callable[[Sequence[float]], float]) -> int:
    return max(range(len(traces)), key=lambda i: how(traces[i]))


_CANDIDATES = [
    ([[0.9, 0.2], [0.6, 0.7, 0.5], [0.95, 0.94, 0.1]], _weakest),
    ([[0.9, 0.2], [0.6, 0.7, 0.5], [0.95, 0.94, 0.1]], _average),
    ([[0.3], [0.8, 0.8], [0.8, 0.9]], _weakest),  # a tie: the first of them
    ([[0.1, 0.2], [0.4, 0.3], [0.2, 0.9, 0.9, 0.9]], _average),
    ([[0.7, 0.6], [0.5, 0.99, 0.5, 0.5]], math.prod),
]


def pick_best(attempt: object) -> str | None:
    """`pick_best(traces, how)`: the index of the trace with the highest aggregate."""
    return compare(attempt, _CANDIDATES, _pick, [
        ("You picked the trace with the lowest aggregate; best-of-n takes the highest.",
         lambda t, how: min(range(len(t)), key=lambda i: how(t[i]))),
        ("You returned the winning aggregate; return the index of the trace that has it.",
         lambda t, how: max(map(how, t))),
        ("You returned the winning trace; return its index.", lambda t, how: t[_pick(t, how)]),
        ("You counted from 1; the first trace has the index 0.",
         lambda t, how: _pick(t, how) + 1),
        ("Of equal traces you took the last; take the first, so that the result does not "
         "depend on chance.",
         lambda t, how: max(range(len(t)), key=lambda i: (how(t[i]), i))),
        ("You compared the best single step of each trace; compare `how(trace)`.",
         lambda t, how: _pick(t, max)),
        ("You took the mean whatever `how` says; call `how` on each trace.",
         lambda t, how: _pick(t, _average)),
        ("You took the minimum whatever `how` says; call `how` on each trace.",
         lambda t, how: _pick(t, min)),
        ("You picked the longest trace; length is no quality.", lambda t, how: _pick(t, len)),
    ])


_LABELLED = [  # labels of the steps, and whether the final answer is right
    ([[1, 1], [1, -1, 1], [1, -1], [0, 1], [1, -1, -1]], [True, True, False, True, False]),
    ([[1, 1, 1], [-1, 1]], [True, True]),
    ([[1, 1], [1], [1, 1], [-1, 0], [0, 1]], [True] * 5),
    ([[1], [0, 1, 0], [-1, -1, 1], [1, -1, 1]], [True, True, True, False]),
    ([[-1, 1], [1, 1]], [False, False]),
]


def _lucky(labels: Sequence[Sequence[int]], right: Sequence[bool]) -> float:
    wrong_inside = [-1 in row for row, ok in zip(labels, right) if ok]
    return sum(wrong_inside) / len(wrong_inside) if wrong_inside else 0.0


def lucky(attempt: object) -> str | None:
    """`lucky_share(labels, right)`: share of the right answers that a wrong step led to."""
    def count(labels: Sequence[Sequence[int]], right: Sequence[bool]) -> int:
        return sum(ok and -1 in row for row, ok in zip(labels, right))

    def per(labels: Sequence[Sequence[int]], right: Sequence[bool], n: int) -> float:
        return count(labels, right) / n if n else 0.0

    def neutral_too(labels: Sequence[Sequence[int]], right: Sequence[bool]) -> float:
        return _lucky([[-1 if label <= 0 else 1 for label in row] for row in labels], right)

    return compare(attempt, _LABELLED, _lucky, [
        ("You divided by all traces; the share is of the traces with a right answer.",
         lambda labels, right: per(labels, right, len(labels))),
        ("You divided by the traces with a wrong step; the question is how many of the right "
         "answers are lucky.",
         lambda labels, right: per(labels, right, sum(-1 in row for row in labels))),
        ("You counted neutral steps (0) as wrong; only -1 is wrong.", neutral_too),
        ("You returned the share of right answers without a wrong step; the lucky ones are the "
         "others.",
         lambda labels, right: 1 - _lucky(labels, right) if any(right) else 0.0),
        ("You returned a count; divide it by the number of right answers.", count),
        ("You counted every trace with a wrong step; a lucky trace has a right answer too.",
         lambda labels, right: sum(-1 in row for row in labels) / len(labels)),
        ("You looked at the last step only; the wrong step may be any.",
         lambda labels, right: _lucky([[row[-1]] for row in labels], right)),
    ])


WHICH = {"rerank": "ORM", "prune": "PRM", "explain": "PRM", "grade": "neither"}

_WHY_NOT = {
    "rerank": "finished answers are compared once, and right final answers are the only labels "
              "there are. An ORM needs no step labels; on GSM8K with 1,024 samples the RLHFlow "
              "ORM is even ahead, 93.4 against 93.0",
    "prune": "the traces are not finished when they are cut, and a step has to be judged before "
             "an answer exists. An ORM trained at the last step only was never asked there; one "
             "trained at every step says how the trace may end, not whether this step is right",
    "explain": "one number for the whole trace cannot say where it went wrong; only a score "
               "for each step can",
    "grade": "a program already knows which answers are right. A learned model could only be "
             "wrong more often, and be exploited",
}

_WHY_SOME = {
    "rerank": "in use nobody knows the right answer, so something has to choose, and the right "
              "answers of the training problems are all that an ORM asks for. (A plain vote needs "
              "no model: measure it beside the ORM)",
    "prune": "something has to say which traces are bad before any has an answer: a score for "
             "each step",
    "explain": "nothing here knows where the solution goes wrong, so it has to be judged, step "
               "by step",
}


def orm_or_prm(attempt: object) -> str | None:
    """Which verifier for which situation: a dictionary of four answers."""
    if isinstance(attempt, dict) and not any(map(blank, attempt.values())):
        attempt = {key: {"orm": "ORM", "prm": "PRM", "neither": "neither"}.get(
            str(value).strip().lower(), value) for key, value in attempt.items()}
        for key, answer in WHICH.items():
            given = attempt.get(key)
            if key in attempt and given not in ("ORM", "PRM", "neither"):
                return f'Answer "ORM", "PRM" or "neither" for `{key}`, not {given!r}.'
            if key in attempt and given != answer:
                why = (_WHY_SOME if given == "neither" else _WHY_NOT)[key]
                return f"Not {given} for `{key}`: {why}."
    return compare_value(attempt, WHICH, [], f"Answer {', '.join(WHICH)}, and no others.")


CHECKS: dict[str, Check] = {
    "aggregate": aggregate,
    "pick_best": pick_best,
    "lucky": lucky,
    "orm_or_prm": orm_or_prm,
}
