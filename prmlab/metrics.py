"""How well scores and labels agree with the truth of steps and traces.

Conventions: a first error is a 0-based index, `None` for a trace without one. Labels of steps
are 1 or True for right, 0 or False for wrong (a neutral step is right: nothing in it is false).
Every result carries the counts it was computed from.

Accuracy against the number of samples is in `curves` and `votes`, the choice of a threshold in
`thresholds`, agreement of labellers in `agreement`. Knows nothing of models or text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from prmlab.intervals import DRAWS, percentiles, resample_weights, wilson
from prmlab.scoring import as_scores


def pass_at_k(n_correct: int, n_samples: int, k: int) -> float:
    """Chance that at least one of `k` samples, drawn without replacement, is correct.

    `1 - C(n_samples - n_correct, k) / C(n_samples, k)`, unbiased for the true pass@k.

    Args:
        n_correct: correct samples among the `n_samples`, 0..n_samples.
        n_samples: samples drawn for one problem, >= k.
        k: size of the subset, >= 1.

    Returns:
        A probability in [0, 1].

    Raises:
        ValueError: if not `1 <= k <= n_samples` or not `0 <= n_correct <= n_samples`.

    Example:
        >>> pass_at_k(n_correct=1, n_samples=4, k=2)
        0.5

    Source: Chen et al. 2021, arXiv:2107.03374, eq. 1.
    """
    if not 1 <= k <= n_samples:
        raise ValueError(f"need 1 <= k <= n_samples, got k={k}, n_samples={n_samples}")
    if not 0 <= n_correct <= n_samples:
        raise ValueError(
            f"need 0 <= n_correct <= n_samples, got n_correct={n_correct}, "
            f"n_samples={n_samples}"
        )
    return 1.0 - comb(n_samples - n_correct, k) / comb(n_samples, k)


@dataclass(frozen=True)
class FirstErrorF1:
    """ProcessBench's metric with its evidence.

    Args:
        f1: harmonic mean of the two accuracies; 0 if either is 0.
        low: lower end of the bootstrap interval of `f1`, over traces or their problems.
        high: upper end.
        acc_error: share of the traces with an error whose first error was named exactly.
        acc_correct: share of the traces without an error of which none was claimed.
        n_error: traces with an error.
        n_correct: traces without.
        level: coverage the interval aims at.
    """

    f1: float
    low: float
    high: float
    acc_error: float
    acc_correct: float
    n_error: int
    n_correct: int
    level: float

    def __repr__(self) -> str:
        return (
            f"FirstErrorF1({self.f1:.3f} [{self.low:.3f}, {self.high:.3f}]; "
            f"acc_error {self.acc_error:.3f} of {self.n_error}, "
            f"acc_correct {self.acc_correct:.3f} of {self.n_correct})"
        )


def first_error_f1(
    predicted: Sequence[int | None],
    true: Sequence[int | None],
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> FirstErrorF1:
    """ProcessBench's F1: how often the first wrong step is named, and right traces are spared.

    `2ab / (a + b)`, `a` the accuracy on traces with an error, `b` on traces without. It is not
    the F1 of a classifier: nothing here is a precision or a recall.

    Args:
        predicted: the first step judged wrong, `None` for none; one a trace.
        true: the truth, in the same order.
        groups: the problem of each; then the bootstrap draws problems with all their traces,
            which are alike. Without it every trace counts as independent.
        seed, level, draws: of the bootstrap. Where no trace of a kind was judged rightly none
            is in any draw, and the interval is 0 to 0: no certainty, see Wilson's of that share.

    Raises:
        ValueError: if the lengths differ, an index is negative, or traces with an error or
            traces without one are missing, since then one accuracy has no meaning.

    Example:
        >>> r = first_error_f1([2, 0, None, None], [2, 1, None, 3])
        >>> round(r.acc_error, 3), r.acc_correct, round(r.f1, 3)
        (0.333, 1.0, 0.5)

    Source: Zheng et al. 2024, arXiv:2412.06559. Their label -1 is our None.
    """
    found, truth = as_first_errors(predicted, "predicted"), as_first_errors(true, "true")
    if len(found) != len(truth):
        raise ValueError(f"one prediction per trace, got {len(found)} for {len(truth)} traces")
    error, hit = truth >= 0, found == truth
    if not error.any() or error.all():
        raise ValueError(
            f"need traces with an error and traces without, got {int(error.sum())} with an "
            f"error of {len(truth)}: one of the two accuracies would be empty"
        )
    n_error, n_correct = int(error.sum()), int((~error).sum())
    acc_error, acc_correct = (hit & error).sum() / n_error, (hit & ~error).sum() / n_correct
    low, high = percentiles(
        drawn_f1s(predicted, true, groups=groups, seed=seed, draws=draws), level)
    f1 = float(harmonic_mean(acc_error, acc_correct))
    return FirstErrorF1(f1, float(low), float(high), float(acc_error), float(acc_correct),
                        n_error, n_correct, level)


def drawn_f1s(predicted: Sequence[int | None], true: Sequence[int | None], *,
              groups: Sequence[str] | None = None, seed: int = 0,
              draws: int = DRAWS) -> np.ndarray:
    """`first_error_f1` of bootstrap draws, `[draws]`; NaN for one without a kind.

    With the same groups and seed, draw `d` of two judges takes the same problems, so that
    they can be compared draw by draw.
    """
    truth = as_first_errors(true, "true")
    error, hit = truth >= 0, as_first_errors(predicted, "predicted") == truth
    kinds = np.stack([error, hit & error, ~error, hit & ~error], axis=1).astype(float)
    if groups is not None:
        if len(groups) != len(truth):
            raise ValueError(f"one group per trace, got {len(groups)} for {len(truth)} traces")
        of = np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
        kinds = np.stack([np.bincount(of, weights=kind) for kind in kinds.T], axis=1)
    drawn = resample_weights(len(kinds), seed=seed, draws=draws) @ kinds
    with np.errstate(invalid="ignore"):
        return harmonic_mean(drawn[:, 1] / drawn[:, 0], drawn[:, 3] / drawn[:, 2])


def harmonic_mean(a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
    """`2ab / (a + b)`, and 0 where both are 0.

    Example:
        >>> float(harmonic_mean(1.0, 0.5)), float(harmonic_mean(0.0, 0.0))
        (0.6666666666666666, 0.0)
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    total = a + b
    return np.where(total == 0, 0.0, 2 * a * b / np.where(total == 0, 1.0, total))


@dataclass(frozen=True)
class PrmScore:
    """PRMBench's metric with its evidence.

    Args:
        score: mean of the two F1.
        f1_right: F1 with right steps as the positive class.
        f1_wrong: F1 with wrong steps as the positive class.
        right_kept: right steps judged right.
        right_flagged: right steps judged wrong.
        wrong_kept: wrong steps judged right.
        wrong_flagged: wrong steps judged wrong.
    """

    score: float
    f1_right: float
    f1_wrong: float
    right_kept: int
    right_flagged: int
    wrong_kept: int
    wrong_flagged: int


def prm_score(judged_right: Sequence[bool], right: Sequence[bool]) -> PrmScore:
    """PRMBench's PRMScore: `0.5 * F1` of the right steps `+ 0.5 * F1` of the wrong ones.

    Pooled over all steps of all traces. An F1 whose class is neither true nor judged is 0.

    Args:
        judged_right: the judgement on each step, flat over traces.
        right: the truth, in the same order.

    Raises:
        ValueError: if the lengths differ, nothing is given, or a value is not 0 or 1.

    Example:
        >>> r = prm_score([True, True, False, True], [True, True, False, False])
        >>> round(r.f1_right, 3), round(r.f1_wrong, 3), round(r.score, 3)
        (0.8, 0.667, 0.733)

    Source: Song et al. 2025, arXiv:2501.03124. Their positive class is a right step.
    """
    judged, truth = _labels(judged_right, "judged_right"), _labels(right, "right")
    if len(judged) != len(truth):
        raise ValueError(f"one judgement per step, got {len(judged)} for {len(truth)} steps")
    right_kept, wrong_flagged = int((judged & truth).sum()), int((~judged & ~truth).sum())
    right_flagged, wrong_kept = int((~judged & truth).sum()), int((judged & ~truth).sum())
    mistakes = right_flagged + wrong_kept
    f1_right = 2 * right_kept / max(2 * right_kept + mistakes, 1)
    f1_wrong = 2 * wrong_flagged / max(2 * wrong_flagged + mistakes, 1)
    return PrmScore((f1_right + f1_wrong) / 2, f1_right, f1_wrong, right_kept, right_flagged,
                    wrong_kept, wrong_flagged)


def auroc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """Chance that a right one scores above a wrong one, equal scores counting half.

    Args:
        scores: any real numbers.
        labels: 1 or True for right, one a score.

    Raises:
        ValueError: if the lengths differ, a score is NaN, or only one class is present.

    Example:
        >>> auroc([0.9, 0.4, 0.4, 0.1], [True, True, False, False])
        0.875
    """
    values, truth = np.asarray(scores, dtype=float), _labels(labels, "labels")
    if values.shape != truth.shape or np.isnan(values).any():
        raise ValueError(f"one score per label, none NaN, got {values.shape} and {truth.shape}")
    n_right = int(truth.sum())
    n_wrong = truth.size - n_right
    if n_right == 0 or n_wrong == 0:
        raise ValueError(
            f"AUROC compares right with wrong, got {n_right} right and {n_wrong} wrong: "
            "it needs at least one of each"
        )
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[where]  # from 1, ties averaged
    return float((ranks[truth].sum() - n_right * (n_right + 1) / 2) / (n_right * n_wrong))


def grouped_auroc(scores: Sequence[float], labels: Sequence[bool], groups: Sequence[str]) -> float:
    """AUROC within each group, averaged over the groups that hold both right and wrong ones.

    With problems as groups it says whether a verifier can choose among the samples of one
    problem, which is what best-of-N asks. Pooled AUROC can be high from difficulty alone.

    Args:
        scores: any real numbers.
        labels: 1 or True for right, one a score.
        groups: the group of each, such as a problem's id.

    Raises:
        ValueError: if the lengths differ, or no group holds both classes; else as `auroc`.

    Example:
        >>> grouped_auroc([0.9, 0.8, 0.2, 0.1], [1, 0, 1, 0], ["easy", "easy", "hard", "hard"])
        1.0

    Source: group AUC, Zhou et al. 2018, arXiv:1706.06978, section 6.3, without its weights.
    """
    if not len(scores) == len(labels) == len(groups):
        raise ValueError(f"one label and one group per score, got {len(scores)} scores, "
                         f"{len(labels)} labels, {len(groups)} groups")
    rows: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        rows.setdefault(group, []).append(i)
    found = [auroc([scores[i] for i in at], [labels[i] for i in at]) for at in rows.values()
             if 0 < sum(bool(labels[i]) for i in at) < len(at)]
    if not found:
        raise ValueError(f"none of the {len(rows)} groups holds both right and wrong ones")
    return float(np.mean(found))


def brier(probabilities: Sequence[float], labels: Sequence[float]) -> float:
    """Mean squared distance of probability and label, 0 best, 0.25 for always saying 0.5.

    Args:
        probabilities: each in [0, 1].
        labels: each in [0, 1]; soft labels are welcome.

    Raises:
        ValueError: if the lengths differ or a value is outside [0, 1].

    Example:
        >>> brier([1.0, 0.5], [1, 0])
        0.125
    """
    p, y = as_scores(probabilities), as_scores(labels)
    if len(p) != len(y):
        raise ValueError(f"one probability per label, got {len(p)} and {len(y)}")
    return float(((p - y) ** 2).mean())


@dataclass(frozen=True)
class Calibration:
    """A reliability diagram as numbers.

    Args:
        edges: `[M + 1]`, of the M bins; a bin holds its lower edge, the last both.
        counts: `[M]`, predictions in the bin.
        mean_predicted: `[M]`, NaN for an empty bin.
        observed: `[M]`, share of right ones, NaN for an empty bin.
        low: `[M]`, lower end of Wilson's interval of `observed`, NaN for an empty bin.
        high: `[M]`, upper end.
        ece: expected calibration error: `sum(counts * |observed - mean_predicted|) / n`.
    """

    edges: np.ndarray
    counts: np.ndarray
    mean_predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ece: float

    def __repr__(self) -> str:
        return (f"Calibration(ece {self.ece:.3f}, {self.counts.sum()} predictions, "
                f"{len(self.counts)} bins)")


def calibration(
    probabilities: Sequence[float],
    labels: Sequence[bool],
    *,
    bins: int = 10,
    level: float = 0.95,
) -> Calibration:
    """Predicted probability against observed rate, in equally wide bins, with the ECE.

    Args:
        probabilities: each in [0, 1].
        labels: 1 or True for right, one a probability.
        bins: number of bins, >= 1.
        level: coverage of Wilson's intervals, which take each for independent of the others.

    Raises:
        ValueError: if the lengths differ, a probability is outside [0, 1], or `bins < 1`.

    Example:
        >>> round(calibration([0.9, 0.9, 0.2], [1, 0, 0], bins=2).ece, 3)
        0.333

    Source: Guo et al. 2017, arXiv:1706.04599, eq. 3.
    """
    p, truth = as_scores(probabilities), _labels(labels, "labels")
    if len(p) != len(truth) or bins < 1:
        raise ValueError(f"need one label per probability and bins >= 1, got {len(p)} "
                         f"probabilities, {len(truth)} labels, {bins} bins")
    edges = np.linspace(0.0, 1.0, bins + 1)
    where = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, bins - 1)
    counts = np.bincount(where, minlength=bins)
    n_right = np.bincount(where, weights=truth, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin is the NaN we want
        predicted = np.bincount(where, weights=p, minlength=bins) / counts
        observed = n_right / counts
    ends = np.array([wilson(int(k), int(n), level=level) if n else (np.nan, np.nan)
                     for k, n in zip(n_right, counts, strict=True)])
    ece = float(np.nansum(counts * np.abs(observed - predicted)) / len(p))
    return Calibration(edges, counts, predicted, observed, ends[:, 0], ends[:, 1], ece)


def _labels(labels: Sequence[bool], name: str) -> np.ndarray:
    """Checked flat labels as bool."""
    array = np.asarray(labels)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must be a flat, non-empty list, got shape {array.shape}")
    if not np.isin(array, (0, 1)).all():
        raise ValueError(f"{name} must hold 0 or 1 (False or True) only, "
                         f"got {sorted(set(array.tolist()), key=repr)[:5]}")
    return array.astype(bool)


def as_first_errors(first_errors: Sequence[int | None], name: str) -> np.ndarray:
    """First errors as checked integers, -1 for None, for arithmetic inside a metric only.

    Raises:
        ValueError: for an index that is negative or no whole number, naming the trace.
    """
    for i, step in enumerate(first_errors):
        if step is not None and (isinstance(step, bool) or not step >= 0 or step % 1):
            raise ValueError(f"{name} must hold 0-based step indices or None, got {step!r} at "
                             f"trace {i}: foreign files write -1 and pandas NaN where this "
                             "package has None; column.replace({float('nan'): None}) mends it")
    return np.array([-1 if step is None else int(step) for step in first_errors], dtype=int)
