"""Labels of toys whose values are known: coverage, reuse, search, consensus, bad input."""

from itertools import count, islice
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prmlab import labels, problems, toys
from prmlab.estimates import Stopping, expected
from prmlab.evidence import Labelled, StepLabel, total
from prmlab.intervals import wilson
from prmlab.traces import Problem, Trace

EXACT = toys.ToyPolicy(keep=1.0, repair=0.0)  # values are 0 and 1: one rollout says all


class Watched:
    """A toy policy that keeps what it was asked, and counts ten tokens a rollout."""

    def __init__(self, policy=EXACT):
        self.policy, self.asked, self.policy_tokens = policy, [], 0

    @property
    def usage(self):
        return type("Usage", (), {"policy_tokens": self.policy_tokens})

    def complete(self, prefixes, n, *, seed, temperature=1.0):
        self.asked.append([p.text for p in prefixes])
        self.policy_tokens += 10 * n * len(prefixes)
        return self.policy.complete(prefixes, n, seed=seed, temperature=temperature)


def traces(*moves, length=4):
    (problem,) = toys.make(1, length=length)
    return [toys.trace(problem, m) for m in moves]


def sampled(policy, n, length):
    roots = [toys.trace(problem, "") for problem in toys.make(n, length=length)]
    return [row[0] for row in policy.complete(roots, 1, seed=99)]


def binomial(n, value):
    return [comb(n, k) * value**k * (1 - value)**(n - k) for k in range(n + 1)]


def test_estimates_lie_inside_exact_intervals_at_the_nominal_rate():
    """1,600 prefixes: the central 95 % of each binomial, and Wilson's interval of each estimate.

    How often each holds is known exactly, prefix by prefix; allowed are five deviations.
    """
    policy = toys.ToyPolicy(0.85, 0.3)
    inside, chance, covered, coverage = [], [], [], []
    for one in labels.monte_carlo(sampled(policy, 400, 5), policy, n_rollouts=16):
        for s, step in enumerate(one.steps[:-1]):
            value = policy.value(one.trace.prefix(s + 1))
            density = binomial(16, value)
            central = [k for k in range(17) if sum(density[:k + 1]) > 0.025
                       and sum(density[k:]) > 0.025]
            inside.append(round(step.value * 16) in central)
            chance.append(sum(density[k] for k in central))
            low, high = step.interval()
            covered.append(low <= value <= high)
            coverage.append(sum(p for k, p in enumerate(density)
                                if wilson(k, 16)[0] <= value <= wilson(k, 16)[1]))
            assert step.n == 16 and step.source == "rollouts"
    assert len(inside) == 1600 and min(chance) >= 0.95
    for seen, nominal in ((inside, chance), (covered, coverage)):
        nominal = np.array(nominal)
        spread = np.sqrt((nominal * (1 - nominal)).sum())
        assert abs(sum(seen) - nominal.sum()) < 5 * spread
    assert np.mean(coverage) > 0.93


def test_adaptive_costs_less_and_is_biased_as_expected():
    """2,000 prefixes of the value 0.2, where the bias is largest; five standard errors."""
    policy, given = toys.ToyPolicy(0.2, 0.0), []
    for problem in toys.make(2000, length=2):
        given.append(toys.trace(problem, "+"))
    made = list(labels.monte_carlo(given, policy, adaptive=True))
    values = np.array([one.values[0] for one in made])
    want = expected(0.2, Stopping(at_most=64))
    assert want.value - 0.2 == pytest.approx(0.041, abs=1e-3)
    assert values.mean() == pytest.approx(want.value, abs=5 * values.std() / 2000**0.5)
    assert values.mean() > 0.2 + 0.02
    assert total(made).generations < 0.4 * 16 * 2000
    fixed = list(labels.monte_carlo(given, policy))
    unbiased = np.array([one.values[0] for one in fixed])
    assert unbiased.mean() == pytest.approx(0.2, abs=5 * unbiased.std() / 2000**0.5)


def test_equal_prefixes_are_asked_once_in_one_call_and_the_end_not_at_all():
    policy = Watched()
    first, second, cut = labels.monte_carlo(traces("++-+", "++++", "+-"), policy, n_rollouts=3)
    assert policy.asked == [["+", "+\n+", "+\n+\n-", "+\n+\n+", "+\n-"]]
    assert first.labels == (1, 1, -1, 1) and second.labels == (1, 1, 1, 1)
    assert first.values == (1.0, 1.0, 0.0, 1.0) and cut.values == (1.0, 0.0)
    assert [s.n for s in first.steps] == [3, 3, 3, 0]
    assert [s.source for s in second.steps] == ["rollouts"] * 3 + ["outcome"]
    assert [[s.cost for s in one.steps] for one in (first, second, cut)] == [
        [3, 3, 3, 0], [0, 0, 3, 0], [0, 3]]
    whole = total([first, second, cut])
    assert (whole.generations, whole.tokens, whole.calls) == (15, 150, 1)


def test_results_come_in_order_in_flat_memory_and_do_not_depend_on_the_chunk():
    policy = toys.ToyPolicy()
    (problem,) = toys.make(1, length=3)
    taken = []

    def endless():
        for i in count():
            taken.append(i)
            yield toys.trace(problem, "+-+")

    assert len(list(islice(labels.monte_carlo(endless(), policy, chunk_size=4), 5))) == 5
    assert len(taken) == 8
    given = sampled(policy, 30, 4)
    small = [one.steps for one in labels.monte_carlo(given, policy, chunk_size=1)]
    assert [one.steps for one in labels.monte_carlo(given, policy, chunk_size=100)] == small
    assert list(labels.monte_carlo([], policy)) == []


@pytest.mark.parametrize("answer", ["12.0", "24/2"])
def test_answers_are_compared_by_value(answer):
    problem = Problem("toy-2-0", "?", answer, toys.FAMILY, {"length": 2})
    (one,) = labels.monte_carlo([toys.trace(problem, "+")], EXACT, n_rollouts=2)
    assert one.values == (1.0,)


def test_tree_until_right_draws_only_what_leaves_a_prefix_decided():
    """A prefix through which a right rollout came costs nothing; labels are fixed n's in kind."""
    policy = toys.ToyPolicy(0.9, 0.2)
    made = [toys.trace(problem, moves) for problem in toys.make(40, length=6)
            for moves in ("++++++", "++-+-+", "+-+++-")]
    rule = Stopping(8, step=2, confidence=0.99)
    found = list(labels.tree(made, policy, n_rollouts=8, adaptive=rule, seed=3))
    fixed = list(labels.tree(made, policy, n_rollouts=8, seed=3))
    alone = list(labels.monte_carlo(made, policy, n_rollouts=8, adaptive=rule, seed=3))
    cost, cost_fixed, cost_alone = (total(rows).generations for rows in (found, fixed, alone))
    assert cost < 0.6 * cost_fixed and cost < 0.6 * cost_alone
    for row in found:
        for step in row.steps:
            assert step.label == (1 if step.value > 0 else -1)
            assert not step.n or step.value > 0 or step.n >= 8  # dead only after all eight
    with pytest.raises(ValueError, match="adaptive stops by the threshold"):
        next(labels.tree(made, policy, adaptive=rule, threshold=0.5))


def test_tree_counts_what_passes_through_and_stays_unbiased():
    """300 problems with 6 traces each; the mean error over all prefixes, five deviations."""
    policy = toys.ToyPolicy(0.8, 0.3)
    roots = [toys.trace(problem, "") for problem in toys.make(300, length=5)]
    given = [t for row in policy.complete(roots, 6, seed=99) for t in row]
    grown = list(labels.tree(given, policy, n_rollouts=8))
    plain = list(labels.monte_carlo(given, policy, n_rollouts=8))
    assert total(grown).generations < 0.75 * total(plain).generations
    assert all(step.n >= 8 for one in grown for step in one.steps[:-1])
    by_problem = {}
    for one in grown:
        for s, step in enumerate(one.steps[:-1]):
            error = step.value - policy.value(one.trace.prefix(s + 1))
            by_problem.setdefault(one.trace.problem.id, []).append(error)
    means = np.array([np.mean(errors) for errors in by_problem.values()])  # these are independent
    assert abs(means.mean()) < 5 * means.std() / len(means)**0.5


def test_tree_asks_level_by_level_and_can_count_the_traces():
    policy = Watched()
    (one,) = labels.tree(traces("++++"), policy, n_rollouts=3)
    assert policy.asked == [["+"]]  # a sure policy's rollouts pass through every prefix
    assert [s.n for s in one.steps] == [3, 3, 3, 0] and one.cost.generations == 3
    policy = Watched()
    made = list(labels.tree(traces("++++", "+++-"), policy, n_rollouts=2, count_traces=True))
    assert policy.asked == []
    assert made[0].values == made[1].values[:3] + (1.0,) == (0.5, 0.5, 0.5, 1.0)


@pytest.mark.parametrize("n_steps", [1, 2, 5, 8])
def test_bisect_finds_the_first_error_of_exact_values(n_steps):
    for error in range(n_steps + 1):
        policy = Watched()
        moves = "+" * error + "-" * (n_steps - error)
        (one,) = labels.bisect(traces(moves, length=n_steps), policy, n_rollouts=1)
        right = error == n_steps
        assert one.first_error == (None if right else error)
        assert one.labels == (1.0,) * error + (() if right else (-1.0,)) + (None,) * (
            n_steps - error - 1)
        n_asked = sum(map(len, policy.asked))
        assert n_asked == one.cost.generations
        assert n_asked == 0 if right else n_asked <= 1 + int(np.ceil(np.log2(n_steps)))
        cut = Trace(one.trace.problem, one.trace.steps[:-1])
        (one,) = labels.bisect([cut], EXACT, n_rollouts=1)
        assert one.first_error == (error if error < n_steps - 1 else None)


@given(st.lists(st.text("+-", min_size=1, max_size=7), min_size=1, max_size=5))
def test_bisect_ends_at_a_border_between_alive_and_dead(moves):
    """Whatever the trace: what it calls the first error is a dead prefix after a living one."""
    given = [toys.trace(toys.make(1, length=7)[0], m) for m in moves]
    for one in labels.bisect(given, EXACT, n_rollouts=1):
        s = one.first_error
        if s is not None:
            assert one.trace.steps[s][0] == "-"
            assert s == 0 or one.trace.steps[s - 1][0] == "+"
        assert one.decided


def test_bisect_shares_what_traces_of_a_problem_ask_and_never_contradicts_it():
    policy = toys.ToyPolicy(0.8, 0.3)
    (root,) = [toys.trace(problem, "") for problem in toys.make(1, length=9)]
    given = policy.complete([root], 60, seed=99)[0]
    together = list(labels.bisect(given, policy, n_rollouts=3))
    for one in together:
        s = one.first_error
        if one.steps[-1].value == 0:  # else it ended right, and nothing else counts
            assert all(step.value != 0 for step in one.steps[:s])
            assert s is None or one.steps[s].value == 0
    apart = list(labels.bisect(given, policy, n_rollouts=3, chunk_size=1))
    assert total(together).generations < 0.5 * total(apart).generations
    final = toys.ToyPolicy(0.8, 0.0).complete([root], 60, seed=99)[0]  # no step comes alive again
    exact = [list(labels.bisect(final, EXACT, n_rollouts=1, chunk_size=n)) for n in (1, 60)]
    assert [one.labels for one in exact[0]] == [one.labels for one in exact[1]]


def test_bisect_blames_no_step_where_the_problem_is_dead():
    never = toys.ToyPolicy(keep=0.0, repair=0.0)
    (one,) = labels.bisect(traces("++--"), never, n_rollouts=4)
    assert one.labels == (None,) * 4 and not one.decided
    assert one.cost.generations == 8  # the problem and the middle


def test_exact_labels_are_the_checkers():
    (problem,) = problems.make("equations", 1, seed=3, difficulty=2)
    solved = problems.solve(problem)
    broken = Trace(problem, (*solved.steps[:-1], "Answer: 9999"), True)
    right, wrong = labels.exact([solved, broken])
    assert set(right.values) == {1.0} and right.first_error is None
    assert wrong.first_error == len(broken.steps) - 1 and wrong.values[-1] == 0.0
    assert right.steps[0].source == "exact" and right.cost.generations == 0
    with pytest.raises(ValueError, match="family"):
        list(labels.exact(traces("+")))


def marked(trace, *marks, source="x"):
    return Labelled(trace, tuple(StepLabel(m, None, 2, source, 3) for m in marks), source)


def test_consensus_keeps_what_agrees_on_the_first_error():
    given = traces("+---", "++++", "+-++", "++-+", "----")
    a = [marked(given[0], 1, -1, -1, -1), marked(given[1], 1, 1, 1, 1),
         marked(given[2], 1, -1, 1, 1), marked(given[3], 1, None, -1, 1),
         marked(given[4], -1, -1, -1, -1)]
    b = [marked(given[0], 1, -1, None, None, source="y"), marked(given[1], 1, 1, 1, 1),
         marked(given[2], 1, 1, 1, 1), marked(given[3], 1, 1, -1, None),
         marked(given[4], None, None, None, None)]
    kept = list(labels.consensus(a, b))
    assert [one.labels for one in kept] == [(1, -1, None, None), (1, 1, 1, 1)]
    assert kept[0].steps[1].source == "x & y" and kept[0].method == "consensus"
    assert [step.cost for step in kept[0].steps] == [6, 6, 6, 6]
    with pytest.raises(ValueError, match="number 1 is of problem 'toy-4-0' in a"):
        list(labels.consensus(a[:2], [b[0], b[2]]))
    with pytest.raises(ValueError, match="shorter"):
        list(labels.consensus(a, b[:2]))


@pytest.mark.parametrize("how", [labels.monte_carlo, labels.tree, labels.bisect])
def test_bad_numbers_are_refused_at_the_call(how):
    with pytest.raises(ValueError, match="n_rollouts must be at least 1, got 0"):
        how([], EXACT, n_rollouts=0)
    with pytest.raises(ValueError, match="chunk_size must be at least 1, got -3"):
        how([], EXACT, chunk_size=-3)
    with pytest.raises(ValueError, match=r"threshold must be in \[0, 1\), got 1.0"):
        how([], EXACT, threshold=1.0)
    unknown = Trace(Problem("q7", "?", None, toys.FAMILY, {"length": 2}), ("+", "-"), True)
    with pytest.raises(ValueError, match="'q7' has no answer"):
        list(how([unknown], EXACT))


def test_a_rule_has_the_threshold_of_the_labels():
    rule = Stopping(at_most=8, threshold=0.5)
    for right in ({}, {"threshold": 0.5}):
        (one,) = labels.monte_carlo(traces("+"), toys.ToyPolicy(0.8, 0.2), adaptive=rule, **right)
        assert one.labels == (1.0 if one.values[0] > 0.5 else -1.0,)
    with pytest.raises(ValueError, match="stops by the threshold 0.5, .* got threshold=0.25"):
        labels.monte_carlo([], EXACT, adaptive=rule, threshold=0.25)
