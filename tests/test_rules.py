"""First-error rules: traces of four steps worked out by hand, properties, limit cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prmlab import rules, scoring

# What each rule says at 0.5 of scores that one can reason about; S = 4.
BY_HAND = {  # scores: threshold, drop, change, likeliest
    "a clean fall": ([0.95, 0.90, 0.10, 0.05], (2, 2, 2, 2)),
    "no error": ([0.95, 0.90, 0.92, 0.97], (None, None, None, None)),
    "wrong at once": ([0.04, 0.03, 0.03, 0.02], (0, None, 0, 0)),
    "slow sinker": ([0.90, 0.50, 0.30, 0.20], (2, None, 1, 1)),
    "strict scorer": ([0.44, 0.41, 0.43, 0.06], (0, 3, 0, 0)),
    "put right again": ([0.95, 0.10, 0.90, 0.95], (1, 1, None, 1)),
    "doubt adds up": ([0.70, 0.70, 0.70, 0.70], (None, None, None, 0)),
}
scores_of_a_trace = st.lists(st.floats(0, 1), min_size=1, max_size=9).map(np.array)


@pytest.mark.parametrize("name", BY_HAND)
def test_rules_by_hand(name):
    scores, said = BY_HAND[name]
    assert tuple(scoring.first_error(scores, rule=rule) for rule in rules.RULES) == said


def test_change_by_hand():
    """0.95, 0.1, 0.9, 0.95 with a 1 before: after step 1 the mean is 0.65, before it 0.975."""
    signal = rules.change(np.array([0.95, 0.1, 0.9, 0.95]))
    assert signal == pytest.approx([1, 0.65 / 0.975, 1, 1])
    # strict scorer: 1 against 0.335 from step 0 on gains more than 0.57 against 0.06 from 3 on
    assert 1 * 4 * (1 - 0.335) ** 2 > 4 * 1 * (0.57 - 0.06) ** 2
    assert rules.change(np.array([0.44, 0.41, 0.43, 0.06])) == pytest.approx([0.335, 1, 1, 1])


def test_chances_by_hand():
    found = rules.chances(np.array([0.9, 0.5, 0.8]))
    assert found == pytest.approx([0.1, 0.45, 0.09, 0.36])
    assert rules.likeliest(np.array([0.9, 0.5, 0.8]))[1] == pytest.approx(0.36 / 0.81)


def test_likely_wrong_and_yet_no_step_is_likelier_than_none():
    """Ten steps of 0.93: some step is wrong with chance 0.52, but each with 0.07 at most."""
    scores = np.full(10, 0.93)
    found = rules.chances(scores)
    assert found[:-1].sum() > 0.5 > found[-1] > found[:-1].max()
    assert scoring.first_error(scores, rule="likeliest") is None


@given(scores_of_a_trace)
def test_chances_sum_to_one(scores):
    found = rules.chances(scores)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()


@pytest.mark.parametrize("rule", rules.RULES)
@given(scores_of_a_trace, st.floats(0, 1), st.floats(0, 1))
def test_no_rule_names_a_missing_step_and_thresholds_are_monotone(rule, scores, a, b):
    signal = rules.signal(scores, rule)
    assert signal.shape == scores.shape
    assert ((signal >= 0) & (signal <= 1)).all()
    low, high = sorted((a, b))
    strict = scoring.first_error(scores, rule=rule, threshold=high)
    lenient = scoring.first_error(scores, rule=rule, threshold=low)
    for step in (strict, lenient):
        assert step is None or 0 <= step < len(scores)
    if lenient is not None:
        assert strict is not None
        assert strict <= lenient
    assert scoring.first_error(scores, rule=rule, threshold=0.0) is None


@pytest.mark.parametrize("rule", rules.RULES)
@given(scores_of_a_trace, st.floats(0, 1))
def test_candidates_say_what_every_threshold_names(rule, scores, threshold):
    candidates = rules.candidates(rules.signal(scores, rule))
    said = next((step for step, signal in candidates if signal < threshold), None)
    assert said == scoring.first_error(scores, rule=rule, threshold=threshold)
    assert [step for step, _ in candidates] == sorted({step for step, _ in candidates})


@pytest.mark.parametrize("rule", rules.RULES)
def test_limit_cases(rule):
    for sure in ([1.0], [1.0] * 4):
        assert scoring.first_error(sure, rule=rule, threshold=1.0) is None
    hopeless = [0.0, 0.0, 0.0]
    assert scoring.first_error(hopeless, rule=rule) == (None if rule == "drop" else 0)
    assert scoring.first_error([0.2], rule=rule) == (None if rule == "drop" else 0)
    assert scoring.first_error([1.0, 0.0], rule=rule) == 1
    assert scoring.first_error([1.0, 5e-324, 1.0], rule=rule) == (
        None if rule == "change" else 1)


def test_of_long_traces_every_rule_is_linear():
    scores = np.full(100_000, 0.999)
    scores[70_000:] = 0.01
    for rule in ("threshold", "drop", "change"):
        assert scoring.first_error(scores, rule=rule) == 70_000


@given(scores_of_a_trace, st.floats(0.1, 1))
def test_drops_do_not_care_how_strict_a_scorer_is(scores, factor):
    """All scores times a factor: ratios stay, up to rounding."""
    assert rules.drop(scores * factor) == pytest.approx(rules.drop(scores), abs=1e-6) or (
        scores.min() < 1e-300)


def test_messages():
    with pytest.raises(ValueError, match='one of "threshold", "drop", "change", "likeliest", '
                                         "got 'fall'"):
        rules.signal(np.array([0.5]), "fall")
