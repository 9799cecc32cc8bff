"""Notebook 07's checks: planted wrong answers are named, right ones pass."""

import pytest
from planted import (
    assert_bank_is_answerable,
    assert_known_mistakes_are_told_apart,
    assert_planted,
    run_cell,
)

from prmlab import banks, checker, metrics, rules, scoring, thresholds
from prmlab.checks import nb07
from prmlab.traces import Problem, Trace


@pytest.fixture(autouse=True)
def _progress(tmp_path, monkeypatch):
    monkeypatch.setenv("PRMLAB_PROGRESS", str(tmp_path / "progress.json"))


def test_starters_are_blank_and_solutions_pass():
    assert_bank_is_answerable("07")


def test_known_mistakes_are_told_apart(monkeypatch):
    assert assert_known_mistakes_are_told_apart(nb07, "07", monkeypatch) >= 20


def test_find_error_step():
    def pairs(s):
        found = [i + 1 for i, (a, b) in enumerate(zip(s, s[1:])) if b < a / 2]
        return found[0] if found else -1

    def from_zero(s):
        return next((i for i in range(len(s)) if s[i] < 0.5 * s[i - 1]), -1)

    assert_planted("07", "find_error_step", right=[scoring.find_error_step, pairs],
        wrong=[(from_zero, "`s[-1]`"),
               (lambda s: next((i for i, x in enumerate(s) if x < 0.5), -1), "compared each"),
               (lambda s: next((i for i in range(1, len(s)) if s[i] <= s[i - 1] / 2), -1),
                "`<=`"),
               (lambda s: None if pairs(s) < 0 else pairs(s), "returns -1"),
               (lambda s: pairs(s) + 1 if pairs(s) >= 0 else -1, "counted steps from 1"),
               (lambda s: [pairs(s)], "must return one number")])


def test_blind_spot():
    assert_planted("07", "blind_spot", right=[[0.04, 0.03, 0.03], (0.4, 0.5)],
        wrong=[([0.9, 0.1], "the PRM calls it right"),
               ([0.2, 0.05], "does flag this trace, at step 1"),
               ([0.2], "at least two steps"), ([0.2, 1.4], "got 1.4 at step 1"),
               ("low", "list of scores")])


def test_the_story_of_the_blind_spot_is_true():
    """2x + 5 = 15 -> 2x = 20 is wrong at step 0, and what follows is carried."""
    problem = Problem("e", "Solve 2x + 5 = 15.", "5", "equations",
                      {"left": [["x", 2], ["n", 5]], "right": [["n", 15]], "x": 5})
    steps = ("Subtract 5 from both sides: 2x = 20", "Divide both sides by 2: x = 10",
             "Answer: 10")
    verdicts = checker.check(Trace(problem, steps, finished=True))
    assert [verdict.label for verdict in verdicts] == [-1, -1, -1]
    assert verdicts[1].reason == "carried error"


def test_mend():
    def padded(s):
        return scoring.first_error([1.0, *s], rule="drop")

    def right(s):
        return None if padded(s) is None else padded(s) - 1

    def loop(s):
        for i in range(len(s)):
            if s[i] < 0.5 * (s[i - 1] if i else 1):
                return i
        return None

    assert_planted("07", "mend", right=[right, loop],
        wrong=[(lambda s: scoring.first_error(s, rule="drop"), "still there: step 0 has"),
               (scoring.find_error_step, "-1 still means no error"),
               (lambda s: -1 if loop(s) is None else loop(s), "Almost"),
               (padded, "one too high"), (scoring.first_error, "compared every step with 0.5")])


def test_processbench_f1():
    def package(p, t):
        return metrics.first_error_f1(p, t).f1

    def by_counts(p, t):
        n = [sum(y is not None for y in t), sum(y is None for y in t)]
        hits = [sum(x == y for x, y in zip(p, t) if (y is None) == fine)
                for fine in (False, True)]
        a, b = hits[0] / n[0], hits[1] / n[1]
        return 0.0 if a == 0 or b == 0 else 2 / (1 / a + 1 / b)

    def no_guard(p, t):
        a, b = nb07._accuracies(p, t)
        return 2 * a * b / (a + b)

    assert_planted("07", "processbench_f1", right=[package, by_counts],
        wrong=[(no_guard, "ZeroDivisionError"),
               (lambda p, t: sum(nb07._accuracies(p, t)) / 2, "plain average"),
               (lambda p, t: sum(x == y for x, y in zip(p, t)) / len(t), "over all traces"),
               (lambda p, t: nb07._accuracies(p, t)[0], "with an error only"),
               (lambda p, t: by_counts([None if x is None else 0 for x in p],
                                       [None if y is None else 0 for y in t]), "exact step")])


def test_choose():
    def by_package(scores, true, candidates):
        found = [[scoring.first_error(s, threshold=c) for s in scores] for c in candidates]
        f1 = [metrics.first_error_f1(p, true).f1 for p in found]
        return candidates[f1.index(max(f1))]

    planted_solution = run_cell(banks.load("07").exercise("choose").solution, "choose")

    assert_planted("07", "choose", right=[by_package, planted_solution],
        wrong=[(lambda s, t, c: c.index(by_package(s, t, c)), "returned the index"),
               (lambda s, t, c: by_package(s, t, c[::-1]), "you took the last"),
               (lambda s, t, c: 0.5, "always take 0.5"),
               (lambda s, t, c: max(r.f1 for r in nb07._f1s(s, t, c)), "returned the best F1"),
               (lambda s, t, c: thresholds.choose_threshold(s, t).threshold, "yours returned")])


def test_chances():
    def by_product(s):
        reached = [1.0]
        for p in s:
            reached.append(reached[-1] * p)
        return [reached[i] - reached[i + 1] for i in range(len(s))] + [reached[-1]]

    assert_planted("07", "chances",
        right=[by_product, lambda s: rules.chances(scoring.as_scores(s))],
        wrong=[(lambda s: by_product(s)[:-1], "last one is missing"),
               (lambda s: [1 - p for p in s], "all steps before it must be right"),
               (lambda s: by_product(s)[-1:] + by_product(s)[:-1], "put it last"),
               (lambda s: by_product([1 - p for p in s]), "chance that the step is wrong"),
               (lambda s: sum(by_product(s)), "must return a list of 4")])


def test_recovered():
    def loop(labels):
        wrong = False
        for label in labels:
            if wrong and label == 1:
                return True
            wrong = wrong or label == -1
        return False

    assert_planted("07", "recovered",
        right=[loop, lambda y: -1 in y and 1 in y[y.index(-1):]],
        wrong=[(lambda y: -1 in y and 1 in y, "anywhere"),
               (lambda y: y[-1] == 1, "of traces without a wrong step too"),
               (lambda y: 1 in y[y.index(-1):], "ValueError"),
               (lambda y: -1 in y and any(x >= 0 for x in y[y.index(-1):]), "neutral")])
