"""The threshold of a first-error rule, chosen on validation traces.

Conventions of `rules`: the first step whose signal (for the rule "threshold", its score) lies
below the threshold is named as the first error. Does not know whether the traces it is given were
really held out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prmlab import rules, scoring
from prmlab.metrics import as_first_errors, harmonic_mean
from prmlab.scoring import as_scores


@dataclass(frozen=True)
class ThresholdChoice:
    """The threshold that does best on the traces it was chosen on, and all its rivals.

    Args:
        threshold: the chosen one; a step is judged wrong if its signal is below it.
        f1: `first_error_f1` at the threshold, on the same traces: optimistic.
        thresholds: `[M]`, rising; one for each way the signals can be cut.
        f1s: `[M]`.
        acc_error: `[M]`, falls and rises with the threshold.
        acc_correct: `[M]`, only falls with the threshold.
        rule: the rule it is for.
    """

    threshold: float
    f1: float
    thresholds: np.ndarray
    f1s: np.ndarray
    acc_error: np.ndarray
    acc_correct: np.ndarray
    rule: str = "threshold"

    def first_error(self, step_scores: Sequence[float] | np.ndarray) -> int | None:
        """What the rule names at the chosen threshold: `scoring.first_error`."""
        return scoring.first_error(step_scores, rule=self.rule, threshold=self.threshold)

    def __repr__(self) -> str:
        rule = "" if self.rule == "threshold" else f"{self.rule} "
        return (f"ThresholdChoice({rule}{self.threshold:.3f}: f1 {self.f1:.3f}, "
                f"best of {len(self.thresholds)})")


def choose_threshold(
    scores: Sequence[Sequence[float]],
    first_errors: Sequence[int | None],
    *,
    rule: str = "threshold",
) -> ThresholdChoice:
    """The threshold in [0, 1] with the best first-error F1 on validation traces.

    Choose it on validation traces and report F1 on test traces: a threshold chosen on the
    traces it is judged on is an upper bound, not a result. Of equally good thresholds, the one
    nearest to 0.5 is taken.

    Args:
        scores: `[S]` a trace, each in [0, 1].
        first_errors: the truth, one a trace, `None` for a trace without an error.
        rule: one of `rules.RULES`.

    Raises:
        ValueError: as in `first_error_f1`; for an unknown rule; or if an index lies beyond its
            trace.

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
    signals = [rules.signal(as_scores(step_scores), rule) for step_scores in scores]
    # A trace counts as a hit for every threshold in (above, upto]: its first wrong step is
    # below the threshold, and no step before it is.
    above, upto = np.full(len(truth), -np.inf), np.empty(len(truth))
    for i, (s, step) in enumerate(zip(signals, truth, strict=True)):
        if step >= len(s):
            raise ValueError(f"first error {step} of trace {i} lies beyond its {len(s)} steps")
        if step >= 0:
            above[i] = s[step]
        before = s if step < 0 else s[:step]
        upto[i] = before.min(initial=np.inf)
    values = np.unique(np.concatenate([[0.0, 1.0], *signals]))
    cuts = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [1.0]])

    def accuracy(kind: np.ndarray) -> np.ndarray:
        begun = np.searchsorted(np.sort(above[kind]), cuts, side="left")
        ended = np.searchsorted(np.sort(np.maximum(above, upto)[kind]), cuts, side="left")
        return (begun - ended) / kind.sum()

    acc_error, acc_correct = accuracy(truth >= 0), accuracy(truth < 0)
    f1s = harmonic_mean(acc_error, acc_correct)
    best = np.flatnonzero(f1s == f1s.max())
    k = best[np.abs(cuts[best] - 0.5).argmin()]
    return ThresholdChoice(float(cuts[k]), float(f1s[k]), cuts, f1s, acc_error, acc_correct,
                           rule)
