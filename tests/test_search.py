"""Every strategy on toys whose best traces are known, their limit cases, and peers' defects."""

import json
from pathlib import Path

import numpy as np
import pytest

from prmlab import choosing, scorers, search, toys
from prmlab.traces import Problem, Trace
from scripts.make_search_trees import grown

STRATEGIES = (search.best_of_n, search.majority_vote, search.weighted_vote, search.tie_break_vote,
              search.beam, search.lookahead, search.dvts, search.tree_of_thoughts, search.mcts)
SCORED = [s for s in STRATEGIES if s is not search.majority_vote]
GOLDEN = Path(__file__).parent / "data" / "trees"
[PROBLEM] = toys.make(1, length=3)
POLICY = toys.ToyPolicy(0.6, 0.4)


def named(strategy):
    return getattr(strategy, "__name__", None)


class Book:
    """A policy and a scorer in one, with every step written down.

    Args:
        pages: for each prefix (its steps joined) the steps that follow, with their scores; an
            answer, "A: ...", finishes. Samples go round the list.
    """

    def __init__(self, **pages):
        self.pages, self.calls = pages, []

    def propose(self, prefixes, n, *, seed, temperature=1.0):
        self.calls.append(("propose", len(prefixes), n, temperature))
        return [[self._next(p, i) for i in range(n)] for p in prefixes]

    def complete(self, prefixes, n, *, seed, temperature=1.0):
        self.calls.append(("complete", len(prefixes), n, temperature))
        rows = [[self._next(p, i) for i in range(n)] for p in prefixes]
        return [[self._end(t) for t in row] for row in rows]

    def score(self, traces):
        self.calls.append(("score", len(traces)))
        return [np.array([dict(self.pages["".join(t.steps[:s]) or "root"])[step]
                          for s, step in enumerate(t.steps)]) for t in traces]

    def _next(self, prefix, i):
        page = self.pages["".join(prefix.steps) or "root"]
        step = page[i % len(page)][0]
        return Trace(prefix.problem, (*prefix.steps, step), finished=step.startswith("A:"))

    def _end(self, trace):
        return trace if trace.finished else self._end(self._next(trace, 0))


def ends(result):
    return ["".join(result.tree.trace(c.node).steps) for c in result.candidates]


ASK = Problem("p", "?", "1", "test")
# "a" looks better than "b" at first, and its ends are worse.
TRAP = Book(root=[("a", 0.9), ("b", 0.8)],
            a=[("A: 2", 0.2), ("A: 3", 0.1)], b=[("A: 1", 0.9), ("A: 4", 0.5)])


@pytest.mark.parametrize("strategy", STRATEGIES, ids=named)
def test_golden_trees_are_rebuilt_exactly(strategy):
    path = GOLDEN / f"{strategy.__name__}.json"
    assert json.loads(path.read_text("utf-8")) == json.loads(json.dumps(grown()[path.stem]))


@pytest.mark.parametrize("strategy", STRATEGIES, ids=named)
def test_a_tree_grows_the_same_alone_as_among_others(strategy):
    given = toys.make(3, length=4)
    results = strategy(given, POLICY, toys.Values(POLICY), seed=3)
    [alone] = strategy(given[1], POLICY, toys.Values(POLICY), seed=3)
    assert results[1].tree.to_dict() == alone.tree.to_dict()
    assert results[1].answer == alone.answer and results[1].best == alone.best
    [other] = strategy(given[1], POLICY, toys.Values(POLICY), seed=4)
    assert other.tree.to_dict() != alone.tree.to_dict()


@pytest.mark.parametrize("strategy, sizes, best", [
    # Totals: aA2 .18, aA3 .09, bA1 .72, bA4 .40.
    (search.beam, {"beam_width": 2, "branching": 2}, "bA: 1"),
    (search.beam, {"beam_width": 1, "branching": 2}, "aA: 2"),  # fooled early, as greedy is
    (search.lookahead, {"beam_width": 1, "branching": 2}, "bA: 1"),  # .18 against .72
    (search.dvts, {"n_trees": 2, "branching": 2}, "aA: 2"),  # both trees go the same way
    (search.best_of_n, {"n_samples": 2}, "bA: 1"),
    (search.weighted_vote, {"n_samples": 3}, "bA: 1"),  # 2 x .18 against .72
    (search.majority_vote, {"n_samples": 3}, "aA: 2"),
    (search.tie_break_vote, {"n_samples": 2}, "bA: 1"),  # 1 to 1, .18 against .72
    (search.tree_of_thoughts, {"branching": 2}, "bA: 1"),  # comes back from a: both below .5
    (search.mcts, {"n_simulations": 1, "branching": 2}, "aA: 2"),
    (search.mcts, {"n_simulations": 4, "branching": 2}, "bA: 1"),
    (search.mcts, {"n_simulations": 4, "branching": 2, "rule": "puct"}, "bA: 1"),
], ids=named)
def test_the_best_trace_is_the_one_worked_out_by_hand(strategy, sizes, best):
    [result] = strategy(ASK, TRAP, TRAP, **sizes)
    assert "".join(result.best.steps) == best and result.best.finished
    assert result.answer == result.best.answer == best[-1]


def test_every_kind_of_fate_of_a_depth_first_search():
    [result] = search.tree_of_thoughts(ASK, TRAP, TRAP, branching=2)
    assert list(zip(result.tree.step, result.tree.fate, result.tree.born, result.tree.decided)) == [
        ("", "kept", 0, 0), ("a", "kept", 1, 1), ("b", "kept", 1, 2), ("A: 2", "finished", 2, 2),
        ("A: 3", "finished", 2, 2), ("A: 1", "finished", 3, 3), ("A: 4", "finished", 3, 3)]


# Limit cases.

def test_a_beam_of_one_is_greedy_by_score():
    scorer = scorers.Random(5)
    [result] = search.beam(PROBLEM, POLICY, scorer, beam_width=1, branching=4, seed=8)
    tree, node = result.tree, 0
    while tree.children[node]:
        node = max(tree.children[node], key=lambda child: tree.step_score[child])
    assert result.best.steps == tree.trace(node).steps


def test_mcts_with_one_simulation_is_best_of_branching():
    [problem] = toys.make(1, length=1)
    scorer = scorers.Random(5)
    for seed in range(5):
        [found] = search.mcts(problem, POLICY, scorer, n_simulations=1, branching=3, seed=seed)
        [best] = search.best_of_n(problem, POLICY, scorer, n_samples=3, seed=seed)
        assert found.best == best.best and found.tree.step == best.tree.step


def test_mcts_with_one_simulation_is_a_beam_of_one_on_longer_problems():
    scorer = scorers.Random(5)
    [found] = search.mcts(PROBLEM, POLICY, scorer, n_simulations=1, branching=3, seed=2)
    [beam] = search.beam(PROBLEM, POLICY, scorer, beam_width=1, branching=3, seed=2)
    assert found.tree.step == beam.tree.step and found.best.steps == beam.best.steps


@pytest.mark.parametrize("seed", range(5))
def test_with_a_constant_scorer_the_weighted_vote_is_the_majority(seed):
    options = {"n_samples": 9, "seed": seed, "aggregate": "min"}
    [weighted] = search.weighted_vote(PROBLEM, POLICY, scorers.Constant(0.4), **options)
    [majority] = search.majority_vote(PROBLEM, POLICY, **options)
    assert weighted.answer == majority.answer and weighted.tree.step == majority.tree.step
    assert [g.answer for g in weighted.groups] == [g.answer for g in majority.groups]


@pytest.mark.parametrize("strategy", [s for s in SCORED if s is not search.tie_break_vote],
                         ids=named)
def test_an_oracle_finds_the_answer_whenever_the_tree_holds_it(strategy):
    given = toys.make(20, length=4)
    for result in strategy(given, toys.ToyPolicy(0.4, 0.2), scorers.Outcome()):
        holds = any(result.tree.trace(c.node).answer == toys.ANSWER for c in result.candidates)
        assert (result.answer == toys.ANSWER) == holds


# The peers' defects.

def test_lookahead_has_an_effect():
    """In search-and-learn it scored the text without what had been looked ahead to."""
    [plain] = search.beam(ASK, TRAP, TRAP, beam_width=1, branching=2)
    [ahead] = search.lookahead(ASK, TRAP, TRAP, beam_width=1, branching=2, ahead=1)
    assert plain.answer == "2" and ahead.answer == "1"
    tree = ahead.tree
    assert dict(zip(tree.step[1:3], tree.value[1:3].round(2))) == {"a": 0.18, "b": 0.72}
    peeked = tree.step.index("A: 2")
    assert (tree.fate[peeked], tree.drawn[peeked]) == ("pruned", 0)  # and no candidate
    assert ends(ahead) == ["bA: 1", "bA: 4"]


@pytest.mark.parametrize("aggregate, answer", [("last", "2"), ("min", "1"), ("mean", "2"),
                                               ("max", "2"), ("product", "2"),
                                               (lambda scores: float(scores[0]), "1")])
def test_votes_and_search_honour_the_aggregation(aggregate, answer):
    """search-and-learn always took the last score for its votes, whatever it was told."""
    book = Book(root=[("a", 0.3), ("b", 0.5)], a=[("A: 2", 1.0)], b=[("A: 1", 0.5)])
    for strategy in (search.best_of_n, search.weighted_vote, search.beam, search.tie_break_vote):
        sizes = {} if strategy is search.beam else {"n_samples": 2}
        [result] = strategy(ASK, book, book, aggregate=aggregate, **sizes)
        assert result.answer == answer, strategy


def test_no_two_siblings_are_equal_and_the_merged_are_counted():
    """its_hub fills its budget with copies of stopped beams."""
    [result] = search.beam(PROBLEM, POLICY, toys.Values(POLICY), beam_width=4, branching=4)
    tree = result.tree
    siblings = list(zip(tree.parent[1:].tolist(), tree.step[1:], tree.finished[1:].tolist()))
    assert len(set(siblings)) == len(siblings)
    assert result.duplicates == tree.drawn[1:].sum() - len(siblings) > 0


def test_the_first_level_expands_fully():
    """its_hub draws only budget / width first steps."""
    [result] = search.beam(PROBLEM, POLICY, toys.Values(POLICY), beam_width=3, branching=5)
    assert result.tree.drawn[result.tree.born == 1].sum() == 15


@pytest.mark.parametrize("max_steps, finished", [(3, True), (2, False)])
def test_max_steps_is_exact(max_steps, finished):
    """its_hub stops a step early. Problems here take three steps, those of the prefix included."""
    for strategy in (search.beam, search.dvts, search.lookahead, search.mcts):
        for root in (PROBLEM, toys.trace(PROBLEM, "+")):
            [result] = strategy(root, POLICY, toys.Values(POLICY), max_steps=max_steps)
            longest = max(len(result.tree.trace(n).steps) for n in range(len(result.tree)))
            assert longest == max_steps and (result.best is not None) == finished
            assert ("max_steps" in result.limits) == (not finished)


def test_nothing_finished_is_no_best_and_all_of_its_tree():
    """search-and-learn divides by zero, openr takes the last of an empty list."""
    [result] = search.beam(PROBLEM, POLICY, toys.Values(POLICY), max_steps=2)
    assert result.best is None and result.answer is None and result.candidates == ()
    assert len(result.tree) == 1 + 2 + 4 and "open" in result.tree.fate
    assert "nothing finished" in repr(result) and "max_steps 4" in repr(result)


def test_one_policy_call_and_one_scorer_call_a_round():
    book = Book(**TRAP.pages)
    asked = [Problem(f"p{i}", "?", "1", "test") for i in range(5)]
    results = search.beam(asked, book, book, beam_width=2, branching=2)
    assert book.calls == [("propose", 5, 4, 1.0), ("score", 10), ("propose", 10, 2, 1.0),
                          ("score", 20)]
    assert [(r.cost.policy_calls, r.cost.scorer_calls) for r in results] == [(2, 2)] * 5
    assert results[0].cost.tokens is None  # a book counts no tokens


def test_a_tie_break_vote_asks_only_about_what_ties():
    book = Book(root=[("A: 1", 0.2), ("A: 2", 0.3), ("A: 3", 0.9), ("A: 1.0", 0.1),
                      ("A: 2", 0.3)])
    [result] = search.tie_break_vote(ASK, book, book, n_samples=5)
    assert result.answer == "2" and book.calls[-1] == ("score", 3) and result.ties == ()
    assert [(g.answer, g.votes) for g in result.groups] == [("2", 2), ("1", 2), ("3", 1)]
    assert choosing.majority(result.tree).ties == ("1", "2")


# Prefixes, watching, refusals.

def test_a_search_goes_on_from_a_prefix_whose_scores_count():
    prefix = Trace(ASK, ("b",))
    [result] = search.beam(prefix, TRAP, TRAP, beam_width=2, branching=2)
    assert result.best.steps == ("b", "A: 1")
    assert result.tree.total[1] == pytest.approx(0.8 * 0.9)
    assert result.tree.step_scores(1).tolist() == [0.9]


def test_a_pruned_branch_can_be_rescued():
    [lost] = search.beam(ASK, TRAP, TRAP, beam_width=1, branching=2)
    pruned = lost.tree.fate.index("pruned")
    [rescued] = search.beam(lost.tree.trace(pruned), TRAP, TRAP, beam_width=1, branching=2)
    assert (lost.answer, rescued.answer) == ("2", "1")


@pytest.mark.parametrize("strategy", STRATEGIES, ids=named)
def test_watch_sees_every_round_and_changes_nothing(strategy):
    seen = []
    given = toys.make(2)
    plain = strategy(given, POLICY, toys.Values(POLICY))
    watched = strategy(given, POLICY, toys.Values(POLICY),
                       watch=lambda round, trees: seen.append((round, trees)))
    assert [round for round, _ in seen] == list(range(1, len(seen) + 1))
    assert seen[-1][0] >= max(result.tree.rounds for result in watched)
    for i in range(2):
        assert seen[-1][1][i].to_dict() == watched[i].tree.to_dict() == plain[i].tree.to_dict()
    for (_, before), (_, after) in zip(seen, seen[1:]):
        assert after[0].step[:len(before[0])] == before[0].step


def test_watch_can_stop_the_search():
    [result] = search.beam(toys.make(1), POLICY, toys.Values(POLICY),
                           watch=lambda round, trees: round == 2)
    assert result.stopped and result.limits == {"stopped": 1} and result.best is None
    assert result.tree.rounds == 2 and result.cost.policy_calls == 2
    assert "open" in result.tree.fate or "kept" in result.tree.fate


def test_what_is_only_looked_ahead_to_meets_no_limit():
    book = Book(root=[("a", 0.9)], a=[("b", 0.8), ("A: 1", 0.9)])
    [result] = search.lookahead(ASK, book, book, beam_width=1, branching=2, ahead=2, max_steps=2)
    assert result.limits == {} and result.answer == "1"  # "b" is pruned
    [done] = search.tree_of_thoughts(ASK, TRAP, TRAP, branching=2)
    assert done.limits == {}


def test_expansions_are_limited_and_it_is_said():
    [result] = search.tree_of_thoughts(toys.make(1), POLICY, toys.Values(POLICY), threshold=0.0,
                                       max_expansions=2)
    assert result.limits == {"expansions": 1} and result.best is None


@pytest.mark.parametrize("call, words", [
    (lambda: search.beam([], POLICY, toys.Truth()), "at least one problem"),
    (lambda: search.beam(PROBLEM, POLICY, toys.Truth(), branching=0), "branching must be at least"),
    (lambda: search.beam(PROBLEM, POLICY, toys.Truth(), beam_width=0), "beam_width must be"),
    (lambda: search.best_of_n(PROBLEM, POLICY, toys.Truth(), n_samples=0), "n_samples must be"),
    (lambda: search.mcts(PROBLEM, POLICY, toys.Truth(), n_simulations=0), "n_simulations must"),
    (lambda: search.mcts(PROBLEM, POLICY, toys.Truth(), rule="ucb"), "one of uct, puct, got 'ucb'"),
    (lambda: search.mcts(PROBLEM, POLICY, toys.Values(), aggregate="sum_logit"), "mcts needs totals"),
    (lambda: search.dvts(PROBLEM, POLICY, toys.Truth(), n_trees=0), "n_trees must be"),
    (lambda: search.lookahead(PROBLEM, POLICY, toys.Truth(), ahead=0), "ahead must be"),
    (lambda: search.beam(PROBLEM, POLICY, toys.Truth(), max_steps=0), "max_steps must be"),
    (lambda: search.beam(PROBLEM, POLICY, toys.Truth(), aggregate="sum"), "an aggregation must be"),
    (lambda: search.weighted_vote(PROBLEM, POLICY, toys.Values(), aggregate="sum_logit"),
     "a weighted vote needs scores >= 0"),
    (lambda: search.beam(toys.trace(PROBLEM, "+++"), POLICY, toys.Truth()), "is finished"),
    (lambda: search.beam("2 + 2", POLICY, toys.Truth()), "must be of Problem or of unfinished"),
    (lambda: search.beam(PROBLEM, POLICY, scorers.Constant(float("nan"))), r"\[0, 1\], got nan"),
    (lambda: search.beam(PROBLEM, POLICY, None), "needs a scorer, got None"),
    (lambda: search.beam(ASK, Still(), TRAP), "Still.propose must return the prefix with one step"),
    (lambda: search.best_of_n(ASK, Twice(), TRAP, n_samples=3),
     "Twice.complete must return 3 rollouts for each of 1 prefixes, got 1 rows of 6"),
])
def test_bad_requests_are_refused_with_what_is_wrong(call, words):
    with pytest.raises(ValueError, match=words):
        call()


class Still(Book):
    """A policy that makes no step."""

    def _next(self, prefix, i):
        return prefix


class Twice(Still):
    """A policy that draws twice as many rollouts as it was asked for."""

    def complete(self, prefixes, n, *, seed, temperature=1.0):
        return [[prefix] * 2 * n for prefix in prefixes]


class Narrow(Book):
    """Has room for one step, and cuts its rollouts there."""

    def fits(self, trace):
        return len(trace.steps) < 1

    def _end(self, trace):
        return trace


def test_traces_too_long_for_a_model_are_left_and_counted():
    narrow = Narrow(**TRAP.pages)
    [result] = search.beam(ASK, narrow, TRAP, beam_width=2, branching=2)  # no second step
    assert result.best is None and result.limits == {"tokens": 2} and len(result.tree) == 3
    [result] = search.beam(ASK, TRAP, narrow, beam_width=2, branching=2)  # nothing to score
    assert np.isnan(result.tree.total).all() and result.limits["tokens"] == 2 + 4
    assert result.best is not None  # an unscored one is better than none
    [result] = search.best_of_n(ASK, narrow, TRAP, n_samples=5)
    assert result.best is None and result.limits == {"tokens": 5} and result.cost.scorer_calls == 0


class Seeded:
    """A policy as a server with seeds is: sample i of a prefix is the same in every row."""

    def propose(self, prefixes, n, *, seed, temperature=1.0):
        return [[self._on(p, f"{seed} {i}") for i in range(n)] for p in prefixes]

    complete = propose

    def _on(self, prefix, name):
        ends = len(prefix.steps) == 1
        return Trace(prefix.problem, (*prefix.steps, f"A: {name}" if ends else name), ends)


class Numbering(Seeded):
    """The same, with samples of equal prefixes numbered on."""

    repeats_differ = True

    def propose(self, prefixes, n, *, seed, temperature=1.0):
        return [[self._on(p, f"{seed} {n * prefixes[:k].count(p) + i}") for i in range(n)]
                for k, p in enumerate(prefixes)]

    complete = propose


def test_equal_prefixes_get_samples_of_their_own_from_any_policy():
    """Copies stood for the samples of trees that stood at the same prefix, and voted."""
    found = [search.dvts([ASK, Problem("q", "?", "1", "test")], policy(), scorers.Random(0),
                         n_trees=3, branching=2) for policy in (Seeded, Numbering)]
    assert [result.duplicates for result in found[0]] == [0, 0]
    for one, other in zip(*found, strict=True):
        assert len(one.tree) == len(other.tree) == 1 + 6 + 6 and len(one.candidates) == 6
        assert one.tree.step == other.tree.step


def test_problems_that_ask_for_different_numbers_of_samples_get_no_copies():
    def grow(tree):
        yield search.Rollouts([0], 6 if tree.root.problem.id == "q" else 4)

    begun = [Trace(Problem(name, "?", "1", "test"), ("s",)) for name in "pq"]
    found = search.run(grow, begun, Seeded(), scorers.Constant())
    assert [[c.votes for c in result.candidates] for result in found] == [[1] * 4, [1] * 6]
    assert [result.cost.policy_calls for result in found] == [1, 1]


# A strategy of one's own, in at most 20 lines.

def two_at_a_time(tree):
    """Goes on from the best node anywhere in the tree, two steps drawn: best-first search."""
    waiting = tree.live([0])
    while waiting:
        best = tree.best(waiting, 1)
        [children] = yield search.Steps(best, 2)
        if any(tree.finished[node] for node in children):
            return
        waiting = tree.live({*waiting, *children} - set(best))


def test_a_new_strategy_is_short():
    [result] = search.run(two_at_a_time, ASK, TRAP, TRAP)
    assert result.answer == "2" and result.tree.rounds == 2
    results = search.run(two_at_a_time, toys.make(3), POLICY, toys.Values(POLICY))
    assert [result.best is not None for result in results] == [True] * 3
