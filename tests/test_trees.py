"""A search tree by hand: what its columns say, and what they refuse."""

import json

import numpy as np
import pytest

from prmlab import toys, trees

NAN = float("nan")


def by_hand(**changed):
    """Root; + and - in round 1; the + went on to two ends in round 2, the better one drawn twice."""
    (problem,) = toys.make(1, length=2)
    columns = {
        "root": toys.trace(problem, ""),
        "step": ("", "+", "-", "+ Answer: 12", "- Answer: 1"),
        "fate": ("kept", "kept", "pruned", "finished", "finished"),
        "parent": (-1, 0, 0, 1, 1), "finished": (False, False, False, True, True),
        "step_score": (NAN, 0.9, 0.1, 0.8, 0.2), "total": (NAN, 0.9, 0.1, 0.72, 0.18),
        "born": (0, 1, 1, 2, 2), "decided": (0, 1, 1, 2, 2), "drawn": (1, 3, 1, 2, 1),
        "visits": (0,) * 5, "value": (NAN,) * 5}
    return trees.SearchTree(**{**columns, **changed})


def test_paths_traces_and_children_are_read_off_the_columns():
    tree = by_hand()
    assert tree.children == ((1, 2), (3, 4), (), (), ())
    assert tree.path(3) == [1, 3] and tree.path(0) == []
    assert tree.trace(3) == toys.trace(tree.root.problem, "++").__class__(
        tree.root.problem, ("+", "+ Answer: 12"), finished=True, source="toy")
    assert tree.trace(0) is tree.root
    assert tree.step_scores(4).tolist() == [0.9, 0.2]
    assert tree.depth.tolist() == [0, 1, 1, 2, 2]
    assert tree.ends() == [3, 4] and tree.rounds == 2 and len(tree) == 5
    assert repr(tree) == ("SearchTree('toy-2-0', 5 nodes, 2 rounds: 1 kept, 1 pruned, "
                          "2 finished, 0 open)")


def test_json_and_back_is_the_same_tree():
    tree = by_hand()
    back = trees.SearchTree.from_dict(json.loads(json.dumps(tree.to_dict(), allow_nan=False)))
    assert back.to_dict() == tree.to_dict()


def test_columns_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        by_hand().total[1] = 0


@pytest.mark.parametrize("changed, words", [
    ({"fate": ("kept",)}, "step has 5, fate 1"),
    ({"parent": (-1, 0, 2, 1, 1)}, "node 2: its parent must be a row above it, got 2"),
    ({"parent": (0, 0, 0, 1, 1)}, "row 0 must be the root"),
    ({"fate": ("kept", "kept", "lost", "finished", "finished")}, "node 2: fate .* 'lost'"),
    ({"born": np.zeros(4)}, "step has 5, born 4"),
])
def test_columns_that_disagree_are_refused(changed, words):
    with pytest.raises(ValueError, match=words):
        by_hand(**changed)


def test_a_column_missing_in_a_file_is_named():
    data = by_hand().to_dict()
    del data["nodes"][2]["total"]
    with pytest.raises(ValueError, match="every node needs 'total'"):
        trees.SearchTree.from_dict(data)
