"""Checks of notebook 04: a value and its label, a false alarm's chance, halving, the bill."""

from collections.abc import Callable, Sequence
from typing import Any

from prmlab.checks.attempts import Check, call, compare

_OUTCOMES = [([0, 1, 0, 0, 1, 0, 0, 1], 0.0), ([0, 0, 0, 0], 0.0), ([1, 0, 0, 1], 0.5),
             ([1, 1, 1, 0], 0.5), ([0, 0, 0, 1, 0], 0.0)]


def _labelled(outcomes: Sequence[int], threshold: float) -> tuple[float, int]:
    value = sum(outcomes) / len(outcomes)
    return value, 1 if value > threshold else -1


def value_and_label(attempt: object) -> str | None:
    """`value_and_label(outcomes, threshold)`: the share of right rollouts, and +1 or -1."""
    def labelled(label: Callable[[float, float], Any]) -> Callable[..., Any]:
        return lambda outcomes, threshold: (
            _labelled(outcomes, threshold)[0], label(_labelled(outcomes, threshold)[0],
                                                     threshold))

    return compare(attempt, _OUTCOMES, _labelled, [
        ("A value equal to the threshold is not above it: with threshold 0 you call a step "
         "right from which no rollout arrived.",
         labelled(lambda value, t: 1 if value >= t else -1)),
        ("You label a wrong step 0. In this course 0 means neutral; wrong is -1.",
         labelled(lambda value, t: 1 if value > t else 0)),
        ("You ask for more than half of the rollouts whatever the threshold is. A right step "
         "of a hard problem may have a low value.",
         labelled(lambda value, t: 1 if value > 0.5 else -1)),
        ("You ask for all rollouts to arrive; one above the threshold will do.",
         labelled(lambda value, t: 1 if value == 1 else -1)),
        ("You return label, value; asked are value, label.",
         lambda outcomes, threshold: _labelled(outcomes, threshold)[::-1]),
        ("Your value is the number of right rollouts; divide by how many there are.",
         lambda outcomes, threshold: (sum(outcomes), _labelled(outcomes, threshold)[1])),
        ("The label is turned around: +1 is for a value above the threshold.",
         labelled(lambda value, t: -1 if value > t else 1)),
    ])


_CHANCES = [(0.1, 8), (0.5, 3), (0.0, 4), (1.0, 2), (0.03, 64)]


def _called_wrong(value: float, n_rollouts: int) -> float:
    return (1 - value) ** n_rollouts


def called_wrong(attempt: object) -> str | None:
    """`called_wrong(value, n_rollouts)`: the chance that no rollout arrives."""
    return compare(attempt, _CHANCES, _called_wrong, [
        ("That is the chance that all rollouts arrive; asked is that none does.",
         lambda v, n: v**n),
        ("That is the chance that at least one arrives, so that the step is called right.",
         lambda v, n: 1 - (1 - v) ** n),
        ("That is the chance that not all of them arrive; one is enough for +1.",
         lambda v, n: 1 - v**n),
        ("That is one rollout's chance to fail; there are n, and all must.",
         lambda v, n: 1 - v),
        ("You divided by n. Each rollout fails with the same chance, and independent chances "
         "multiply.",
         lambda v, n: (1 - v) / n),
        ("You multiplied the chance by n. Chances of independent events multiply with each "
         "other: the power, not the product with n.",
         lambda v, n: n * (1 - v)),
        ("You subtracted n times the value. That is near the truth only where it is small, "
         "and negative soon.",
         lambda v, n: 1 - n * v),
        ("You cut n times the value off at 0. It is an approximation for small values only.",
         lambda v, n: max(0.0, 1 - n * v)),
    ])


class _Alive:
    """`alive(k)`: whether the prefix of k steps still arrives; counts how often it is asked."""

    def __init__(self, first_dead: int, n_steps: int):
        self.first_dead, self.n_steps, self.asked = first_dead, n_steps, 0

    def __call__(self, k: int) -> bool:
        if not 0 <= k <= self.n_steps:
            raise IndexError(f"there are prefixes of 0 to {self.n_steps} steps, not of {k}")
        self.asked += 1
        return k < self.first_dead

    def __repr__(self) -> str:
        return f"<alive up to {self.first_dead - 1} steps>"


def _cases() -> list[tuple[_Alive, int]]:
    return [(_Alive(dead, n), n) for n, dead in (
        (1, 1), (1, 2), (7, 4), (7, 8), (8, 1), (8, 8), (5, 3), (16, 11), (6, 7), (16, 2))]


def _first_dead(alive: Callable[[int], bool], n_steps: int) -> int | None:
    low, high = 0, n_steps + 1  # alive at low, dead (or past the end) at high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if alive(middle) else (low, middle)
    return low if high <= n_steps else None


def find_first_dead(attempt: object) -> str | None:
    """`find_first_dead(alive, n_steps)`: the step whose prefix is the first dead one."""
    def changed(by: Callable[[int | None, int], Any]) -> Callable[..., Any]:
        return lambda alive, n_steps: by(_first_dead(alive, n_steps), n_steps)

    mistake = compare(attempt, _cases(), _first_dead, [
        ("You return the number of steps of the first dead prefix; the step that killed it is "
         "the last of these, one less, since steps count from 0.",
         changed(lambda step, n: None if step is None else step + 1)),
        ("You return the last step that was still alive; asked is the one after it.",
         changed(lambda step, n: None if step is None else step - 1)),
        ("Where no prefix is dead you return the number of steps; there is no error: None.",
         changed(lambda step, n: n if step is None else step)),
        ("Where no prefix is dead you return the last step; there is no error: None.",
         changed(lambda step, n: n - 1 if step is None else step)),
        ("Where no prefix is dead you return -1; here that is None, because `steps[-1]` is a "
         "step.",
         changed(lambda step, n: -1 if step is None else step)),
        ("You never ask about the whole trace, so that an error in its last step is missed.",
         changed(lambda step, n: None if step == n - 1 else step)),
        ("You always name step 0 in a trace that dies somewhere.",
         changed(lambda step, n: None if step is None else 0)),
    ])
    if mistake:
        return mistake
    for alive, n_steps in _cases():
        call(lambda a=alive, n=n_steps: attempt(a, n))
        if alive.asked > n_steps.bit_length() + 1:
            return (f"The index is right, but you asked {alive.asked} times about a trace of "
                    f"{n_steps} steps. Each question costs many rollouts; ask in the middle of what is "
                    f"open, and {n_steps.bit_length()} will do.")
    return None


_BILLS = [(10, 4, 9, 10, 100, 100), (10_000, 16, 10, 32, 500, 17_660), (3, 5, 2, 7, 11, 13)]


def _hours(problems: int, n_samples: int, steps: int, n_rollouts: int, tokens: float,
           tokens_per_s: float) -> float:
    return problems * n_samples * steps * n_rollouts * tokens / tokens_per_s / 3600


def hours(attempt: object) -> str | None:
    """`hours(problems, n_samples, steps, n_rollouts, tokens, tokens_per_s)`: of the device."""
    return compare(attempt, _BILLS, _hours, [
        ("These are seconds; an hour has 3,600 of them.",
         lambda p, m, s, r, t, v: p * m * s * r * t / v),
        ("These are minutes; divide by 60 once more.",
         lambda p, m, s, r, t, v: p * m * s * r * t / v / 60),
        ("You forgot the steps: rollouts start from every prefix, not once a trace.",
         lambda p, m, s, r, t, v: _hours(p, m, 1, r, t, v)),
        ("You forgot that each problem has several traces.",
         lambda p, m, s, r, t, v: _hours(p, 1, s, r, t, v)),
        ("You forgot the rollouts: each prefix is played on many times.",
         lambda p, m, s, r, t, v: _hours(p, m, s, 1, t, v)),
        ("You divided generations by tokens a second; first turn them into tokens.",
         lambda p, m, s, r, t, v: _hours(p, m, s, r, 1, v)),
        ("You multiplied by the speed; a faster device needs fewer hours.",
         lambda p, m, s, r, t, v: p * m * s * r * t * v / 3600),
    ])


CHECKS: dict[str, Check] = {"value_and_label": value_and_label, "called_wrong": called_wrong,
                            "find_first_dead": find_first_dead, "hours": hours}
