"""Search with a step scorer: every strategy of the field, in one shape.

Each strategy is a short loop of three verbs: it asks for steps (`yield Steps(...)`), takes the
`best`, and `prune`s the rest; `lockstep` runs it on many problems at once and counts the cost.
All take one or many problems (or prefixes to go on from), a policy and a scorer, and return one
`SearchResult` a problem: the best trace, the tree, the cost, the candidates with their votes, ties
and limits met. All share the arguments of `lockstep.run`: `max_steps`, `aggregate`, `seed`,
`temperature`, `watch`, `choose`. Ranks are totals (the aggregate of all step scores so far).
A strategy of one's own is a generator like those below: `run(strategy, problems, policy, scorer)`.
"""

from collections.abc import Callable, Generator, Iterable
from functools import partial
from math import isnan, log, sqrt
from typing import Any, Unpack

from prmlab import choosing
from prmlab.growing import GrowingTree
from prmlab.lockstep import (
    Ask,
    Cost,
    Options,
    Rollouts,
    Rows,
    Scores,
    SearchResult,
    Steps,
    at_least_one,
    run,
)
from prmlab.protocols import Policy, StepScorer
from prmlab.traces import Problem, Trace

__all__ = ["Cost", "Rollouts", "Scores", "SearchResult", "Steps", "beam", "best_of_n", "dvts",
           "lookahead", "majority_vote", "mcts", "run", "tie_break_vote", "tree_of_thoughts",
           "weighted_vote"]

Problems = Problem | Trace | Iterable[Problem | Trace]
Walk = Generator[Ask, Rows, None]


def best_of_n(problems: Problems, policy: Policy, scorer: StepScorer, *, n_samples: int = 8,
              **options: Unpack[Options]) -> list[SearchResult]:
    """The sample with the best score among `n_samples` whole traces.

    Raises:
        ValueError: as `lockstep.run`, and if `n_samples < 1`.

    Example:
        >>> from prmlab import toys
        >>> [found] = best_of_n(toys.make(1), toys.ToyPolicy(), toys.Truth(), seed=1)
        >>> found.answer
        '12'

    Source: Lightman et al. 2023, arXiv:2305.20050.
    """
    at_least_one(n_samples=n_samples)

    def grow(tree: GrowingTree) -> Walk:
        yield Rollouts([0], n_samples)

    return run(grow, problems, policy, scorer, **options)


def majority_vote(problems: Problems, policy: Policy, scorer: StepScorer | None = None, *,
                  n_samples: int = 8, **options: Unpack[Options]) -> list[SearchResult]:
    """The most frequent answer among `n_samples` whole traces. The scorer is not asked.

    Source: Wang et al. 2022, self-consistency, arXiv:2203.11171.
    """
    at_least_one(n_samples=n_samples)

    def grow(tree: GrowingTree) -> Walk:
        yield Rollouts([0], n_samples, scored=False)

    return run(grow, problems, policy, scorer, **{"choose": choosing.majority, **options})


def weighted_vote(problems: Problems, policy: Policy, scorer: StepScorer, *, n_samples: int = 8,
                  **options: Unpack[Options]) -> list[SearchResult]:
    """The answer with the largest sum of scores among `n_samples` whole traces.

    Source: Li et al. 2022, arXiv:2206.02336, section 3.
    """
    return best_of_n(problems, policy, scorer, n_samples=n_samples,
                     **{"choose": choosing.weighted, **options})


def tie_break_vote(problems: Problems, policy: Policy, scorer: StepScorer, *, n_samples: int = 8,
                   **options: Unpack[Options]) -> list[SearchResult]:
    """The most frequent answer; the scorer is asked only where several are, and about those."""
    at_least_one(n_samples=n_samples)

    def grow(tree: GrowingTree) -> Walk:
        yield Rollouts([0], n_samples, scored=False)
        choice = choosing.majority(tree.frozen())
        if choice.ties:
            yield Scores([node for group in choice.groups[:len(choice.ties)]
                          for node in group.nodes])

    return run(grow, problems, policy, scorer, **{"choose": choosing.tie_break, **options})


def beam(problems: Problems, policy: Policy, scorer: StepScorer, *, beam_width: int = 4,
         branching: int = 4, **options: Unpack[Options]) -> list[SearchResult]:
    """The best trace of those that a beam of `beam_width` prefixes has finished.

    Each round draws `branching` steps from each prefix of the beam (the first round, which has
    one prefix, `beam_width` times as many) and goes on from the best. A trace that finishes
    among the best keeps its place, so the beam narrows, and ends with its last place.

    Raises:
        ValueError: as `lockstep.run`, and if a count is below 1.

    Source: Snell et al. 2024, arXiv:2408.03314, section 5.1, with equal steps merged.
    """
    return _beam(problems, policy, scorer, beam_width, branching, 0, options)


def lookahead(problems: Problems, policy: Policy, scorer: StepScorer, *, beam_width: int = 4,
              branching: int = 4, ahead: int = 1, **options: Unpack[Options]) -> list[SearchResult]:
    """As `beam`, with each step ranked by the score `ahead` steps further on.

    From each new step the policy goes on at temperature 0; the aggregate of all scores to there
    is the step's value. What was only looked ahead to is in the tree, pruned, drawn 0 times.

    Source: Snell et al. 2024, arXiv:2408.03314, section 5.1.
    """
    at_least_one(ahead=ahead)
    return _beam(problems, policy, scorer, beam_width, branching, ahead, options)


def _beam(problems: Problems, policy: Policy, scorer: StepScorer, beam_width: int,
          branching: int, ahead: int, options: Options) -> list[SearchResult]:
    at_least_one(beam_width=beam_width, branching=branching)

    def grow(tree: GrowingTree) -> Walk:
        places, tips, n = beam_width, tree.live([0]), beam_width * branching
        while tips:
            rows = yield Steps(tips, n, ahead)
            children = [node for row in rows for node in row]
            best = tree.best(children, places)
            tree.prune(set(children) - set(best))
            places -= sum(tree.finished[node] for node in best)
            tips, n = tree.live(best), branching

    return run(grow, problems, policy, scorer, **options)


def dvts(problems: Problems, policy: Policy, scorer: StepScorer, *, n_trees: int = 4,
         branching: int = 4, **options: Unpack[Options]) -> list[SearchResult]:
    """The best of `n_trees` independent greedy searches, which share no decision.

    Each goes on from the best of its own `branching` samples. Where two come to the same step
    they share the node, and draw their own samples from there.

    Source: Beeching et al. 2024, "Scaling test-time compute", diverse verifier tree search.
    """
    at_least_one(n_trees=n_trees, branching=branching)

    def grow(tree: GrowingTree) -> Walk:
        tips = tree.live([0] * n_trees)
        while tips:
            rows = yield Steps(tips, branching)
            best = [tree.best(row, 1)[0] for row in rows]
            tree.prune({node for row in rows for node in row} - set(best))
            tips = tree.live(best)

    return run(grow, problems, policy, scorer, **options)


def tree_of_thoughts(problems: Problems, policy: Policy, scorer: StepScorer, *,
                     branching: int = 4, threshold: float = 0.5, max_expansions: int = 40,
                     **options: Unpack[Options]) -> list[SearchResult]:
    """The first trace finished with a total of at least `threshold`, depth first.

    Goes on from the best child; children below the threshold are pruned, and where none is left
    the search goes back to the best sibling that waits. If nothing good finishes, the best of
    what did is the answer.

    Source: Yao et al. 2023, Tree of Thoughts, arXiv:2305.10601, algorithm 2.
    """
    at_least_one(branching=branching, max_expansions=max_expansions)

    def grow(tree: GrowingTree) -> Walk:
        waiting = tree.live([0])
        for _ in range(max_expansions):
            if not waiting:
                return
            [row] = yield Steps([waiting.pop()], branching)
            good = [node for node in tree.best(row) if tree.worth(node) >= threshold]
            tree.prune(set(row) - set(good))
            if any(tree.finished[node] for node in good):
                return
            waiting += tree.live(good)[::-1]
        tree.limits["expansions"] += bool(waiting)

    return run(grow, problems, policy, scorer, **options)


def mcts(problems: Problems, policy: Policy, scorer: StepScorer, *, n_simulations: int = 16,
         branching: int = 4, explore: float = 0.5, rule: str = "uct", **options: Unpack[Options]
         ) -> list[SearchResult]:
    """The best trace found by `n_simulations` of Monte Carlo tree search, with the PRM as value.

    A simulation goes down from the root to a leaf by the rule, draws `branching` steps from it,
    and counts each new one's total as a visit of all nodes above: `value` is their mean. Of a
    node's children the one with the largest `value + bonus` is taken, with N visits of the node,
    n of the child, and p the child's share of the samples drawn:

    - "uct": `explore * sqrt(log(N) / n)`
    - "puct": `explore * p * sqrt(N) / (1 + n)`

    After the last simulation the line of most visits is followed, and played out greedily to its
    end. With one simulation that is `beam` of width 1.

    Raises:
        ValueError: as `lockstep.run`; if a count is below 1, or there is no such rule.

    Source: Kocsis and Szepesvari 2006 (UCT); Silver et al. 2017 (PUCT); the PRM in place of
        rollouts as in Zhang et al. 2024, ReST-MCTS*, arXiv:2406.03816.
    """
    at_least_one(n_simulations=n_simulations, branching=branching)
    if rule not in BONUS:
        raise ValueError(f"rule must be one of {', '.join(BONUS)}, got {rule!r}")
    return run(partial(_simulate, n_simulations, branching, explore, rule), problems, policy,
               scorer, **options)


def _simulate(n_simulations: int, branching: int, explore: float, rule: str, tree: GrowingTree
              ) -> Walk:
    for _ in range(n_simulations):
        leaf = _descend(tree, lambda c: tree.value[c] + explore * BONUS[rule](tree, c))
        if tree.live([leaf]):
            [row] = yield Steps([leaf], branching)
            for node in dict.fromkeys(row):
                tree.visit(node, _probability(tree, node))
        elif leaf:
            tree.visit(leaf, _probability(tree, leaf))
    tips = tree.live([_descend(tree, lambda c: (tree.visits[c], tree.value[c]))])
    while tips:
        [row] = yield Steps(tips, branching)
        best = tree.best(row, 1)
        tree.prune(set(row) - set(best))
        tips = tree.live(best)


def _descend(tree: GrowingTree, rank: Callable[[int], Any]) -> int:
    """The leaf that is reached from the root by the highest ranked child each time."""
    node = 0
    while children := tree.children(node):
        node = max(children, key=rank)
    return node


def _probability(tree: GrowingTree, node: int) -> float:
    total = 0.0 if isnan(tree.total[node]) else tree.total[node]
    if not 0 <= total <= 1:
        raise ValueError(f"mcts needs totals in [0, 1] as values, got {total}; aggregate to "
                         "probabilities, not to a sum of logits")
    return total


def _uct(tree: GrowingTree, node: int) -> float:
    return sqrt(log(tree.visits[tree.parent[node]]) / tree.visits[node])


def _puct(tree: GrowingTree, node: int) -> float:
    parent = tree.parent[node]
    share = tree.drawn[node] / sum(tree.drawn[child] for child in tree.children(parent))
    return share * sqrt(tree.visits[parent]) / (1 + tree.visits[node])


BONUS = {"uct": _uct, "puct": _puct}
