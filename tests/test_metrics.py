"""Metrics against values worked out by hand and against counting every case."""

from fractions import Fraction
from itertools import combinations, product
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prmlab import agreement, intervals, metrics, thresholds
from prmlab.scoring import first_error

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


def test_first_error_f1_messages():
    with pytest.raises(ValueError, match="got 2 for 3 traces"):
        metrics.first_error_f1([0, 1], [0, 1, None])
    with pytest.raises(ValueError, match="got 2 with an error of 2"):
        metrics.first_error_f1([0, 1], [0, 1])
    with pytest.raises(ValueError, match="true must hold 0-based.* got -1 at trace 1"):
        metrics.first_error_f1([0, None], [0, -1])
    with pytest.raises(ValueError, match="predicted must hold.*got True at trace 0"):
        metrics.first_error_f1([True, None], [0, None])


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


def test_kappa_by_hand():
    # both +: 20, a + b -: 5, a - b +: 10, both -: 15; observed 0.7, expected 0.5
    a = [1] * 25 + [-1] * 25
    b = [1] * 20 + [-1] * 5 + [1] * 10 + [-1] * 15
    result = agreement.cohen_kappa(a, b)
    assert result.labels == (-1, 1)
    assert result.table.tolist() == [[15, 10], [5, 20]]
    assert (result.observed, result.expected) == (pytest.approx(0.7), pytest.approx(0.5))
    assert result.kappa == pytest.approx(0.4)
    # large-sample standard error 0.13: the bootstrap must be near +- 1.96 of it
    assert result.low == pytest.approx(0.4 - 0.25, abs=0.05)
    assert result.high == pytest.approx(0.4 + 0.25, abs=0.05)


def test_kappa_limits_and_messages():
    assert agreement.cohen_kappa("abca", "abca").kappa == 1.0
    assert agreement.cohen_kappa([1, 1, 1], [1, -1, 1]).kappa == 0.0  # one never hesitates
    assert np.isnan(agreement.cohen_kappa([1, 1], [1, 1]).kappa)
    assert agreement.cohen_kappa([1, -1], [-1, 1]).kappa == -1.0
    with pytest.raises(ValueError, match="need two labels per item, and an item, got 2 and 1"):
        agreement.cohen_kappa([1, 1], [1])
    with pytest.raises(ValueError, match="must not be None"):
        agreement.cohen_kappa([1, None], [1, 1])


@given(st.lists(st.tuples(st.integers(-1, 1), st.integers(-1, 1)), min_size=1))
def test_kappa_is_symmetric_and_at_most_one(pairs):
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    one, two = agreement.cohen_kappa(a, b, draws=20), agreement.cohen_kappa(b, a, draws=20)
    assert one.kappa == pytest.approx(two.kappa, nan_ok=True)
    assert np.isnan(one.kappa) or one.kappa <= 1 + 1e-12


scored_traces = st.lists(
    st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), min_size=1, max_size=4),
    min_size=2, max_size=8,
)


@given(scored_traces, st.data())
def test_choose_threshold_agrees_with_trying_every_threshold(scores, data):
    true = [data.draw(st.none() | st.integers(0, len(s) - 1)) for s in scores]
    if None not in true or all(step is None for step in true):
        return
    choice = thresholds.choose_threshold(scores, true)
    for cut, f1, in_error, in_correct in zip(
        choice.thresholds, choice.f1s, choice.acc_error, choice.acc_correct, strict=True
    ):
        found = [first_error(s, threshold=cut) for s in scores]
        direct = metrics.first_error_f1(found, true, draws=40)
        assert (in_error, in_correct) == (direct.acc_error, direct.acc_correct)
        assert f1 == pytest.approx(direct.f1)
    assert choice.f1 == choice.f1s.max()


def test_choose_threshold_prefers_the_cut_nearest_to_a_half():
    choice = thresholds.choose_threshold([[0.9, 0.1], [0.9, 0.8]], [1, None])
    assert choice.f1 == 1.0
    assert choice.threshold == pytest.approx(0.45)  # any in (0.1, 0.8] would do


def test_choose_threshold_messages():
    with pytest.raises(ValueError, match="some of them None and some not"):
        thresholds.choose_threshold([[0.1]], [0])
    with pytest.raises(ValueError, match="first error 3 of trace 0 lies beyond its 2 steps"):
        thresholds.choose_threshold([[0.1, 0.2], [0.5]], [3, None])


def test_wilson_by_hand():
    z = NormalDist().inv_cdf(0.975)
    assert intervals.wilson(0, 10)[1] == pytest.approx(z * z / (10 + z * z))
    low, high = intervals.wilson(5, 10)
    assert low + high == pytest.approx(1.0)
    with pytest.raises(ValueError, match="got n_right=3, n=2"):
        intervals.wilson(3, 2)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        intervals.wilson(1, 2, level=95)


@given(st.integers(1, 500), st.data())
def test_wilson_contains_the_rate(n, data):
    k = data.draw(st.integers(0, n))
    low, high = intervals.wilson(k, n)
    assert 0 <= low <= k / n + 1e-12
    assert k / n - 1e-12 <= high <= 1


def test_bootstrap_mean_matches_the_standard_error():
    """200 coins: the standard error is 0.0354, the interval about +- 1.96 of it."""
    values = [0.0, 1.0] * 100
    estimate = intervals.bootstrap_mean(values, draws=4000)
    assert estimate.value == 0.5
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * 0.0354, rel=0.1)
    assert intervals.bootstrap_mean(values, draws=4000) == estimate  # same seed, same interval
    assert intervals.bootstrap_mean(values, seed=1, draws=4000) != estimate
    with pytest.raises(ValueError, match="finite numbers"):
        intervals.bootstrap_mean([])
