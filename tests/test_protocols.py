"""The protocols: what satisfies them, and what `scored` refuses."""

import numpy as np
import pytest

from prmlab import protocols
from prmlab.traces import Problem, Trace

PROBLEM = Problem("p7", "Compute 1 + 1.", "2", "expressions")
TRACES = [Trace(PROBLEM, ("1 + 1 = 2", "Answer: 2"), finished=True), Trace(PROBLEM, ())]


class Fixed:
    """A scorer that says whatever it was built with."""

    def __init__(self, *scores):
        self.scores = scores

    def score(self, traces):
        return list(self.scores)


class Echo:
    """A policy whose only step is its own name."""

    def propose(self, prefixes, n, *, seed, temperature=1.0):
        return [[Trace(p.problem, (*p.steps, "Echo"))] * n for p in prefixes]

    def complete(self, prefixes, n, *, seed, temperature=1.0):
        return [[Trace(p.problem, (*p.steps, "Echo"), finished=True)] * n for p in prefixes]


def test_anything_with_the_methods_is_a_policy_or_a_scorer():
    assert isinstance(Echo(), protocols.Policy)
    assert not isinstance(Echo(), protocols.StepScorer)
    assert isinstance(Fixed(), protocols.StepScorer)


def test_scores_that_keep_the_contract_come_back_as_arrays():
    first, second = protocols.scored(Fixed([0.5, 1], np.array([])), TRACES)
    assert first.tolist() == [0.5, 1.0]
    assert second.shape == (0,)


@pytest.mark.parametrize(("scores", "message"), [
    ([[0.5, 0.5]], "Fixed.score must return one array per trace, got 1 for 2 traces"),
    ([[0.5], []], r"trace 0 \(problem 'p7'\): one score per step.*\(1,\) for 2 steps"),
    ([[0.5, 0.5], [0.5]], "trace 1 .*for 0 steps"),
    ([[0.5, 1.5], []], r"in \[0, 1\], got 1.5 at step 1 \('Answer: 2'\)"),
    ([[float("nan"), 0.5], []], r"got nan at step 0 \('1 \+ 1 = 2'\)"),
])
def test_scores_that_break_the_contract_are_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        protocols.scored(Fixed(*scores), TRACES)
