"""Where each node of a search tree stands: a column a step, a row no higher than its parent's.

Conventions: columns and rows are counted from 0; rows are in units of the smallest node, and a
place is the upper edge of a node. Knows no pixels. What the search went on from stands above what
it pruned, so that its choice is a straight line along the top.
"""

from collections.abc import Callable, Sequence

import numpy as np

from prmlab.trees import FINISHED, KEPT, SearchTree


def columns(tree: SearchTree, *, best: int | None = None) -> list[list[int]]:
    """The nodes of each column, from above: siblings together, those that went on first.

    Among siblings the one on the way to `best` leads, then the kept and finished by their
    total, then the others by theirs; nan comes last.

    Args:
        tree: the tree of N nodes.
        best: the node the search chose, if it did.
    """
    way = set() if best is None else set(tree.path(best))
    totals = np.where(np.isnan(tree.total), -np.inf, tree.total)

    def rank(node: int) -> tuple[bool, bool, float, int]:
        return (node not in way, tree.fate[node] not in (KEPT, FINISHED), -totals[node], node)

    column, found = [0], []
    while column:
        found.append(column)
        column = [child for node in column for child in sorted(tree.children[node], key=rank)]
    return found


def places(tree: SearchTree, order: Sequence[Sequence[int]],
           size: Callable[[int], float]) -> np.ndarray:
    """`[N]` the upper edge of every node: beside its parent or below, and below those before it.

    Args:
        tree: the tree of N nodes.
        order: its columns, from `columns`.
        size: the height of a node, > 0.
    """
    upper = np.zeros(len(tree))
    for column in order[1:]:
        free = 0.0
        for node in column:
            upper[node] = max(free, upper[tree.parent[node]])
            free = upper[node] + size(node)
    return upper
