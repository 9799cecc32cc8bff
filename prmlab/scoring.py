"""One number for a trace, and the first wrong step, from the scores of its steps.

Conventions: `S` steps of a trace; `step_scores` is `[S]`, the probability that each step is
right, in [0, 1]. A first error is a 0-based index, `None` if there is none; only the textbook
rule `find_error_step` writes -1.

Knows nothing of models, labels or truth: how good a rule is, `metrics` says.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from prmlab import rules

Aggregation = Callable[[np.ndarray], float]

LOGIT_CLIP = 1e-6  # a score of exactly 0 or 1 would make a sum of logits infinite


def minimum(step_scores: np.ndarray) -> float:
    """The weakest step: a trace is as good as its worst step."""
    return float(step_scores.min())


def product(step_scores: np.ndarray) -> float:
    """Chance that every step is right, if each score is the chance given a right prefix."""
    return float(step_scores.prod())


def mean(step_scores: np.ndarray) -> float:
    """The average step: forgives one wrong step among many right ones."""
    return float(step_scores.mean())


def last(step_scores: np.ndarray) -> float:
    """The score of the last step: how the trace ended, as an outcome model would say it."""
    return float(step_scores[-1])


def maximum(step_scores: np.ndarray) -> float:
    """The best step: blind to every mistake; here to be compared against."""
    return float(step_scores.max())


def geometric_mean(step_scores: np.ndarray) -> float:
    """`product ** (1 / S)`: the product without its preference for short traces."""
    with np.errstate(divide="ignore"):  # log 0 is -inf, and its mean gives exp(-inf) = 0
        return float(np.exp(np.log(step_scores).mean()))


def sum_logit(step_scores: np.ndarray) -> float:
    """Sum of `log(p / (1 - p))`: any real number; long confident traces gain from length."""
    p = np.clip(step_scores, LOGIT_CLIP, 1.0 - LOGIT_CLIP)
    return float(np.log(p / (1.0 - p)).sum())


AGGREGATIONS: Mapping[str, Aggregation] = MappingProxyType({
    "min": minimum,
    "product": product,
    "mean": mean,
    "last": last,
    "max": maximum,
    "geometric_mean": geometric_mean,
    "sum_logit": sum_logit,
})


def as_scores(step_scores: Sequence[float] | np.ndarray) -> np.ndarray:
    """The scores of one trace as a checked float array `[S]`.

    Raises:
        ValueError: if there is no step, more than one axis, or a score is NaN or outside
            [0, 1]; the message names the step.
    """
    scores = np.asarray(step_scores, dtype=float)
    if scores.ndim != 1:
        raise ValueError(f"scores of one trace must be a list [S], got shape {scores.shape}")
    if scores.size == 0:
        raise ValueError(
            "a trace must have at least one scored step, got an empty list: "
            "drop traces without steps before scoring them"
        )
    wrong = ~((scores >= 0.0) & (scores <= 1.0))  # True for NaN as well
    if wrong.any():
        step = int(wrong.argmax())
        raise ValueError(
            f"a step score must be a probability in [0, 1], got {float(scores[step])!r} at "
            f"step {step} of {scores.size}: turn logits into probabilities first"
        )
    return scores


def uncertainty(step_scores: Sequence[float] | np.ndarray) -> float:
    """How unsure a scorer is of a trace: `max (1 - |2 p - 1|)` over its steps, in [0, 1].

    1 if some step has a score of one half, 0 if every score is 0 or 1. The order in which to ask
    a person for labels: where the scorer is sure, a label teaches it little.

    Raises:
        ValueError: as `as_scores`.

    Example:
        >>> uncertainty([0.5, 0.9]), round(uncertainty([0.99, 0.2]), 2)
        (1.0, 0.4)
    """
    return float((1.0 - np.abs(2.0 * as_scores(step_scores) - 1.0)).max())


def aggregate(step_scores: Sequence[float] | np.ndarray, how: str | Aggregation) -> float:
    """One score for a trace, from the scores of its steps.

    Args:
        step_scores: `[S]`, each in [0, 1].
        how: a key of `AGGREGATIONS`, or a function from `[S]` to a number.

    Returns:
        A number; in [0, 1] for every named rule but `sum_logit`.

    Raises:
        ValueError: for an empty trace, a score that is no probability, an unknown rule.

    Example:
        >>> [round(aggregate([0.9, 0.5, 0.8], how), 2) for how in ("min", "product", "last")]
        [0.5, 0.36, 0.8]

    Source: product and minimum, Lightman et al. 2023, arXiv:2305.20050, appendix F; last, for
        PRMs trained on Monte Carlo labels, Zhang et al. 2025, arXiv:2501.07301.
    """
    scores = as_scores(step_scores)
    if callable(how):
        return float(how(scores))
    if how not in AGGREGATIONS:
        raise ValueError(
            f"an aggregation must be one of {', '.join(AGGREGATIONS)} or a function of the "
            f"step scores, got {how!r}"
        )
    return AGGREGATIONS[how](scores)


def first_error(
    step_scores: Sequence[float] | np.ndarray,
    *,
    rule: str = "threshold",
    threshold: float = 0.5,
    drop: float | None = None,
) -> int | None:
    """The first step that the scores call wrong, `None` if they call none wrong.

    `threshold`: the first `i` with `s[i] < threshold`. `drop`: the first `i >= 1` with
    `s[i] < threshold * s[i - 1]`; it cannot name step 0, which has no step before it.
    `change`: the step from which on scores are lower, if on average they are less than
    `threshold` times those before. `likeliest`: the step most likely to be the first error, if
    at a threshold of 0.5 that is likelier than no error; for calibrated scores. `rules` has
    the formulas, and where each fails.

    Args:
        step_scores: `[S]`, each in [0, 1].
        rule: "threshold", "drop", "change" or "likeliest".
        threshold: in [0, 1]; a higher one accuses more. `thresholds` chooses it.
        drop: the threshold of "drop" by another name; for "drop" only.

    Raises:
        ValueError: for bad scores, an unknown rule, or a threshold outside [0, 1].

    Example:
        >>> s = [0.3, 0.9, 0.1]
        >>> [first_error(s, rule=rule) for rule in ("threshold", "drop", "change", "likeliest")]
        [0, 2, 2, 0]
    """
    scores = as_scores(step_scores)
    for name, limit in (("threshold", threshold), ("drop", drop)):
        if limit is not None and not 0.0 <= limit <= 1.0:
            raise ValueError(f"{name} must be in [0, 1], got {limit!r}")
    limit = drop if rule == "drop" and drop is not None else threshold
    found = np.flatnonzero(rules.signal(scores, rule) < limit)
    return int(found[0]) if found.size else None


def find_error_step(step_scores: Sequence[float] | np.ndarray) -> int:
    """The textbook rule: first `i >= 1` with `s[i] < 0.5 * s[i - 1]`, -1 if there is none.

    Its blind spot: a trace that is wrong from the start has no drop to show. Neither does one
    that sinks slowly, as 0.9, 0.5, 0.3, 0.2. `first_error` is the rule to use in earnest.

    Args:
        step_scores: `[S]`, each in [0, 1].

    Raises:
        ValueError: for an empty trace or a score that is no probability.

    Example:
        >>> find_error_step([0.95, 0.88, 0.72, 0.05, 0.02])
        3
        >>> find_error_step([0.02, 0.02, 0.01])  # wrong from step 0: not seen
        -1
    """
    step = first_error(step_scores, rule="drop", drop=0.5)
    return -1 if step is None else step
