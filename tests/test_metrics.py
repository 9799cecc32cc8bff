"""Metrics against values worked out by hand and against counting every case."""

from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prmlab import intervals, metrics

first_errors = st.lists(st.none() | st.integers(0, 3), min_size=2, max_size=20)


@pytest.mark.parametrize("n_samples", [1, 4, 5])
def test_pass_at_k_counts_subsets(n_samples):
    for n_correct in range(n_samples + 1):
        right = [i < n_correct for i in range(n_samples)]
        for k in range(1, n_samples + 1):
            subsets = [any(s) for s in combinations(right, k)]
            exact = float(Fraction(sum(subsets), len(subsets)))
            assert metrics.pass_at_k(n_correct, n_samples, k) == pytest.approx(exact, abs=1e-15)


@given(st.integers(1, 200), st.data())
def test_pass_at_k_rises_with_k_and_with_correct_samples(n_samples, data):
    n_correct = data.draw(st.integers(0, n_samples))
    curve = [metrics.pass_at_k(n_correct, n_samples, k) for k in range(1, n_samples + 1)]
    assert curve == sorted(curve)
    assert curve[0] == pytest.approx(n_correct / n_samples)
    assert curve[-1] == float(n_correct > 0)


def test_pass_at_k_messages():
    with pytest.raises(ValueError, match="1 <= k <= n_samples, got k=5, n_samples=4"):
        metrics.pass_at_k(1, 4, 5)
    with pytest.raises(ValueError, match="got n_correct=5, n_samples=4"):
        metrics.pass_at_k(5, 4, 1)


def test_first_error_f1_by_hand():
    # with an error: 5 traces, found exactly in 2; without: 2 traces, spared 1
    predicted = [1, 2, 0, None, 3, None, 0]
    true = [1, 2, 1, 0, 2, None, None]
    result = metrics.first_error_f1(predicted, true)
    assert (result.acc_error, result.acc_correct) == (0.4, 0.5)
    assert (result.n_error, result.n_correct) == (5, 2)
    assert result.f1 == pytest.approx(2 * 0.4 * 0.5 / 0.9)
    assert result.low <= result.f1 <= result.high


def test_first_error_f1_is_not_the_f1_of_a_classifier():
    """Never claiming an error spares all right traces, and scores 0 by the harmonic mean."""
    assert metrics.first_error_f1([None] * 4, [None, None, None, 2]).f1 == 0.0
    assert metrics.first_error_f1([0, 0], [1, None]).f1 == 0.0  # both accuracies 0: no 0/0


def test_published_f1_follow_from_the_formula():
    """Two accuracies of 0.9 and 0.6 give 0.72: the harmonic mean punishes the weaker."""
    assert float(metrics.harmonic_mean(0.9, 0.6)) == pytest.approx(0.72)


@given(first_errors)
def test_a_perfect_judge_has_f1_one(true):
    if None in true and any(step is not None for step in true):
        result = metrics.first_error_f1(true, true)
        assert (result.f1, result.low, result.high) == (1.0, 1.0, 1.0)


def test_groups_are_drawn_whole():
    """Twenty copies of two problems are two problems: the interval must not shrink."""
    predicted, true = [0, None, None, 1] * 20, [0, None, 2, None] * 20
    problems = ["a", "a", "b", "b"] * 20
    alone = metrics.first_error_f1(predicted[:4], true[:4], groups=problems[:4])
    copied = metrics.first_error_f1(predicted, true, groups=problems)
    assert (copied.low, copied.high) == (alone.low, alone.high) == (0.0, 1.0)
    assert copied.f1 == metrics.first_error_f1(predicted, true).f1 == 0.5
    assert metrics.first_error_f1(predicted, true).low > 0.3


def test_a_group_a_trace_is_no_grouping():
    predicted, true = [0, None, None, 1], [0, None, 2, None]
    single = metrics.first_error_f1(predicted, true, groups=["a", "b", "c", "d"])
    assert single == metrics.first_error_f1(predicted, true)


def test_first_error_f1_messages():
    with pytest.raises(ValueError, match="one group per trace, got 1 for 2 traces"):
        metrics.first_error_f1([0, None], [0, None], groups=["a"])
    with pytest.raises(ValueError, match="got 2 for 3 traces"):
        metrics.first_error_f1([0, 1], [0, 1, None])
    with pytest.raises(ValueError, match="got 2 with an error of 2"):
        metrics.first_error_f1([0, 1], [0, 1])
    with pytest.raises(ValueError, match="true must hold 0-based.* got -1 at trace 1"):
        metrics.first_error_f1([0, None], [0, -1])
    with pytest.raises(ValueError, match="predicted must hold.*got True at trace 0"):
        metrics.first_error_f1([True, None], [0, None])
    for odd in (float("nan"), float("inf"), 0.5):
        with pytest.raises(ValueError, match=f"got {odd} at trace 1: .*pandas NaN where this"):
            metrics.first_error_f1([0, odd], [0, None])


def test_prm_score_by_hand():
    judged = [True] * 6 + [False] * 3 + [True]
    truth = [True] * 5 + [False] + [True] + [False] * 2 + [False]
    result = metrics.prm_score(judged, truth)
    # right kept 5, right flagged 1, wrong kept 2, wrong flagged 2
    assert (result.right_kept, result.right_flagged) == (5, 1)
    assert (result.wrong_kept, result.wrong_flagged) == (2, 2)
    assert result.f1_right == pytest.approx(10 / 13)
    assert result.f1_wrong == pytest.approx(4 / 7)
    assert result.score == pytest.approx((10 / 13 + 4 / 7) / 2)


def test_prm_score_limits_and_messages():
    assert metrics.prm_score([1, 0], [1, 0]).score == 1.0
    assert metrics.prm_score([0, 1], [1, 0]).score == 0.0
    assert metrics.prm_score([1, 1], [1, 1]).f1_wrong == 0.0  # no such class: 0, not 0/0
    with pytest.raises(ValueError, match="must hold 0 or 1"):
        metrics.prm_score([1, -1], [1, 0])


@given(st.lists(st.tuples(st.sampled_from([0, 0.25, 0.5, 1]), st.booleans()), min_size=2))
def test_auroc_counts_pairs(rows):
    right = [s for s, label in rows if label]
    wrong = [s for s, label in rows if not label]
    if right and wrong:
        pairs = [(a > b) + (a == b) / 2 for a, b in product(right, wrong)]
        value = metrics.auroc([s for s, _ in rows], [label for _, label in rows])
        assert value == pytest.approx(sum(pairs) / len(pairs))


def test_auroc_messages():
    with pytest.raises(ValueError, match="got 2 right and 0 wrong"):
        metrics.auroc([0.1, 0.2], [1, 1])
    with pytest.raises(ValueError, match="one score per label"):
        metrics.auroc([0.1, 0.2, 0.3], [1, 0])
    with pytest.raises(ValueError, match="none NaN"):
        metrics.auroc([0.1, float("nan")], [1, 0])


def test_difficulty_alone_gives_no_auroc_within_a_group():
    scores, labels = [0.9] * 4 + [0.1] * 4, [1, 1, 1, 0, 1, 0, 0, 0]
    groups = ["easy"] * 4 + ["hard"] * 4
    assert metrics.auroc(scores, labels) == 0.75
    assert metrics.grouped_auroc(scores, labels, groups) == 0.5
    assert metrics.grouped_auroc([*scores, 5], [*labels, 0], [*groups, "one kind"]) == 0.5


def test_grouped_auroc_messages():
    with pytest.raises(ValueError, match="none of the 2 groups"):
        metrics.grouped_auroc([0.1, 0.2], [1, 0], ["a", "b"])
    with pytest.raises(ValueError, match="one group per score"):
        metrics.grouped_auroc([0.1, 0.2], [1, 0], ["a"])


def test_calibration_by_hand():
    result = metrics.calibration([0.1, 0.15, 0.95, 1.0, 0.9], [0, 1, 1, 1, 0], bins=5)
    assert result.counts.tolist() == [2, 0, 0, 0, 3]
    assert result.mean_predicted[[0, 4]] == pytest.approx([0.125, 0.95])
    assert result.observed[[0, 4]] == pytest.approx([0.5, 2 / 3])
    assert np.isnan(result.observed[1:4]).all()
    assert result.ece == pytest.approx((2 * 0.375 + 3 * (0.95 - 2 / 3)) / 5)
    assert (result.low[0], result.high[0]) == intervals.wilson(1, 2)


def test_an_edge_belongs_to_the_bin_above():
    assert metrics.calibration([0.5, 0.0, 1.0], [1, 1, 1], bins=2).counts.tolist() == [1, 2]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1), st.integers(1, 12))
def test_calibration_properties(rows, bins):
    p, y = [r[0] for r in rows], [r[1] for r in rows]
    result = metrics.calibration(p, y, bins=bins)
    assert result.counts.sum() == len(rows)
    assert 0 <= result.ece <= 1
    one = metrics.calibration(p, y, bins=1)
    assert one.ece == pytest.approx(abs(np.mean(p) - np.mean(y)))


def test_calibration_messages():
    with pytest.raises(ValueError, match="2 probabilities, 1 labels, 10 bins"):
        metrics.calibration([0.1, 0.2], [1])
    with pytest.raises(ValueError, match=r"got 1.5 at step 1"):
        metrics.calibration([0.1, 1.5], [1, 0])


def test_brier_by_hand():
    assert metrics.brier([0.5] * 4, [1, 0, 0, 1]) == 0.25
    assert metrics.brier([0.8, 0.3], [1, 0]) == pytest.approx((0.04 + 0.09) / 2)
