"""Where the right way was lost, on trees small enough to read."""

import numpy as np

from prmlab import wrong_turns
from prmlab.traces import Problem, Trace
from prmlab.trees import SearchTree
from prmlab.verdicts import Verdict

PROBLEM = Problem("p", "What?", "2", "by hand")
NAN = float("nan")


def tree(*rows, root=()):
    """Rows of (parent, step, fate, total, born, decided); a step with "!" is wrong."""
    parent, step, fate, total, born, decided = zip(
        (-1, "", "kept", NAN, 0, 0), *rows, strict=True)
    n = len(step)
    finished = [f == "finished" for f in fate]
    return SearchTree(Trace(PROBLEM, root), step, fate, parent, finished, total, total, born,
                      decided, np.ones(n), np.zeros(n), np.full(n, NAN))


def truth(trace):
    return [Verdict(-1, "slip") if "!" in step else Verdict(1, "right") for step in trace.steps]


def test_the_right_way_ends_with_the_first_wrong_step():
    t = tree((0, "a", "kept", .9, 1, 2), (0, "b!", "kept", .8, 1, 2), (1, "c!", "pruned", .1, 2, 2),
             (2, "d", "pruned", .2, 2, 2), (1, "e", "kept", .3, 2, 3))
    right, reasons = wrong_turns.right_way(t, truth=truth)
    assert right.tolist() == [True, True, False, False, False, True]
    assert reasons == ["", "right", "slip", "slip", "right", "right"]


def test_a_right_step_pruned_for_a_wrong_one_that_scored_higher():
    t = tree((0, "a", "pruned", .4, 1, 1), (0, "a2", "pruned", .6, 1, 1),
             (0, "b!", "kept", .9, 1, 2), (3, "c", "finished", .8, 2, 2))
    turn = wrong_turns.find(t, truth=truth)
    assert (turn.cause, turn.round, turn.right, turn.rival, turn.wrong, turn.reason) == (
        "pruned", 1, 2, 3, 3, "slip")


def test_the_rivals_wrong_step_may_lie_before_the_pruning():
    t = tree((0, "a", "kept", .9, 1, 2), (0, "b!", "kept", .8, 1, 2), (1, "c", "pruned", .3, 2, 2),
             (2, "d", "finished", .7, 2, 2))
    turn = wrong_turns.find(t, truth=truth)
    assert (turn.cause, turn.round, turn.right, turn.rival, turn.wrong) == ("pruned", 2, 3, 4, 2)


def test_no_right_step_was_drawn():
    t = tree((0, "a", "kept", .9, 1, 2), (1, "b!", "kept", .8, 2, 3), (2, "c", "finished", .7, 3, 3))
    turn = wrong_turns.find(t, truth=truth)
    assert (turn.cause, turn.round, turn.right, turn.rival) == ("not drawn", 2, 1, None)


def test_a_right_trace_was_finished_and_outscored():
    t = tree((0, "a", "finished", .5, 1, 1), (0, "b!", "finished", .6, 1, 1))
    turn = wrong_turns.find(t, truth=truth)
    assert (turn.cause, turn.right, turn.rival, turn.wrong) == ("outscored", 1, 2, 2)


def test_what_still_waited_was_left():
    t = tree((0, "a", "open", .5, 1, -1), (0, "b!", "finished", .6, 1, 1))
    turn = wrong_turns.find(t, truth=truth)
    assert (turn.cause, turn.right, turn.rival, turn.wrong) == ("left waiting", 1, 2, 2)


def test_verdicts_begin_after_the_roots_own_steps():
    t = tree((0, "a", "kept", .9, 1, 2), (1, "b!", "finished", .8, 2, 2), root=("before",))
    assert wrong_turns.right_way(t, truth=truth)[0].tolist() == [True, True, False]

