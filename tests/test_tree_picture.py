"""What goes to the browser of a search tree: by hand, hostile, large."""

import json

import numpy as np
import pytest

from prmlab import problems, toys
from prmlab.search import beam
from prmlab.traces import Problem, Trace
from prmlab.trees import SearchTree
from prmlab.verdicts import Verdict
from prmlab.widgets import tree_picture

PROBLEM = Problem("p", "1 + 1 + 1?", "3", "none")


def grown(steps, parent, finished=(), root=()):
    n = len(steps)
    fates = tuple("finished" if i in finished else "kept" for i in range(n))
    return SearchTree(
        Trace(PROBLEM, root), tuple(steps), fates, parent, [i in finished for i in range(n)],
        [np.nan, *np.linspace(0.9, 0.1, n - 1)], [np.nan, *np.linspace(0.9, 0.1, n - 1)],
        [0] + [1] * (n - 1), [0] + [1] * (n - 1), np.ones(n), np.zeros(n), np.full(n, np.nan))


def signs(trace):
    return [1 if "+" in step or "Answer: 3" in step else -1 for step in trace.steps]


TREE = grown(["", "1 + 1", "Answer: 3", "Answer: 2", "no"], [-1, 0, 1, 1, 0], finished=(2, 3))


def test_a_picture_is_plain_json_with_one_row_a_node():
    picture = tree_picture.picture(TREE, best=TREE.trace(2), aggregate="min", truth=signs)
    assert json.loads(json.dumps(picture, allow_nan=False)) == picture
    columns = [name for name, value in picture.items()
               if isinstance(value, list) and name != "root"]
    assert {len(picture[name]) for name in columns} == {5}
    assert picture["score"][0] is None
    assert picture["best"] == 2
    assert picture["ends"] == [None, None, True, False, None]
    assert picture["label"] == [None, 1, 1, -1, -1]
    assert picture["order"] == [0, 1, 4, 2, 3]
    assert picture["row"] == [0, 0, 0, 2, 2]


def test_truth_is_asked_once_a_leaf_and_may_be_silent():
    asked = []

    def truth(trace):
        asked.append(trace.steps)
        return [Verdict(-1, "slip", note="not so"), *[None] * (len(trace.steps) - 1)]

    picture = tree_picture.picture(TREE, best=None, aggregate="min", truth=truth)
    assert len(asked) == 3
    assert picture["label"] == [None, -1, None, None, -1]
    assert picture["note"][1] == "not so"
    assert tree_picture.picture(TREE, best=None, aggregate="", truth=lambda _: None)["label"] == [None] * 5


def test_the_checker_is_the_truth_where_it_can_be():
    (problem,) = problems.make("equations", 1, seed=0, difficulty=1)
    solved = problems.solve(problem)
    assert [verdict.label for verdict in tree_picture.exact(solved)] == [1] * len(solved.steps)
    assert tree_picture.exact(Trace(PROBLEM, ("1",))) is None


def test_a_root_with_steps_keeps_them_and_their_scores():
    tree = grown(["", "Answer: 3"], [-1, 0], finished=(1,), root=("1 + 1", "2"))
    root = tree_picture.picture(tree, best=None, aggregate="", truth=signs, before=(0.9, None))["root"]
    assert root["steps"] == ["1 + 1", "2"]
    assert root["scores"] == [0.9, None]
    assert root["labels"] == [1, -1]
    assert tree_picture.find(tree, tree.trace(1)) == 1


def test_texts_are_printable_and_cut_with_a_count():
    tree = grown(["", "x" * 100_000, "\x1b[31m\ud800", "<img src=x onerror=alert(1)>"], [-1, 0, 0, 0])
    picture = tree_picture.picture(tree, best=None, aggregate="", truth=lambda _: None)
    assert [len(text) for text in picture["text"]] == [0, 1500, 6, 28]
    assert picture["hidden"] == [0, 98_500, 0, 0]
    assert picture["text"][2] == "␛[31m\ufffd"
    assert len(json.dumps(picture)) < 5000


def test_a_huge_tree_is_cut_with_a_count_and_keeps_its_choice(monkeypatch):
    monkeypatch.setattr(tree_picture, "MAX_NODES", 6)
    tree = grown(["", *"abcdefgh", "Answer: 3"], [-1, 0, 0, 0, 0, 0, 0, 0, 0, 8], finished=(9,))
    picture = tree_picture.picture(tree, best=tree.trace(9), aggregate="", truth=lambda _: None)
    assert picture["node"] == [0, 1, 2, 3, 8, 9]
    assert picture["parent"] == [-1, 0, 0, 0, 0, 4]
    assert picture["best"] == 5
    assert picture["left_out"] == 4


def test_the_choice_is_found_in_a_real_search():
    [found] = beam(toys.make(1), toys.ToyPolicy(), toys.Truth(), seed=1)
    node = tree_picture.find(found.tree, found.best)
    assert found.tree.trace(node).steps == found.best.steps
    assert tree_picture.find(found.tree, Trace(PROBLEM, ("elsewhere",))) is None
    assert tree_picture.find(found.tree, None) is None


def test_a_truth_of_the_wrong_length_is_named():
    with pytest.raises(ValueError, match="one verdict per step, got 1 for 2 steps"):
        tree_picture.picture(TREE, best=None, aggregate="", truth=lambda _: [1])
