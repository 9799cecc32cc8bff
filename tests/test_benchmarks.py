"""The benchmarks' protocols against values worked out by hand and against their plain metrics."""

import numpy as np
import pytest

from prmlab import benchmarks, metrics
from prmlab.intervals import resample_weights

TRUE = {"easy": [None, 2, 0], "hard": [1, None, 0, None, 3]}
SAID = {"easy": [None, 2, 1], "hard": [1, 0, 0, None, None]}


def test_process_bench_averages_subsets_not_traces():
    result = benchmarks.process_bench(SAID, TRUE)
    # easy: 1 of 2 errors, 1 of 1 right: 2/3. hard: 2 of 3 errors, 1 of 2 right: 4/7.
    assert result.subsets["easy"].f1 == pytest.approx(2 / 3)
    assert result.subsets["hard"].f1 == pytest.approx(4 / 7)
    assert result.average.value == pytest.approx((2 / 3 + 4 / 7) / 2)
    assert result.average.low < result.average.value < result.average.high
    assert (result.threshold, result.chosen_on) == (None, None)
    assert benchmarks.process_bench(TRUE, TRUE).average.low == 1.0


def test_process_bench_draws_each_subset_by_itself():
    """Two equal subsets drawn alike would give an average as uncertain as one of them."""
    true = {name: [None, 0] * 100 for name in "ab"}
    said = {name: [None if i % 3 else 0 for i in range(200)] for name in "ab"}
    result = benchmarks.process_bench(said, true)
    alone = benchmarks.process_bench({"a": said["a"]}, {"a": true["a"]}).average
    assert result.average.value == pytest.approx(alone.value)
    assert 0.6 < (result.average.high - result.average.low) / (alone.high - alone.low) < 0.8


def test_a_transferred_threshold_is_named():
    scores = {"easy": [[0.9, 0.8, 0.7], [0.9, 0.6, 0.4], [0.3, 0.9, 0.9]],
              "hard": [[0.9, 0.65], [0.9], [0.45, 0.1], [0.8], [0.9, 0.9, 0.9, 0.2]]}
    result = benchmarks.process_bench_scores(scores, TRUE, chosen_on="easy")
    assert result.subsets["easy"].f1 == 1.0
    assert result.threshold == 0.5  # halfway between 0.4 and 0.6
    assert result.chosen_on == "easy"
    assert result.subsets["hard"].acc_error == pytest.approx(2 / 3)  # 0.65 is not below it
    fixed = benchmarks.process_bench_scores(scores, TRUE, threshold=0.7)
    assert (fixed.threshold, fixed.chosen_on) == (0.7, None)
    assert fixed.subsets["hard"].acc_error == 1.0


def test_prm_bench_pools_steps_and_splits_classes():
    judged = [[True, False, True], [True, True], [False, True], [True]]
    right = [[True, False, False], [True, True], [True, True], [True]]
    result = benchmarks.prm_bench(judged, right, ["slip", "other", "other", "slip"])
    # right: 5 kept, 1 flagged; wrong: 1 kept, 1 caught
    assert result.counts == metrics.prm_score(sum(judged, []), sum(right, []))
    assert result.score.value == pytest.approx((10 / 12 + 2 / 4) / 2) == result.counts.score
    assert result.classes["slip"].value == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert result.classes["other"].value == pytest.approx(6 / 7)  # no wrong steps: F1 of right
    assert result.score.low <= result.score.value <= result.score.high


def test_drawn_prm_scores_are_those_behind_the_interval_and_go_in_pairs():
    judged = [[True, False, True], [True, True], [False, True], [True]]
    right = [[True, False, False], [True, True], [True, True], [True]]
    drawn = benchmarks.drawn_prm_scores(judged, right, seed=3)
    found = benchmarks.prm_bench(judged, right, seed=3).score
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx([found.low, found.high])
    always = benchmarks.drawn_prm_scores([[True] * len(row) for row in right], right, seed=3)
    for weights, a, b in zip(resample_weights(4, seed=3), drawn, always, strict=True):
        times = np.repeat(range(4), np.rint(weights * 4).astype(int))
        if any(not x for i in times for x in right[i]):
            truth = [x for i in times for x in right[i]]
            assert a == pytest.approx(metrics.prm_score(
                [x for i in times for x in judged[i]], truth).score)
            assert b == pytest.approx(metrics.prm_score([True] * len(truth), truth).score)


def test_the_interval_of_auroc_is_that_of_drawn_traces():
    rng = np.random.default_rng(0)
    right = [rng.random(n) < 0.7 for n in (3, 5, 4, 7, 6, 2)]
    scores = [np.round(rng.random(len(r)) + 0.3 * r, 1) for r in right]
    found = benchmarks.step_auroc(scores, right, draws=20)
    assert found.value == metrics.auroc(np.concatenate(scores), np.concatenate(right))
    drawn = []
    for weights in resample_weights(6, seed=0, draws=20):
        times = np.rint(weights * 6).astype(int)
        drawn.append(metrics.auroc(np.concatenate([scores[i] for i in np.repeat(range(6), times)]),
                                   np.concatenate([right[i] for i in np.repeat(range(6), times)])))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


@pytest.mark.parametrize(("call", "complaint"), [
    (lambda: benchmarks.process_bench({"a": [0]}, {"b": [0]}), "same subsets as the truth"),
    (lambda: benchmarks.process_bench({"a": [0]}, {"a": [0]}), "subset 'a': need traces with an"),
    (lambda: benchmarks.process_bench_scores({"a": [[1]]}, {"a": [0]}), "either threshold or ch"),
    (lambda: benchmarks.process_bench_scores({"a": [[1]]}, {"a": [0]}, chosen_on="b"), "one of a"),
    (lambda: benchmarks.prm_bench([[True]], [[True, False]]), "trace 0: one judgement per step"),
    (lambda: benchmarks.prm_bench([[True]], [[True]], []), "a class for each of 1 traces"),
    (lambda: benchmarks.step_auroc([[1.0]], [[1, 0]]), "one score per step"),
])
def test_messages(call, complaint):
    with pytest.raises(ValueError, match=complaint):
        call()
