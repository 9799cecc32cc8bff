"""A search tree as the JSON that a browser draws: numbers, words, places, and the truth.

Owns what goes over: a column a list, a node its row, None where nothing is known; texts
printable and cut. The truth comes from a function the caller gives; where it is silent the
picture is. Does not search, and knows no widget.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from prmlab import answers, checker
from prmlab.markup import cut, printable
from prmlab.traces import Trace
from prmlab.trees import PRUNED, SearchTree
from prmlab.widgets import tree_layout

MAX_CHARS = 1500   # of a step; the rest is counted
MAX_NODES = 2000   # of a tree; the rest is counted
Truth = Callable[[Trace], Sequence[Any] | None]


def exact(trace: Trace) -> Sequence[Any] | None:
    """The checker's verdicts; None for a problem of no built-in family."""
    try:
        return checker.check(trace)
    except ValueError:
        return None


def find(tree: SearchTree, trace: Trace | None) -> int | None:
    """The node that ends `trace`, if the tree holds it."""
    if trace is None:
        return None
    node, above = 0, len(tree.root.steps)
    for step in trace.steps[above:]:
        below = (row for row in tree.children[node] if tree.step[row] == step)
        node = next(below, -1)
        if node < 0:
            return None
    return node


def verdicts(tree: SearchTree, truth: Truth) -> list[tuple[float | None, str]]:
    """`[N]` the label of each node's step and what is said of it; (None, "") if unknown.

    One call of `truth` for each node without children: what it says of a trace's steps holds
    for all of its prefixes.

    Raises:
        ValueError: if `truth` gives not one verdict a step.
    """
    found: list[tuple[float | None, str]] = [(None, "")] * len(tree)
    for leaf in reversed(range(1, len(tree))):
        if tree.children[leaf]:
            continue
        trace = tree.trace(leaf)
        said = truth(trace)
        if said is None:
            continue
        if len(said) != len(trace.steps):
            raise ValueError(f"truth must give one verdict per step, got {len(said)} for "
                             f"{len(trace.steps)} steps of problem {trace.problem.id!r}")
        rows = tree.path(leaf)
        for node, verdict in zip(rows, list(said)[-len(rows):], strict=True):
            found[node] = _words(verdict)
    return found


def picture(tree: SearchTree, *, best: Trace | None, aggregate: str, truth: Truth = exact,
            before: Sequence[float | None] = ()) -> dict[str, Any]:
    """All that a browser needs to draw the tree and the trace of any node.

    Args:
        tree: the tree of N nodes.
        best: the trace the search chose.
        aggregate: the rule of the totals, by name.
        truth: says what is right; see `verdicts`.
        before: scores of the root's own steps, where known.

    Returns:
        JSON-ready: `root`, `best` (a node or None), `rounds`, `left_out` (nodes not drawn), and
        `[N]` lists: `parent`, `depth`, `text`, `hidden`, `fate`, `finished`, `ends` (whether
        the stated answer is the problem's), `score`, `total`, `born`, `decided`, `drawn`,
        `visits`, `value`, `label`, `note`, and the places `row` (by fate) and `line` (alike).
    """
    chosen = find(tree, best)
    keep = _kept(tree, chosen)
    small = tree if len(keep) == len(tree) else _rows(tree, keep)
    chosen = keep.index(chosen) if chosen is not None else None
    truths = verdicts(small, truth)
    root_truth = _of_root(tree.root, truth)
    order = tree_layout.columns(small, best=chosen)
    texts = [cut(step, MAX_CHARS) for step in small.step]
    rows = tree_layout.places(small, order, lambda n: 1 if n == 0 or small.fate[n] == PRUNED else 2)
    lines = tree_layout.places(small, order, lambda n: 1)
    columns = ("parent", "finished", "born", "decided", "drawn", "visits")
    return {
        "root": {
            "problem": printable(cut(tree.root.problem.text, 2 * MAX_CHARS)[0]),
            "steps": [printable(cut(step, MAX_CHARS)[0]) for step in tree.root.steps],
            "scores": _plain(list(before) or [None] * len(tree.root.steps)),
            "labels": [label for label, _ in root_truth],
            "notes": [note for _, note in root_truth],
        },
        **{name: getattr(small, name).tolist() for name in columns},
        "score": _plain(small.step_score), "total": _plain(small.total),
        "value": _plain(small.value), "fate": list(small.fate), "depth": small.depth.tolist(),
        "text": [printable(text) for text, _ in texts], "hidden": [n for _, n in texts],
        "ends": [_ends(small, node) for node in range(len(small))],
        "label": [label for label, _ in truths],
        "note": [printable(cut(note, 300)[0]) for _, note in truths],
        "row": rows.round(3).tolist(), "line": lines.round(3).tolist(),
        "order": [node for column in order for node in column],
        "node": keep, "best": chosen, "rounds": tree.rounds, "aggregate": aggregate,
        "left_out": len(tree) - len(small),
    }


def _kept(tree: SearchTree, best: int | None) -> list[int]:
    """The rows that are drawn: the way to the best, then the oldest."""
    way = set() if best is None else set(tree.path(best))
    rest = (row for row in range(len(tree)) if row not in way)
    return sorted([*way, *(row for row, _ in zip(rest, range(MAX_NODES - len(way))))])


def _rows(tree: SearchTree, keep: Sequence[int]) -> SearchTree:
    """The tree of these rows, each with its parent."""
    place = {row: i for i, row in enumerate(keep)} | {-1: -1}
    columns = {name: [getattr(tree, name)[row] for row in keep]
               for name in ("step", "fate", "finished", "step_score", "total", "born",
                            "decided", "drawn", "visits", "value")}
    parent = [place[int(tree.parent[row])] for row in keep]
    columns = {**columns, "step": tuple(columns["step"]), "fate": tuple(columns["fate"])}
    return SearchTree(tree.root, parent=parent, **columns)


def _of_root(root: Trace, truth: Truth) -> list[tuple[float | None, str]]:
    said = truth(root) if root.steps else ()
    return [(None, "")] * len(root.steps) if said is None else [_words(each) for each in said]


def _ends(tree: SearchTree, node: int) -> bool | None:
    expected = tree.root.problem.answer
    if not tree.finished[node] or expected is None:
        return None
    return answers.equal(tree.trace(node).answer, expected)


def _words(verdict: Any) -> tuple[float | None, str]:
    """Label and words of a verdict, or of a label alone."""
    if not hasattr(verdict, "label"):
        return (None if verdict is None else float(verdict)), ""
    return float(verdict.label), verdict.note or verdict.reason


def _plain(numbers: Sequence[float | None] | np.ndarray) -> list[float | None]:
    return [None if x is None or not np.isfinite(x) else round(float(x), 6) for x in numbers]
