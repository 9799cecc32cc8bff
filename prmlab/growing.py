"""A search tree while it grows: the verbs with which strategies write, and its frozen columns.

Conventions as in `trees`. A node is *open* until it is settled: kept (gone on from), pruned, or
finished. Equal siblings are one node: `drawn` counts the samples that were that step, 0 for one
that was only looked ahead to. Does not sample or score (`lockstep` does), and knows no strategy.
"""

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from prmlab import scoring
from prmlab.traces import Trace
from prmlab.trees import FINISHED, KEPT, OPEN, PRUNED, SearchTree

NAN = float("nan")
Aggregate = str | scoring.Aggregation
Fits = Callable[[Trace], bool]


class GrowingTree:
    """One search from one prefix, so far; columns as in `trees.SearchTree`, as lists.

    Args:
        root: the prefix to search from.
        aggregate: how step scores become a total.
        max_steps: most steps of a trace, the root's included.
        fits: whether a trace leaves room for a step more within the policy's own limit.

    Fields: `limits`, how often which limit was met; `round`, the rounds done or being done.
    """

    def __init__(self, root: Trace, *, aggregate: Aggregate = "product", max_steps: int = 20,
                 fits: Fits = lambda trace: True):
        self.root, self.aggregate, self.max_steps, self.fits = root, aggregate, max_steps, fits
        self.round, self.limits = 0, Counter[str]()
        self.parent, self.step, self.fate, self.finished = [-1], [""], [KEPT], [False]
        self.step_score, self.total, self.value = [NAN], [NAN], [NAN]
        self.born, self.decided, self.drawn, self.visits = [0], [0], [1], [0]
        self._steps, self._children = [root.steps], [[]]
        self._nodes: dict[tuple[int, str, bool], int] = {}

    def __len__(self) -> int:
        return len(self.step)

    def trace(self, node: int) -> Trace:
        """The whole trace that ends with `node`."""
        if not node:
            return self.root
        return Trace(self.root.problem, self._steps[node], self.finished[node],
                     source=self.root.source)

    def path(self, node: int) -> list[int]:
        """The rows from below the root to `node`; empty for the root."""
        rows = []
        while node > 0:
            rows.append(node)
            node = self.parent[node]
        return rows[::-1]

    def children(self, node: int) -> list[int]:
        """The rows of a node's children, in order of creation."""
        return self._children[node]

    # What a strategy asks.

    def worth(self, node: int) -> float:
        """What a node is ranked by: its value, if it has one, else its total; unscored last."""
        number = self.total[node] if np.isnan(self.value[node]) else self.value[node]
        return -np.inf if np.isnan(number) else number

    def best(self, nodes: Iterable[int], n: int | None = None) -> list[int]:
        """The `n` worthiest different nodes, or all of them in order; ties to the elder."""
        return sorted(set(nodes), key=lambda node: (-self.worth(node), node))[:n]

    def live(self, nodes: Iterable[int], *, noted: bool = True) -> list[int]:
        """Those that can go on: not finished, and below the limits, which are noted if met."""
        going = []
        for node in nodes:
            if self.finished[node]:
                continue
            if len(self._steps[node]) >= self.max_steps:
                self.limits["max_steps"] += noted
            elif not self.fits(self.trace(node)):
                self.limits["tokens"] += noted
            else:
                going.append(node)
        return going

    # What a strategy does.

    def prune(self, nodes: Iterable[int]) -> None:
        """These are given up; what is finished stays a candidate all the same."""
        self._settle(nodes, PRUNED)

    def keep(self, nodes: Iterable[int]) -> None:
        """These are gone on from; asking for their children says it too."""
        self._settle(nodes, KEPT)

    def visit(self, node: int, worth: float) -> None:
        """A tree search passed here and found `worth`: every mean up to the root takes it in."""
        for row in (0, *self.path(node)):
            old = 0.0 if np.isnan(self.value[row]) else self.value[row]
            self.visits[row] += 1
            self.value[row] = old + (worth - old) / self.visits[row]

    # What `lockstep` does.

    def add(self, parent: int, step: str, finished: bool, *, drawn: int = 1) -> int:
        """The child of `parent` with this step: a new row, or the equal sibling there is."""
        key = parent, step, finished
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = len(self)
            new = {"parent": parent, "step": step, "finished": finished, "step_score": NAN,
                   "total": NAN, "value": NAN, "born": self.round, "decided": self.round,
                   "drawn": 0, "visits": 0, "fate": PRUNED}
            for column, cell in new.items():
                getattr(self, column).append(cell)
            self._steps.append((*self._steps[parent], step))
            self._children.append([])
            self._children[parent].append(node)
        if drawn and not self.drawn[node]:  # before it was at most looked ahead to
            self.fate[node] = FINISHED if finished else OPEN
            self.decided[node] = self.round if finished else -1
        self.drawn[node] += drawn
        return node

    def graft(self, node: int, trace: Trace, *, drawn: int = 1) -> int:
        """The end of `trace`, which goes on from `node`, with all that lies between."""
        begun = len(self._steps[node])
        for s, step in enumerate(trace.steps[begun:], start=begun + 1):
            if drawn:
                self.keep([node])
            node = self.add(node, step, trace.finished and s == len(trace.steps), drawn=drawn)
        return node

    def take_scores(self, node: int, step_scores: np.ndarray) -> None:
        """The scores of all steps of the node's trace, the root's first, [S]."""
        begun = len(self.root.steps)
        for s, row in enumerate(self.path(node), start=begun + 1):
            if np.isnan(self.total[row]):
                self.step_score[row] = float(step_scores[s - 1])
                self.total[row] = scoring.aggregate(step_scores[:s], self.aggregate)

    def frozen(self) -> SearchTree:
        """The tree as it stands."""
        return SearchTree(self.root, tuple(self.step), tuple(self.fate), self.parent,
                          self.finished, self.step_score, self.total, self.born, self.decided,
                          self.drawn, self.visits, self.value)

    def _settle(self, nodes: Iterable[int], fate: str) -> None:
        for node in nodes:
            if self.fate[node] == OPEN or (fate == KEPT and self.fate[node] == PRUNED):
                self.fate[node], self.decided[node] = fate, self.round
