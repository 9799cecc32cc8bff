"""Accuracy against tokens: read between budgets, never beyond, and compared problem by problem."""

import json

import numpy as np
import pytest

from prmlab import catalog, spending
from prmlab.spending import Spending


def spent(right, tokens):
    """One row of tokens for all problems."""
    return Spending(np.array(right), np.tile(tokens, (len(right), 1)))


def test_between_two_budgets_the_line_is_straight_over_log_tokens():
    s = spent([[0, 1, 1], [0, 0, 1]], [10, 1000, 4000])
    assert [s.at(t).value for t in (10, 100, 1000, 2000, 4000)] == pytest.approx(
        [0, 0.25, 0.5, 0.75, 1])


def test_budgets_are_put_in_order_of_what_they_cost():
    line = spent([[1, 0, 0]], [900, 300, 30]).line()
    assert line.tokens.tolist() == [30, 300, 900]
    assert line.mean.tolist() == [0, 0, 1]
    assert spent([[1, 0]], [900, 30]).at(900).value == 1


@pytest.mark.parametrize("tokens", [9, 4001])
def test_nothing_is_read_off_beyond_what_was_measured(tokens):
    with pytest.raises(ValueError, match=f"nothing was measured at {tokens} tokens.*10 to 4000"):
        spent([[0, 1]], [10, 4000]).at(tokens)


def test_the_paired_interval_is_narrower_than_two_of_its_own():
    rng = np.random.default_rng(0)
    solved = rng.random(200) < 0.5
    better = solved | (rng.random(200) < 0.1)
    a, b = (spent(np.stack([s, s], 1), [10, 40]) for s in (better, solved))
    gap, one = spending.difference(a, b, 20), a.at(20)
    assert gap.value == pytest.approx(better.mean() - solved.mean())
    assert gap.low > 0
    assert gap.high - gap.low < one.high - one.low


def test_a_difference_with_itself_is_nothing():
    s = spent([[0, 1], [1, 1], [0, 0]], [10, 40])
    assert repr(spending.difference(s, s, 15)) == "0.000 [0.000, 0.000]"


def test_what_all_cover():
    a, b = spent([[0, 1]], [10, 500]), spent([[0, 1]], [30, 900])
    assert spending.covered([a, b]) == (30, 500)


def test_records_become_one_spending_a_strategy():
    runs = [{"strategy": "beam", "right": "011", "policy_tokens": [1, 2, 3],
             "scorer_tokens": [10, 20, 30]},
            {"strategy": "beam", "right": "111", "policy_tokens": [5, 5, 5],
             "scorer_tokens": [50, 50, 50]},
            {"strategy": "majority", "right": "001", "policy_tokens": [7, 7, 7],
             "scorer_tokens": [0, 0, 0]}]
    found = spending.of_runs(runs)
    assert found["beam"].right.tolist() == [[0, 1], [1, 1], [1, 1]]
    assert found["beam"].tokens.tolist() == [[11, 55], [22, 55], [33, 55]]
    assert spending.of_runs(runs, ["policy_tokens"])["majority"].tokens.tolist() == [[7]] * 3


@pytest.mark.parametrize(("right", "tokens", "words"), [
    ([[1, 0]], [[1], [2]], r"\[P, K\].*\(1, 2\) and \(2, 1\)"),
    ([[1]], [[0]], "must have cost some tokens"),
    ([], [], r"\[P, K\]"),
])
def test_bad_input_is_named(right, tokens, words):
    with pytest.raises(ValueError, match=words):
        Spending(right, tokens)
    good = spent([[0, 1]], [10, 40])
    with pytest.raises(ValueError, match="same problems only, got 1 and 2"):
        spending.difference(good, spent([[0, 1]] * 2, [10, 40]), 20)


def test_the_recording_is_whole():
    """Each run has a cell a problem; one sample is one sample, whoever chooses."""
    recorded = json.loads(catalog.path("runs/search.json").read_text("utf-8"))
    n = len(recorded["problems"])
    for run in recorded["runs"]:
        assert len(run["right"]) == len(run["policy_tokens"]) == len(run["scorer_tokens"]) == n
        assert len(run["policy_tokens_apart"]) == n  # equal samples billed one by one
        assert sum(run["policy_tokens_apart"]) >= sum(run["policy_tokens"])
    one = {run["strategy"]: run["right"] for run in recorded["runs"]
           if run["setting"] == "n_samples" and run["budget"] == 1}
    assert len(set(one.values())) == 1
    beam = next(run for run in recorded["runs"] if run["strategy"] == "beam"
                and run["budget"] == recorded["losses"]["beam_width"])
    lost = recorded["losses"]["by scorer"][beam["scorer"]]
    assert [row["problem"] for row in lost] == [i for i, ok in enumerate(beam["right"])
                                                if ok == "0"]
