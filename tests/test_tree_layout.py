"""Places of nodes: by hand on a small tree, and no overlap on any."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from prmlab import toys
from prmlab.trees import FATES, SearchTree
from prmlab.widgets import tree_layout


def grown(parent, fate=None, total=None):
    n = len(parent)
    return SearchTree(
        toys.trace(toys.make(1)[0], ""), ("", *("+" * (n - 1))), fate or ("kept",) * n, parent,
        np.zeros(n), np.full(n, 0.5), total or np.linspace(1, 0, n), np.ones(n), np.ones(n),
        np.ones(n), np.zeros(n), np.full(n, np.nan))


def test_columns_put_first_what_went_on_and_siblings_together():
    #            0   1  2  3  4  5  6
    tree = grown([-1, 0, 0, 0, 2, 2, 3], ("kept", "pruned", "kept", "finished", "kept", "open", "kept"),
                 [1.0, 0.9, 0.4, 0.6, 0.1, 0.8, 0.7])
    assert tree_layout.columns(tree) == [[0], [3, 2, 1], [6, 4, 5]]
    assert tree_layout.columns(tree, best=5) == [[0], [2, 3, 1], [5, 4, 6]]


def test_unscored_nodes_come_last_of_their_kind():
    tree = grown([-1, 0, 0, 0], total=[1.0, np.nan, 0.2, 0.3])
    assert tree_layout.columns(tree) == [[0], [3, 2, 1]]


def test_places_are_beside_the_parent_or_below():
    tree = grown([-1, 0, 0, 1, 1, 1, 2])
    order = tree_layout.columns(tree)
    assert order == [[0], [1, 2], [3, 4, 5, 6]]
    assert tree_layout.places(tree, order, lambda node: 1).tolist() == [0, 0, 1, 0, 1, 2, 3]
    size = {0: 1, 1: 5, 2: 2}.get
    assert tree_layout.places(tree, order, lambda n: size(n, 1)).tolist() == [0, 0, 5, 0, 1, 2, 5]


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from(FATES)), max_size=40))
def test_no_two_nodes_of_a_column_overlap_and_all_have_a_place(rows):
    parent = [-1, *(place % (i + 1) for i, (place, _) in enumerate(rows))]
    tree = grown(parent, ("kept", *(fate for _, fate in rows)))
    order = tree_layout.columns(tree)
    assert sorted(node for column in order for node in column) == list(range(len(tree)))
    upper = tree_layout.places(tree, order, lambda node: 1 + node % 3)
    for column in order:
        ends = [upper[node] + 1 + node % 3 for node in column]
        assert all(end <= upper[node] for end, node in zip(ends, column[1:]))
    assert all(upper[node] >= upper[tree.parent[node]] for node in range(1, len(tree)))
