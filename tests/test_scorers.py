"""Scorers in each other's place: what each says of traces whose truth is known, and what it cost."""

import numpy as np
import pytest

from prmlab import checker, problems, scorers, search, toys
from prmlab.protocols import StepScorer, scored

[PROBLEM] = toys.make(1, length=3)
TRACES = [toys.trace(PROBLEM, moves) for moves in ("+", "+-", "+-+", "++-")]
A, B = scorers.Constant(0.2), scorers.Constant(0.8)


def lists(scorer, traces=TRACES):
    assert isinstance(scorer, StepScorer)
    return [array.tolist() for array in scored(scorer, traces)]


def test_exact_is_the_checker_and_calls_neutral_steps_right():
    given = [problems.solve(p) for p in problems.mix(6, seed=0)]
    wrong = [t.__class__(t.problem, (*t.steps[:-1], "Answer: 999999"), True) for t in given]
    assert all(min(scores) == 1 for scores in lists(scorers.Exact(), given))
    for trace, scores in zip(wrong, lists(scorers.Exact(), wrong)):
        assert scores == [float(v.label >= 0) for v in checker.check(trace)] and scores[-1] == 0


def test_outcome_speaks_at_the_end_only():
    assert lists(scorers.Outcome()) == [[1], [1, 1], [1, 1, 1], [1, 1, 0]]


def test_constant_and_random_need_no_model():
    assert lists(A) == [[0.2], [0.2] * 2, [0.2] * 3, [0.2] * 3]
    first, again = lists(scorers.Random(1)), lists(scorers.Random(1))
    assert first == again != lists(scorers.Random(2))
    assert first[1] == first[2][:2] and first[0] == first[1][:1]  # by the prefix alone
    many = np.concatenate(scorers.Random().score(
        [toys.trace(p, "+-+-+") for p in toys.make(400, length=6)]))
    assert abs(many.mean() - 0.5) < 0.03 and 0 <= many.min() < 0.01 and 0.99 < many.max() < 1


def test_monte_carlo_is_the_share_of_right_rollouts_each_prefix_asked_once():
    policy = toys.Metered(toys.ToyPolicy(0.9, 0.0))
    scorer = scorers.MonteCarlo(policy, n_rollouts=400)
    (first,), (plus, minus), right, wrong = lists(scorer)
    assert abs(first - 0.81) < 0.06 and minus == 0 and right[2] == 1 and wrong[2] == 0
    assert plus == first == right[0] and abs(wrong[1] - 0.9) < 0.05
    # "+", "+-", "++": 2, 1 and 1 moves to go; 1 + 2 + 2 moves read.
    assert scorer.usage.scorer_tokens == policy.usage.forwarded == 400 * (2 + 1 + 1) + 5
    lists(scorer)
    assert scorer.usage.scorer_tokens == 1600 + 5


def test_a_weighted_mean_of_scorers():
    assert lists(scorers.Weighted((A, B), (3, 1)), TRACES[:1]) == [[pytest.approx(0.35)]]
    with pytest.raises(ValueError, match="one weight >= 0 a scorer"):
        scorers.Weighted((A, B), (1,))
    with pytest.raises(ValueError, match="not all 0"):
        scorers.Weighted((A, B), (0, 0))


def test_one_for_the_steps_and_another_for_the_end():
    assert lists(scorers.Ending(A, B)) == [[0.2], [0.2] * 2, [0.2, 0.2, 0.8], [0.2, 0.2, 0.8]]
    assert scorers.Ending(A, B).score(TRACES[:1])[0].tolist() == [0.2]


def test_routed_by_the_problem():
    long = toys.make(1, length=5)[0]
    routed = scorers.Routed(A, B, lambda problem: problem.facts["length"] > 3)
    assert lists(routed, [toys.trace(long, "+"), TRACES[0], toys.trace(long, "-")]) == [
        [0.8], [0.2], [0.8]]


def test_mixtures_know_what_their_parts_have_run():
    meter = toys.Metered(toys.Truth())
    mixed = scorers.Weighted((meter, scorers.Ending(meter, A)), (1, 1))
    mixed.score([TRACES[2]])
    assert mixed.usage.scorer_tokens == 6  # three moves read twice; the meter counted once
    assert scorers.Weighted((toys.Truth(), A), (1, 1)).usage.scorer_tokens is None
    assert mixed.fits(TRACES[0])


def test_the_cost_of_a_search_on_toys_is_counted_by_hand():
    """Moves are tokens; a prefix that is asked about is read anew by both."""
    policy, scorer = toys.Metered(toys.ToyPolicy(1.0, 0.0)), toys.Metered(toys.Truth())
    [result] = search.beam(PROBLEM, policy, scorer, beam_width=1, branching=2)
    # Prefixes of 0, 1, 2 moves, and two drawn each; one trace scored a round, of 1, 2, 3 moves.
    assert (result.cost.policy_tokens, result.cost.scorer_tokens) == (0 + 1 + 2 + 6, 1 + 2 + 3)
    assert (result.cost.policy_calls, result.cost.scorer_calls) == (3, 3)
    assert result.cost.tokens == 15 and result.duplicates == 3
