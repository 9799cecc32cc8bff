"""What searches found for what they cost: accuracy beside tokens, with intervals over problems.

Compares strategies at equal compute. Tokens are those of `lockstep.Cost`, the policy's and the
scorer's together. Does not search.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prmlab.estimates import is_right
from prmlab.intervals import bootstrap_mean
from prmlab.lockstep import SearchResult


@dataclass(frozen=True)
class Point:
    """One strategy at one size, over many problems.

    Args:
        tokens: mean a problem, the policy's and the scorer's.
        mean: share of problems with the right answer.
        low: lower end of its interval.
        high: upper end of its interval.
        held: share of problems whose tree holds a trace with the right answer: what a perfect
            choice among the candidates would have made of it.
        finished: share of problems with a finished trace.
    """

    tokens: float
    mean: float
    low: float
    high: float
    held: float
    finished: float


def point(results: Sequence[SearchResult], *, seed: int = 0, level: float = 0.95) -> Point:
    """Accuracy and mean cost of the results, one a problem; the interval by bootstrap over them.

    Raises:
        ValueError: if there is no result, a problem has no answer, or tokens were not counted.
    """
    tokens = [result.cost.tokens for result in results]
    if None in tokens:
        raise ValueError("tokens must have been counted, by policy and scorer; one of them has no "
                         "`usage` (toys: see toys.Metered)")
    estimate = bootstrap_mean([right(result) for result in results], seed=seed, level=level)
    held = [any(is_right(result.tree.trace(c.node)) for c in result.candidates)
            for result in results]
    return Point(float(np.mean(tokens)), estimate.value, estimate.low, estimate.high,
                 float(np.mean(held)), float(np.mean([r.best is not None for r in results])))


def right(result: SearchResult) -> bool:
    """Whether the chosen trace has the right answer. ValueError if the problem has none."""
    return result.best is not None and is_right(result.best)
