"""Every strategy on toys whose best traces are known, their limit cases, and peers' defects."""

import pytest

from prmlab import search, toys

STRATEGIES = (search.best_of_n, search.majority_vote, search.weighted_vote, search.tie_break_vote,
              search.beam, search.lookahead, search.dvts, search.tree_of_thoughts, search.mcts)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.__name__)
def test_a_tree_grows_the_same_alone_as_among_others(strategy):
    given, policy = toys.make(3, length=4), toys.ToyPolicy(0.6, 0.4)
    results = strategy(given, policy, toys.Values(policy), seed=3)
    [alone] = strategy(given[1], policy, toys.Values(policy), seed=3)
    assert results[1].tree.to_dict() == alone.tree.to_dict()
    assert results[1].answer == alone.answer and results[1].best == alone.best
