"""Cohen's kappa against a table worked out by hand, its limits and properties; pairing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prmlab import agreement
from prmlab.datasets import prm800k
from prmlab.traces import Problem, Trace


def test_kappa_by_hand():
    # both +: 20, a + b -: 5, a - b +: 10, both -: 15; observed 0.7, expected 0.5
    a = [1] * 25 + [-1] * 25
    b = [1] * 20 + [-1] * 5 + [1] * 10 + [-1] * 15
    result = agreement.cohen_kappa(a, b)
    assert result.labels == (-1, 1)
    assert result.table.tolist() == [[15, 10], [5, 20]]
    assert (result.observed, result.expected) == (pytest.approx(0.7), pytest.approx(0.5))
    assert result.kappa == pytest.approx(0.4)
    # large-sample standard error 0.13: the bootstrap must be near +- 1.96 of it
    assert result.low == pytest.approx(0.4 - 0.25, abs=0.05)
    assert result.high == pytest.approx(0.4 + 0.25, abs=0.05)


def test_kappa_limits_and_messages():
    assert agreement.cohen_kappa("abca", "abca").kappa == 1.0
    assert agreement.cohen_kappa([1, 1, 1], [1, -1, 1]).kappa == 0.0  # one never hesitates
    assert np.isnan(agreement.cohen_kappa([1, 1], [1, 1]).kappa)
    assert agreement.cohen_kappa([1, -1], [-1, 1]).kappa == -1.0
    with pytest.raises(ValueError, match="need two labels per item, and an item, got 2 and 1"):
        agreement.cohen_kappa([1, 1], [1])
    with pytest.raises(ValueError, match="must not be None"):
        agreement.cohen_kappa([1, None], [1, 1])


def test_who_sleeps_through_whole_problems_has_a_wider_interval():
    """60 problems of 5 steps, each twice right and thrice wrong; in every third all are called
    right. Steps hang together, so their number is no number of witnesses."""
    truth = [1, 1, -1, -1, -1] * 60
    said = [y if (i // 5) % 3 else 1 for i, y in enumerate(truth)]
    by_step = agreement.cohen_kappa(said, truth)
    by_problem = agreement.cohen_kappa(said, truth, groups=[i // 5 for i in range(300)])
    assert (by_problem.kappa, by_problem.observed) == (by_step.kappa, by_step.observed)
    assert by_problem.table.tolist() == by_step.table.tolist()
    assert by_problem.high - by_problem.low > 1.5 * (by_step.high - by_step.low)
    alone = agreement.cohen_kappa(said, truth, groups=range(300))  # each its own: as without
    assert (alone.low, alone.high) == pytest.approx((by_step.low, by_step.high), abs=0.02)
    first = agreement.cohen_kappa(said[5:10], truth[5:10], groups=["one"] * 5)
    assert repr(first) == repr(agreement.cohen_kappa(said[5:10], truth[5:10]))
    mixed = agreement.cohen_kappa([1, -1, 1], [1, -1, -1], groups=["one"] * 3)
    assert mixed.low < mixed.kappa < mixed.high  # a single labelled trace is no certainty
    with pytest.raises(ValueError, match="a group for each of the 2 items, got 1"):
        agreement.cohen_kappa([1, 1], [1, -1], groups=["a"])


def test_a_comparison_draws_whole_problems():
    problems = [Problem(str(i), f"{i} + 1?", str(i + 1), "") for i in range(12)]
    one, two = ([Trace(p, ("a", "b", "c")).with_labels(
        [-1, -1, -1] if i % 3 == 0 or (i % 2 and who) else [1, 1, 1], "x")
        for i, p in enumerate(problems)] for who in (0, 1))
    both = agreement.compare(one, two)
    again = agreement.cohen_kappa(both.pairs.a, both.pairs.b,
                                  groups=[i for i in range(12) for _ in range(3)])
    assert repr(both.kappa) == repr(again)


@given(st.lists(st.tuples(st.integers(-1, 1), st.integers(-1, 1)), min_size=1))
def test_kappa_is_symmetric_and_at_most_one(pairs):
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    one, two = agreement.cohen_kappa(a, b, draws=20), agreement.cohen_kappa(b, a, draws=20)
    assert one.kappa == pytest.approx(two.kappa, nan_ok=True)
    assert np.isnan(one.kappa) or one.kappa <= 1 + 1e-12


def test_two_annotators_files_are_paired_step_by_step(tmp_path):
    """As two annotators leave them on disk, in different order, not all of it labelled."""
    sums = Trace(Problem("", "1 + 1?", "2", ""), ("1 + 1 = 2", "so 2"), True)
    pens = Trace(Problem("", "3 pens at 2?", "6", ""), ("3 * 2 = 5", "5 is odd", "so 5"), True)
    prm800k.write(tmp_path / "ana", [sums.with_labels([1, 1], "ana"),
                                     pens.with_labels([-1, 0, -1], "ana")])
    prm800k.write(tmp_path / "ben", [pens.with_labels([-1, 1, None], "ben"),
                                     sums.with_labels([1, 1], "ben"),
                                     sums.prefix(1).with_labels([1], "ben")])
    ana, ben = (prm800k.read(tmp_path / name, neutral="keep") for name in ("ana", "ben"))
    pairs = agreement.paired(ana, ben)
    assert (pairs.a, pairs.b) == ((1, 1, -1, 0), (1, 1, -1, 1))
    assert pairs.one_only == 2  # step 2 of the pens by Ana, and a trace that Ana did not have
    ((trace, step, x, y),) = pairs.disagreements()
    assert (trace.steps, step, x, y, trace.source) == (pens.steps, 1, 0, 1, "ana")
    assert agreement.cohen_kappa(pairs.a, pairs.b).observed == 0.75
    assert agreement.paired([], [sums]).a == ()


def test_a_comparison_shows_what_both_say_of_each_trace_they_differ_on():
    sums = Trace(Problem("", "1 + 1?", "2", ""), ("1 + 1 = 2", "so 2"), True)
    pens = Trace(Problem("", "<b>3</b> pens at 2?", "6", ""), ("3 * 2 = 5", "odd", "so 5"), True)
    both = agreement.compare(
        [sums.with_labels([1, 1], "ana"), pens.with_labels([-1, 0, -1], "ana")],
        [sums.with_labels([1, 1], "ben"), pens.with_labels([-1, 1, None], "ben")],
        names=("Ana", "<i>Ben</i>"))
    (view,) = both.traces()
    assert view.notes == ("both wrong", "Ana neutral, <i>Ben</i> right",
                          "not labelled by both")
    assert view.labels == (-1, None, None)
    assert "both labelled 4 steps and differ on 1: kappa" in str(both)
    assert "1 steps have one label only" in str(both)
    page = both._repr_html_()
    assert "<i>" not in page and "<b>" not in page and page.count("<table") == 1
    with pytest.raises(ValueError, match="no step that both labelled"):
        agreement.compare([sums], [pens])
