"""OmegaPRM trees (openreasoner/openr's two forms): every path to a leaf as a trace; read only.

Labels are soft: a node's `mc_value` is the share of rollouts from it that came out right. The
nested form is a tree of `{text, mc_value, children}` with the question as root; the flat form a
list of `{solution_prefix, mc_value}`, in which one prefix lies below another that it continues
after a line break. `facts["value"]` is the root's value; a trace is finished if it states an
answer. MIT.

Source: Luo et al. 2024, arXiv:2406.06592.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prmlab import answers
from prmlab.datasets import rows
from prmlab.traces import Trace

FAMILY = "omegaprm"


@dataclass(frozen=True)
class _Node:
    text: str
    value: float
    parent: int  # index of the node above, -1 for the root


def read(path: str | os.PathLike[str], *, strict: bool = True,
         on_finding: Callable[[rows.Finding], object] | None = None) -> rows.Reading:
    """The paths from the root to every leaf of every tree, softly labelled.

    Args:
        strict, on_finding: as in `rows.Reading`, which names the errors.
    """
    return rows.Reading(path, _parse, strict=strict, on_finding=on_finding)


def _parse(row: Mapping[str, Any], reading: rows.Reading) -> Iterable[Trace]:
    question = rows.need(row, "question", str)
    answer = rows.plain(row, "final_answer").get("final_answer")
    tree = row.get("reasoning_steps")
    if isinstance(tree, list):
        nodes = _from_prefixes(tree, question, reading)
    else:
        nodes = _from_tree(rows.need(row, "reasoning_steps", dict))
    problem = rows.problem_of(question, answer if answer is None else str(answer), FAMILY,
                              {"value": nodes[0].value})
    return [Trace(problem, tuple(n.text for n in path), answers.extract(path[-1].text) is not None,
                  tuple(n.value for n in path), f"{FAMILY} soft") for path in _paths(nodes)]


def _paths(nodes: list[_Node]) -> list[list[_Node]]:
    """Root to leaf, without the root; nodes come after the node above them."""
    depth, inner = [0] * len(nodes), {node.parent for node in nodes}
    for i, node in enumerate(nodes[1:], start=1):
        depth[i] = depth[node.parent] + 1
    leaves = [i for i in range(1, len(nodes)) if i not in inner]
    if not leaves:
        raise ValueError("the tree holds nothing below its question")
    rows.bounded(sum(depth[i] for i in leaves))
    paths = []
    for at in leaves:
        path = []
        while at:
            path.append(nodes[at])
            at = nodes[at].parent
        paths.append(path[::-1])
    return paths


def _from_tree(root: Mapping[str, Any]) -> list[_Node]:
    """The nodes of the nested form, in preorder."""
    nodes: list[_Node] = []
    waiting: list[tuple[Any, int]] = [(root, -1)]
    while waiting:
        node, parent = waiting.pop()
        where = f"node {len(nodes)}"
        if not isinstance(node, dict):
            raise ValueError(f"{where} must be an object, got {rows.kind_of(node)}")
        children = rows.need(node, "children", list, where)
        text = rows.need(node, "text", str, where).strip()
        nodes.append(_Node(text, _value(node, where), parent))
        waiting += [(child, len(nodes) - 1) for child in reversed(children)]
    return nodes


def _from_prefixes(items: list[Any], question: str, reading: rows.Reading) -> list[_Node]:
    """The nodes of the flat form: sorted, a prefix comes just before what continues it."""
    values: dict[str, float] = {}
    for i, item in enumerate(items):
        if not isinstance(item, dict):
            raise ValueError(f"prefix {i} must be an object, got {rows.kind_of(item)}")
        text = rows.need(item, "solution_prefix", str, f"prefix {i}").rstrip()
        value = _value(item, f"prefix {i}")
        if values.setdefault(text, value) != value:
            reading.note("prefix with two values", f": prefix {i}, the first is kept")
    root = question.rstrip()
    if root not in values:
        raise ValueError("no prefix is the question alone, so the tree has no root")
    if stray := next((text for text in values if not text.startswith(root)), None):
        raise ValueError(f"a prefix must begin with the question, got {stray[:40]!r}")
    nodes, above = [_Node(root, values.pop(root), -1)], [(root, 0)]
    for text in sorted(values):
        while len(above) > 1 and not _continues(text, above[-1][0]):
            above.pop()
        prefix, parent = above[-1]
        above.append((text, len(nodes)))
        nodes.append(_Node(text[len(prefix):].strip(), values[text], parent))
    return nodes


def _continues(text: str, prefix: str) -> bool:
    """True if `text` goes on from `prefix` on a new line."""
    return text.startswith(prefix) and text[len(prefix):len(prefix) + 1] in ("\n", "\r")


def _value(node: Mapping[str, Any], where: str) -> float:
    value = node.get("mc_value")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"'mc_value' of {where} must be a number from 0 to 1, "
                         f"got {rows.shown(value)}")
    return float(value)
