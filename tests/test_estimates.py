"""Rollouts counted and graded, the stopping rule by hand, and its bias, exact and as drawn."""

import numpy as np
import pytest

from prmlab import toys
from prmlab.estimates import (
    Stopping,
    Tally,
    chance_above,
    draw_adaptively,
    expected,
    is_right,
    key,
    round_seed,
)
from prmlab.traces import Problem, Trace


def at_value(value, n):
    """A policy, and `n` prefixes from which it ends right with that chance."""
    prefixes = [toys.trace(problem, "+") for problem in toys.make(n, length=2)]
    return toys.ToyPolicy(keep=value, repair=0.0), prefixes


def test_right_is_finished_with_an_equal_answer():
    problem = Problem("p", "?", "12", "test")
    right = [Trace(problem, ("so", f"Answer: {a}"), True) for a in ("12", "24/2", "12 pens")]
    wrong = [Trace(problem, (f"Answer: {a}",), True) for a in ("1", "112", "2", "12 or so 3")]
    assert all(map(is_right, right)) and not any(map(is_right, wrong))
    assert not is_right(Trace(problem, ("Answer: 12",), finished=False))  # cut at a limit
    assert not is_right(Trace(problem, ("it is 12",), True)) and not is_right(Trace(problem, ()))
    with pytest.raises(ValueError, match="'p' has no answer, so rollouts cannot be graded"):
        is_right(Trace(Problem("p", "?", None, "test"), ("Answer: 12",), True))


def test_a_tally_counts_and_charges():
    policy, prefixes = at_value(1.0, 3)
    tally = Tally(policy, seed=0, temperature=1.0)
    assert tally.draw([], 4) == []
    tally.draw(prefixes, 4)
    tally.draw(prefixes[:1], 2, round=1)
    tally.add(key(prefixes[1]), 5, 2)
    assert list(tally.counts.values()) == [[6, 6], [9, 6], [4, 4]]
    cost = tally.cost()
    assert (cost.generations, cost.calls, cost.tokens) == (14, 2, None)
    assert round_seed(7, 0) == 7 and len({round_seed(7, r) for r in range(9)}) == 9


def test_a_policy_that_breaks_its_word_is_named():
    class Short:
        def complete(self, prefixes, n, *, seed, temperature=1.0):
            return [[p] for p in prefixes]

    _, prefixes = at_value(1.0, 2)
    with pytest.raises(ValueError, match=r"Short.complete must return 4 rollouts for each of 2"):
        Tally(Short(), seed=0, temperature=1.0).draw(prefixes, 4)


def test_posterior_against_the_integral():
    grid = np.linspace(0, 1, 20_001)
    for n_right, n, threshold in ((0, 4, 0.3), (3, 5, 0.5), (1, 9, 0.05)):
        slab = grid**n_right * (1 - grid)**(n - n_right)
        dead = 0.0 if n_right else 1.0  # its likelihood; both halves of the prior weigh 1/2
        alive = slab.mean() / (slab.mean() + dead)
        above = alive * slab[grid > threshold].sum() / slab.sum()
        assert chance_above(threshold, n_right, n) == pytest.approx(above, abs=1e-3)


def test_stopping_by_hand():
    """Threshold 0, confidence 0.9: one success decides, eight failures do: 1 / (8 + 2) = 0.1."""
    rule = Stopping(at_most=20)
    assert rule.undecided(1, 4) == 0
    assert rule.undecided(0, 4) > 0
    assert rule.undecided(0, 8) == 0
    assert Stopping(at_most=8, threshold=0.5).undecided(4, 8) == 0  # at its limit
    assert Stopping(at_most=9, threshold=0.5).undecided(4, 8) > 0.9  # near even odds
    got = expected(0.1, rule)
    alive = 1 - 0.9**4
    assert got.n == pytest.approx(4 * alive + 8 * 0.9**4)
    assert got.called_right == pytest.approx(1 - 0.9**8)
    # stopped at 4: mean of k/4 is v less nothing (k = 0 adds none); at 8: 0.9^4 of k/8
    assert got.value == pytest.approx(0.1 + 0.9**4 * 0.1 / 2)


def test_the_bias_that_the_docstring_states():
    """Threshold 0: at most 0.041 too high, at the value 0.2: v (1 - v)^4 / 2."""
    values = np.linspace(0, 1, 201)
    bias = np.array([expected(v, Stopping(at_most=64)).value - v for v in values])
    assert bias.max() == pytest.approx(0.04096) and values[bias.argmax()] == pytest.approx(0.2)
    assert bias.min() > -1e-12


@pytest.mark.parametrize("threshold", [0.0, 0.3])
@pytest.mark.parametrize("value", [0.0, 0.05, 0.2, 0.6])
def test_drawn_bias_cost_and_calls_are_as_expected(value, threshold):
    """2,000 prefixes each, five standard errors."""
    rule = Stopping(at_most=16, threshold=threshold)
    policy, prefixes = at_value(value, 2000)
    tally = Tally(policy, seed=11, temperature=1.0)
    draw_adaptively(tally, prefixes, rule, 16 * len(prefixes))
    n, n_right = np.array(list(tally.counts.values())).T
    want = expected(value, rule)
    for seen, mean in ((n, want.n), (n_right / n, want.value),
                       (n_right / n > threshold, want.called_right)):
        assert seen.mean() == pytest.approx(mean, abs=5 * seen.std() / 2000**0.5 + 1e-9)


def test_what_is_saved_is_spent_where_it_is_open_and_the_budget_holds():
    sure, _ = at_value(1.0, 1)
    prefixes = [toys.trace(p, "+") for p in toys.make(40, length=2)]
    open_ = prefixes[:10]

    class Mixed:
        """Sure of most problems; even odds on the first ten."""

        def complete(self, prefixes, n, *, seed, temperature=1.0):
            even = toys.ToyPolicy(0.5, 0.0)
            return [(even if p in open_ else sure).complete([p], n, seed=seed)[0]
                    for p in prefixes]

    tally = Tally(Mixed(), seed=0, temperature=1.0)
    rule = Stopping(at_most=64, threshold=0.5, confidence=0.95)
    draw_adaptively(tally, prefixes, rule, 12 * len(prefixes))
    n = np.array([tally.counts[key(p)][0] for p in prefixes])
    assert n.sum() <= 12 * 40
    assert n[10:].max() <= 8 and n[:10].mean() > 12


def test_bad_rules():
    with pytest.raises(ValueError, match="1 <= step <= at_most, got step=5, at_most=4"):
        Stopping(at_most=4, step=5)
    with pytest.raises(ValueError, match="strictly between 0.5 and 1, got 1.0"):
        Stopping(at_most=4, confidence=1.0)
    with pytest.raises(ValueError, match=r"threshold must be in \[0, 1\), got 1"):
        Stopping(at_most=4, threshold=1)
    with pytest.raises(ValueError, match="value must be a chance"):
        expected(1.1, Stopping(at_most=4))
