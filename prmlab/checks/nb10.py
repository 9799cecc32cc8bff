"""Checks of notebook 10: index conventions, a carried threshold, PRMScore, scores at tags, hours."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from prmlab import metrics, scoring
from prmlab.checks.attempts import Check, compare

_SPELLED = [
    ("processbench", 1, 3), ("processbench", -1, 3), ("processbench", 0, 2),
    ("prmbench", [2, 3], 3), ("prmbench", [1], 2), ("prmbench", [], 3), ("prmbench", [5, 3], 4),
    ("prmbench", [6], 4), ("prmbench", [4, 2], 4), ("mistake", None, 3), ("mistake", 0, 3),
    ("mistake", 2, 4),
    ("labels", [True, False, False], 3), ("labels", [True, True], 2), ("labels", [False], 1),
]


def first_error_of(attempt: object) -> str | None:
    """`first_error_of(kind, value, n_steps)`: 0-based, or None, whatever the format."""
    def right(kind: str, value: Any, n: int) -> int | None:
        if kind == "processbench":
            return None if value == -1 else value
        if kind == "prmbench":
            return min((v - 1 for v in value if v <= n), default=None)
        return next((i for i, ok in enumerate(value) if not ok), None) if kind == "labels" else value

    def but(kind: str, wrong: Callable[[Any, int], Any]) -> Callable[[str, Any, int], Any]:
        return lambda k, v, n: wrong(v, n) if k == kind else right(k, v, n)

    def zero_lost(k: str, v: Any, n: int) -> int | None:
        return right(k, v, n) or None

    return compare(attempt, _SPELLED, right, [
        ("ProcessBench's -1 means no error: return None, or `steps[-1]` will quietly be the last "
         "step.", but("processbench", lambda v, n: v)),
        ("You counted ProcessBench's label from 1; it counts from 0.",
         but("processbench", lambda v, n: None if v == -1 else v - 1)),
        ("PRMBench counts steps from 1: subtract 1.",
         but("prmbench", lambda v, n: min((x for x in v if x <= n), default=None))),
        ("PRMBench lists some error steps beyond the end of their trace: leave those out.",
         but("prmbench", lambda v, n: min((x - 1 for x in v), default=None))),
        ("PRMBench's step numbers need not be in order: take the least one that is in the trace, "
         "not the first in the list.",
         but("prmbench", lambda v, n: next((x - 1 for x in v if x <= n), None))),
        ("You took the last error step of PRMBench's; the first error is the least.",
         but("prmbench", lambda v, n: max((x - 1 for x in v if x <= n), default=None))),
        ("`mistake_index` counts from 0 already: leave it.",
         but("mistake", lambda v, n: None if v is None else v - 1)),
        ("You looked for the first label that is true; false is wrong.",
         but("labels", lambda v, n: next((i for i, ok in enumerate(v) if ok), None))),
        ("You return -1 where no label is false; return None.",
         but("labels", lambda v, n: -1 if all(v) else v.index(False))),
        ("A first error at step 0 became None: 0 counts as false in Python, so test with "
         "`is None`, not with `or`.", zero_lost),
        ("Return None, not -1, where there is no error.",
         lambda k, v, n: -1 if right(k, v, n) is None else right(k, v, n)),
        ("Every index is one too high: they count from 0.",
         lambda k, v, n: None if (i := right(k, v, n)) is None else i + 1),
    ])


_GSM = ([[0.9, 0.35, 0.2], [0.8, 0.9], [0.7, 0.95], [0.9, 0.45]], [1, None, None, 1])
_MATH = ([[0.6, 0.7, 0.3], [0.4, 0.9], [0.8, 0.55], [0.9, 0.2], [0.95, 0.5, 0.9]],
         [2, None, None, 1, 1])
_HARD = ([[0.3, 0.6], [0.9, 0.55, 0.2], [0.65, 0.7]], [None, 1, None])
_BENCH = [
    ({name: part[0] for name, part in subsets.items()},
     {name: part[1] for name, part in subsets.items()}, candidates, first)
    for subsets, candidates, first in (
        ({"gsm8k": _GSM, "math": _MATH}, [0.25, 0.5, 0.6], "gsm8k"),
        ({"math": _MATH, "gsm8k": _GSM}, [0.25, 0.42, 0.6], "gsm8k"),
        ({"gsm8k": _GSM, "math": _MATH, "hard": _HARD}, [0.25, 0.35, 0.6], "math"),
        ({"gsm8k": _GSM, "hard": _HARD}, [0.3, 0.46, 0.66], "gsm8k"),
        ({"hard": _HARD, "math": _MATH}, [0.1, 0.6], "hard"),
        ({"hard": _HARD, "math": _MATH}, [0.45, 0.5], "math"),
        ({"gsm8k": _GSM, "math": _MATH}, [0.35, 0.42, 0.6], "math"),
    )]


def _f1(scores: Any, true: Any, threshold: float) -> float:
    said = [scoring.first_error(s, threshold=threshold) for s in scores]
    return metrics.first_error_f1(said, true, draws=1).f1


def _best(scores: Any, true: Any, candidates: Sequence[float]) -> float:
    return max(candidates, key=lambda c: _f1(scores, true, c))  # the first of equals


def carried(attempt: object) -> str | None:
    """`carried_average(scores, true, candidates, first)`: ProcessBench's average."""
    Told = Mapping[str, Any]

    def at(s: Told, t: Told, threshold: float) -> list[float]:
        return [_f1(s[name], t[name], threshold) for name in s]

    def pool(by_name: Told) -> list[Any]:
        return [item for part in by_name.values() for item in part]

    def right(s: Told, t: Told, c: Sequence[float], first: str) -> float:
        return float(np.mean(at(s, t, _best(s[first], t[first], c))))

    def others(s: Told, t: Told, c: Sequence[float], first: str) -> float:
        chosen = _best(s[first], t[first], c)
        return float(np.mean([_f1(s[name], t[name], chosen) for name in s if name != first]))

    def weighted(s: Told, t: Told, c: Sequence[float], first: str) -> float:
        sizes = [len(s[name]) for name in s]
        return float(np.average(at(s, t, _best(s[first], t[first], c)), weights=sizes))

    return compare(attempt, _BENCH, right, [
        ("You let every subset choose its own threshold: an upper bound that no new subset would "
         "reach. Choose on `first`, and carry it.",
         lambda s, t, c, f: float(np.mean([_f1(s[n], t[n], _best(s[n], t[n], c)) for n in s]))),
        ("You chose the threshold on all subsets together; it is chosen on `first` alone.",
         lambda s, t, c, f: float(np.mean(at(s, t, _best(pool(s), pool(t), c))))),
        ("You took the threshold with the best average; that looks at every subset, and it is "
         "chosen on `first` alone.",
         lambda s, t, c, f: max(float(np.mean(at(s, t, x))) for x in c)),
        ("You pooled the traces of all subsets into one F1; the average is over the subsets' F1, "
         "each counting the same.",
         lambda s, t, c, f: _f1(pool(s), pool(t), _best(s[f], t[f], c))),
        ("You weighted the subsets by their size; the average is unweighted.", weighted),
        ("You left `first` out of the average. That would be cleaner, as the threshold was chosen "
         "on it, but the benchmark's average includes it.", others),
        ("You always took 0.5; choose among the candidates.",
         lambda s, t, c, f: float(np.mean(at(s, t, 0.5)))),
        ("You returned the threshold; return the average F1 that it gives.",
         lambda s, t, c, f: _best(s[f], t[f], c)),
        ("You returned the F1 of `first` alone, which is the one that is no test result.",
         lambda s, t, c, f: _f1(s[f], t[f], _best(s[f], t[f], c))),
        ("You took the first subset of the dictionary; take the one that `first` names.",
         lambda s, t, c, f: right(s, t, c, next(iter(s)))),
    ])


_STEPS = [
    ([True, True, True, True, False, True, True, True],
     [True, True, True, True, False, True, True, False]),
    ([True, False, False, True], [True, True, False, False]),
    ([True, False, True, True, False], [True, True, True, False, False]),
    ([False, False, True], [True, False, True]),
    ([True] * 4, [True, True, True, False]),  # nothing judged wrong
    ([False, False, False], [True, False, True]),
]


def prm_score(attempt: object) -> str | None:
    """`my_prm_score(judged_right, right)`: the mean of two F1."""
    def parts(j: Sequence[bool], r: Sequence[bool]) -> metrics.PrmScore:
        return metrics.prm_score(j, r)

    def recalls(j: Sequence[bool], r: Sequence[bool]) -> float:
        return float(np.mean([np.mean([a == b for a, b in zip(j, r) if b is kind])
                              for kind in (True, False)]))

    def precisions(j: Sequence[bool], r: Sequence[bool]) -> float:
        told = [[a == b for a, b in zip(j, r) if a is kind] for kind in (True, False)]
        return float(np.mean([np.mean(row) if row else 0.0 for row in told]))

    return compare(attempt, _STEPS, lambda j, r: parts(j, r).score, [
        ("You returned the F1 of right steps only; a judge that calls everything right scores "
         "high on it.", lambda j, r: parts(j, r).f1_right),
        ("You returned the F1 of wrong steps only; take the mean of both.",
         lambda j, r: parts(j, r).f1_wrong),
        ("You took the share of steps judged rightly; right steps are so many that this says "
         "little.", lambda j, r: float(np.mean([a == b for a, b in zip(j, r)]))),
        ("You took the mean of the two recalls; take the mean of the two F1.", recalls),
        ("You took the mean of the two precisions; take the mean of the two F1.", precisions),
        ("You took the harmonic mean of the two F1, as ProcessBench does of its accuracies; "
         "PRMScore takes the plain mean.",
         lambda j, r: float(metrics.harmonic_mean(parts(j, r).f1_right, parts(j, r).f1_wrong))),
        ("You added the two F1; take half of that.", lambda j, r: 2 * parts(j, r).score),
    ])


_TAGS = [
    ([[0.0, 3.0], [1.0, 0.0], [2.0, -1.0], [0.5, 2.0]], [5, 7, 9, 7], 7, 1),
    ([[0.0, 3.0], [1.0, 0.0], [2.0, -1.0], [0.5, 2.0]], [5, 7, 9, 7], 7, 0),
    ([[1.0, 0.5], [0.2, 0.1], [0.0, 200.0], [-2.0, 1.0]], [3, 3, 4, 4], 4, 0),
    ([[2.0, 1.0], [0.3, -0.4], [0.0, 1.0]], [9, 8, 6], 6, 1),
]


def read_scores(attempt: object) -> str | None:
    """`read_scores(logits, ids, tag, right)`: a two-way softmax at each tag."""
    def chances(logits: Any, right: int) -> np.ndarray:
        x = np.asarray(logits, dtype=float)
        return 1 / (1 + np.exp(np.clip(x[:, 1 - right] - x[:, right], -700, 700)))

    def at(logits: Any, ids: Any, tag: int, right: int, shift: int = 0) -> list[float]:
        found = chances(logits, right)
        return [float(found[i + shift]) for i, own in enumerate(ids) if own == tag
                and i + shift >= 0]

    def raw(logits: Any, ids: Any, tag: int, right: int) -> list[float]:
        return [row[right] for row, own in zip(logits, ids) if own == tag]

    return compare(attempt, _TAGS, at, [
        ("You took the wrong column: you return P(wrong).",
         lambda x, ids, tag, right: at(x, ids, tag, 1 - right)),
        ("You always took column 1; which one means right differs from model to model, and "
         "`right` says it.", lambda x, ids, tag, right: at(x, ids, tag, 1)),
        ("You always took column 0; which one means right differs from model to model, and "
         "`right` says it.", lambda x, ids, tag, right: at(x, ids, tag, 0)),
        ("You read one position before each tag; read at the tag.",
         lambda x, ids, tag, right: at(x, ids, tag, right, -1)),
        ("You read at every token; read only where the id is the tag's.",
         lambda x, ids, tag, right: chances(x, right).tolist()),
        ("You returned the logits; a score is a probability: take the softmax of the two.", raw),
        ("You took the sigmoid of one logit; the softmax of two depends on their difference.",
         lambda x, ids, tag, right: [float(1 / (1 + np.exp(-v))) for v in raw(x, ids, tag, right)]),
        ("You dropped scores that are zero or nearly: one score a tag, or everything after it "
         "moves up a step.",
         lambda x, ids, tag, right: [s for s in at(x, ids, tag, right) if s > 1e-12]),
        ("You returned the places of the tags; return the scores there.",
         lambda x, ids, tag, right: [i for i, own in enumerate(ids) if own == tag]),
    ])


_PLANS = [(400_000, 6, 8, 200, 2_500, 1), (400_000, 6, 8, 200, 2_500, 64),
          (1_000, 5, 16, 100, 900, 2)]


def label_hours(attempt: object) -> str | None:
    """`label_hours(...)`: tokens to write, over tokens a second, in hours."""
    def right(t: int, s: int, r: int, k: int, speed: int, gpus: int) -> float:
        return t * s * r * k / (speed * gpus) / 3600

    return compare(attempt, _PLANS, right, [
        ("You returned seconds; an hour has 3,600.", lambda *a: right(*a) * 3600),
        ("You returned minutes; return hours.", lambda *a: right(*a) * 60),
        ("You counted one rollout a step; there are `n_rollouts`.", lambda *a: right(*a) / a[2]),
        ("You sampled from the whole problem only; every step of a trace has rollouts of its own.",
         lambda *a: right(*a) / a[1]),
        ("You counted rollouts, not the tokens in them; the speed is in tokens.",
         lambda *a: right(*a) / a[3]),
        ("More GPUs should make it shorter: divide by `n_gpus`.",
         lambda *a: right(*a) * a[5] ** 2),
        ("You returned the hours of one GPU; `n_gpus` share the work.", lambda *a: right(*a) * a[5]),
    ])


CHECKS: dict[str, Check] = {
    "first_error_of": first_error_of,
    "carried": carried,
    "prm_score": prm_score,
    "read_scores": read_scores,
    "label_hours": label_hours,
}
