"""Checks of notebook 03: where a step's score is read, the loss, calibration, the maximum."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from prmlab.checks.attempts import Check, compare

_LAYOUTS = [(4, [3, 2], 1), (5, [1, 4, 2], 2), (1, [2], 1), (6, [3, 3, 1, 2], 3)]


def _ends(n_prompt: int, step_lengths: Sequence[int], n_separator: int) -> list[int]:
    ends, position = [], n_prompt
    for length in step_lengths:
        position += length + n_separator
        ends.append(position - 1)
    return ends


def step_ends(attempt: object) -> str | None:
    """`step_ends(n_prompt, step_lengths, n_separator)`: where each step's score is read."""
    def moved(by: Callable[[int], int]) -> Callable[..., list[int]]:
        return lambda n, lengths, sep: [end + by(sep) for end in _ends(n, lengths, sep)]

    return compare(attempt, _LAYOUTS, _ends, [
        ("You are one too far: positions start at 0, so that the last of k tokens is at k - 1.",
         moved(lambda sep: 1)),
        ("You read the last token of the step itself. There the model has not yet seen that "
         "the step is over; the score is read at the last token of the separator.",
         moved(lambda sep: -sep)),
        ("You read the first token of the separator; with a separator of several tokens it is "
         "the last one.",
         moved(lambda sep: 1 - sep)),
        ("You forgot the prompt: positions count from the start of the whole sequence.",
         lambda n, lengths, sep: _ends(0, lengths, sep)),
        ("You forgot the separators: each step is followed by one.",
         lambda n, lengths, sep: _ends(n, lengths, 0)),
        ("You counted one separator in all; each step is followed by one.",
         lambda n, lengths, sep: [end + sep for end in _ends(n, lengths, 0)]),
        ("You did not add up: each step begins where the one before it ended.",
         lambda n, lengths, sep: [n + length + sep - 1 for length in lengths]),
    ])


_LOSSES = [
    ([2.0, -1.0, 0.5], [1, -1, 0], "hard"),
    ([2.0, -1.0, 0.5, 3.0], [1, None, -1, None], "hard"),
    ([0.3, -2.0, 1.5], [0.7, 0.0, None], "soft"),
    ([40.0, -1.0], [-1, 1], "hard"),
    ([1.0, 2.0], [None, None], "hard"),
]


def _pairs(step_logits: Sequence[float], labels: Sequence[float | None], label_kind: str,
           neutral: float = 1.0) -> list[tuple[float, float]]:
    """Logit and target of each labelled step."""
    hard = {1: 1.0, 0: neutral, -1: 0.0}
    return [(z, float(y) if label_kind == "soft" else hard[int(y)])
            for z, y in zip(step_logits, labels) if y is not None]


def _entropy(logit: float, target: float) -> float:
    return float(np.logaddexp(0.0, logit) - target * logit)


def _loss(logits: Sequence[float], labels: Sequence[float | None], label_kind: str) -> float:
    terms = [_entropy(z, y) for z, y in _pairs(logits, labels, label_kind)]
    return sum(terms) / len(terms) if terms else 0.0


def step_loss(attempt: object) -> str | None:
    """`step_loss(step_logits, labels, label_kind)`: mean cross-entropy of labelled steps."""
    def over(term: Callable[[float, float], float], **options: float) -> Callable[..., float]:
        def loss(z: Sequence[float], y: Sequence[float | None], label_kind: str) -> float:
            terms = [term(*pair) for pair in _pairs(z, y, label_kind, **options)]
            return sum(terms) / len(terms) if terms else 0.0
        return loss

    def replaced(value: float) -> Callable[..., float]:
        return lambda z, y, label_kind: _loss(
            z, [(value if label_kind == "hard" else max(value, 0)) if t is None else t
                for t in y], label_kind)

    def summed(z: Sequence[float], y: Sequence[float | None], label_kind: str) -> float:
        return sum(_entropy(*pair) for pair in _pairs(z, y, label_kind))

    def clipped(z: float, y: float, floor: float = 1e-7) -> float:
        p = min(max(1 / (1 + math.exp(-z)), floor), 1 - floor)
        return -y * math.log(p) - (1 - y) * math.log(1 - p)

    return compare(attempt, _LOSSES, _loss, [
        ("You divided by all steps; divide by the labelled ones, or unlabelled steps dilute "
         "the loss.",
         lambda z, y, label_kind: summed(z, y, label_kind) / len(z)),
        ("You added the terms up; take their mean, so that long traces do not weigh more.",
         summed),
        ("You made unlabelled steps (None) wrong; they have no target and take no part.",
         replaced(-1)),
        ("You made unlabelled steps (None) right; they have no target and take no part.",
         replaced(1)),
        ("You rounded soft labels down: `int(0.7)` is 0. TRL's PRM trainer did the same, and "
         "silently taught that such steps are wrong.",
         over(lambda z, y: _entropy(z, float(int(y))))),
        ("You counted neutral steps as wrong; here, as in Let's Verify, nothing is false in "
         "them, so that their target is 1.",
         over(_entropy, neutral=0.0)),
        ("You gave neutral steps the target 0.5; here it is 1.", over(_entropy, neutral=0.5)),
        ("You clipped the probability before the logarithm. That hides how wrong a confident "
         "mistake is: at logit 40 the loss is 40. Use `np.logaddexp(0, z) - y * z`.",
         over(clipped)),
        ("You clipped the probability before the logarithm. That hides how wrong a confident "
         "mistake is: at logit 40 the loss is 40. Use `np.logaddexp(0, z) - y * z`.",
         over(lambda z, y: clipped(z, y, 1e-12))),
        ("The sign is turned around: the loss is minus the log of the chance, so it is >= 0.",
         lambda z, y, label_kind: -_loss(z, y, label_kind)),
        ("You took the squared distance to the label; that is the Brier score. Cross-entropy "
         "takes the logarithm.",
         over(lambda z, y: (1 / (1 + math.exp(-z)) - y) ** 2)),
    ])


_FORECASTS = [
    ([0.9, 0.9, 0.8, 0.2, 0.1], [1, 0, 1, 0, 0], 2),
    ([0.95, 0.85, 0.75, 0.3, 0.3, 0.3, 0.05], [1, 1, 0, 1, 0, 0, 0], 5),
    ([0.5, 1.0, 0.0], [1, 1, 1], 2),
    ([0.7, 1.0, 0.1], [1, 0, 0], 2),  # a prediction of 1.0 that weighs
]


def _bins(p: Sequence[float], y: Sequence[int], bins: int) -> list[tuple[int, float, float]]:
    """Count, mean prediction and observed rate of each bin that is not empty."""
    rows = []
    for m in range(bins):
        inside = [i for i, x in enumerate(p) if min(int(x * bins), bins - 1) == m]
        if inside:
            rows.append((len(inside), sum(p[i] for i in inside) / len(inside),
                         sum(y[i] for i in inside) / len(inside)))
    return rows


def _ece(p: Sequence[float], y: Sequence[int], bins: int) -> float:
    return sum(n * abs(said - seen) for n, said, seen in _bins(p, y, bins)) / len(p)


def ece(attempt: object) -> str | None:
    """`ece(probabilities, labels, bins)`: expected calibration error."""
    def gaps(p: Sequence[float], y: Sequence[int], bins: int) -> list[float]:
        return [abs(said - seen) for _, said, seen in _bins(p, y, bins)]

    def centres(p: Sequence[float], y: Sequence[int], bins: int) -> float:
        return _ece([(min(int(x * bins), bins - 1) + 0.5) / bins for x in p], y, bins)

    def lost(p: Sequence[float], y: Sequence[int], bins: int) -> float:
        kept = [(a, b) for a, b in zip(p, y) if a < 1]
        return _ece(*zip(*kept), bins) * len(kept) / len(p)

    return compare(attempt, _FORECASTS, _ece, [
        ("You averaged the gaps over the bins; weigh each bin by how many predictions it "
         "holds.",
         lambda p, y, bins: sum(gaps(p, y, bins)) / len(gaps(p, y, bins))),
        ("You averaged the gaps over all bins, empty ones too; weigh each by its predictions.",
         lambda p, y, bins: sum(gaps(p, y, bins)) / bins),
        ("You took the largest gap: that is the maximum calibration error, MCE.",
         lambda p, y, bins: max(gaps(p, y, bins))),
        ("You let gaps of opposite sign cancel; take the absolute value in each bin.",
         lambda p, y, bins: sum(n * (a - b) for n, a, b in _bins(p, y, bins)) / len(p)),
        ("You put all predictions in one bin; too high here and too low there then cancel.",
         lambda p, y, bins: abs(sum(p) - sum(y)) / len(p)),
        ("You used the middle of the bin for its prediction; take the mean of the predictions "
         "that are in it.", centres),
        ("You took the Brier score, the squared distance of each prediction.",
         lambda p, y, bins: sum((a - b) ** 2 for a, b in zip(p, y)) / len(p)),
        ("You took the distance of each single prediction; compare the means within a bin.",
         lambda p, y, bins: sum(abs(a - b) for a, b in zip(p, y)) / len(p)),
        ("You lost the predictions of exactly 1: `int(1.0 * bins)` is one bin too far, and they "
         "belong to the last.", lost),
        ("You did not divide by the number of predictions.",
         lambda p, y, bins: _ece(p, y, bins) * len(p)),
    ])


_TRAPS = [(0.05, 1), (0.05, 8), (0.01, 64), (0.3, 2), (0.0, 5), (1.0, 3)]


def _trapped(share: float, n: int) -> float:
    return 1 - (1 - share) ** n


def trap_chance(attempt: object) -> str | None:
    """`trap_chance(share, n)`: the chance that one of n samples is of the overrated kind."""
    return compare(attempt, _TRAPS, _trapped, [
        ("You multiplied share by n. That counts the expected number of such samples, and "
         "passes 1 at last; the chance of at least one is 1 minus the chance of none.",
         lambda q, n: q * n),
        ("You multiplied share by n and stopped at 1. Samples overlap: the chance of at least "
         "one is 1 minus the chance of none.",
         lambda q, n: min(1.0, q * n)),
        ("That is the chance that all n samples are of that kind; one is enough.",
         lambda q, n: q**n),
        ("That is the chance that none is of that kind; take 1 minus it.",
         lambda q, n: (1 - q) ** n),
        ("That is the chance that not all are of that kind; the chance of at least one is "
         "1 - (1 - share)^n.",
         lambda q, n: 1 - q**n),
        ("That is the chance of exactly one; two or more are a trap as well.",
         lambda q, n: n * q * (1 - q) ** (n - 1)),
        ("The chance does depend on n: that is the whole point.", lambda q, n: q),
    ])


CHECKS: dict[str, Check] = {
    "step_ends": step_ends,
    "step_loss": step_loss,
    "ece": ece,
    "trap_chance": trap_chance,
}
