"""The threshold below which a step is judged wrong, chosen on validation traces.

Conventions of `scoring.first_error`: the first step with a score below the threshold is the
first error. Does not know whether the traces it is given were really held out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prmlab.metrics import as_first_errors, harmonic_mean
from prmlab.scoring import as_scores


@dataclass(frozen=True)
class ThresholdChoice:
    """The threshold that does best on the traces it was chosen on, and all its rivals.

    Args:
        threshold: the chosen one; a step is judged wrong if its score is below it.
        f1: `first_error_f1` at the threshold, on the same traces: optimistic.
        thresholds: `[M]`, rising; one for each way the scores can be cut.
        f1s: `[M]`.
        acc_error: `[M]`, falls and rises with the threshold.
        acc_correct: `[M]`, only falls with the threshold.
    """

    threshold: float
    f1: float
    thresholds: np.ndarray
    f1s: np.ndarray
    acc_error: np.ndarray
    acc_correct: np.ndarray

    def __repr__(self) -> str:
        return (f"ThresholdChoice({self.threshold:.3f}: f1 {self.f1:.3f}, "
                f"best of {len(self.thresholds)})")


def choose_threshold(
    scores: Sequence[Sequence[float]], first_errors: Sequence[int | None]
) -> ThresholdChoice:
    """The threshold in [0, 1] with the best first-error F1 on validation traces.

    Choose it on validation traces and report F1 on test traces: a threshold chosen on the
    traces it is judged on is an upper bound, not a result. Of equally good thresholds, the one
    nearest to 0.5 is taken.

    Args:
        scores: `[S]` a trace, each in [0, 1].
        first_errors: the truth, one a trace, `None` for a trace without an error.

    Raises:
        ValueError: as in `first_error_f1`; or if an index lies beyond its trace.

    Example:
        >>> choose_threshold([[0.9, 0.3, 0.1], [0.8, 0.6]], [1, None])
        ThresholdChoice(0.450: f1 1.000, best of 8)
    """
    truth = as_first_errors(first_errors, "first_errors")
    if len(scores) != len(truth) or not (0 < (truth >= 0).sum() < len(truth)):
        raise ValueError(
            "need one first error per trace, some of them None and some not, got for "
            f"{len(scores)} traces {len(truth)}, {int((truth >= 0).sum())} of them not None"
        )
    # A trace counts as a hit for every threshold in (above, upto]: its first wrong step is
    # below the threshold, and no step before it is.
    above, upto = np.full(len(truth), -np.inf), np.empty(len(truth))
    for i, (step_scores, step) in enumerate(zip(scores, truth, strict=True)):
        s = as_scores(step_scores)
        if step >= len(s):
            raise ValueError(f"first error {step} of trace {i} lies beyond its {len(s)} steps")
        if step >= 0:
            above[i] = s[step]
        before = s if step < 0 else s[:step]
        upto[i] = before.min(initial=np.inf)
    values = np.unique(np.concatenate([[0.0, 1.0], *map(np.asarray, scores)]))
    cuts = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [1.0]])

    def accuracy(kind: np.ndarray) -> np.ndarray:
        begun = np.searchsorted(np.sort(above[kind]), cuts, side="left")
        ended = np.searchsorted(np.sort(np.maximum(above, upto)[kind]), cuts, side="left")
        return (begun - ended) / kind.sum()

    acc_error, acc_correct = accuracy(truth >= 0), accuracy(truth < 0)
    f1s = harmonic_mean(acc_error, acc_correct)
    best = np.flatnonzero(f1s == f1s.max())
    k = best[np.abs(cuts[best] - 0.5).argmin()]
    return ThresholdChoice(float(cuts[k]), float(f1s[k]), cuts, f1s, acc_error, acc_correct)
