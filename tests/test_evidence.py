"""Labelled traces: errors and intervals by hand, costs that sum up, the journal's records."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prmlab.evidence import Cost, Labelled, StepLabel, share, total
from prmlab.traces import Problem, Trace

TRACE = Trace(Problem("p", "?", "3", "test"), ("a", "b", "c"), finished=True)
STEPS = (StepLabel(1.0, 0.75, 16, "rollouts", 16), StepLabel(-1.0, 0.0, 4, "rollouts", 4),
         StepLabel(-1.0, 0.0, 0, "outcome"))
LABELLED = Labelled(TRACE, STEPS, "monte_carlo", Cost(20, 90, 1, 2.5))


def test_errors_and_intervals_of_a_step():
    assert STEPS[0].standard_error == pytest.approx((0.75 * 0.25 / 16)**0.5)
    assert (STEPS[1].standard_error, STEPS[2].standard_error) == (0.0, 0.0)
    assert STEPS[1].interval()[1] == pytest.approx(0.49, abs=0.001)  # z^2 / (n + z^2)
    assert STEPS[2].interval() == (0.0, 0.0)
    assert StepLabel().standard_error is None
    assert StepLabel().interval() is None


def test_views_of_labels():
    assert LABELLED.hard.labels == (1, -1, -1) and LABELLED.hard.source == "monte_carlo, hard"
    assert LABELLED.soft.labels == (0.75, 0, 0) and LABELLED.soft.source == "monte_carlo, soft"
    assert LABELLED.trace.labels is None
    assert LABELLED.first_error == 1
    assert repr(LABELLED) == "Labelled('p', monte_carlo, '+--', 20 generations)"


@pytest.mark.parametrize(("labels", "error", "decided"), [
    ((1, 1, 0), None, True), ((1, -1, None), 1, True), ((None, -1, 1), 1, False),
    ((1, None, None), None, False),
])
def test_decided_means_up_to_the_first_error(labels, error, decided):
    labelled = Labelled(TRACE, tuple(map(StepLabel, labels)), "judge")
    assert (labelled.first_error, labelled.decided) == (error, decided)


def test_records_come_back_without_the_seconds():
    record = json.loads(json.dumps(LABELLED.to_dict()))
    again = Labelled.from_dict(TRACE, record)
    assert again.steps == STEPS and again.cost == Cost(20, 90, 1, 0.0)
    with pytest.raises(ValueError, match="not a record of labels: 'cost'"):
        Labelled.from_dict(TRACE, {"method": "x", "steps": record["steps"]})
    with pytest.raises(ValueError, match="one label per step: got 3 steps, 1 labels"):
        Labelled(TRACE, STEPS[:1], "x")


@given(st.lists(st.integers(0, 50), min_size=1, max_size=9), st.none() | st.integers(0, 10**6),
       st.integers(0, 40))
def test_shares_sum_up_to_the_whole(paid, tokens, calls):
    one = Trace(TRACE.problem, ("a",))
    rows = [Labelled(one, (StepLabel(cost=n),), "x") for n in paid]
    shared = share(rows, Cost(sum(paid), tokens, calls, 3.0))
    assert [row.cost.generations for row in shared] == paid
    whole = total(shared)
    assert (whole.tokens, whole.calls) == (tokens, calls)
    assert whole.seconds == pytest.approx(3.0)
    assert all((row.cost.tokens or 0) >= 0 for row in shared)
