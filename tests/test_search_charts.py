"""Figures of searches: the sentence says the numbers, the static picture stands."""

import pytest

from prmlab import compute, scorers, search, search_charts, toys

POLICY, GIVEN = toys.ToyPolicy(0.6, 0.4), toys.make(6, length=3)


def metered(strategy, **sizes):
    return strategy(GIVEN, toys.Metered(POLICY), toys.Metered(toys.Values(POLICY)), **sizes)


def test_points_say_accuracy_and_cost():
    point = compute.point(metered(search.best_of_n, n_samples=4))
    assert 0 <= point.low <= point.mean <= point.high <= 1 and point.mean <= point.held
    assert point.finished == 1
    [one] = search.best_of_n(GIVEN[0], toys.Metered(toys.ToyPolicy(1.0, 0.0)),
                             toys.Metered(toys.Truth()), n_samples=4)
    assert compute.point([one]).tokens == 4 * 3 + 3 and compute.right(one)
    with pytest.raises(ValueError, match="tokens must have been counted"):
        compute.point(search.best_of_n(GIVEN, POLICY, scorers.Constant()))


def test_accuracy_against_tokens():
    points = [compute.point(metered(search.best_of_n, n_samples=n)) for n in (1, 4, 16)]
    figure = search_charts.accuracy_by_tokens({"PRM": points})
    assert f"at {points[0].tokens:,.0f} tokens" in figure.alt and "95 %" in figure.alt
    assert figure.figure.layout.xaxis.type == "log" and "<svg" in figure.svg()
    assert [int(t.replace(",", "")) for t in figure.figure.layout.xaxis.ticktext] == sorted(
        figure.figure.layout.xaxis.tickvals)


def test_tree_sizes_and_scores_by_depth():
    trees = {"beam": [r.tree for r in metered(search.beam, beam_width=2, branching=3)],
             "dvts": [r.tree for r in metered(search.dvts, n_trees=2, branching=3)]}
    figure = search_charts.tree_sizes(trees)
    mean = sum(len(tree) - 1 for tree in trees["beam"]) / 6
    assert f"beam has {mean:.1f} steps a tree after 3 rounds" in figure.alt
    assert figure.figure.data[0].y[0] == 0 and figure.figure.data[0].y[-1] == mean
    assert "<svg" in figure.svg()
    depth = search_charts.score_by_depth(trees["beam"])
    assert "kept steps score" in depth.alt and "<svg" in depth.svg()


def test_nothing_to_draw_is_said():
    with pytest.raises(ValueError, match="got none for beam"):
        search_charts.tree_sizes({"beam": []})
    with pytest.raises(ValueError, match="no tree has a scored step"):
        search_charts.score_by_depth([r.tree for r in search.majority_vote(GIVEN, POLICY)])
