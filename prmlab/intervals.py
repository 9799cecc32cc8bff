"""How far an estimate can be trusted: bootstrap, Wilson and exact binomial intervals.

Conventions: an interval is `(low, high)` at a two-sided `level`. A bootstrap draws whole
problems (or traces), never single samples, because samples of one problem are not independent;
the same seed and number of problems give the same draws, so that two estimates computed on the
same problems can be compared draw by draw. Knows nothing of what is being estimated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import lgamma, sqrt
from statistics import NormalDist

import numpy as np

DRAWS = 1000


@dataclass(frozen=True)
class Estimate:
    """A value with its interval.

    Args:
        value: the point estimate.
        low: lower end of the interval.
        high: upper end of the interval.
        level: coverage the interval aims at.
    """

    value: float
    low: float
    high: float
    level: float = 0.95

    def __repr__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def check_level(level: float) -> float:
    """`level` itself, once it is known to lie strictly between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be strictly between 0 and 1, such as 0.95, got {level!r}")
    return level


def resample_weights(n: int, *, seed: int, draws: int = DRAWS) -> np.ndarray:
    """Bootstrap draws as weights `[draws, n]`: row `d` says how often draw `d` took each item.

    Each row sums to 1, so `weights @ values` holds the mean of every draw.

    Raises:
        ValueError: if there is nothing to draw from, or no draw is asked for.
    """
    if n < 1 or draws < 1:
        raise ValueError(f"need at least one item and one draw, got {n} items, {draws} draws")
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=draws)
    return counts / n


def percentiles(draws: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of the central `level` of `draws`, along the first axis.

    A draw that is NaN (an undefined statistic) is left out; if all are, so are the ends.
    """
    tail = (1.0 - check_level(level)) / 2.0
    columns = draws.reshape(len(draws), -1)
    ends = np.full((2, columns.shape[1]), np.nan)
    known = ~np.isnan(columns).all(axis=0)
    ends[:, known] = np.nanquantile(columns[:, known], [tail, 1.0 - tail], axis=0)
    low, high = ends.reshape(2, *draws.shape[1:])
    return low, high


def bootstrap_mean(
    values: Sequence[float] | np.ndarray,
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> Estimate:
    """The mean of `values` with a percentile bootstrap interval.

    Args:
        values: `[P]`, one finite number a problem.
        seed: of the bootstrap.
        level: coverage, in (0, 1).
        draws: bootstrap draws.

    Raises:
        ValueError: if `values` is empty, not `[P]` or not finite, or `level` is outside (0, 1).

    Example:
        >>> bootstrap_mean([0.5, 0.5, 0.5])
        0.500 [0.500, 0.500]
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or x.size == 0 or not np.isfinite(x).all():
        raise ValueError(f"values must be a list [P] of finite numbers, got shape {x.shape}")
    low, high = percentiles(resample_weights(x.size, seed=seed, draws=draws) @ x, level)
    return Estimate(float(x.mean()), float(low), float(high), level)


def verdict(low: float, high: float, *, above: float = 0.0) -> str:
    """What an interval says of the claim that a quantity lies above `above`.

    "confirmed" if all of it does, "refuted" if none of it does, else "undecided": the data
    allow both.

    Raises:
        ValueError: if an end is NaN, or they are the wrong way round.

    Example:
        >>> verdict(0.02, 0.06), verdict(-0.01, 0.03), verdict(-0.05, -0.02)
        ('confirmed', 'undecided', 'refuted')
    """
    if not low <= high:
        raise ValueError(f"an interval runs from low to high, got {low!r} to {high!r}")
    return "confirmed" if low > above else "refuted" if high < above else "undecided"


def wilson(n_right: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a rate: stays in [0, 1] and is honest for small `n`, unlike ± 2 SE.

    `(p + z²/2n ± z sqrt(p(1 - p)/n + z²/4n²)) / (1 + z²/n)` with `p = n_right / n`.

    Args:
        n_right: successes, 0..n.
        n: trials, >= 1.
        level: coverage, in (0, 1).

    Raises:
        ValueError: if not `0 <= n_right <= n`, `n < 1`, or `level` is outside (0, 1).

    Example:
        >>> low, high = wilson(0, 10)
        >>> round(low, 3), round(high, 3)
        (0.0, 0.278)

    Source: Wilson 1927, J. Am. Stat. Assoc. 22, 209.
    """
    if n < 1 or not 0 <= n_right <= n:
        raise ValueError(f"need 0 <= n_right <= n and n >= 1, got n_right={n_right}, n={n}")
    z = NormalDist().inv_cdf(0.5 + check_level(level) / 2.0)
    p = n_right / n
    centre = p + z * z / (2 * n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def clopper_pearson(n_right: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """The exact binomial interval of a rate: it covers at least as often as `level` says.

    The rates under which `n_right` or more, and `n_right` or fewer, of `n` would both come out
    with a chance above `(1 - level) / 2`. Wider than Wilson's, which covers so on average.

    Args:
        n_right: successes, 0..n.
        n: trials, >= 1.
        level: coverage, in (0, 1).

    Raises:
        ValueError: if not `0 <= n_right <= n`, `n < 1`, or `level` is outside (0, 1).

    Example:
        >>> low, high = clopper_pearson(0, 10)
        >>> round(low, 3), round(high, 3)
        (0.0, 0.308)

    Source: Clopper and Pearson 1934, Biometrika 26, 404.
    """
    if n < 1 or not 0 <= n_right <= n:
        raise ValueError(f"need 0 <= n_right <= n and n >= 1, got n_right={n_right}, n={n}")
    tail = (1.0 - check_level(level)) / 2.0
    return _least(n_right, n, tail), 1.0 - _least(n - n_right, n, tail)


@lru_cache(maxsize=2**12)
def _least(n_right: int, n: int, tail: float) -> float:
    """The rate at which `n_right` or more of `n` have the chance `tail`; 0 for none."""
    if n_right == 0:
        return 0.0
    k = np.arange(n_right, n + 1)
    ways = lgamma(n + 1) - np.array([lgamma(i + 1) + lgamma(n - i + 1) for i in k])
    low, high = 0.0, 1.0
    for _ in range(52):
        p = (low + high) / 2
        chance = np.exp(ways + k * np.log(p) + (n - k) * np.log1p(-p)).sum()
        low, high = (p, high) if chance < tail else (low, p)
    return low
