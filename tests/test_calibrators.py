"""The calibrator against answers known in advance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prmlab import calibrators, metrics
from prmlab.calibrators import fit_calibrator, judged_steps


def logit(p):
    return np.log(p / (1 - p))


def test_two_scores_with_known_rates_are_met_exactly():
    """Two parameters meet two rates: 0.9 was right in 6 of 8, 0.4 in 2 of 8 (drawn in a little)."""
    scores = [[0.9]] * 8 + [[0.4]] * 8
    first_errors = [None] * 6 + [0] * 2 + [None] * 2 + [0] * 6
    fitted = fit_calibrator(scores, first_errors)
    high, low = 9 / 10, 1 / 10  # 8 right and 8 wrong: targets 9/10 and 1/10
    rates = [(6 * high + 2 * low) / 8, (2 * high + 6 * low) / 8]
    assert fitted([0.9, 0.4]) == pytest.approx(rates)
    slope = (logit(rates[0]) - logit(rates[1])) / (logit(0.9) - logit(0.4))
    assert fitted.slope == pytest.approx(slope)
    assert fitted.n_steps == 16


def test_scores_drawn_from_their_own_chances_are_left_alone():
    rng = np.random.default_rng(0)
    chance = rng.uniform(0.02, 0.98, size=40_000)
    right = rng.random(40_000) < chance
    fitted = fit_calibrator(chance[:, None], [None if r else 0 for r in right])
    assert fitted.slope == pytest.approx(1, abs=0.03)
    assert fitted.shift == pytest.approx(0, abs=0.03)


def test_a_distortion_of_known_size_is_undone():
    """Scores with twice the logit and 1.5 less: slope 0.5, shift 0.75 put them right."""
    rng = np.random.default_rng(1)
    chance = rng.uniform(0.05, 0.95, size=40_000)
    right = rng.random(40_000) < chance
    strict = 1 / (1 + np.exp(-(2 * logit(chance) - 1.5)))
    truth = [None if r else 0 for r in right]
    fitted = fit_calibrator(strict[:, None], truth)
    assert fitted.slope == pytest.approx(0.5, abs=0.02)
    assert fitted.shift == pytest.approx(0.75, abs=0.03)
    before = metrics.calibration(strict, right).ece
    after = metrics.calibration(fitted(strict), right).ece
    assert after < 0.015 < 0.1 < before


def test_only_steps_up_to_the_first_error_count():
    flat, right = judged_steps([[0.9, 0.2, 0.8, 0.7], [0.6, 0.5]], [1, None])
    assert flat.tolist() == [0.9, 0.2, 0.6, 0.5]
    assert right.tolist() == [True, False, True, True]


@given(st.lists(st.tuples(st.lists(st.floats(0, 1), min_size=1, max_size=3), st.booleans()),
                min_size=1, max_size=12))
def test_whatever_the_scores_chances_are_chances_and_order_is_kept(rows):
    scores = [s for s, _ in rows]
    truth = [0 if wrong else None for _, wrong in rows]
    right = judged_steps(scores, truth)[1]
    if right.all() or not right.any():
        return
    fitted = fit_calibrator(scores, truth)
    p = fitted(np.linspace(0, 1, 11))
    assert ((p >= 0) & (p <= 1)).all()
    steps = np.diff(p) * np.sign(fitted.slope)
    assert (steps >= -1e-12).all()


def test_scores_without_a_mistake_give_a_finite_slope():
    fitted = fit_calibrator([[1.0]] * 50 + [[0.0]] * 50, [None] * 50 + [0] * 50)
    assert 0 < fitted.slope < 1
    assert fitted([1.0])[0] == pytest.approx(51 / 52)


def test_messages():
    with pytest.raises(ValueError, match="got 2 right and 0 wrong"):
        fit_calibrator([[0.9, 0.8]], [None])
    with pytest.raises(ValueError, match="got 1 for 2 traces"):
        fit_calibrator([[0.9], [0.8]], [None])
    with pytest.raises(ValueError, match="first error 3 of trace 1 lies beyond its 1 steps"):
        calibrators.judged_steps([[0.9], [0.8]], [None, 3])
