"""Figures of a model on held-out traces, and stopping when they no longer get better.

Owns which figure is watched and what counts as better; `training` calls it between steps.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from prmlab import metrics, scoring
from prmlab.targets import outcome, step_targets
from prmlab.traces import Trace

Validate = Callable[[Any], dict[str, float]]


def step_figures(held_out: Sequence[Trace], *, threshold: float = 0.5, label_kind: str = "hard",
                 neutral: float | None = 1.0) -> Validate:
    """A function of a PRM: "loss", "auroc" and "f1" (of first errors) on these labelled traces.

    A step counts as wrong where its target is below 0.5; AUROC and F1 are NaN if all are of one
    kind. A trace whose first error is not known, for a label is missing before it, is none of F1's.
    Traces that are too long for the PRM are left out and counted as "too long".

    Raises:
        ValueError: naming the trace, if one has no labels or no steps; if there are none.
    """
    if not held_out:
        raise ValueError("there are no held-out traces to measure on; give some, or leave validation "
                         "out")
    for i, trace in enumerate(held_out):
        if not trace.labels:
            what = "steps" if trace.labels is not None else "labels"
            raise ValueError(f"held-out trace {i} (problem {trace.problem.id!r}) has no {what}; "
                             "label it, for example with checker.labelled, or leave it out")
    targets = [step_targets(t.labels, label_kind=label_kind, neutral=neutral) for t in held_out]
    truth = [next((i for i, y in enumerate(row) if y is not None and y < 0.5), None)
             for row in targets]
    known = [None not in t.labels[:first] for t, first in zip(held_out, truth, strict=True)]
    kinds = {y >= 0.5 for row in targets for y in row if y is not None}
    ends = {first is None for first, some in zip(truth, known, strict=True) if some}

    def figures(prm: Any) -> dict[str, float]:
        kept = _fitting(held_out, prm)
        scores = prm.score([held_out[i] for i in kept])
        pairs = [(v, y) for i, s in zip(kept, scores, strict=True)
                 for v, y in zip(s, targets[i], strict=True) if y is not None]
        said = [(scoring.first_error(s, threshold=threshold), truth[i])
                for i, s in zip(kept, scores, strict=True) if known[i]]
        found, true = ([row[k] for row in said] for k in (0, 1))
        p, y = np.array(pairs, dtype=float).reshape(-1, 2).T
        both = 0 < true.count(None) < len(true)
        return {"loss": _loss(p, y), "auroc": _auroc(p, y >= 0.5),
                "f1": metrics.first_error_f1(found, true).f1 if both else math.nan,
                **_left_out(held_out, kept)}

    figures.never = {name for name, both in (("auroc", kinds), ("f1", ends)) if len(both) < 2}
    return figures


def outcome_figures(held_out: Sequence[Trace]) -> Validate:
    """A function of an ORM: "loss" and "auroc" over these traces' answers; as `step_figures`."""
    truth = np.array([float(outcome(t)) for t in held_out])

    def figures(orm: Any) -> dict[str, float]:
        kept = _fitting(held_out, orm)
        p, y = orm.score([held_out[i] for i in kept]), truth[kept]
        return {"loss": _loss(p, y), "auroc": _auroc(p, y >= 0.5), **_left_out(held_out, kept)}

    return figures


def direction(name: str) -> int:
    """1 if more of the figure of that name is better, -1 if less is.

    Raises:
        ValueError: if the name does not tell; a sign before it does, as in "-brier".

    Example:
        >>> direction("f1"), direction("loss"), direction("-ece"), direction("+spared")
        (1, -1, -1, 1)
    """
    known = {"+": 1, "-": -1, "loss": -1, "auroc": 1, "f1": 1}
    if name[:1] not in known and name not in known:
        raise ValueError(f"whether more or less of {name!r} is better is not known; pass "
                         f'watch="+{name}" or watch="-{name}"')
    return known.get(name) or known[name[0]]


def measurable(name: str, never: Collection[str]) -> None:
    """ValueError if the figure of that name is among those that are never a number."""
    if name.lstrip("+-") in never:
        raise ValueError(f"{name!r} is not a number on these held-out traces, so it cannot say when "
                         "to stop: it needs traces with an error and without one (AUROC: right and "
                         'wrong steps); add the other kind, or pass watch="loss"')


class Watch:
    """Keeps the weights of the best validation, and says when to stop.

    Args:
        name: the figure to watch, with the sign that `direction` reads.
        patience: validations without a better one after which to stop.
        state: as `state` of an earlier one, to go on from.
    """

    def __init__(self, name: str, patience: int, state: Mapping[str, Any] | None = None):
        self.name, self.patience = name, patience
        self.state = dict(state or {"best": None, "step": 0, "waited": 0})
        self.weights: dict[str, torch.Tensor] = {}

    def see(self, step: int, figures: Mapping[str, float], model: torch.nn.Module) -> bool:
        """Whether to stop after this validation. ValueError if the figure is not among them, or no
        number at the first of them."""
        name = self.name if self.name in figures else self.name.lstrip("+-")
        if name not in figures:
            raise ValueError(f"watch must be one of {', '.join(figures)}, got {self.name!r}")
        value = direction(self.name) * figures[name]
        if math.isnan(value):
            measurable(self.name, [name.lstrip("+-")] if self.state["best"] is None else ())
            value = -math.inf
        if self.state["best"] is None or value > self.state["best"]:
            self.state = {"best": float(value), "step": step, "waited": 0}
            self.weights = {name: p.detach().to("cpu", copy=True)
                            for name, p in model.named_parameters()}
        else:
            self.state = self.state | {"waited": self.state["waited"] + 1}
        return self.state["waited"] >= self.patience

    def restore(self, model: torch.nn.Module) -> None:
        """Put the best validation's weights back."""
        model.load_state_dict(self.weights, strict=False)


def _fitting(held_out: Sequence[Trace], model: Any) -> list[int]:
    """Which traces are not too long for the model; ValueError if all are."""
    fits = getattr(model, "fits", lambda trace: True)
    kept = [i for i, trace in enumerate(held_out) if fits(trace)]
    if not kept:
        raise ValueError(f"none of the {len(held_out)} held-out traces is within the model's limit")
    return kept


def _left_out(held_out: Sequence[Trace], kept: Sequence[int]) -> dict[str, float]:
    n = len(held_out) - len(kept)
    return {"too long": float(n)} if n else {}


def _loss(p: np.ndarray, y: np.ndarray) -> float:
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))


def _auroc(p: np.ndarray, right: np.ndarray) -> float:
    return float(metrics.auroc(p, right)) if 0 < right.sum() < len(right) else float("nan")
