"""Best-of-n, votes and the oracle: the closed form against every subset, limits, intervals."""

import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prmlab import curves, intervals, votes


@st.composite
def samples(draw, max_problems=3, max_samples=6):
    n_problems = draw(st.integers(1, max_problems))
    n_samples = draw(st.integers(1, max_samples))
    answers = [[draw(st.sampled_from(["r", "w", "v", None])) for _ in range(n_samples)]
               for _ in range(n_problems)]
    scores = [[draw(st.sampled_from([0.0, 0.3, 0.6, 0.9])) for _ in range(n_samples)]
              for _ in range(n_problems)]
    correct = np.array([[a == "r" for a in row] for row in answers])
    return correct, answers, np.array(scores)


def best_of(correct, scores):
    top = max(scores)
    tied = [c for c, s in zip(correct, scores, strict=True) if s == top]
    return sum(tied) / len(tied)


def vote(answers, weights):
    tally = {}
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None:
            tally[answer] = tally.get(answer, 0) + max(weight, 1e-12)
    most = max(tally.values(), default=0)
    winners = [a for a, v in tally.items() if v >= most * (1 - 1e-9)]
    return ("r" in winners) / len(winners) if winners else 0.0


@given(samples())
def test_best_of_n_agrees_with_every_subset(data):
    correct, _, scores = data
    n_samples = correct.shape[1]
    curve = curves.best_of_n_curve(correct, scores, range(1, n_samples + 1), draws=10)
    oracle = curves.oracle_curve(correct, range(1, n_samples + 1), draws=10)
    for p, row in enumerate(correct):
        for k, n in enumerate(curve.n):
            subsets = [list(s) for s in combinations(range(n_samples), n)]
            exact = np.mean([best_of(row[s], scores[p][s]) for s in subsets])
            assert curve.per_problem[p, k] == pytest.approx(exact, abs=1e-12)
            assert oracle.per_problem[p, k] == pytest.approx(
                np.mean([row[s].any() for s in subsets]), abs=1e-12)


@given(samples())
def test_votes_agree_with_every_subset_where_these_are_few(data):
    correct, answers, scores = data
    n_samples = correct.shape[1]
    ns = range(1, n_samples + 1)
    majority = votes.majority_curve(correct, answers, ns, draws=10)
    weighted = votes.weighted_curve(correct, answers, scores, ns, draws=10)
    for p, row in enumerate(answers):
        for k, n in enumerate(ns):
            subsets = [list(s) for s in combinations(range(n_samples), n)]
            assert majority.per_problem[p, k] == pytest.approx(
                np.mean([vote([row[i] for i in s], [1] * n) for s in subsets]))
            assert weighted.per_problem[p, k] == pytest.approx(
                np.mean([correct[p, s[0]] if n == 1 else vote([row[i] for i in s], scores[p][s])
                         for s in subsets]))


def test_the_subsampled_vote_is_near_the_mean_over_every_subset():
    """Eight of 18 samples right, 48,620 subsets of 9; the estimate from 20,000 subsamples has a
    standard error below 0.0036, so that 0.02 off is a 5-sigma event (chance below 1e-6)."""
    answers = [["r"] * 8 + ["w"] * 6 + ["v", None] * 2]
    correct = np.array([[a == "r" for a in answers[0]]])
    subsets = [[answers[0][i] for i in s] for s in combinations(range(18), 9)]
    exact = np.mean([vote(s, [1] * 9) for s in subsets])
    curve = votes.majority_curve(correct, answers, [1, 9, 18], n_subsamples=20_000, draws=10)
    assert 0 < abs(curve.mean[1] - exact) < 0.02


@given(samples())
@settings(max_examples=50)
def test_equal_weights_make_the_weighted_vote_the_majority_vote(data):
    correct, answers, _ = data
    plain = votes.majority_curve(correct, answers, draws=10)
    equal = votes.weighted_curve(correct, answers, np.full(correct.shape, 0.3), draws=10)
    assert equal.per_problem == pytest.approx(plain.per_problem)


@given(samples())
def test_a_tie_goes_to_the_answer_that_holds_the_best_score(data):
    correct, answers, scores = data
    n_samples = correct.shape[1]
    found = votes.tie_break_curve(correct, answers, scores, [n_samples], draws=10)
    for p, row in enumerate(answers):
        counts = {a: row.count(a) for a in row if a is not None}
        tied = [a for a, n in counts.items() if n == max(counts.values())]
        best = {a: max(s for b, s in zip(row, scores[p], strict=True) if a == b) for a in tied}
        first = [a for a in tied if best[a] == max(best.values())]
        expected = ("r" in first) / len(first) if first else 0.0
        assert found.per_problem[p, 0] == pytest.approx(expected)


def test_subsampled_tie_breaks_are_near_the_mean_over_every_subset():
    """48,620 subsets of 9 of 18; 20,000 subsamples, 0.02 off is a 5-sigma event."""
    row = ["r", "r", "w", "w", "w", "v", "r", None, "w"] * 2
    scores = np.linspace(0.9, 0.2, 18)
    exact = []
    for subset in combinations(range(18), 9):
        counts = {a: [row[i] for i in subset].count(a) for a in "rwv"}
        tied = [a for a in "rwv" if counts[a] == max(counts.values())]
        exact.append(row[max((i for i in subset if row[i] in tied), key=lambda i: scores[i])] == "r")
    curve = votes.tie_break_curve([[a == "r" for a in row]], [row], [scores], [1, 9, 18],
                                  n_subsamples=20_000, draws=10)
    assert 0 < abs(curve.mean[1] - np.mean(exact)) < 0.02


@given(samples(), st.integers(0, 10**6))
def test_the_mean_of_the_winner_agrees_with_every_subset(data, seed):
    _, _, scores = data
    values = np.random.default_rng(seed).normal(size=scores.shape)
    n_samples = scores.shape[1]
    curve = curves.winner_curve(values, scores, range(1, n_samples + 1), draws=10)
    for p, row in enumerate(values):
        for k, n in enumerate(curve.n):
            subsets = [list(s) for s in combinations(range(n_samples), n)]
            exact = np.mean([best_of(row[s], scores[p][s]) for s in subsets])
            assert curve.per_problem[p, k] == pytest.approx(exact, abs=1e-12)


def test_the_spread_over_subsamples_is_that_of_redrawing_them():
    """4,000 redraws know a standard deviation to about 1.1 %; 6 % off is a 5-sigma event."""
    rng = np.random.default_rng(0)
    correct, scores = rng.random((7, 12)) < 0.5, rng.random((7, 12))
    curve = curves.best_of_n_curve(correct, scores, [1, 5, 12], draws=10)
    redrawn = []
    for _ in range(4_000):
        order = rng.permuted(np.tile(np.arange(12), (7, 1)), axis=1)[:, :5]
        best = np.take_along_axis(scores, order, 1).argmax(axis=1)
        redrawn.append(np.take_along_axis(correct, order, 1)[np.arange(7), best].mean())
    spread = curves.subsample_spread(curve)
    assert spread[1] == pytest.approx(np.std(redrawn), rel=0.06)
    assert spread[2] == 0.0


def test_a_share_is_a_ratio_of_means():
    right = curves.best_of_n_curve([[1, 1], [1, 0]], [[0.9, 0.1], [0.9, 0.1]])
    lucky = curves.best_of_n_curve([[1, 0], [0, 0]], [[0.9, 0.1], [0.9, 0.1]])
    # at n = 1: (1/2 + 0) / (1 + 1/2); at n = 2: (1 + 0) / (1 + 1)
    assert curves.share(lucky, right).share == pytest.approx([1 / 3, 1 / 2])


@given(samples())
def test_a_constant_scorer_gains_nothing_and_the_truth_as_score_gains_all(data):
    correct, _, _ = data
    constant = curves.best_of_n_curve(correct, np.zeros(correct.shape), draws=10)
    assert constant.per_problem == pytest.approx(
        np.tile(correct.mean(axis=1)[:, None], len(constant.n)))
    oracle = curves.oracle_curve(correct, draws=10)
    assert curves.best_of_n_curve(correct, correct, draws=10).mean == pytest.approx(oracle.mean)
    assert (np.diff(oracle.mean) >= -1e-12).all()


def test_a_scorer_that_prefers_wrong_samples_loses_with_n():
    correct = np.array([[True, True, False], [True, False, False]])
    curve = curves.best_of_n_curve(correct, ~correct, [1, 2, 3])
    assert curve.mean == pytest.approx([1 / 2, (1 / 3 + 0) / 2, 0.0])


def test_default_numbers_are_powers_of_two_and_all():
    for n_samples, ns in ((1, (1,)), (3, (1, 2, 3)), (4, (1, 2, 4)), (5, (1, 2, 4, 5))):
        assert curves.oracle_curve(np.ones((2, n_samples))).n == ns


def test_recovered_gain_by_hand():
    correct = np.array([[True, False], [False, True], [False, False]])
    scores = np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.2]])
    chosen, oracle = curves.best_of_n_curve(correct, scores), curves.oracle_curve(correct)
    # at n = 2: chosen (1 + 1/2 + 0) / 3 = 1/2, oracle 2/3, base 1/3
    gain = curves.recovered_gain(chosen, oracle)
    assert gain.share == pytest.approx([np.nan, 0.5], nan_ok=True)
    assert gain.low[1] <= 0.5 <= gain.high[1]
    assert curves.recovered_gain(chosen, oracle, 0.0).share[1] == pytest.approx(0.75)
    assert curves.recovered_gain(oracle, oracle, chosen).share[1] == pytest.approx(1.0)


def test_the_paired_difference_is_tighter_than_the_two_intervals():
    rng = np.random.default_rng(0)
    correct = rng.random((300, 8)) < rng.beta(0.4, 0.4, size=(300, 1))
    good = curves.best_of_n_curve(correct, correct + rng.normal(0, 0.7, correct.shape))
    poor = curves.best_of_n_curve(correct, correct + rng.normal(0, 1.0, correct.shape))
    apart = curves.difference(good, poor)
    assert apart.mean == pytest.approx(good.mean - poor.mean)
    width = apart.high[-1] - apart.low[-1]
    assert 0 < width < 0.9 * (good.high[-1] - good.low[-1])


def test_where_all_problems_are_alike_the_interval_is_wilsons():
    right = np.array([[True, False]] * 9 + [[False, True]])
    sure = {"oracle": curves.oracle_curve(right), "best": curves.best_of_n_curve(right, right),
            "worst": curves.best_of_n_curve(right, ~right),
            "weighted": votes.weighted_curve(right, [["r" if x else "w" for x in row]
                                                     for row in right], right.astype(float))}
    for name, curve in sure.items():
        assert curve.at(2)[1:] == intervals.wilson(0 if name == "worst" else 10, 10)
        assert curve.at(1) == pytest.approx((0.5, 0.5, 0.5))  # no chance of 0 or 1: left as it is
    gap = curves.difference(sure["oracle"], sure["best"])
    assert gap.at(2) == (0, 0, 0)  # a difference is no share


def test_at_names_the_points():
    curve = curves.oracle_curve(np.ones((2, 3)))
    assert curve.at(2) == (1.0, *intervals.wilson(2, 2))
    with pytest.raises(ValueError, match=r"points at n = \[1, 2, 3\], not at 7"):
        curve.at(7)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: curves.oracle_curve([True, False]), r"\[P, N\].*got shape \(2,\)"),
    (lambda: curves.oracle_curve([[2, 0]]), "True and False only"),
    (lambda: curves.oracle_curve([[1, 0]], [3]), r"in 1..2.*got \[3\]"),
    (lambda: curves.oracle_curve([[1, 0]], []), r"in 1..2"),
    (lambda: curves.best_of_n_curve([[1, 0]], [[1, 2, 3]]), r"is \(1, 2\), scores \(1, 3\)"),
    (lambda: curves.best_of_n_curve([[1, 0], [1, 0]], [[1, 2], [1, np.nan]]),
     "NaN at problem 1, sample 1"),
    (lambda: votes.majority_curve([[1, 0]], [["a", "a"]]), "problem 0, answer 'a'"),
    (lambda: votes.majority_curve([[1, 0]], [[None, "a"]]), "answer None"),
    (lambda: votes.majority_curve([[1, 0]], [["a"]]), r"for 1 problems, \[1\] each"),
    (lambda: votes.weighted_curve([[1, 0]], [["a", "b"]], [[1, -1]]), "weights must be >= 0"),
    (lambda: curves.winner_curve([[1, np.inf]], [[1, 2]]), r"finite, got shape \(1, 2\)"),
    (lambda: curves.winner_curve([1, 2], [1, 2]), r"\[P, N\].*got shape \(2,\)"),
    (lambda: curves.difference(*map(curves.oracle_curve, ([[1, 0]], [[1]]))),
     "same problems and the same n"),
    (lambda: curves.recovered_gain(*[curves.oracle_curve([[1, 0]], [2])] * 2),
     r"needs a point at n = 1 \(pass@1\), got n = \[2\]"),
])
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_500_problems_of_64_samples_take_under_a_second():
    rng = np.random.default_rng(0)
    correct = rng.random((500, 64)) < rng.random((500, 1))
    answers = np.where(correct, "r", rng.integers(6, size=(500, 64)).astype(str)).tolist()
    scores = rng.random((500, 64))
    for make in (lambda: curves.best_of_n_curve(correct, scores),
                 lambda: votes.majority_curve(correct, answers),
                 lambda: votes.weighted_curve(correct, answers, scores)):
        start = time.process_time()
        make()
        assert time.process_time() - start < 1.0
