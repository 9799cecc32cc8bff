"""Values of prefixes from rollouts: drawing, grading, counting, and when to stop.

Owns what counts as a right rollout: it finished, and its answer equals the problem's by
`answers.equal`; one cut at a limit is wrong. Prefixes are the same if problem and steps are.
Does not know traces' labels, nor where the rollouts come from.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from math import comb, gcd
from typing import Any

import numpy as np

from prmlab import answers
from prmlab.evidence import Cost
from prmlab.protocols import Policy, sampled
from prmlab.traces import Trace

Key = tuple[str, str, str | None, tuple[str, ...]]


def key(prefix: Trace) -> Key:
    """What two prefixes must share for a rollout of one to be a rollout of the other."""
    problem = prefix.problem
    return problem.id, problem.text, problem.answer, prefix.steps


def is_right(trace: Trace) -> bool:
    """Whether a finished trace states the problem's answer.

    Raises:
        ValueError: if the problem has no answer to compare with.
    """
    if trace.problem.answer is None:
        raise ValueError(f"problem {trace.problem.id!r} has no answer, so rollouts cannot be "
                         "graded; give problems with answers, or label with judge")
    return trace.finished and bool(trace.steps) and _states(trace.steps[-1], trace.problem.answer)


@lru_cache(maxsize=2**14)
def _states(step: str, answer: str) -> bool:
    return answers.equal(answers.extract(step), answer)


class Tally:
    """Rollouts drawn so far, prefix by prefix, and what drawing them has cost.

    Args:
        policy: draws them.
        seed: of the rollouts; every round of drawing has another one, derived from it.
        temperature: as for the policy.

    Fields: `counts`, from each prefix's `key` to `[n, n_right]`; `drawn`, from its key to the
    rollouts asked for on its account.
    """

    def __init__(self, policy: Policy, *, seed: int, temperature: float):
        self.policy, self.seed, self.temperature = policy, seed, temperature
        self.counts: dict[Key, list[int]] = {}
        self.drawn: dict[Key, int] = {}
        self._calls, self._tokens, self._began = 0, tokens_of(policy), time.perf_counter()

    def draw(self, prefixes: Sequence[Trace], n: int, *, round: int = 0) -> list[Sequence[Trace]]:
        """`n` more rollouts of each prefix, in one call; equal prefixes must be given once.

        Raises:
            ValueError: if the policy does not keep its contract.
        """
        if not prefixes:
            return []
        rows = sampled(self.policy, prefixes, n, one_step=False,
                       seed=round_seed(self.seed, round), temperature=self.temperature)
        self._calls += 1
        for prefix, row in zip(prefixes, rows, strict=True):
            name = key(prefix)
            self.add(name, n, sum(map(is_right, row)))
            self.drawn[name] = self.drawn.get(name, 0) + n
        return rows

    def add(self, name: Key, n: int, n_right: int) -> None:
        """Count `n` rollouts of a prefix that cost nothing more, of which `n_right` are right."""
        count = self.counts.setdefault(name, [0, 0])
        count[0] += n
        count[1] += n_right

    def cost(self) -> Cost:
        """All that was drawn; tokens where the policy counts them."""
        tokens = tokens_of(self.policy)
        used = None if tokens is None or self._tokens is None else tokens - self._tokens
        return Cost(sum(self.drawn.values()), used, self._calls,
                    time.perf_counter() - self._began)


def draw_each(policy: Policy, jobs: Sequence[tuple[Trace, int]], **how: Any
              ) -> list[tuple[int, list[Trace]]]:
    """For each prefix and number of samples, in which call they were drawn, and they.

    Equal prefixes get different samples. Where the policy does not say that it sees to this, a
    prefix is given to it once, for all its samples, which takes a call for each number of them.

    Args:
        how: as for `protocols.sampled`.
    """
    names = [(key(prefix), prefix.finished) for prefix, _ in jobs]
    sizes = [n for _, n in jobs]
    if getattr(policy, "repeats_differ", False):
        common = gcd(*sizes)
        lots = {common: [k for k, n in enumerate(sizes) for _ in range(n // common)]}
    else:
        total = Counter(name for name, n in zip(names, sizes, strict=True) for _ in range(n))
        once = {name: k for k, name in enumerate(names)}.values()
        lots = {n: [k for k in once if total[names[k]] == n] for n in set(total.values())}
    made, call = {name: list[Trace]() for name in names}, {}
    for n, lot in lots.items():
        rows = sampled(policy, [jobs[k][0] for k in lot], n, **how)
        for k, row in zip(lot, rows, strict=True):
            made[names[k]] += row
            call[names[k]] = n
    left = {name: iter(traces) for name, traces in made.items()}
    return [(call[name], list(islice(left[name], n)))
            for name, n in zip(names, sizes, strict=True)]


def round_seed(seed: int, round: int) -> int:
    """The seed of a round of drawing; that of round 0 is the seed itself."""
    return int(np.random.SeedSequence((seed, round)).generate_state(1)[0]) if round else seed


def tokens_of(model: Any) -> int | None:
    """Tokens that a policy, or else a scorer, has run so far by its `usage`; None if it does not
    count them."""
    usage = getattr(model, "usage", None)
    return getattr(usage, "policy_tokens", getattr(usage, "scorer_tokens", None))


def chance_above(threshold: float, n_right: int, n: int) -> float:
    """Posterior chance that a prefix's value is above `threshold`, after `n` rollouts.

    The prior gives one half to "no rollout can be right" (value 0), one half to a uniform value.
    After `n` failures the first has the posterior `(n + 1) / (n + 2)`; after a success it is out.

    Args:
        threshold: in [0, 1).
        n_right: right rollouts, 0..n.
        n: rollouts, >= 0.

    Example:
        >>> chance_above(0.0, 1, 4), chance_above(0.0, 0, 8), chance_above(0.5, 2, 4)
        (1.0, 0.1, 0.5)
    """
    alive = 1.0 if n_right else 1 / (n + 2)
    if threshold == 0:
        return alive
    return alive * sum(comb(n + 1, k) * threshold**k * (1 - threshold)**(n + 1 - k)
                       for k in range(n_right + 1))


@dataclass(frozen=True)
class Stopping:
    """When to stop drawing rollouts of a prefix.

    After each round of `step` rollouts a prefix is done once `chance_above(threshold, ...)` is at
    least `confidence` or at most `1 - confidence`, or it has `at_most` rollouts.

    Args:
        at_most: rollouts of one prefix, >= step.
        step: rollouts of one round, >= 1.
        confidence: strictly between 0.5 and 1.
        threshold: a step is right if its value is above it, in [0, 1).

    Raises:
        ValueError: if one of them is out of its range.
    """

    at_most: int
    step: int = 4
    confidence: float = 0.9
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.step <= self.at_most:
            raise ValueError(f"need 1 <= step <= at_most, got step={self.step}, "
                             f"at_most={self.at_most}")
        if not 0.5 < self.confidence < 1:
            raise ValueError(f"confidence must be strictly between 0.5 and 1, got "
                             f"{self.confidence!r}")
        if not 0 <= self.threshold < 1:
            raise ValueError(f"threshold must be in [0, 1), got {self.threshold!r}")

    def undecided(self, n_right: int, n: int) -> float:
        """0 if the prefix is done, else how open it is: 1 at even odds, near 0 when nearly sure."""
        chance = chance_above(self.threshold, n_right, n)
        sure = abs(2 * chance - 1)
        if n >= self.at_most or sure >= 2 * self.confidence - 1 - 1e-9:  # 1 - 0.9 is not 0.1
            return 0.0
        return 1 - sure


@dataclass(frozen=True)
class Expected:
    """What a stopping rule does to a prefix of known value: means over its rollouts.

    Args:
        n: rollouts drawn.
        value: of `n_right / n`; its bias is this less the true value.
        called_right: chance that the step is labelled right.
    """

    n: float
    value: float
    called_right: float


def expected(value: float, stopping: Stopping) -> Expected:
    """The exact behaviour of `stopping` on a prefix of that value, its own limit the only one.

    Sums over all ways to stop, round by round: no sampling.

    Raises:
        ValueError: if the value is not in [0, 1].

    Example:
        >>> expected(0.5, Stopping(at_most=4))
        Expected(n=4.0, value=0.5, called_right=0.9375)
    """
    if not 0 <= value <= 1:
        raise ValueError(f"value must be a chance in [0, 1], got {value!r}")
    open_, ended, n = {0: 1.0}, [], 0  # n_right -> its chance
    while open_:
        step = min(stopping.step, stopping.at_most - n)
        n += step
        reached: dict[int, float] = {}
        for n_right, chance in open_.items():
            for k in range(step + 1):
                reached[n_right + k] = (reached.get(n_right + k, 0.0) + chance * comb(step, k)
                                        * value**k * (1 - value)**(step - k))
        done = {k for k in reached if not stopping.undecided(k, n)}
        ended += [(chance, n, k / n) for k, chance in reached.items() if k in done]
        open_ = {k: chance for k, chance in reached.items() if k not in done}
    return Expected(*(float(sum(chance * what for chance, what in column)) for column in (
        [(c, n) for c, n, _ in ended], [(c, v) for c, _, v in ended],
        [(c, v > stopping.threshold) for c, _, v in ended])))


def draw_adaptively(tally: Tally, prefixes: Sequence[Trace], stopping: Stopping,
                    budget: int) -> None:
    """Draw by rounds until every prefix is done or `budget` rollouts are spent in all.

    Each round draws `stopping.step` more of every open prefix, the most open first where the
    budget does not suffice for all. Equal prefixes must be given once.
    """
    left, round = budget, 0
    open_ = list(prefixes)
    while open_:
        n = {name: tally.counts.get(name, (0, 0))[0] for name in map(key, open_)}
        step = min([stopping.step, stopping.at_most - max(n.values())])
        open_ = open_[:left // step]
        tally.draw(open_, step, round=round)
        left, round = left - step * len(open_), round + 1
        openness = [(stopping.undecided(*reversed(tally.counts[key(p)])), p) for p in open_]
        open_ = [p for how, p in sorted(openness, key=lambda pair: -pair[0]) if how]


def draw_tree(n_rollouts: int, count_traces: bool, stopping: Stopping | None, tally: Tally,
              wanted: dict[Key, Trace], traces: Sequence[Trace]) -> None:
    """Draw what each wanted prefix lacks, shortest first, and count it for all on its way.

    A prefix lacks what is missing to `n_rollouts`; or, with `stopping`, as many rounds as leave it
    decided. With `count_traces` the finished traces count as rollouts of their prefixes.
    """
    for trace in traces:
        if count_traces and trace.finished:
            _count_on_the_way(tally, wanted, 0, trace)
    levels: dict[int, list[Trace]] = {}
    for prefix in wanted.values():
        levels.setdefault(len(prefix.steps), []).append(prefix)
    for _, level in sorted(levels.items()):
        round = 0
        while lacking := _lacking(tally, level, n_rollouts, stopping):
            for n, prefixes in sorted(lacking.items()):
                rows = tally.draw(prefixes, n, round=round)
                for prefix, row in zip(prefixes, rows, strict=True):
                    for rollout in row:
                        _count_on_the_way(tally, wanted, len(prefix.steps), rollout)
            round += 1


def _lacking(tally: Tally, level: Sequence[Trace], n_rollouts: int, stopping: Stopping | None
             ) -> dict[int, list[Trace]]:
    """By how many rollouts are to be drawn next the prefixes that lack some."""
    lacking: dict[int, list[Trace]] = {}
    for prefix in level:
        n, n_right = tally.counts.get(key(prefix), (0, 0))
        missing = n_rollouts - n
        if stopping is not None:
            missing = stopping.undecided(n_right, n) and min(stopping.step, stopping.at_most - n)
        if missing > 0:
            lacking.setdefault(missing, []).append(prefix)
    return lacking


def _count_on_the_way(tally: Tally, wanted: dict[Key, Trace], n_steps: int, rollout: Trace
                      ) -> None:
    """Count a rollout for every wanted prefix that it passes through after `n_steps` steps."""
    for n in range(n_steps + 1, len(rollout.steps) + 1):
        name = (*key(rollout)[:-1], rollout.steps[:n])
        if name not in wanted:
            return
        tally.add(name, 1, is_right(rollout))
