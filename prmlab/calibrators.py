"""Scores turned into chances, on traces with known first errors.

Owns which steps count: those up to the first error, because a score is to be the chance that a
step is right *given a right prefix*, and after the first error there is none. Judges no score
(`metrics.calibration` does) and cannot mend one that has lost the order of right and wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prmlab.metrics import as_first_errors
from prmlab.scoring import LOGIT_CLIP, as_scores


@dataclass(frozen=True)
class Calibrator:
    """`p = 1 / (1 + exp(-(slope * logit(score) + shift)))`: order is kept, level is mended.

    Args:
        slope: below 1 for scores that are too sure of themselves.
        shift: above 0 for scores that are too strict.
        n_steps: the judged steps it was fitted to.
    """

    slope: float
    shift: float
    n_steps: int

    def __call__(self, step_scores: Sequence[float] | np.ndarray) -> np.ndarray:
        """The chances of the steps of one trace, `[S]`, strictly between 0 and 1."""
        return _sigmoid(self.slope * _logit(as_scores(step_scores)) + self.shift)


def judged_steps(
    scores: Sequence[Sequence[float]], first_errors: Sequence[int | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of all steps up to each first error, and whether each is right, both flat.

    Raises:
        ValueError: if there is not one first error per trace, or one lies beyond its trace.

    Example:
        >>> judged_steps([[0.9, 0.2, 0.1], [0.8]], [1, None])[1].tolist()
        [True, False, True]
    """
    truth = as_first_errors(first_errors, "first_errors")
    if len(scores) != len(truth) or not len(truth):
        raise ValueError(f"need one first error per trace, got {len(truth)} for {len(scores)} "
                         "traces")
    flat, right = [], []
    for i, (step_scores, step) in enumerate(zip(scores, truth, strict=True)):
        s = as_scores(step_scores)
        if step >= len(s):
            raise ValueError(f"first error {step} of trace {i} lies beyond its {len(s)} steps")
        flat.append(s if step < 0 else s[:step + 1])
        right.append(np.arange(len(flat[-1])) != step)
    return np.concatenate(flat), np.concatenate(right)


def fit_calibrator(
    scores: Sequence[Sequence[float]], first_errors: Sequence[int | None]
) -> Calibrator:
    """The slope and shift under which the steps up to the first errors are likeliest.

    Fit it on validation traces. Targets are drawn in a little from 0 and 1, so that scores
    without a single mistake give a finite slope.

    Args:
        scores: `[S]` a trace, each in [0, 1].
        first_errors: the truth, one a trace, `None` for a trace without an error.

    Raises:
        ValueError: if the judged steps are all right or all wrong; else as `judged_steps`.

    Example:
        >>> sure = [[0.99]] * 20  # always 0.99, and wrong in half of the cases
        >>> float(fit_calibrator(sure, [None, 0] * 10)([0.99])[0].round(3))
        0.5

    Source: Platt 1999, *Probabilistic outputs for support vector machines*, section 2.2.
    """
    flat, right = judged_steps(scores, first_errors)
    n_right, n_wrong = int(right.sum()), int((~right).sum())
    if not n_right or not n_wrong:
        raise ValueError(f"need right steps and wrong ones to calibrate, got {n_right} right "
                         f"and {n_wrong} wrong up to the first errors")
    x = np.stack([_logit(flat), np.ones(len(flat))], axis=1)  # [steps, 2]
    target = np.where(right, (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))
    weights = np.array([1.0, 0.0])
    for _ in range(100):  # Newton; the loss is convex, half steps keep it falling
        p = _sigmoid(x @ weights)
        slope = x.T @ (p - target)
        bend = (x * (p * (1 - p))[:, None]).T @ x + 1e-9 * np.eye(2)
        step = np.linalg.solve(bend, slope)
        while _loss(x, target, weights - step) > _loss(x, target, weights) and np.abs(
                step).max() > 1e-12:
            step = step / 2
        weights = weights - step
        if np.abs(step).max() < 1e-10:
            break
    return Calibrator(float(weights[0]), float(weights[1]), len(flat))


def _loss(x: np.ndarray, target: np.ndarray, weights: np.ndarray) -> float:
    z = x @ weights
    return float((np.logaddexp(0.0, z) - target * z).sum())


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, LOGIT_CLIP, 1.0 - LOGIT_CLIP)
    return np.log(p / (1.0 - p))


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0.0, -z))
