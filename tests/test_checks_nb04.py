"""Notebook 04's checks: planted wrong answers are named, right ones pass."""

import math

import pytest
from planted import (
    assert_bank_is_answerable,
    assert_known_mistakes_are_told_apart,
    assert_planted,
)

from prmlab import budget
from prmlab.checks import nb04
from prmlab.evidence import StepLabel


@pytest.fixture(autouse=True)
def _progress(tmp_path, monkeypatch):
    monkeypatch.setenv("PRMLAB_PROGRESS", str(tmp_path / "progress.json"))


def test_starters_are_blank_and_solutions_pass():
    assert_bank_is_answerable("04")


def test_known_mistakes_are_told_apart(monkeypatch):
    assert assert_known_mistakes_are_told_apart(nb04, "04", monkeypatch) >= 20


def test_value_and_label():
    def by_any(outcomes, threshold):
        share = [float(bool(o)) for o in outcomes]
        value = math.fsum(share) / len(share)
        return [value, (value > threshold) * 2 - 1]

    assert_planted("04", "value_and_label", right=[nb04._labelled, by_any],
        wrong=[(lambda o, t: (sum(o) / len(o), 1 if sum(o) / len(o) >= t else -1),
                "equal to the threshold"),
               (lambda o, t: (sum(o) / len(o), int(sum(o) / len(o) > t)), "0 means neutral"),
               (lambda o, t: (sum(o), 1 if sum(o) / len(o) > t else -1), "number of right"),
               (lambda o, t: sum(o) / len(o), "must return a list of 2")])


def test_called_wrong():
    assert_planted("04", "called_wrong",
        right=[lambda v, n: (1 - v)**n, lambda v, n: math.prod([1 - v] * n)],
        wrong=[(lambda v, n: v**n, "all rollouts arrive"),
               (lambda v, n: 1 - (1 - v)**n, "at least one"),
               (lambda v, n: 1 - v, "one rollout's chance"),
               (lambda v, n: 1 - n * v, "negative soon")])


def recursive(alive, n_steps, low=0, high=None):
    high = n_steps + 1 if high is None else high
    if high - low == 1:
        return None if high > n_steps else low
    middle = (low + high) // 2
    half = (middle, high) if alive(middle) else (low, middle)
    return recursive(alive, n_steps, *half)


def test_find_first_dead():
    def one_by_one(alive, n_steps):
        return next((k - 1 for k in range(1, n_steps + 1) if not alive(k)), None)

    def too_far(alive, n_steps):
        return one_by_one(alive, n_steps + 1)

    assert_planted("04", "find_first_dead", right=[nb04._first_dead, recursive],
        wrong=[(one_by_one, "The index is right, but you asked 7 times"),
               (lambda alive, n: -1 if recursive(alive, n) is None else recursive(alive, n),
                "return -1"),
               (lambda alive, n: None if recursive(alive, n) is None else
                recursive(alive, n) + 1, "number of steps of the first dead prefix"),
               (too_far, "there are prefixes of 0 to 1 steps")])


def test_hours():
    def by_budget(problems, n_samples, steps, n_rollouts, tokens, tokens_per_s):
        plan = budget.Plan(problems, n_samples, steps, n_rollouts, tokens)
        return budget.bill(plan, budget.Device("d", tokens_per_s, 0, "-")).hours

    assert_planted("04", "hours", right=[nb04._hours, by_budget],
        wrong=[(lambda p, m, s, r, t, v: p * m * s * r * t / v, "seconds"),
               (lambda p, m, s, r, t, v: p * m * r * t / v / 3600, "forgot the steps"),
               (lambda p, m, s, r, t, v: p * m * s * r * t * v / 3600, "faster device")])


def test_numbers_in_the_bank():
    """What its prose claims, recomputed."""
    assert nb04._called_wrong(0.1, 8) == pytest.approx(0.43, abs=0.005)
    assert nb04._called_wrong(0.1, 32) == pytest.approx(0.03, abs=0.005)
    assert StepLabel(1, 0.25, 16).standard_error == pytest.approx(0.108, abs=0.0005)
