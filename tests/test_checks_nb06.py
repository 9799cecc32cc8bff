"""Notebook 06's checks: planted wrong answers are named, right ones pass."""

from math import log, sqrt

import numpy as np
import pytest
from planted import (
    assert_bank_is_answerable,
    assert_known_mistakes_are_told_apart,
    assert_planted,
)

from prmlab import exercises, search
from prmlab.checks import nb06
from prmlab.spending import Spending


@pytest.fixture(autouse=True)
def _progress(tmp_path, monkeypatch):
    monkeypatch.setenv("PRMLAB_PROGRESS", str(tmp_path / "progress.json"))


def test_starters_are_blank_and_solutions_pass():
    assert_bank_is_answerable("06")


def test_known_mistakes_are_told_apart(monkeypatch):
    found = assert_known_mistakes_are_told_apart(nb06, "06", monkeypatch, skip=["half_as_good"])
    assert found >= 25


def test_keep_best():
    def by_numpy(totals, width):
        return np.argsort(-np.array(totals), kind="stable")[:width]

    def by_heap(totals, width):
        from heapq import nsmallest
        return [i for _, i in nsmallest(width, [(-t, i) for i, t in enumerate(totals)])]

    assert_planted("06", "keep_best", right=[by_numpy, by_heap],
        wrong=[(lambda t, w: sorted(t, reverse=True)[:w], "returned the totals"),
               (lambda t, w: sorted(by_heap(t, w)), "the best comes first"),
               (lambda t, w: list(np.argsort(t)[::-1][:w]), "Of equal totals the elder"),
               (lambda t, w: [int(np.argmax(t))], "kept one only")])


def strategy(limit, *, n=3, most=8, prune=True):
    """A reader's loop, with what it compares with left open."""
    def grow(tree):
        tips = tree.live([0])
        while tips:
            rows = yield search.Steps(tips, n)
            children = sorted({node for row in rows for node in row})
            top = max(tree.total[node] for node in children)
            good = [c for c in children if tree.total[c] >= limit(tree, c, top)]
            good = sorted(good, key=lambda c: (-tree.total[c], c))[:most]
            if prune:
                tree.prune([c for c in children if c not in good])
            tips = tree.live(good)
    return grow


def test_half_as_good():
    def siblings(tree, node, top):
        return max(tree.total[c] for c in tree.children(tree.parent[node])) / 2

    half = strategy(lambda tree, node, top: top / 2)
    assert_planted("06", "half_as_good", right=[half, nb06._half_as_good],
        wrong=[(strategy(lambda *_: 0.0), "kept everything"),
               (strategy(lambda tree, node, top: top), "greedy search"),
               (strategy(siblings), "best of its own siblings"),
               (strategy(lambda tree, node, top: top / 2, n=4), "Draw 3 steps"),
               (strategy(lambda tree, node, top: np.nextafter(top / 2, 1)), "half is enough"),
               (strategy(lambda tree, node, top: top / 2, prune=False), "still open"),
               (strategy(lambda tree, node, top: top / 2, most=99), "at most 8 of them"),
               (strategy(lambda tree, node, top: 0.3), "grows another tree"),
               (lambda tree: [tree], "has no `yield`")])


def test_a_search_that_raises_or_never_ends_is_answered():
    def endless(tree):
        while True:
            yield search.Steps([0], 3)

    def broken(tree):
        yield search.Steps([0], 3)
        raise ZeroDivisionError

    for attempt, words in ((endless, "grows another tree"), (broken, "ZeroDivisionError")):
        result = exercises.check("06", "half_as_good", attempt)
        assert result.status == "wrong"
        assert words in result.message


def test_choose_child():
    def loop(values, visits, parent, explore):
        best = 0
        for i in range(1, len(values)):
            if rank(values, visits, parent, explore, i) > rank(values, visits, parent, explore, best):
                best = i
        return best

    def rank(values, visits, parent, explore, i):
        return values[i] + explore * sqrt(log(parent) / visits[i])

    def by_numpy(v, n, parent, c):
        return np.argmax(np.array(v) + c * np.sqrt(np.log(parent) / np.array(n)))

    assert_planted("06", "choose_child", right=[loop, by_numpy],
        wrong=[(lambda v, n, p, c: v.index(max(v)), "best value only"),
               (lambda v, n, p, c: n.index(max(n)), "visited most"),
               (lambda v, n, p, c: loop(v, n, p, 1.0), "left `explore` out"),
               (lambda v, n, p, c: int(np.argmax(np.array(v) + c * np.sqrt(p / np.array(n)))),
                "logarithm is missing"),
               (lambda v, n, p, c: len(v) - 1 - loop(v[::-1], n[::-1], p, c), "you took the last"),
               (lambda v, n, p, c: loop(v, n, sum(n), c), "use `parent_visits`"),
               (lambda v, n, p, c: int(np.argmax(np.array(v) + c * np.sqrt(np.log2(p) / n))),
                "base 2"),
               (lambda v, n, p, c: int(np.argmax(np.array(v) + c * np.sqrt(np.log10(p) / n))),
                "base 10"),
               (lambda v, n, p, c: loop(v, [k + 1 for k in n], p, c), "added 1"),
               (lambda v, n, p, c: int(np.argmax(np.array(v) + c * np.sqrt(p) / (
                   1 + np.array(n)))), "PUCT's bonus"),
               (lambda v, n, p, c: int(np.argmax(np.array(v) + c * np.sqrt(2 * np.log(p) / n))),
                "doubled the logarithm")])


def test_tokens_read():
    def loop(problem, steps, remember):
        total = so_far = 0
        for step in steps:
            so_far += step
            total += problem + so_far
        return problem + so_far if remember else total

    def weighed(problem, steps, remember):
        n = len(steps)
        return problem + sum(steps) if remember else n * problem + sum(
            (n - i) * step for i, step in enumerate(steps))

    assert_planted("06", "tokens_read", right=[loop, weighed],
        wrong=[(lambda p, s, r: loop(0, s, r), "left the problem out"),
               (lambda p, s, r: loop(p, s, False), "counted every prefix anew"),
               (lambda p, s, r: loop(p, s, not r), "wrong way round"),
               (lambda p, s, r: loop(p, s, r) if r else len(s) * (p + sum(s)),
                "counted the whole trace each time")])


def test_at_equal_tokens():
    def package(tokens, shares, budget):
        try:
            return Spending([shares], [tokens]).at(budget).value
        except ValueError:
            return None

    def by_hand(tokens, shares, budget):
        for a, b, y, z in zip(tokens, tokens[1:], shares, shares[1:]):
            if a <= budget <= b:
                return y + (z - y) * (log(budget) - log(a)) / (log(b) - log(a))
        return None

    def linear(tokens, shares, budget):
        inside = tokens[0] <= budget <= tokens[-1]
        return float(np.interp(budget, tokens, shares)) if inside else None

    assert_planted("06", "at_equal_tokens", right=[package, by_hand],
        wrong=[(linear, "over their logarithm"),
               (lambda t, s, b: float(np.interp(log(b), np.log(t), s)), "return None"),
               (lambda t, s, b: float(np.interp(b, t, s)), "made one up"),
               (lambda t, s, b: by_hand(t, s, b) if t[0] < b < t[-1] else None,
                "At the ends themselves")])
