"""What can be set of a strategy, read from its signature: so that any function has controls.

Conventions: a strategy takes `problems, policy, scorer` (or no scorer) and keyword-only
settings, each with a default; `**options` stands for those of `lockstep.run`. Whole numbers,
numbers, switches, words and rules of aggregation become controls; the others keep their defaults.
Runs nothing.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from prmlab import lockstep, scoring

LABELS = {"aggregate": "aggregation"}


def settings(strategy: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """Each setting's `kind` ("whole", "number", "switch", "words", "choice"), `value`, `choices`.

    Example:
        >>> def beam(problems, policy, scorer, *, beam_width=4, aggregate="min", watch=None):
        ...     pass
        >>> settings(beam)["beam_width"]["kind"], settings(beam)["aggregate"]["value"]
        ('whole', 'min')
    """
    found = {}
    for name, parameter in _parameters(strategy).items():
        control = _control(name, parameter.default)
        if parameter.kind is parameter.KEYWORD_ONLY and control:
            found[name] = {"label": LABELS.get(name, name.replace("_", " ")), **control}
    return found


def takes(strategy: Callable[..., Any], name: str) -> bool:
    """Whether the strategy has a parameter of this name."""
    return name in _parameters(strategy)


def chosen(strategy: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings to call the strategy with: its own, in `values` where they are.

    Raises:
        ValueError: naming a setting whose value is of another kind.
    """
    return {name: _checked(name, control, values.get(name, control["value"]))
            for name, control in settings(strategy).items()}


def _parameters(strategy: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    own = inspect.signature(strategy).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own.values()):
        return dict(own)
    shared = inspect.signature(lockstep.run).parameters.values()
    return {**own, **{p.name: p for p in shared
                      if p.kind is p.KEYWORD_ONLY and p.name not in own}}


def _control(name: str, default: Any) -> dict[str, Any] | None:
    if name == "aggregate" and isinstance(default, str):
        return {"kind": "choice", "value": default, "choices": list(scoring.AGGREGATIONS)}
    if isinstance(default, bool):
        return {"kind": "switch", "value": default, "choices": []}
    if isinstance(default, int):
        return {"kind": "whole", "value": default, "choices": []}
    if isinstance(default, float):
        return {"kind": "number", "value": default, "choices": []}
    if isinstance(default, str):
        return {"kind": "words", "value": default, "choices": []}
    return None


def _checked(name: str, control: Mapping[str, Any], value: Any) -> Any:
    if control["kind"] == "choice" and value in control["choices"]:
        return value
    if control["kind"] == "words" and isinstance(value, str):
        return value
    if control["kind"] == "switch" and isinstance(value, bool):
        return value
    if control["kind"] in ("whole", "number") and isinstance(value, int | float) and not isinstance(value, bool):
        if control["kind"] == "number":
            return float(value)
        if float(value).is_integer() and (name != "seed" or value >= 0):
            return int(value)
    whole = "a whole number of 0 or more" if name == "seed" else "a whole number"
    wanted = {"whole": whole, "number": "a number", "switch": "on or off",
              "words": "words",
              "choice": f"one of {', '.join(control['choices'])}"}[control["kind"]]
    raise ValueError(f"{name.replace('_', ' ')} must be {wanted}, got {value!r}")
