"""Labelled traces: what is known of each step, from whom, on what evidence and at what cost.

Owns the conventions of labels. A *value* is a chance in [0, 1]: of reaching the right answer
(Monte Carlo), or that the step is right (judges, the exact truth). A *label* is the hard verdict,
+1, 0 or -1; `None` stands for what was not asked or not decided. A *generation* is one rollout or
one critique; equal ones are paid for once, by the first step that asks. Does not label anything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

from prmlab.intervals import wilson
from prmlab.traces import Trace


@dataclass(frozen=True)
class Cost:
    """What labelling took.

    Args:
        generations: rollouts or critiques asked for.
        tokens: tokens run through the model; None if it does not count them in `usage`.
        calls: batched calls of the model.
        seconds: time spent in this process or its workers; 0 for labels read from a journal.
    """

    generations: int = 0
    tokens: int | None = 0
    calls: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        counted = self.tokens is not None and other.tokens is not None
        return Cost(self.generations + other.generations,
                    self.tokens + other.tokens if counted else None,
                    self.calls + other.calls, self.seconds + other.seconds)


@dataclass(frozen=True)
class StepLabel:
    """What is known of one step.

    Args:
        label: +1 right, 0 neutral, -1 wrong; None not labelled.
        value: a chance in [0, 1]; None where nothing was asked.
        n: rollouts or votes behind the value; 0 where it is known without or not asked.
        source: who says so: "rollouts", "outcome" (the trace's own end), "implied" (by another
            step's value), "critic", "scorer", "exact", or several joined by " & ".
        cost: generations paid for on this step's account; 0 where another step had paid.
    """

    label: float | None = None
    value: float | None = None
    n: int = 0
    source: str = ""
    cost: int = 0

    @property
    def standard_error(self) -> float | None:
        """`sqrt(value (1 - value) / n)`; 0 where nothing was sampled, None without a value.

        It is 0 too where all rollouts agree, however few: `interval` is honest there.
        """
        if self.value is None:
            return None
        return sqrt(self.value * (1 - self.value) / self.n) if self.n else 0.0

    def interval(self, *, level: float = 0.95) -> tuple[float, float] | None:
        """Wilson's interval of the value; the value twice where nothing was sampled.

        Example:
            >>> low, high = StepLabel(label=-1, value=0.0, n=16).interval()
            >>> round(low, 3), round(high, 3)
            (0.0, 0.194)
        """
        if self.value is None:
            return None
        if not self.n:
            return self.value, self.value
        return wilson(round(self.value * self.n), self.n, level=level)


@dataclass(frozen=True)
class Labelled:
    """A trace of S steps and what is known of each.

    Args:
        trace: as it was given, with the labels that it had.
        steps: `[S]`.
        method: the function of `labels` that made it.
        cost: of this trace; where many were asked about together it is a share of the whole,
            by generations, so that the costs of a run sum up to its cost.

    Raises:
        ValueError: if there is not one `StepLabel` a step.
    """

    trace: Trace
    steps: tuple[StepLabel, ...]
    method: str
    cost: Cost = Cost()

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.trace.steps):
            raise ValueError(f"one label per step: got {len(self.trace.steps)} steps, "
                             f"{len(self.steps)} labels (problem {self.trace.problem.id!r})")

    def __repr__(self) -> str:
        marks = {None: "?", 1: "+", 0: "0", -1: "-"}
        return (f"Labelled({self.trace.problem.id!r}, {self.method}, "
                f"{''.join(marks[step.label] for step in self.steps)!r}, "
                f"{self.cost.generations} generations)")

    @property
    def labels(self) -> tuple[float | None, ...]:
        """The hard labels, `[S]`: +1, 0, -1 or None."""
        return tuple(step.label for step in self.steps)

    @property
    def values(self) -> tuple[float | None, ...]:
        """The values, `[S]`: chances in [0, 1], or None."""
        return tuple(step.value for step in self.steps)

    @property
    def hard(self) -> Trace:
        """The trace with its hard labels; `source` says the method and "hard"."""
        return self.trace.with_labels(self.labels, f"{self.method}, hard")

    @property
    def soft(self) -> Trace:
        """The trace with its values as labels; `source` says the method and "soft"."""
        return self.trace.with_labels(self.values, f"{self.method}, soft")

    @property
    def first_error(self) -> int | None:
        """The 0-based index of the first step labelled -1; None if there is none."""
        return next((s for s, label in enumerate(self.labels) if label == -1), None)

    @property
    def decided(self) -> bool:
        """Whether every step up to the first error, or to the end, has a label."""
        return None not in self.labels[:self.first_error]

    def to_dict(self) -> dict[str, Any]:
        """The labels as plain JSON, without the trace and without the seconds."""
        cost = {**vars(self.cost)}
        del cost["seconds"]  # the same run twice gives the same record
        return {"method": self.method, "cost": cost, "steps": [{**vars(s)} for s in self.steps]}

    @classmethod
    def from_dict(cls, trace: Trace, record: Mapping[str, Any]) -> "Labelled":
        """The labels of `trace` in a record of `to_dict`. ValueError if it is none."""
        try:
            steps = tuple(StepLabel(**step) for step in record["steps"])
            return cls(trace, steps, record["method"], Cost(**record["cost"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a record of labels: {error}") from None


def total(labelled: Iterable[Labelled]) -> Cost:
    """What all of them cost together."""
    return sum((one.cost for one in labelled), Cost())


def share(labelled: Iterable[Labelled], cost: Cost) -> list[Labelled]:
    """The same, each with its part of `cost` by the generations on its steps' accounts.

    Whole numbers stay whole and sum up exactly; without generations the first bears it all.
    """
    rows = list(labelled)
    paid = [sum(step.cost for step in one.steps) for one in rows]
    weights = paid if sum(paid) else [1] + [0] * (len(rows) - 1)
    shared, before = [], 0
    for one, own, weight in zip(rows, paid, weights, strict=True):
        tokens, calls = (
            None if whole is None else _up_to(whole, before + weight, weights)
            - _up_to(whole, before, weights) for whole in (cost.tokens, cost.calls))
        before += weight
        shared.append(replace(one, cost=Cost(own, tokens, calls or 0,
                                             cost.seconds * weight / sum(weights))))
    return shared


def _up_to(whole: int, weight: int, weights: list[int]) -> int:
    return whole * weight // sum(weights)
