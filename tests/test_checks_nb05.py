"""Notebook 05's checks: planted wrong answers are named, right ones pass."""

from collections import Counter
from fractions import Fraction
from itertools import combinations
from math import comb, sqrt

import numpy as np
import pytest
from planted import (
    assert_bank_is_answerable,
    assert_known_mistakes_are_told_apart,
    assert_planted,
)

from prmlab import curves, intervals, votes
from prmlab.checks import nb05


@pytest.fixture(autouse=True)
def _progress(tmp_path, monkeypatch):
    monkeypatch.setenv("PRMLAB_PROGRESS", str(tmp_path / "progress.json"))


def test_starters_are_blank_and_solutions_pass():
    assert_bank_is_answerable("05")


def test_known_mistakes_are_told_apart(monkeypatch):
    assert assert_known_mistakes_are_told_apart(nb05, "05", monkeypatch) >= 30


def test_weighted_vote():
    def counter(answers, scores):
        tally = Counter()
        for answer, score in zip(answers, scores):
            if answer is not None:
                tally[answer] += score
        return [a for a in tally if tally[a] == max(tally.values())]

    def arrays(answers, scores):
        known = list(dict.fromkeys(a for a in answers if a is not None))
        sums = np.array([sum(s for b, s in zip(answers, scores) if a == b) for a in known])
        return [known[i] for i in np.flatnonzero(sums == sums.max())]

    assert_planted("05", "weighted_vote", right=[counter, arrays],
        wrong=[(lambda a, s: counter(a, [1] * len(a)), "counted the votes"),
               (lambda a, s: counter(a, s)[0], "return a list"),
               (lambda a, s: counter(a, s)[:1], "kept the first"),
               (lambda a, s: [max(zip(s, a))[1]], "must return a list of 2")])


def test_best_of_n_exact():
    def subsets(correct, scores, n):
        found = [correct[max(s, key=lambda i: scores[i])]
                 for s in combinations(range(len(scores)), n)]
        return sum(found) / len(found)

    def one_by_one(correct, scores, n):
        below = [sum(b < a for b in scores) for a in scores]
        return sum(ok * comb(b, n - 1) for ok, b in zip(correct, below)) / comb(len(scores), n)

    def as_a_fraction(correct, scores, n):  # "exactly", taken at its word
        ranked = [ok for _, ok in sorted(zip(scores, correct))]
        return Fraction(sum(comb(r, n - 1) for r, ok in enumerate(ranked) if ok),
                        comb(len(ranked), n))

    assert_planted("05", "best_of_n_exact", right=[subsets, one_by_one, as_a_fraction],
        wrong=[(lambda c, s, n: subsets(c[:n], s[:n], n), "first n samples"),
               (lambda c, s, n: sum(any(c[i] for i in t) for t in combinations(
                   range(len(c)), n)) / comb(len(c), n), "That is the oracle"),
               (lambda c, s, n: sum(c) / len(c), "share of right samples"),
               (lambda c, s, n: subsets(c, [-x for x in s], n), "lowest score win")])


def test_spread():
    def of_curve(chances):
        one = curves.curve_of(np.array(chances)[:, None], (1,), draws=2)
        return float(curves.subsample_spread(one)[0])

    assert_planted("05", "spread",
        right=[of_curve, lambda p: sqrt(sum(x - x * x for x in p) / len(p) ** 2)],
        wrong=[(np.std, "how the problems differ from each other"),
               (lambda p: np.std(p) / sqrt(len(p)), "standard error over *problems*"),
               (lambda p: of_curve(p) ** 2, "That is the variance"),
               (lambda p: of_curve(p) * len(p), "forgot to divide")])


def test_curse():
    def arrays(scores, right):
        s, r = np.array(scores), np.array(right)
        at = s.argmax(axis=1)[:, None]
        return float((np.take_along_axis(s, at, 1) - np.take_along_axis(r, at, 1)).mean())

    def by_curves(scores, right):
        n = [len(scores[0])]
        return float(curves.winner_curve(scores, scores, n, draws=2).mean[0]
                     - curves.best_of_n_curve(right, scores, n, draws=2).mean[0])

    assert_planted("05", "curse", right=[arrays, by_curves],
        wrong=[(lambda s, r: -arrays(s, r), "sign"),
               (lambda s, r: np.mean(s) - np.mean(r), "compared all traces"),
               (lambda s, r: np.max(s, axis=1).mean() - np.mean(r), "right traces among *all*"),
               (lambda s, r: np.max(s, axis=1).mean(), "subtract the share")])


def test_verdict():
    def branches(low, high):
        if low <= 0 <= high:
            return "undecided"
        return "confirmed" if low > 0 else "refuted"

    assert_planted("05", "verdict", right=[intervals.verdict, branches],
        wrong=[(lambda low, high: "confirmed" if low + high > 0 else "refuted", "middle"),
               (lambda low, high: "confirmed" if low > 0 else "refuted", "as soon as 0"),
               (lambda low, high: low > 0, "one of three words"),
               (lambda low, high: "confirmed" if high > 0 else "refuted", "all of it")])


def test_the_package_votes_as_the_exercise_does():
    answers, scores = ["5", "7", "5"], [0.25, 0.625, 0.5]
    assert nb05._vote(answers, scores) == ["5"]
    curve = votes.weighted_curve([[True, False, True]], [answers], [scores], [3], draws=2)
    assert curve.mean[0] == 1.0
