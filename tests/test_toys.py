"""Toys: values against counting all futures by hand, frequencies, and independence of the batch."""

from itertools import product

import numpy as np
import pytest

from prmlab import protocols, toys

PROBLEMS = toys.make(3, length=4)
PREFIXES = [toys.trace(problem, moves) for problem in PROBLEMS for moves in ("", "+-", "-", "+++")]


def counted(policy, moves, length):
    """The value by summing the chances of all futures."""
    total = 0.0
    for future in product("+-", repeat=length - len(moves)):
        chance, last = 1.0, moves[-1:] or "+"
        for move in future:
            plus = policy.keep if last == "+" else policy.repair
            chance *= plus if move == "+" else 1 - plus
            last = move
        total += chance * (last == "+")
    return total


@pytest.mark.parametrize("policy", [toys.ToyPolicy(), toys.ToyPolicy(0.6, 0.0),
                                    toys.ToyPolicy(0.3, 0.8), toys.ToyPolicy(1.0, 0.0)])
def test_values_are_those_of_all_futures(policy):
    for n in range(5):
        for moves in map("".join, product("+-", repeat=n)):
            prefix = toys.trace(PROBLEMS[0], moves)
            assert policy.value(prefix) == pytest.approx(counted(policy, moves, 4))


def test_rollouts_come_out_right_as_often_as_the_value_says():
    """20,000 rollouts, five standard deviations."""
    policy = toys.ToyPolicy(0.8, 0.3)
    for temperature in (1.0, 0.5):
        for prefix, row in zip(PREFIXES[:4], policy.complete(PREFIXES[:4], 20_000, seed=5,
                                                             temperature=temperature)):
            value = policy.value(prefix, temperature=temperature)
            share = np.mean([rollout.answer == toys.ANSWER for rollout in row])
            assert share == pytest.approx(value, abs=5 * 0.5 / 20_000**0.5)
            assert {len(rollout.steps) for rollout in row} == {4}
            assert all(rollout.finished and rollout.steps[:len(prefix.steps)] == prefix.steps
                       for rollout in row)


def test_a_sample_does_not_depend_on_its_batch_and_repeats_count_on():
    policy = toys.ToyPolicy(0.6, 0.4)
    rows = policy.complete(PREFIXES, 5, seed=1)
    assert policy.complete(PREFIXES[::-1], 5, seed=1)[::-1] == rows
    assert policy.complete(PREFIXES[2:3], 3, seed=1) == [rows[2][:3]]
    assert policy.complete(PREFIXES, 5, seed=2) != rows
    first, second = policy.complete([PREFIXES[0]] * 2, 5, seed=1)
    assert [first + second] == policy.complete([PREFIXES[0]], 10, seed=1)


def test_one_step_at_a_time_and_the_end():
    policy = toys.ToyPolicy(1.0, 0.0)
    (row,) = policy.propose([toys.trace(PROBLEMS[0], "+++")], 2, seed=0)
    assert [(t.steps, t.finished, t.answer) for t in row] == [
        (("+", "+", "+", "+ Answer: 12"), True, "12")] * 2
    (row,) = policy.propose([toys.trace(PROBLEMS[0], "-")], 1, seed=0)
    assert (row[0].steps, row[0].finished) == (("-", "-"), False)
    whole = toys.trace(PROBLEMS[0], "++++")
    assert policy.complete([whole, whole.prefix(4)], 2, seed=0)[0] == [whole, whole]
    assert policy.complete([whole.prefix(4)], 1, seed=0) == [[whole]]
    assert isinstance(policy, protocols.Policy)


def test_cold_is_the_likelier_move():
    policy = toys.ToyPolicy(0.6, 0.4)
    (row,) = policy.complete([PREFIXES[0]], 3, seed=0, temperature=0)
    assert {t.text for t in row} == {"+\n+\n+\n+ Answer: 12"}
    assert policy.value(PREFIXES[0], temperature=0) == 1.0


def test_scorers():
    trace = toys.trace(PROBLEMS[0], "+-+-")
    assert protocols.scored(toys.Truth(), [trace])[0].tolist() == [1, 0, 1, 0]
    values = protocols.scored(toys.Values(toys.ToyPolicy(0.9, 0.0)), [trace])[0]
    assert values.tolist() == pytest.approx([0.9**3, 0, 0.9, 0])


def test_noise_has_its_rate_and_depends_on_the_prefix_alone():
    traces = [toys.trace(problem, "+-+-+") for problem in toys.make(600, length=5)]
    noisy = toys.Noisy(toys.Truth(), flip=0.2, seed=3)
    scores = np.array(protocols.scored(noisy, traces))
    turned = scores != [1, 0, 1, 0, 1]
    assert turned.mean() == pytest.approx(0.2, abs=5 * (0.16 / 3000)**0.5)
    assert noisy.score([traces[7].prefix(3)])[0].tolist() == scores[7, :3].tolist()
    assert not np.array_equal(toys.Noisy(toys.Truth(), flip=0.2, seed=4).score(traces), scores)


def test_bad_input():
    other = toys.trace(PROBLEMS[0], "+")
    alien = type(other)(type(PROBLEMS[0])("q", "?", "1", "stories"), ())
    with pytest.raises(ValueError, match="'q' must be of the family 'toy'.*it is of 'stories'"):
        toys.ToyPolicy().complete([alien], 1, seed=0)
    with pytest.raises(ValueError, match="keep must be a chance in .0, 1., got 1.2"):
        toys.ToyPolicy(keep=1.2)
    with pytest.raises(ValueError, match="flip must be a chance"):
        toys.Noisy(toys.Truth(), flip=-1)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        toys.ToyPolicy().complete([other], 0, seed=0)
    with pytest.raises(ValueError, match="temperature must be at least 0"):
        toys.ToyPolicy().complete([other], 1, seed=0, temperature=-1)
    with pytest.raises(ValueError, match="no move is left after 4; take trace.prefix"):
        toys.ToyPolicy().propose([toys.trace(PROBLEMS[0], "++++").prefix(4)], 1, seed=0)
    with pytest.raises(ValueError, match="asks for 4 moves, got 5"):
        toys.ToyPolicy().value(type(other)(PROBLEMS[0], ("+",) * 5))
    with pytest.raises(ValueError, match="must begin with '.' or '-', got 'left'"):
        toys.Truth().score([type(other)(PROBLEMS[0], ("left",))])
    with pytest.raises(ValueError, match="at most 4 of '.' and '-', got '.*x'"):
        toys.trace(PROBLEMS[0], "+x")
    with pytest.raises(ValueError, match="at least one problem of at least one move, got n=0"):
        toys.make(0)
