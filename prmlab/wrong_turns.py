"""Where a search lost the right way: the last prefix without a wrong step, and what became of it.

A node is on the right way if no step up to it is wrong, by the checker or by any truth given. A
search that returned a wrong answer had lost it in one of four ways: no right step was drawn, a
right one was pruned for a wrong one that scored higher, it was never gone on from, or a right
trace was finished and outscored. Draws nothing and scores nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prmlab import checker
from prmlab.traces import Trace
from prmlab.trees import FINISHED, KEPT, PRUNED, SearchTree

NOT_DRAWN, WAS_PRUNED, LEFT_WAITING, OUTSCORED = CAUSES = (
    "not drawn", "pruned", "left waiting", "outscored")
Truth = Callable[[Trace], Sequence[Any]]


@dataclass(frozen=True)
class WrongTurn:
    """Where and how the right way was lost.

    Args:
        cause: one of `CAUSES`.
        round: in which the last right node was settled; the tree's last if it never was.
        right: the last node on the right way, the worthiest of several; 0 is the root.
        rival: the node that was preferred; None where nothing was.
        wrong: the first wrong node on the way to the rival; None likewise.
        reason: the verdict on that one; "" where there is none.
    """

    cause: str
    round: int
    right: int
    rival: int | None = None
    wrong: int | None = None
    reason: str = ""


def right_way(tree: SearchTree, *, truth: Truth = checker.check) -> tuple[np.ndarray, list[str]]:
    """`[N]` whether no step up to a node is wrong, and `[N]` the verdict on its own step."""
    right, reasons = np.ones(len(tree), bool), [""] * len(tree)
    known: set[int] = {0}
    for leaf in range(len(tree) - 1, 0, -1):  # a later row never stands above an earlier one
        if leaf in known:
            continue
        path, before = tree.path(leaf), len(tree.root.steps)
        for row, verdict in zip(path, truth(tree.trace(leaf))[before:], strict=True):
            right[row] = right[tree.parent[row]] and verdict.label >= 0
            reasons[row] = verdict.reason
        known.update(path)
    return right, reasons


def find(tree: SearchTree, *, truth: Truth = checker.check) -> WrongTurn:
    """How a search that came to a wrong answer lost the right way.

    Args:
        tree: of the search; its root must have no wrong step.
        truth: the verdicts on a trace's steps, each with `label` (-1 wrong) and `reason`.
    """
    right, reasons = right_way(tree, truth=truth)
    worth = np.where(np.isnan(tree.total), -np.inf, tree.total)

    def best(rows: np.ndarray) -> int:
        return int(rows[np.argmax(worth[rows])])

    rows, fate = np.arange(len(tree)), np.array(tree.fate)
    done = (fate == FINISHED)
    if (done & right).any():
        node, rivals, cause = best(rows[done & right]), rows[done & ~right], OUTSCORED
    else:
        deepest = rows[right & (tree.depth == tree.depth[right].max())]
        kept = deepest[(fate[deepest] == KEPT)]
        if len(kept):
            return WrongTurn(NOT_DRAWN, _settled(tree, best(kept)), best(kept))
        pruned = deepest[(fate[deepest] == PRUNED)]
        node, cause = (best(pruned), WAS_PRUNED) if len(pruned) else (best(deepest), LEFT_WAITING)
        same_round = np.isin(fate, (KEPT, FINISHED)) & (tree.born == tree.born[node])
        rivals = rows[same_round & ~right]
    if not len(rivals):
        return WrongTurn(cause, _settled(tree, node), node)
    rival = best(rivals)
    wrong = next(row for row in tree.path(rival) if not right[row])
    return WrongTurn(cause, _settled(tree, node), node, rival, wrong, reasons[wrong])


def _settled(tree: SearchTree, node: int) -> int:
    return int(tree.decided[node]) if tree.decided[node] >= 0 else tree.rounds
