"""Figures of searches: the sentence says the numbers, the static picture stands."""

import pytest

from prmlab import search, search_charts, spending, toys
from prmlab.estimates import is_right

POLICY, GIVEN = toys.ToyPolicy(0.6, 0.4), toys.make(6, length=3)


def metered(strategy, **sizes):
    return strategy(GIVEN, toys.Metered(POLICY), toys.Metered(toys.Values(POLICY)), **sizes)


def test_accuracy_against_tokens():
    runs = [metered(search.best_of_n, n_samples=n) for n in (1, 4, 16)]
    points = spending.Spending([[is_right(run[i].best) for run in runs] for i in range(6)],
                               [[run[i].cost.tokens for run in runs] for i in range(6)]).line()
    assert points.tokens[1] == sum(r.cost.tokens for r in runs[1]) / 6
    figure = search_charts.accuracy_by_tokens({"PRM": points})
    assert f"at {points.tokens[0]:,.0f} tokens" in figure.alt and "95 %" in figure.alt
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
    assert figure.figure.layout.xaxis.tickvals == (0, 1, 2, 3)  # no half rounds
    depth = search_charts.score_by_depth(trees["beam"])
    assert "kept steps score" in depth.alt and "<svg" in depth.svg()


def test_nothing_to_draw_is_said():
    with pytest.raises(ValueError, match="got none for beam"):
        search_charts.tree_sizes({"beam": []})
    with pytest.raises(ValueError, match="no tree has a scored step"):
        search_charts.score_by_depth([r.tree for r in search.majority_vote(GIVEN, POLICY)])
