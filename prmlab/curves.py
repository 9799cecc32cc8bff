"""Accuracy against the number of samples: best-of-n, the oracle, and what lies between.

Conventions: `P` problems, `N` samples of each, `K` points of a curve. `correct` is `[P, N]`,
whether the sample's final answer is right. A point at `n` is the expected accuracy when `n` of
the `N` samples are drawn without replacement: unbiased, and using all `N` samples at every `n`.
Intervals come from a bootstrap over problems (`intervals`); where all problems are alike, from
Wilson (`of_shares`).

Curves of votes are in `votes`. Does not sample, score or grade.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import comb

import numpy as np

from prmlab.intervals import DRAWS, percentiles, resample_weights, wilson


@dataclass(frozen=True)
class Curve:
    """An accuracy (or a difference of two) at each number of samples, with its interval.

    Args:
        n: the numbers of samples, rising, K of them.
        mean: `[K]`, over problems.
        low: `[K]`, lower end of the interval.
        high: `[K]`, upper end of the interval.
        per_problem: `[P, K]`, what the mean is taken over.
        level: coverage the interval aims at.
    """

    n: tuple[int, ...]
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    per_problem: np.ndarray
    level: float

    def at(self, n: int) -> tuple[float, float, float]:
        """`(mean, low, high)` at `n` samples."""
        if n not in self.n:
            raise ValueError(f"the curve has points at n = {list(self.n)}, not at {n}")
        k = self.n.index(n)
        return float(self.mean[k]), float(self.low[k]), float(self.high[k])

    def __repr__(self) -> str:
        first, final = self.n[0], self.n[-1]
        return (
            f"Curve({len(self.per_problem)} problems: {self.mean[0]:.3f} at n={first}, "
            f"{self.mean[-1]:.3f} [{self.low[-1]:.3f}, {self.high[-1]:.3f}] at n={final})"
        )


@dataclass(frozen=True)
class Gain:
    """The share of the oracle's gain over a base that a curve recovers, with its interval.

    Args:
        n: the numbers of samples.
        share: `[K]`; 1 is the oracle, 0 the base, below 0 worse than the base, NaN where the
            oracle gains nothing.
        low: `[K]`, lower end of the interval.
        high: `[K]`, upper end of the interval.
    """

    n: tuple[int, ...]
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __repr__(self) -> str:
        return f"Gain({self.share[-1]:.0%} at n={self.n[-1]})"


def best_of_n_curve(
    correct: np.ndarray,
    scores: np.ndarray,
    ns: Sequence[int] | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> Curve:
    """Accuracy of the sample with the highest score among `n`, for each `n`.

    With the samples of a problem sorted by score, the one of rank `r` (from 1, lowest) is the
    best of a random `n` with probability `C(r - 1, n - 1) / C(N, n)`: no resampling is needed.
    Equal scores share their ranks evenly, as if the tie were broken by a coin.

    Args:
        correct: `[P, N]`, bool.
        scores: `[P, N]`, any real numbers; one score a trace.
        ns: numbers of samples, each in 1..N; powers of two and N if not given.
        seed: of the bootstrap over problems.
        level: coverage of the intervals.
        draws: bootstrap draws.

    Raises:
        ValueError: for shapes that differ, a NaN score, or an `n` outside 1..N.

    Example:
        >>> best_of_n_curve([[True, False, False]], [[0.9, 0.1, 0.2]], [1, 2, 3]).mean.round(3)
        array([0.333, 0.667, 1.   ])
    """
    right = as_samples(correct)
    return of_shares(winner_curve(right, scores, ns, seed=seed, level=level, draws=draws))


def winner_curve(
    values: np.ndarray,
    scores: np.ndarray,
    ns: Sequence[int] | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> Curve:
    """The mean of anything about the sample with the highest score among `n`, for each `n`.

    Of its score, say: how sure a scorer is of what it chooses. `best_of_n_curve` is the case in
    which `values` say what is right; arguments and errors as there.

    Args:
        values: `[P, N]`, finite numbers.

    Example:
        >>> scores = [[0.9, 0.1, 0.2]]
        >>> winner_curve(scores, scores, [1, 3]).mean.round(3)
        array([0.4, 0.9])
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError("values must be [P, N], problems by samples, and finite, got shape "
                         f"{values.shape}")
    scores = as_trace_scores(scores, values.shape)
    ns = as_numbers(ns, values.shape[1])
    rank = scores.argsort(axis=1)
    tied = _average_ties(np.take_along_axis(values, rank, 1),
                         np.take_along_axis(scores, rank, 1))
    n_samples = values.shape[1]
    weight = [[comb(r, n - 1) / comb(n_samples, n) for n in ns] for r in range(n_samples)]
    return curve_of(tied @ np.array(weight), ns, seed=seed, level=level, draws=draws)


def oracle_curve(
    correct: np.ndarray,
    ns: Sequence[int] | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> Curve:
    """pass@n: accuracy of a chooser who always finds a right sample if there is one.

    Arguments and errors as in `best_of_n_curve`; no rule of choice can lie above it.

    Example:
        >>> oracle_curve([[True, False, False]], [1, 2, 3]).mean.round(3)
        array([0.333, 0.667, 1.   ])
    """
    right = as_samples(correct)
    n_samples = right.shape[1]
    ns = as_numbers(ns, n_samples)
    table = [[1 - comb(n_samples - c, n) / comb(n_samples, n) for n in ns]
             for c in range(n_samples + 1)]
    per_problem = np.array(table)[right.sum(axis=1).astype(int)]
    return of_shares(curve_of(per_problem, ns, seed=seed, level=level, draws=draws))


def difference(
    a: Curve, b: Curve, *, seed: int = 0, level: float = 0.95, draws: int = DRAWS
) -> Curve:
    """`a - b` on the same problems, with a paired bootstrap interval.

    Far tighter than comparing two separate intervals, because a hard problem is hard for both.

    Raises:
        ValueError: if the curves have other problems or other `n`.

    Example:
        >>> oracle = oracle_curve([[True, False], [False, False]])
        >>> difference(oracle, oracle).high
        array([0., 0.])
    """
    _check_pair(a, b)
    return curve_of(a.per_problem - b.per_problem, a.n, seed=seed, level=level, draws=draws)


def recovered_gain(
    curve: Curve,
    oracle: Curve,
    base: Curve | float | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> Gain:
    """Share of the oracle's gain that `curve` recovers: `(curve - base) / (oracle - base)`.

    Args:
        curve: the rule of choice.
        oracle: `oracle_curve` of the same samples.
        base: another curve (majority), a fixed accuracy, or pass@1 of the samples if not given.
        seed, level, draws: of the bootstrap, which redraws all three on the same problems.

    Raises:
        ValueError: if the curves have other problems or other `n`, or no base is given and the
            oracle has no point at n = 1.

    Example:
        >>> right, scores = [[True, False], [False, True]], [[0.9, 0.1], [0.9, 0.1]]
        >>> recovered_gain(best_of_n_curve(right, scores), oracle_curve(right)).share
        array([nan,  0.])
    """
    _check_pair(curve, oracle)
    if base is None:
        if oracle.n[0] != 1:
            raise ValueError("without a base the oracle needs a point at n = 1 (pass@1), got "
                             f"n = {list(oracle.n)}: add 1 to ns, or give a base")
        below = oracle.per_problem[:, :1]
    elif isinstance(base, Curve):
        _check_pair(curve, base)
        below = base.per_problem
    else:
        below = np.full((len(curve.per_problem), 1), float(base))
    weights = resample_weights(len(below), seed=seed, draws=draws)
    weights = np.vstack([np.full(len(below), 1 / len(below)), weights])  # row 0: as observed
    gain, room = weights @ (curve.per_problem - below), weights @ (oracle.per_problem - below)
    share = np.full(gain.shape, np.nan)
    np.divide(gain, room, out=share, where=room > 1e-12)
    return Gain(curve.n, share[0], *percentiles(share[1:], level))


def share(part: Curve, whole: Curve, *, seed: int = 0, level: float = 0.95, draws: int = DRAWS
          ) -> Gain:
    """What share of one mean the other is, such as chosen lucky answers of chosen right ones.

    The bootstrap redraws both on the same problems; NaN where the whole is 0. Errors as for
    `difference`.

    Example:
        >>> right = best_of_n_curve([[True, True]], [[0.9, 0.1]])
        >>> lucky = best_of_n_curve([[True, False]], [[0.9, 0.1]])
        >>> share(lucky, right).share
        array([0.5, 1. ])
    """
    return recovered_gain(part, whole, 0.0, seed=seed, level=level, draws=draws)


def subsample_spread(curve: Curve) -> np.ndarray:
    """How far accuracy strays, `[K]`, if each problem's `n` samples are drawn anew from its N.

    The standard deviation over such redraws, in closed form: with chance `p` of a right choice
    in each of P problems, `sqrt(sum p (1 - p)) / P`. It knows nothing of the luck of having
    these problems, and is 0 at `n = N` but for ties.

    Example:
        >>> subsample_spread(best_of_n_curve([[True, False]], [[0.9, 0.1]]))
        array([0.5, 0. ])

    Source: Lightman et al. 2023, arXiv:2305.20050, figure 3, who show it for n up to 1,000 of 1,860
    samples; the code released with it (openai/prm800k, eval/eval.py) draws 400 times.
    """
    chance = curve.per_problem
    return np.sqrt(np.clip(chance * (1 - chance), 0, None).sum(axis=0)) / len(chance)


def curve_of(
    per_problem: np.ndarray,
    ns: tuple[int, ...],
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> Curve:
    """The curve of accuracies worked out elsewhere, `[P, K]` at K numbers of samples.

    Example:
        >>> curve_of(np.array([[0.0, 1.0], [1.0, 1.0]]), (1, 2)).mean
        array([0.5, 1. ])
    """
    weights = resample_weights(len(per_problem), seed=seed, draws=draws)
    low, high = percentiles(weights @ per_problem, level)
    return Curve(ns, per_problem.mean(axis=0), low, high, per_problem, level)


def of_shares(curve: Curve) -> Curve:
    """The curve of shares of problems, with Wilson's interval where all are 0, or all are 1.

    There a bootstrap knows no spread: however few the problems are, every draw is the same.

    Example:
        >>> of_shares(curve_of(np.ones((20, 1)), (8,))).low.round(2)
        array([0.84])
    """
    low, high, n = curve.low.copy(), curve.high.copy(), len(curve.per_problem)
    for k in np.flatnonzero(np.ptp(curve.per_problem, axis=0) == 0):
        if curve.per_problem[0, k] in (0, 1):
            n_right = n * int(curve.per_problem[0, k])
            low[k], high[k] = wilson(n_right, n, level=curve.level)
    return replace(curve, low=low, high=high)


def as_samples(correct: np.ndarray) -> np.ndarray:
    """`correct` as checked floats `[P, N]`, 1 for right."""
    array = np.asarray(correct)
    if array.ndim != 2 or array.size == 0:
        raise ValueError("correct must be [P, N], problems by samples, the same number of "
                         f"samples for each problem, got shape {array.shape}")
    if not np.isin(array, (0, 1)).all():
        raise ValueError("correct must hold True and False only, got other values: "
                         "grade the samples first")
    return array.astype(float)


def as_trace_scores(scores: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`scores` as checked floats of the shape of the samples, none NaN."""
    values = np.asarray(scores, dtype=float)
    if values.shape != shape:
        raise ValueError(f"one score per sample: correct is {shape}, scores {values.shape}")
    if np.isnan(values).any():
        problem, sample = np.argwhere(np.isnan(values))[0]
        raise ValueError(f"a score must be a number: NaN at problem {problem}, sample {sample}")
    return values


def as_numbers(ns: Sequence[int] | None, n_samples: int) -> tuple[int, ...]:
    """The points of a curve, rising; powers of two and `n_samples` itself if none are given."""
    if ns is None:
        return (*(2**k for k in range((n_samples - 1).bit_length())), n_samples)
    wrong = [n for n in ns if not 1 <= n <= n_samples or n != int(n)]
    if wrong or len(ns) == 0:
        raise ValueError(f"each n must be a whole number in 1..{n_samples}, the samples of a "
                         f"problem, got {list(wrong or ns)}")
    return tuple(sorted({int(n) for n in ns}))


def _average_ties(sorted_right: np.ndarray, sorted_scores: np.ndarray) -> np.ndarray:
    """Replace each sample by the mean of the samples of its problem with the same score."""
    new = np.ones(sorted_scores.shape, dtype=bool)
    new[:, 1:] = sorted_scores[:, 1:] != sorted_scores[:, :-1]
    run = new.ravel().cumsum() - 1  # each problem starts a run, so runs never span problems
    means = np.bincount(run, weights=sorted_right.ravel()) / np.bincount(run)
    return means[run].reshape(sorted_right.shape)


def _check_pair(a: Curve, b: Curve) -> None:
    if a.n != b.n or len(a.per_problem) != len(b.per_problem):
        raise ValueError(
            "two curves can be compared on the same problems and the same n only, got "
            f"{len(a.per_problem)} problems at n = {list(a.n)} and "
            f"{len(b.per_problem)} problems at n = {list(b.n)}"
        )
