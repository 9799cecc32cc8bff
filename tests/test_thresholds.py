"""The chosen threshold against trying every threshold, one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prmlab import metrics, rules, thresholds
from prmlab.scoring import first_error

scored_traces = st.lists(
    st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), min_size=1, max_size=4),
    min_size=2, max_size=8,
)


@pytest.mark.parametrize("rule", rules.RULES)
@given(scored_traces, st.data())
def test_choose_threshold_agrees_with_trying_every_threshold(rule, scores, data):
    true = [data.draw(st.none() | st.integers(0, len(s) - 1)) for s in scores]
    if None not in true or all(step is None for step in true):
        return
    choice = thresholds.choose_threshold(scores, true, rule=rule)
    for cut, f1, in_error, in_correct in zip(
        choice.thresholds, choice.f1s, choice.acc_error, choice.acc_correct, strict=True
    ):
        found = [first_error(s, rule=rule, threshold=cut) for s in scores]
        direct = metrics.first_error_f1(found, true, draws=40)
        assert (in_error, in_correct) == (direct.acc_error, direct.acc_correct)
        assert f1 == pytest.approx(direct.f1)
    assert choice.f1 == choice.f1s.max()
    found = [choice.first_error(s) for s in scores]
    assert metrics.first_error_f1(found, true, draws=40).f1 == pytest.approx(choice.f1)


def test_choose_threshold_prefers_the_cut_nearest_to_a_half():
    choice = thresholds.choose_threshold([[0.9, 0.1], [0.9, 0.8]], [1, None])
    assert choice.f1 == 1.0
    assert choice.threshold == pytest.approx(0.45)  # any in (0.1, 0.8] would do


def test_each_rule_is_given_its_own_threshold():
    """By hand: ratios 0.5 (the error) and 0.8 (no error), so any threshold between will do."""
    scores, true = [[0.4, 0.2], [0.5, 0.4]], [1, None]
    choice = thresholds.choose_threshold(scores, true, rule="drop")
    assert (choice.rule, choice.f1) == ("drop", 1.0)
    assert choice.threshold == pytest.approx(0.65)
    assert [choice.first_error(s) for s in scores] == true
    assert repr(choice) == "ThresholdChoice(drop 0.650: f1 1.000, best of 5)"


def test_a_rule_cannot_find_what_it_cannot_name():
    """The blind spot in figures: at no threshold does the drop rule name step 0."""
    scores, true = [[0.1, 0.1], [0.9, 0.9]], [0, None]
    assert thresholds.choose_threshold(scores, true, rule="drop").acc_error.max() == 0.0
    assert thresholds.choose_threshold(scores, true, rule="change").f1 == 1.0


def test_choose_threshold_messages():
    with pytest.raises(ValueError, match="rule must be one of .*got 'fall'"):
        thresholds.choose_threshold([[0.1], [0.5]], [0, None], rule="fall")
    with pytest.raises(ValueError, match="some of them None and some not"):
        thresholds.choose_threshold([[0.1]], [0])
    with pytest.raises(ValueError, match="first error 3 of trace 0 lies beyond its 2 steps"):
        thresholds.choose_threshold([[0.1, 0.2], [0.5]], [3, None])
