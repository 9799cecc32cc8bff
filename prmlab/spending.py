"""Accuracy against what was spent, and strategies compared where they have spent the same.

Conventions: `P` problems, `K` budgets of one strategy. A budget (a beam width, a number of samples)
is a setting; what it costs is measured, in tokens, problem by problem. Accuracy at a number of
tokens between two budgets is read off the straight line between them, over the logarithm of the
mean tokens. Nothing is read off beyond the smallest and the largest budget. Intervals come from a
bootstrap over problems that redraws tokens and answers together, and in a difference both
strategies' together. Runs no search.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prmlab.intervals import DRAWS, Estimate, percentiles, resample_weights


@dataclass(frozen=True)
class Line:
    """What a strategy's budgets cost and bring, in order of cost.

    Args:
        tokens: `[K]` mean over problems.
        mean: `[K]` share of problems solved.
        low: `[K]` lower end of its interval.
        high: `[K]` upper end.
    """

    tokens: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class Spending:
    """One strategy at K budgets, on the same P problems.

    Args:
        right: `[P, K]` whether the answer was right.
        tokens: `[P, K]` spent on it, above 0.

    Raises:
        ValueError: if the shapes differ, something is not above 0, or there is nothing.
    """

    right: np.ndarray
    tokens: np.ndarray

    def __post_init__(self) -> None:
        for name in ("right", "tokens"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=float))
        if self.right.ndim != 2 or not self.right.size or self.right.shape != self.tokens.shape:
            raise ValueError("right and tokens must both be [P, K], problems by budgets, got "
                             f"{self.right.shape} and {self.tokens.shape}")
        if not (self.tokens > 0).all():
            raise ValueError("every search must have cost some tokens, to be drawn on a log "
                             f"axis; got {self.tokens.min():g}")

    def __repr__(self) -> str:
        n, k = self.right.shape
        return (f"Spending({n} problems, {k} budgets, {self.tokens.mean(axis=0).min():.0f} to "
                f"{self.tokens.mean(axis=0).max():.0f} tokens a problem)")

    def line(self, *, seed: int = 0, level: float = 0.95, draws: int = DRAWS) -> Line:
        """Its points, with bootstrap intervals for the shares."""
        order = self.tokens.mean(axis=0).argsort(kind="stable")
        weights = resample_weights(len(self.right), seed=seed, draws=draws)
        low, high = percentiles(weights @ self.right, level)
        return Line(*(row[order] for row in (self.tokens.mean(axis=0), self.right.mean(axis=0),
                                             low, high)))

    def at(self, tokens: float, *, seed: int = 0, level: float = 0.95, draws: int = DRAWS
           ) -> Estimate:
        """The share solved for this many tokens a problem.

        Raises:
            ValueError: if no budget of it spent so few, or so many.

        Example:
            >>> round(Spending([[0, 1], [0, 0]], [[100, 400], [100, 400]]).at(200).value, 3)
            0.25
        """
        return _estimate(self._read(tokens, seed, draws), level)

    def _read(self, tokens: float, seed: int, draws: int) -> np.ndarray:
        """[1 + draws]: the share at `tokens` as observed, and in every draw of problems."""
        low, high = covered([self])
        if not low <= tokens <= high:
            raise ValueError(f"nothing was measured at {tokens:g} tokens a problem: the budgets "
                             f"spent {low:.0f} to {high:.0f}")
        n = len(self.right)
        weights = np.vstack([np.full(n, 1 / n), resample_weights(n, seed=seed, draws=draws)])
        spent, share = np.log(weights @ self.tokens), weights @ self.right
        order = spent.argsort(axis=1)
        rows = zip(np.take_along_axis(spent, order, 1), np.take_along_axis(share, order, 1),
                   strict=True)
        return np.array([np.interp(np.log(tokens), x, y) for x, y in rows])


def difference(a: Spending, b: Spending, tokens: float, *, seed: int = 0, level: float = 0.95,
               draws: int = DRAWS) -> Estimate:
    """`a - b` in share solved where both spend `tokens` a problem, redrawn on the same problems.

    Raises:
        ValueError: if one of them has no budget around `tokens`, or the problems differ in number.

    Example:
        >>> a = Spending([[0, 1], [1, 1]], [[10, 40], [10, 40]])
        >>> difference(a, a, 20)
        0.000 [0.000, 0.000]
    """
    if len(a.right) != len(b.right):
        raise ValueError("two strategies can be compared on the same problems only, got "
                         f"{len(a.right)} and {len(b.right)}")
    gap = a._read(tokens, seed, draws) - b._read(tokens, seed, draws)
    return _estimate(gap, level)


def covered(spendings: Sequence[Spending]) -> tuple[float, float]:
    """The fewest and the most tokens a problem that all of them have budgets around."""
    means = [s.tokens.mean(axis=0) for s in spendings]
    return float(max(m.min() for m in means)), float(min(m.max() for m in means))


def of_runs(runs: Sequence[Mapping[str, object]], columns: Sequence[str] = (
        "policy_tokens", "scorer_tokens")) -> dict[str, Spending]:
    """By strategy, from records with `strategy`, `right` ("0110…") and columns of tokens, [P].

    Args:
        runs: one record a strategy and budget.
        columns: whose tokens are added up.
    """
    found: dict[str, Spending] = {}
    for name in dict.fromkeys(str(run["strategy"]) for run in runs):
        own = [run for run in runs if run["strategy"] == name]
        right = [[mark == "1" for mark in run["right"]] for run in own]
        tokens = [np.sum([run[column] for column in columns], axis=0) for run in own]
        found[name] = Spending(np.array(right).T, np.array(tokens).T)
    return found


def _estimate(draws: np.ndarray, level: float) -> Estimate:
    low, high = percentiles(draws[1:], level)
    return Estimate(float(draws[0]), float(low), float(high), level)
