"""Aggregations and first-error rules: values worked out by hand, properties, messages."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prmlab import rules, scoring

step_scores = st.lists(st.floats(0, 1), min_size=1, max_size=9)

BY_HAND = {  # of 0.9, 0.5, 0.8
    "min": 0.5,
    "product": 0.36,
    "mean": 2.2 / 3,
    "last": 0.8,
    "max": 0.9,
    "geometric_mean": 0.36 ** (1 / 3),
    "sum_logit": math.log(9) + 0 + math.log(4),
}


def test_every_aggregation_by_hand():
    assert set(BY_HAND) == set(scoring.AGGREGATIONS)
    for how, value in BY_HAND.items():
        assert scoring.aggregate([0.9, 0.5, 0.8], how) == pytest.approx(value), how


def test_a_callable_is_an_aggregation():
    assert scoring.aggregate([0.9, 0.5, 0.8], lambda s: s[0] - s[1]) == pytest.approx(0.4)
    assert type(scoring.aggregate(np.array([1, 0]), np.mean)) is float


@given(step_scores)
def test_named_aggregations_stay_between_the_worst_and_the_best_step(scores):
    low, high = min(scores), max(scores)
    for how in ("min", "mean", "last", "max", "geometric_mean"):
        assert low - 1e-9 <= scoring.aggregate(scores, how) <= high + 1e-9, how
    assert 0 <= scoring.aggregate(scores, "product") <= low
    assert math.isfinite(scoring.aggregate(scores, "sum_logit"))


@given(st.floats(0, 1), st.integers(1, 400))
def test_equal_steps_are_their_own_aggregate(score, n_steps):
    for how in ("min", "mean", "last", "max", "geometric_mean"):
        assert scoring.aggregate([score] * n_steps, how) == pytest.approx(score), how


def test_geometric_mean_does_not_underflow_on_a_long_trace():
    assert scoring.aggregate([0.1] * 1000, "product") == 0.0
    assert scoring.aggregate([0.1] * 1000, "geometric_mean") == pytest.approx(0.1)


@pytest.mark.parametrize(("scores", "message"), [
    ([], "at least one scored step"),
    ([0.5, 1.2], r"probability in \[0, 1\], got 1.2 at step 1 of 2"),
    ([0.5, 0.4, -0.1], "got -0.1 at step 2 of 3"),
    ([float("nan"), 0.4], "got nan at step 0 of 2"),
    ([[0.5, 0.4]], r"list \[S\], got shape \(1, 2\)"),
])
def test_bad_scores_are_refused_with_the_step(scores, message):
    for refuse in (lambda s: scoring.aggregate(s, "min"), scoring.first_error,
                   scoring.find_error_step):
        with pytest.raises(ValueError, match=message):
            refuse(scores)


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="min, product, mean.*got 'average'"):
        scoring.aggregate([0.5], "average")
    with pytest.raises(ValueError, match='"threshold", "drop", "change", "likeliest", got \'fall\''):
        scoring.first_error([0.5], rule="fall")
    with pytest.raises(ValueError, match=r"threshold must be in \[0, 1\], got 1.5"):
        scoring.first_error([0.5], threshold=1.5)


def test_threshold_is_strict_and_finds_the_first():
    assert scoring.first_error([0.9, 0.5, 0.49, 0.1]) == 2
    assert scoring.first_error([0.9, 0.5]) is None
    assert scoring.first_error([0.2, 0.9]) == 0
    assert scoring.first_error([0.0, 0.9], threshold=0.0) is None


def test_drop_compares_with_the_step_before():
    assert scoring.first_error([0.3, 0.9, 0.1], rule="drop") == 2
    assert scoring.first_error([0.8, 0.4], rule="drop") is None  # exactly half is no drop
    assert scoring.first_error([0.8, 0.4], rule="drop", drop=0.6) == 1
    assert scoring.first_error([0.1], rule="drop") is None


def test_the_textbook_rule_and_its_blind_spots():
    assert scoring.find_error_step([0.95, 0.88, 0.72, 0.05, 0.02]) == 3
    assert scoring.find_error_step([0.02, 0.02, 0.01]) == -1  # step 0 has no step before it
    assert scoring.find_error_step([0.9, 0.5, 0.3, 0.2]) == -1  # sinks slowly
    assert scoring.find_error_step([0.9, 0.8]) == -1


# Half of a number below 1e-307 is not always a number, so that the two sides round apart.
@given(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=9))
def test_the_textbook_rule_is_the_drop_rule(scores):
    by_loop = next((i for i in range(1, len(scores)) if scores[i] < 0.5 * scores[i - 1]), -1)
    assert scoring.find_error_step(scores) == by_loop


@given(step_scores, st.floats(0, 1))
def test_the_threshold_rule_names_the_first_step_below(scores, threshold):
    found = scoring.first_error(scores, threshold=threshold)
    before = scores if found is None else scores[:found]
    assert all(score >= threshold for score in before)
    assert found is None or scores[found] < threshold


def test_every_rule_by_its_name_and_its_threshold():
    scores = [0.9, 0.6, 0.2, 0.7]
    # change: from step 1 on, 0.5 over 0.95; likeliest: 0.432 at step 2, 0.0756 for no error
    assert [scoring.first_error(scores, rule=rule) for rule in rules.RULES] == [2, 2, None, 2]
    assert scoring.first_error(scores, rule="change", threshold=0.55) == 1
    assert scoring.first_error(scores, rule="drop", threshold=0.3) is None
    assert scoring.first_error(scores, rule="drop", threshold=0.3, drop=0.5) == 2
    assert scoring.first_error(scores, rule="likeliest", threshold=0.1) is None


def test_uncertainty_is_that_of_the_least_certain_step():
    assert scoring.uncertainty([0.0, 1.0]) == 0
    assert scoring.uncertainty([0.9, 0.3, 1.0]) == pytest.approx(0.6)
    with pytest.raises(ValueError, match="at least one scored step"):
        scoring.uncertainty([])
