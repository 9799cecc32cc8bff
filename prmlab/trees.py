"""The tree of a search as frozen parallel columns, one row a node, in order of creation.

Conventions: `N` nodes; a node is its row. Row 0 is the root, the prefix the search began from
(mostly a problem without a step); a parent stands above its children. A tree says what happened,
round by round, and is all that pictures of a search need. How it grew is the strategy's affair
(`search`); it knows neither policies nor scorers nor the truth.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

import numpy as np

from prmlab.traces import Trace

KEPT, PRUNED, FINISHED, OPEN = FATES = ("kept", "pruned", "finished", "open")
DTYPES = {"parent": int, "finished": bool, "step_score": float, "total": float, "born": int,
          "decided": int, "drawn": int, "visits": int, "value": float}


@dataclass(frozen=True, eq=False)
class SearchTree:
    """One search from one prefix; every column has `N` rows.

    Args:
        root: the prefix the search began from; row 0.
        step: the step a node adds; "" for the root.
        fate: what became of it: "kept" (went on from), "pruned" (its score was too low),
            "finished" (ends its trace), "open" (still waiting when the search ended).
        parent: `[N]` row of the node it continues; -1 for the root, else less than its own.
        finished: `[N]` whether the trace ends with this node.
        step_score: `[N]` the scorer's P(step is right | prefix), in [0, 1]; nan if never asked.
        total: `[N]` the aggregate of all step scores up to here, the root's steps included; nan if
            unscored.
        born: `[N]` the round it was proposed in; 0 for the root.
        decided: `[N]` the round that settled its fate; -1 while it is open.
        drawn: `[N]` samples that were this very step: equal siblings are one node; 0 for one that
            was only looked ahead to.
        visits: `[N]` times a tree search passed through it; 0 where a strategy counts none.
        value: `[N]` the mean worth found below it, in [0, 1]; nan where a strategy has none.

    Raises:
        ValueError: naming the column and the row, if columns disagree.
    """

    root: Trace
    step: tuple[str, ...]
    fate: tuple[str, ...]
    parent: np.ndarray
    finished: np.ndarray
    step_score: np.ndarray
    total: np.ndarray
    born: np.ndarray
    decided: np.ndarray
    drawn: np.ndarray
    visits: np.ndarray
    value: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.step)
        for name, dtype in DTYPES.items():
            column = np.array(getattr(self, name), dtype)
            column.flags.writeable = False
            object.__setattr__(self, name, column)
        for field in fields(self)[1:]:
            if len(getattr(self, field.name)) != n:
                raise ValueError(f"every column must have one row a node: step has {n}, "
                                 f"{field.name} {len(getattr(self, field.name))}")
        if not n or self.step[0] or self.parent[0] != -1:
            raise ValueError("row 0 must be the root: no step of its own, parent -1")
        for row in range(1, n):
            if not 0 <= self.parent[row] < row:
                raise ValueError(f"node {row}: its parent must be a row above it, got "
                                 f"{self.parent[row]}")
            if self.fate[row] not in FATES:
                raise ValueError(f"node {row}: fate must be one of {FATES}, got "
                                 f"{self.fate[row]!r}")

    def __len__(self) -> int:
        return len(self.step)

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.fate[1:].count(fate)} {fate}" for fate in FATES)
        return (f"SearchTree({self.root.problem.id!r}, {len(self)} nodes, {self.rounds} rounds: "
                f"{counts})")

    @property
    def rounds(self) -> int:
        """Rounds the search took: the last one that made or settled a node."""
        return int(max(self.born.max(), self.decided.max()))

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Of each node the rows of its children, in order of creation."""
        below: list[list[int]] = [[] for _ in self.step]
        for row, parent in enumerate(self.parent.tolist()[1:], start=1):
            below[parent].append(row)
        return tuple(map(tuple, below))

    @cached_property
    def depth(self) -> np.ndarray:
        """`[N]` steps below the root."""
        depth = np.zeros(len(self), int)
        for row in range(1, len(self)):
            depth[row] = depth[self.parent[row]] + 1
        return depth

    def path(self, node: int) -> list[int]:
        """The rows from below the root to `node`; empty for the root."""
        rows = []
        while node > 0:
            rows.append(node)
            node = int(self.parent[node])
        return rows[::-1]

    def trace(self, node: int) -> Trace:
        """The whole trace that ends with `node`."""
        if not node:
            return self.root
        steps = (*self.root.steps, *(self.step[row] for row in self.path(node)))
        return Trace(self.root.problem, steps, finished=bool(self.finished[node]),
                     source=self.root.source)

    def step_scores(self, node: int) -> np.ndarray:
        """Scores of the steps from below the root to `node`, nan where never asked."""
        return self.step_score[self.path(node)]

    def ends(self) -> list[int]:
        """The nodes that end a trace, in order of creation."""
        return np.flatnonzero(self.finished).tolist()

    def rows(self) -> Iterator[dict[str, Any]]:
        """One mapping a node, JSON-ready (nan as None): for tables and golden files."""
        names = [field.name for field in fields(self)[1:]]
        for row in range(len(self)):
            plain = {name: getattr(self, name)[row] for name in names}
            yield {name: _json(value) for name, value in plain.items()}

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `from_dict` reads it back."""
        return {"root": self.root.to_dict(), "nodes": list(self.rows())}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The tree of `to_dict`.

        Raises:
            ValueError: if a column is missing or columns disagree.
        """
        names = [field.name for field in fields(cls)[1:]]
        nodes = data["nodes"]
        missing = [name for name in names if any(name not in node for node in nodes)]
        if missing:
            raise ValueError(f"every node needs {missing[0]!r}; this is no tree of to_dict")
        columns = {name: tuple(np.nan if node[name] is None else node[name] for node in nodes)
                   for name in names}
        return cls(Trace.from_dict(data["root"]), **columns)


def _json(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and np.isnan(plain) else plain
