"""ProcessBench's and PRMBench's protocols, each figure with its bootstrap interval over traces.

Conventions of `metrics`: a first error is a 0-based index or None, a label 1 for a right step.
Steps of one trace stay together: a bootstrap draw takes whole traces. Does not know where scores
come from, nor read the benchmarks' files (`datasets`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prmlab import metrics, scoring
from prmlab.intervals import DRAWS, Estimate, percentiles, resample_weights
from prmlab.metrics import FirstErrorF1, PrmScore
from prmlab.thresholds import choose_threshold


@dataclass(frozen=True)
class SubsetF1s:
    """First-error F1 per subset and on average, as ProcessBench reports it.

    Args:
        subsets: the result on each subset.
        average: unweighted mean of the subsets' F1.
        threshold: below it a step was judged wrong; None where judgements were given.
        chosen_on: the subset on which the threshold was chosen, whose own F1 is therefore
            optimistic; None if it was not chosen here.
    """

    subsets: Mapping[str, FirstErrorF1]
    average: Estimate
    threshold: float | None = None
    chosen_on: str | None = None


def process_bench(
    predicted: Mapping[str, Sequence[int | None]],
    true: Mapping[str, Sequence[int | None]],
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> SubsetF1s:
    """First-error F1 of given judgements, per subset and as unweighted mean.

    Args:
        predicted: for each subset the first step judged wrong, None for none; one a trace.
        true: for the same subsets the truth, in the same order.
        seed, level, draws: of the bootstrap over the traces of each subset.

    Raises:
        ValueError: if the subsets differ or there is none; else as `metrics.first_error_f1`,
            naming the subset.

    Example:
        >>> process_bench({"a": [1, None], "b": [0, 1]}, {"a": [1, None], "b": [0, None]}).average
        0.500 [0.500, 0.500]

    Source: Zheng et al. 2024, arXiv:2412.06559.
    """
    if not true or set(predicted) != set(true):
        raise ValueError("need judgements for the same subsets as the truth, at least one, got "
                         f"{sorted(predicted)} and {sorted(true)}")
    seeds = np.random.SeedSequence(seed).generate_state(len(true)).tolist()
    found, drawn = {}, []
    for own_seed, name in zip(seeds, true, strict=True):
        options = {"seed": own_seed, "draws": draws}
        try:
            found[name] = metrics.first_error_f1(predicted[name], true[name], level=level,
                                                 **options)
        except ValueError as error:
            raise ValueError(f"subset {name!r}: {error}") from None
        drawn.append(metrics.drawn_f1s(predicted[name], true[name], **options))
    low, high = percentiles(np.mean(drawn, axis=0), level)
    mean = float(np.mean([result.f1 for result in found.values()]))
    return SubsetF1s(found, Estimate(mean, float(low), float(high), level))


def process_bench_scores(
    scores: Mapping[str, Sequence[Sequence[float]]],
    true: Mapping[str, Sequence[int | None]],
    *,
    threshold: float | None = None,
    chosen_on: str | None = None,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> SubsetF1s:
    """First-error F1 of step scores, at a given threshold or one chosen on a single subset.

    The benchmark lets a model that gives numbers take the threshold that is best on its first
    subset (GSM8K) to all of them. The F1 of that subset is then no test result.

    Args:
        scores: for each subset `[S]` a trace, each in [0, 1].
        threshold: below it a step is wrong; or
        chosen_on: the subset on which to choose it. Give one of the two.
        true, seed, level, draws: as in `process_bench`, which names the other errors.

    Raises:
        ValueError: if not exactly one of threshold and subset is given.

    Example:
        >>> scores = {"a": [[0.9, 0.3], [0.8]], "b": [[0.7, 0.1], [0.9]]}
        >>> result = process_bench_scores(scores, {"a": [1, None], "b": [1, None]}, chosen_on="a")
        >>> result.threshold, result.chosen_on, result.subsets["b"].f1
        (0.55, 'a', 1.0)
    """
    if (threshold is None) == (chosen_on is None) or chosen_on not in (None, *scores):
        raise ValueError("give either threshold or chosen_on, the latter one of "
                         f"{', '.join(scores)}, got {threshold!r} and {chosen_on!r}")
    if chosen_on is not None:
        threshold = choose_threshold(scores[chosen_on], true[chosen_on]).threshold
    predicted = {name: [scoring.first_error(s, threshold=threshold) for s in rows]
                 for name, rows in scores.items()}
    result = process_bench(predicted, true, seed=seed, level=level, draws=draws)
    return SubsetF1s(result.subsets, result.average, threshold, chosen_on)


@dataclass(frozen=True)
class PrmBench:
    """PRMBench's result: PRMScore over all steps and per class of errors.

    Args:
        score: PRMScore pooled over all steps, with its interval.
        counts: the pooled counts behind it, and its two F1.
        classes: for each class its score with interval; F1 of the right steps alone for a
            class without wrong steps, as the benchmark does for "multi_solutions".
    """

    score: Estimate
    counts: PrmScore
    classes: Mapping[str, Estimate]


def prm_bench(
    judged_right: Sequence[Sequence[bool]],
    right: Sequence[Sequence[bool]],
    classes: Sequence[str] | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> PrmBench:
    """PRMScore with intervals, pooled and per class.

    Args:
        judged_right: the judgements of each trace's steps, `[S]`.
        right: the truth, in the same shape.
        classes: of each trace; None for no classes.
        seed, level, draws: of the bootstrap over traces.

    Raises:
        ValueError: naming the trace whose judgements do not fit its steps; else as
            `metrics.prm_score`.

    Example:
        >>> prm_bench([[True, False], [True]], [[True, False], [True]]).score
        1.000 [0.500, 1.000]

    Source: Song et al. 2025, arXiv:2501.03124.
    """
    if len(judged_right) != len(right) or (classes is not None and len(classes) != len(right)):
        raise ValueError(f"need judgements and a class for each of {len(right)} traces, got "
                         f"{len(judged_right)} and {None if classes is None else len(classes)}")
    for i, (judged, truth) in enumerate(zip(judged_right, right, strict=True)):
        if len(judged) != len(truth) or not len(truth):
            raise ValueError(f"trace {i}: one judgement per step, at least one, got "
                             f"{len(judged)} for {len(truth)} steps")
    pooled = metrics.prm_score([x for row in judged_right for x in row],
                               [x for row in right for x in row])
    counts = _all_counts(judged_right, right)

    def estimate(rows: np.ndarray) -> Estimate:
        low, high = percentiles(_drawn(rows, seed, draws), level)
        value = float(_scores(rows.sum(axis=0), not rows[:, 2:].any()))
        return Estimate(value, float(low), float(high), level)

    groups = np.array(classes if classes is not None else [""] * len(right))
    names = [] if classes is None else sorted(set(classes))
    return PrmBench(estimate(counts), pooled, {n: estimate(counts[groups == n]) for n in names})


def drawn_prm_scores(judged_right: Sequence[Sequence[bool]], right: Sequence[Sequence[bool]], *,
                     seed: int = 0, draws: int = DRAWS) -> np.ndarray:
    """PRMScore of bootstrap draws over traces, `[draws]`, as behind the interval of `prm_bench`.

    With the same seed, draw `d` of two judges takes the same traces, so that they can be compared
    draw by draw. Every trace needs one judgement per step.

    Example:
        >>> truth = [[True, False], [True]]
        >>> set((drawn_prm_scores(truth, truth) - drawn_prm_scores(truth, truth)).tolist())
        {0.0}
    """
    return _drawn(_all_counts(judged_right, right), seed, draws)


def _drawn(counts: np.ndarray, seed: int, draws: int) -> np.ndarray:
    weights = resample_weights(len(counts), seed=seed, draws=draws)
    return _scores(weights @ counts, not counts[:, 2:].any())


def _all_counts(judged_right: Sequence[Sequence[bool]],
                right: Sequence[Sequence[bool]]) -> np.ndarray:
    return np.array([_counts(j, t) for j, t in zip(judged_right, right, strict=True)])


def _counts(judged: Sequence[bool], truth: Sequence[bool]) -> tuple[int, int, int, int]:
    """Right kept, right flagged, wrong kept, wrong flagged."""
    j, t = np.asarray(judged, dtype=bool), np.asarray(truth, dtype=bool)
    return int((j & t).sum()), int((~j & t).sum()), int((j & ~t).sum()), int((~j & ~t).sum())


def _scores(counts: np.ndarray, only_right: bool) -> np.ndarray:
    """PRMScore of each row of counts `[..., 4]`; an F1 without its class is 0, as in metrics."""
    kept, flagged, missed, caught = np.moveaxis(counts, -1, 0)
    mistakes = flagged + missed
    f1s = [2 * hits / np.where(hits + mistakes > 0, 2 * hits + mistakes, 1.0)
           for hits in (kept, caught)]
    return f1s[0] if only_right else (f1s[0] + f1s[1]) / 2


def step_auroc(
    scores: Sequence[Sequence[float]],
    right: Sequence[Sequence[bool]],
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> Estimate:
    """AUROC over all steps, with an interval over traces.

    Args:
        scores: `[S]` a trace, any real numbers.
        right: 1 or True for right steps, in the same shape.
        seed, level, draws: of the bootstrap over traces.

    Raises:
        ValueError: naming the trace whose scores do not fit its steps; else as `metrics.auroc`.

    Example:
        >>> step_auroc([[0.9, 0.1], [0.8, 0.3]], [[1, 0], [1, 0]])
        1.000 [1.000, 1.000]
    """
    sizes = [len(row) for row in right]
    if [len(row) for row in scores] != sizes:
        raise ValueError("one score per step: got for each trace "
                         f"{[len(row) for row in scores][:8]}, steps are {sizes[:8]}")
    flat = np.concatenate([np.asarray(row, dtype=float) for row in scores])
    truth = np.concatenate([np.asarray(row) for row in right]).astype(float)
    value = metrics.auroc(flat, truth)
    group = np.unique(flat, return_inverse=True)[1]
    trace = np.repeat(np.arange(len(sizes)), sizes)
    drawn = np.empty(draws)
    for d, weights in enumerate(resample_weights(len(sizes), seed=seed, draws=draws)):
        weight = weights[trace]
        good = np.bincount(group, weight * truth)
        bad = np.bincount(group, weight * (1 - truth))
        pairs = good.sum() * bad.sum()
        below = bad.cumsum() - bad / 2  # equal scores count half
        drawn[d] = (good * below).sum() / pairs if pairs > 0 else np.nan
    low, high = percentiles(drawn, level)
    return Estimate(value, float(low), float(high), level)
