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


def test_scores_may_be_torch_tensors_of_any_kind():
    torch = pytest.importorskip("torch")
    plain = torch.tensor([0.5, 1.0])
    for made in (plain, plain.bfloat16(), plain.requires_grad_()):
        scores, _ = protocols.scored(Fixed(made, []), TRACES)
        assert type(scores) is np.ndarray and scores.tolist() == [0.5, 1.0]


BEGUN = Trace(PROBLEM, ("1 + 1 = 2",))
OTHER = Trace(Problem("p8", "Compute 1.", "1", "expressions"), (*BEGUN.steps, "on"))


class Draws:
    """A policy that makes of a prefix whatever it was built with."""

    def __init__(self, change):
        self.change = change

    def propose(self, prefixes, n, *, seed, temperature=1.0):
        return self.change([[Trace(p.problem, (*p.steps, "on"))] * n for p in prefixes])

    complete = propose


@pytest.mark.parametrize("one_step", [True, False])
@pytest.mark.parametrize(("change", "message"), [
    (lambda rows: rows[1:], "must return 3 (steps|rollouts) for each of 2 .*, got 1 rows of 3"),
    (lambda rows: rows * 2, "for each of 2 prefixes, got 4 rows of 3"),
    (lambda rows: [rows[0], rows[1] * 2], "for each of 2 prefixes, got 2 rows of 3, 6"),
    (lambda rows: [t for row in rows for t in row], "got 6 rows of None"),
    (lambda rows: [["on"] * 3] * 2, "must return traces, got 'on'"),
    (lambda rows: [rows[0], rows[0]], r"from \('1 \+ 1 = 2',\) to \('on',\)"),
    (lambda rows: [rows[0], [OTHER] * 3], "must return the prefix with .* of problem 'p8'"),
])
def test_samples_that_break_the_contract_are_refused(change, message, one_step):
    with pytest.raises(ValueError, match=rf"Draws\.(propose|complete) .*{message}"):
        protocols.sampled(Draws(change), [Trace(PROBLEM, ()), BEGUN], 3, one_step=one_step,
                          seed=0, temperature=1.0)


def test_two_steps_are_a_rollout_and_no_step():
    two = Draws(lambda rows: [[Trace(PROBLEM, ("one", "two"))]])
    assert protocols.sampled(two, [Trace(PROBLEM, ())], 1, one_step=False, seed=0, temperature=1.0)
    with pytest.raises(ValueError, match="Draws.propose must return the prefix with one step more"):
        protocols.sampled(two, [Trace(PROBLEM, ())], 1, one_step=True, seed=0, temperature=1.0)


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
