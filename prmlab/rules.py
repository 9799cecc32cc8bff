"""Four rules for the first wrong step, each as one number a step to hold against a threshold.

Conventions: `S` steps of a trace; `step_scores` is `[S]`, already checked (`scoring.as_scores`).
A rule turns scores into a *signal*, `[S]` in [0, 1], and names the first step whose signal lies
**below** the threshold; 1 is the signal of a step that it cannot name. It follows for all of
them alike: only a step that exists is ever named; a higher threshold accuses more traces, never
fewer; and it names a step no later than a lower one does.

Knows nothing of truth, and does not choose thresholds: `thresholds` does.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

Rule = Callable[[np.ndarray], np.ndarray]


def level(step_scores: np.ndarray) -> np.ndarray:
    """The scores themselves: the first one below the threshold is the first error.

    Fails where scores do not mean what they say: under a strict scorer every step is below.
    """
    return step_scores


def drop(step_scores: np.ndarray) -> np.ndarray:
    """Each score over the one before: the first fall to less than a share of it.

    Fails at step 0, which has no step before it, and where scores sink slowly.

    Example:
        >>> drop(np.array([0.8, 0.4, 0.1])).tolist()
        [1.0, 0.5, 0.25]
    """
    before = step_scores[:-1]
    with np.errstate(over="ignore"):  # by almost 0: no fall
        share = np.divide(step_scores[1:], before, out=np.ones(len(before)), where=before > 0)
    return np.concatenate([[1.0], np.minimum(share, 1.0)])


def change(step_scores: np.ndarray) -> np.ndarray:
    """The mean of the scores from the change point on, over the mean before it.

    The change point splits the scores, with a 1 put in front of them (before the first step
    nothing is wrong), into a higher and a lower part, such that two constants fit them best.
    It is one step; the signal of the others is 1.

    Fails where scores rise again after the error: a wrong step that is put right.

    Example:
        >>> change(np.array([0.9, 0.2, 0.1, 0.3])).round(3).tolist()  # 0.2 / 0.95 at step 1
        [1.0, 0.211, 1.0, 1.0]

    Source: least squares with one change, Hinkley 1970, Biometrika 57, 1.
    """
    n_after = np.arange(len(step_scores), 0, -1)
    n_before = np.arange(1, len(step_scores) + 1)
    after = step_scores[::-1].cumsum()[::-1] / n_after
    before = np.concatenate([[1.0], 1.0 + step_scores[:-1].cumsum()]) / n_before
    gain = n_before * n_after * np.maximum(before - after, 0.0) ** 2
    signal = np.ones(len(step_scores))
    at = gain.argmax()
    if gain[at] > 0:
        signal[at] = after[at] / before[at]
    return signal


def likeliest(step_scores: np.ndarray) -> np.ndarray:
    """At the likeliest first error: `P(no error) / (P(no error) + P(first error here))`.

    From `chances`. Below a threshold of 0.5 lies just the step that is likelier than "no error".

    Fails where scores are not calibrated, and where many steps are a little doubtful: then an
    error is certain and yet no single step is likelier than none.

    Example:
        >>> likeliest(np.array([0.9, 0.5, 0.8])).round(3).tolist()  # 0.36 / (0.36 + 0.45)
        [1.0, 0.444, 1.0]
    """
    *here, none = chances(step_scores)
    signal = np.ones(len(step_scores))
    at = int(np.argmax(here))
    if here[at] > 0:
        signal[at] = none / (none + here[at])
    return signal


def chances(step_scores: np.ndarray) -> np.ndarray:
    """The chance of each step to be the first error, and last the chance of none, `[S + 1]`.

    `P(i) = s[0] ... s[i - 1] (1 - s[i])` and `P(none) = s[0] ... s[S - 1]`, if each score is
    the chance that its step is right when all before it are. They sum to 1.

    Example:
        >>> chances(np.array([0.9, 0.5])).round(3).tolist()
        [0.1, 0.45, 0.45]
    """
    reached = np.concatenate([[1.0], np.cumprod(step_scores)])  # [S + 1]
    return np.concatenate([reached[:-1] * (1.0 - step_scores), reached[-1:]])


RULES: Mapping[str, Rule] = MappingProxyType({
    "threshold": level,
    "drop": drop,
    "change": change,
    "likeliest": likeliest,
})


def signal(step_scores: np.ndarray, rule: str) -> np.ndarray:
    """The signal of a rule, by its name, `[S]`.

    Raises:
        ValueError: for an unknown rule.
    """
    if rule not in RULES:
        known = ", ".join(f'"{name}"' for name in RULES)
        raise ValueError(f"rule must be one of {known}, got {rule!r}")
    return RULES[rule](step_scores)


def candidates(step_signal: np.ndarray) -> list[tuple[int, float]]:
    """The steps that some threshold names, first to last, each with its signal, which falls.

    Step `i` is named by thresholds above its signal and not above that of the candidate before.

    Example:
        >>> candidates(np.array([0.9, 0.95, 0.2, 1.0, 0.1]))
        [(0, 0.9), (2, 0.2), (4, 0.1)]
    """
    best = np.concatenate([[1.0], np.minimum.accumulate(step_signal)[:-1]])
    return [(int(i), float(step_signal[i])) for i in np.flatnonzero(step_signal < best)]
