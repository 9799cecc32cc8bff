"""Checks of notebook 06: keeping the best, a search of one's own, UCT, re-reading, equal tokens."""

import inspect
from collections.abc import Callable, Generator, Sequence
from functools import partial
from math import exp, log, log2, log10, sqrt
from typing import Any

import numpy as np

from prmlab import scorers, search, toys
from prmlab.checks.attempts import Check, NotAttempted, Stopped, blank, call, compare
from prmlab.growing import GrowingTree
from prmlab.traces import Trace

_TOTALS = [
    ([0.2, 0.9, 0.5], 2), ([0.5, 0.9, 0.5, 0.7], 3), ([0.4, 0.4, 0.4], 2), ([0.3], 4),
    ([0.1, 0.8, 0.2, 0.9, 0.05], 1), ([0.6, 0.7, 0.65, 0.7], 2), ([0.9, 0.2, 0.8, 0.1], 4),
]


def keep_best(attempt: object) -> str | None:
    """`keep_best(totals, width)`: rows of the highest totals, best first, ties to the elder."""
    def right(totals: Sequence[float], width: int) -> list[int]:
        return sorted(range(len(totals)), key=lambda i: (-totals[i], i))[:width]

    return compare(attempt, _TOTALS, right, [
        ("You returned the totals; return their rows, so that a tree can go on from them.",
         lambda t, w: [t[i] for i in right(t, w)]),
        ("You kept the lowest totals; a high total is a good prefix.",
         lambda t, w: sorted(range(len(t)), key=lambda i: (t[i], i))[:w]),
        ("The rows are right but in order of row; the best comes first.",
         lambda t, w: sorted(right(t, w))),
        ("Of equal totals the elder, the lower row, comes first; yours prefers the younger.",
         lambda t, w: sorted(range(len(t)), key=lambda i: (-t[i], -i))[:w]),
        ("You sorted all and cut nothing; keep `width` of them.",
         lambda t, w: right(t, len(t))),
        ("You kept one only, the best; keep `width` of them.", lambda t, w: right(t, 1)),
        ("You kept the first ones that came; sort them by total.",
         lambda t, w: list(range(len(t)))[:w]),
        ("You kept the worst of the sorted rows: the cut is at the wrong end.",
         lambda t, w: right(t, len(t))[-w:]),
    ])


N_STEPS, MOST = 3, 8
Walk = Generator[Any, list[list[int]], None]


def _half_as_good(tree: GrowingTree, *, share: float = 0.5, most: int | None = MOST,
                  n: int = N_STEPS, of_row: bool = False, steps: bool = False,
                  prune: bool = True, worst: bool = False, more: bool = False) -> Walk:
    """The rule of the exercise, and by its switches what is mistaken for it."""
    tips = tree.live([0])
    while tips:
        rows = yield search.Steps(tips, n)
        children = [node for row in rows for node in row]
        value = tree.step_score.__getitem__ if steps else tree.worth
        lots = rows if of_row else [children]
        good = []
        for lot in lots:
            limit = (min if worst else max)(map(value, lot)) * share
            good += [node for node in tree.best(lot)
                     if value(node) > limit or value(node) == limit and not more]
        good = tree.best(good, most)
        if prune:
            tree.prune(set(children) - set(good))
        tips = tree.live(good)


def _grown(strategy: Callable[[GrowingTree], Walk], length: int, alike: float,
           judge: type = scorers.Random) -> list[list[Any]]:
    """The tree of a strategy on a toy, a row a node; at most 30 rounds."""
    own = judge(length) if judge is scorers.Random else judge()
    scorer = scorers.Weighted((own, scorers.Constant(1.0)), (1 - alike, alike))
    (found,) = search.run(
        strategy, toys.make(1, length=length), toys.ToyPolicy(keep=0.6, repair=0.5), scorer,
        watch=lambda number, trees: number >= 30)
    tree = found.tree
    return [[int(tree.parent[row]), tree.step[row], tree.fate[row], int(tree.drawn[row])]
            for row in range(1, len(tree))]


def half_as_good(attempt: Any) -> str | None:
    """`half_as_good(tree)`: a strategy that keeps all that is at least half as good as the best."""
    if blank(attempt):
        raise NotAttempted
    walk = call(attempt, GrowingTree(Trace(toys.make(1)[0], ())))
    if walk is None or walk is ...:
        raise NotAttempted
    if not inspect.isgenerator(walk):
        return ("A strategy is a generator: it must `yield search.Steps(nodes, n)` and take the "
                "rows that come back. Yours has no `yield`.")
    cases = [(8, 0.0), (10, 0.0), (5, 0.9), (6, 0.7), (4, 0.5, toys.Truth)]  # last: exact halves
    said = compare(partial(_grown, attempt), cases, partial(_grown, _half_as_good), [
        (sentence, partial(_grown, partial(_half_as_good, **how)))
        for sentence, how in (
            ("You kept the best only: that is a greedy search.", {"share": 1.0}),
            ("You kept everything, whatever its total: nothing was compared with half of the best.",
             {"share": 0.0}),
            (f"You kept all that are good enough; at most {MOST} of them, the best, go on.",
             {"most": None}),
            ("You compared each with the best of its own siblings; compare with the best of all "
             "children of the round.", {"of_row": True}),
            ("You compared step scores; compare totals (`tree.worth(node)`), the whole prefix.",
             {"steps": True}),
            ("What was not kept is still open: say so with `tree.prune(...)`.", {"prune": False}),
            (f"Draw {N_STEPS} steps from each tip.", {"n": 4}),
            ("You compared with the worst of the round; compare with the best.", {"worst": True}),
            ("You kept those above half of the best; exactly half is enough (`>=`).",
             {"more": True}),
        )])
    if said and "raised" in said:
        raise Stopped(said)
    if said and said.startswith("`"):
        return ("Your search grows another tree than the rule asks for. In every round: draw "
                f"{N_STEPS} steps from each tip, find the best total among all of them, keep "
                f"those with at least half of it (at most {MOST}), prune the others, go on from "
                "`tree.live(...)` of what you kept.")
    return said


_CHILDREN = [
    ([0.5, 0.6, 0.4], [10, 30, 2], 42, 0.5), ([0.9, 0.1], [50, 1], 51, 0.1),
    ([0.9, 0.1], [50, 1], 51, 2.0), ([0.5, 0.5, 0.5], [3, 1, 2], 6, 0.5),
    ([0.7, 0.69], [8, 8], 16, 0.5), ([0.2, 0.55, 0.6], [1, 4, 9], 14, 0.0),
    ([0.8, 0.3, 0.55], [20, 4, 6], 30, 0.3), ([0.62, 0.5], [9, 5], 14, 0.35),
    ([0.23, 0.37, 0.38], [5, 8, 10], 23, 0.2), ([0.18, 0.48, 0.64], [10, 4, 5], 19, 1.0),
    ([0.53, 0.5, 0.03], [4, 10, 1], 15, 0.5),
    ([0.5, 0.5], [4, 4], 8, 0.5), ([0.2, 0.6, 0.6], [5, 5, 5], 16, 0.4),  # equals
    ([1.0, 0.01], [7, 1], 8, 1.0), ([1.0, 0.05, 0.38], [9, 1, 9], 19, 1.0),  # other logarithms
    ([0.01, 0.77], [1, 4], 25, 1.0),  # the parent has more visits than these children
    ([0.78, 1.0, 0.13], [9, 8, 1], 19, 1.0), ([0.98, 0.01, 0.27], [4, 1, 7], 13, 1.0),
    ([0.09, 0.34], [5, 9], 15, 1.0),
    ([0.57, 0.35, 0.67], [8, 7, 10], 26, 1.0),  # PUCT's bonus
]


def choose_child(attempt: object) -> str | None:
    """`choose_child(values, visits, parent_visits, explore)`: the row that UCT visits next."""
    def by(bonus: Callable[[int, int, float], float]) -> Callable[..., int]:
        def choose(values: Sequence[float], visits: Sequence[int], parent: int, explore: float
                   ) -> int:
            ranks = [v + bonus(n, parent, explore) for v, n in zip(values, visits)]
            return ranks.index(max(ranks))
        return choose

    right = by(lambda n, parent, c: c * sqrt(log(parent) / n))

    def last(values: Sequence[float], visits: Sequence[int], parent: int, c: float) -> int:
        return len(values) - 1 - right(values[::-1], visits[::-1], parent, c)

    def lowest(values: Sequence[float], visits: Sequence[int], parent: int, c: float) -> int:
        ranks = [v + c * sqrt(log(parent) / n) for v, n in zip(values, visits)]
        return ranks.index(min(ranks))

    def rank(values: Sequence[float], visits: Sequence[int], parent: int, c: float) -> float:
        return max(v + c * sqrt(log(parent) / n) for v, n in zip(values, visits))

    return compare(attempt, _CHILDREN, right, [
        ("You took the best value only: nothing is ever tried again after a bad start. Add the "
         "bonus.", by(lambda n, parent, c: 0.0)),
        ("You took the child visited most: that is the choice after the last simulation.",
         lambda v, n, parent, c: n.index(max(n))),
        ("You left `explore` out: the bonus is multiplied by it.",
         by(lambda n, parent, c: sqrt(log(parent) / n))),
        ("The root is missing: the bonus is `explore * sqrt(log(N) / n)`.",
         by(lambda n, parent, c: c * log(parent) / n)),
        ("The logarithm is missing: with `sqrt(N / n)` a search never stops exploring.",
         by(lambda n, parent, c: c * sqrt(parent / n))),
        ("You took the smallest; the largest value plus bonus is visited.", lowest),
        ("You returned the value plus bonus; return the row of the child.", rank),
        ("N and n are the wrong way round: the bonus falls with the child's own visits.",
         by(lambda n, parent, c: c * sqrt(log(n) / parent))),
        ("You took the child visited least: the value counts too.",
         lambda v, n, parent, c: n.index(min(n))),
        ("Of equal children you took the last; take the first.", last),
        ("The logarithm is the natural one; yours is to the base 2.",
         by(lambda n, parent, c: c * sqrt(log2(parent) / n))),
        ("The logarithm is the natural one; yours is to the base 10.",
         by(lambda n, parent, c: c * sqrt(log10(parent) / n))),
        ("You added 1 to the child's visits; divide by them as they are.",
         by(lambda n, parent, c: c * sqrt(log(parent) / (n + 1)))),
        ("You took the sum of the children's visits for N; use `parent_visits`.",
         lambda v, n, parent, c: right(v, n, sum(n), c)),
        ("That is PUCT's bonus, `explore * sqrt(N) / (1 + n)`; UCT's is "
         "`explore * sqrt(log(N) / n)`.", by(lambda n, parent, c: c * sqrt(parent) / (1 + n))),
        ("You doubled the logarithm, as UCB1 is often written; here `explore` is all there is.",
         by(lambda n, parent, c: c * sqrt(2 * log(parent) / n))),
    ])


def _read(problem: int, steps: Sequence[int], remember: bool) -> int:
    if remember:
        return problem + sum(steps)
    return sum(problem + sum(steps[:s]) for s in range(1, len(steps) + 1))


_READ = [(40, [10, 10, 10, 10], False), (40, [10, 10, 10, 10], True), (30, [5, 7, 11], False),
         (30, [5, 7, 11], True), (25, [9], False), (25, [9], True)]


def tokens_read(attempt: object) -> str | None:
    """`tokens_read(problem, steps, remember)`: what scoring a trace step by step makes one read."""
    right = _read

    def off(problem: int, steps: Sequence[int], remember: bool) -> int:
        return right(problem, steps, remember) if remember else sum(
            problem + sum(steps[:s]) for s in range(len(steps)))

    return compare(attempt, _READ, right, [
        ("You left the problem out: it stands before every step.",
         lambda p, s, r: right(0, s, r)),
        ("You counted every prefix anew in both cases; with memory each token is read once.",
         lambda p, s, r: right(p, s, False)),
        ("You counted each token once in both cases; without memory every question reads the "
         "whole prefix.", lambda p, s, r: right(p, s, True)),
        ("Without memory you read the problem once only; every question begins with it.",
         lambda p, s, r: right(p, s, r) if r else p + right(0, s, r)),
        ("You asked before each step; the score of a step needs the step itself.", off),
        ("`remember` is the wrong way round.", lambda p, s, r: right(p, s, not r)),
        ("Without memory you counted the whole trace each time; after step 1 only step 1 is there.",
         lambda p, s, r: right(p, s, r) if r else len(s) * (p + sum(s))),
        ("With memory you read the problem again for every step; it is read once.",
         lambda p, s, r: len(s) * p + sum(s) if r else right(p, s, r)),
    ])


_LINES = [
    ([100.0, 400.0, 1600.0], [0.4, 0.5, 0.7], 300.0),
    ([100.0, 400.0, 1600.0], [0.4, 0.5, 0.7], 200.0), ([100.0, 400.0, 1600.0], [0.4, 0.5, 0.7], 800.0),
    ([100.0, 400.0, 1600.0], [0.4, 0.5, 0.7], 400.0), ([100.0, 400.0, 1600.0], [0.4, 0.5, 0.7], 50.0),
    ([100.0, 400.0, 1600.0], [0.4, 0.5, 0.7], 2000.0), ([50.0, 5000.0], [0.2, 0.8], 700.0),
    ([50.0, 5000.0], [0.2, 0.8], 50.0), ([50.0, 5000.0], [0.2, 0.8], 5000.0),
]


def at_equal_tokens(attempt: object) -> str | None:
    """`at_equal_tokens(tokens, shares, budget)`: straight over log tokens, None outside."""
    def right(tokens: Sequence[float], shares: Sequence[float], budget: float) -> float | None:
        if not tokens[0] <= budget <= tokens[-1]:
            return None
        return float(np.interp(log(budget), np.log(tokens), shares))

    def step(tokens: Sequence[float], shares: Sequence[float], budget: float) -> float | None:
        below = [y for x, y in zip(tokens, shares) if x <= budget]
        return below[-1] if below and budget <= tokens[-1] else None

    def nearest(tokens: Sequence[float], shares: Sequence[float], budget: float) -> float | None:
        if right(tokens, shares, budget) is None:
            return None
        return min(zip(tokens, shares), key=lambda row: abs(row[0] - budget))[1]

    def bounds(tokens: Sequence[float], shares: Sequence[float], budget: float) -> float | None:
        return right(tokens, shares, budget) if tokens[0] < budget < tokens[-1] else None

    def plain(tokens: Sequence[float], shares: Sequence[float], budget: float) -> float | None:
        found = right(tokens, shares, budget)
        return None if found is None else float(np.interp(budget, tokens, shares))

    return compare(attempt, _LINES, right, [
        ("You drew the line over the tokens; draw it over their logarithm: from 100 to 400 is as "
         "far as from 400 to 1600.", plain),
        ("Outside of what was measured you went on with the last value; return None: nothing is "
         "known there.", lambda t, y, b: float(np.interp(log(b), np.log(t), y))),
        ("You drew the line over the tokens, and outside of what was measured you made one up: "
         "over the logarithm, and None.", lambda t, y, b: float(np.interp(b, t, y))),
        ("You took the largest budget that is not above; take the line between two of them.", step),
        ("You took the nearest budget; take the line between two of them.", nearest),
        ("At the ends themselves something was measured: only beyond them return None.", bounds),
        ("You returned tokens; return the share.",
         lambda t, y, b: None if right(t, y, b) is None else exp(float(np.interp(
             log(b), np.log(t), np.log(t))))),
    ])


CHECKS: dict[str, Check] = {
    "keep_best": keep_best,
    "half_as_good": half_as_good,
    "choose_child": choose_child,
    "tokens_read": tokens_read,
    "at_equal_tokens": at_equal_tokens,
}
