"""Many searches at once: each asks for samples and scores, and a round answers all of them.

A strategy is a generator over one `growing.GrowingTree`. It yields what it wants (`Steps`,
`Rollouts`, `Scores`) and is sent the rows of what came; between two yields it decides what to keep
and what to prune. One round is one call of the policy and one of the scorer for all trees together
(two of each at most where trees ask for different kinds, and one more of the policy for each step
looked ahead; more for a policy whose `repeats_differ` is not set). A tree grows the same alone as
among others: a sample depends on (seed, round, prefix, its number). Knows no strategy, no truth.
"""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypedDict

import numpy as np

from prmlab import choosing, protocols, scoring
from prmlab.bars import bar
from prmlab.choosing import Candidate, Choice, Chooser, Group
from prmlab.estimates import draw_each, round_seed
from prmlab.growing import Aggregate, GrowingTree
from prmlab.protocols import Policy, StepScorer
from prmlab.traces import Problem, Trace
from prmlab.trees import SearchTree


@dataclass(frozen=True)
class Steps:
    """`n` samples of one step more from each node; new ones are scored.

    With `ahead`, each new one is followed that many steps further at temperature 0, and its value
    is the aggregate of all scores to there.
    """

    nodes: Sequence[int]
    n: int
    ahead: int = 0


@dataclass(frozen=True)
class Rollouts:
    """`n` samples to the end from each node; finished ones are scored unless told otherwise."""

    nodes: Sequence[int]
    n: int
    scored: bool = True


@dataclass(frozen=True)
class Scores:
    """Scores of traces that have none yet."""

    nodes: Sequence[int]


Ask = Steps | Rollouts | Scores
Rows = list[list[int]]  # for each node asked about its samples' rows, equal ones repeated
Strategy = Callable[[GrowingTree], Generator[Ask, Rows, None]]
Watch = Callable[[int, list[SearchTree]], bool | None]


class Options(TypedDict, total=False):
    """What every strategy takes and hands on to `run`, which says what it means."""

    max_steps: int
    aggregate: Aggregate
    seed: int
    temperature: float
    watch: Watch | None
    choose: Chooser


@dataclass(frozen=True)
class Cost:
    """What a search took; in a run of many problems, this problem's part.

    Args:
        policy_tokens: run through the policy; None if it does not count them in `usage`.
        scorer_tokens: run through the scorer; None if it does not count them.
        policy_calls: calls this problem took part in; one for many problems counts for each.
        scorer_calls: likewise.
        seconds: wall time of its rounds, each shared evenly by the problems in it.

    Tokens of a shared call are shared by length of text, so that they sum up exactly. Whoever
    else uses the same model meanwhile is counted along.
    """

    policy_tokens: int | None = 0
    scorer_tokens: int | None = 0
    policy_calls: int = 0
    scorer_calls: int = 0
    seconds: float = 0.0

    @property
    def tokens(self) -> int | None:
        """All tokens, the policy's and the scorer's; None if some were not counted."""
        if self.policy_tokens is None or self.scorer_tokens is None:
            return None
        return self.policy_tokens + self.scorer_tokens

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(_sum(self.policy_tokens, other.policy_tokens),
                    _sum(self.scorer_tokens, other.scorer_tokens),
                    self.policy_calls + other.policy_calls,
                    self.scorer_calls + other.scorer_calls, self.seconds + other.seconds)


@dataclass(frozen=True)
class SearchResult:
    """What one search found, and how.

    Args:
        best: the chosen trace; None if no trace was finished.
        tree: all that was proposed, and what became of it.
        answer: the chosen one.
        cost: of this search.
        choice: the candidates, the groups of equal answers, and the ties.
        limits: how often a limit was met: "max_steps" (traces that would have gone on),
            "tokens" (traces too long for a model, rollouts cut), "expansions", and "stopped".
    """

    best: Trace | None
    tree: SearchTree
    answer: str | None
    cost: Cost
    choice: Choice
    limits: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The finished traces, in order of creation, with votes and scores."""
        return self.choice.candidates

    @property
    def groups(self) -> tuple[Group, ...]:
        """The candidates by equal answers, first place first."""
        return self.choice.groups

    @property
    def ties(self) -> tuple[str | None, ...]:
        """The answers that share the first place, if more than one does."""
        return self.choice.ties

    @property
    def stopped(self) -> bool:
        """Whether `watch` stopped the search before its end."""
        return "stopped" in self.limits

    @property
    def duplicates(self) -> int:
        """Samples of a step that an equal sibling had been before: merged, not searched twice."""
        drawn = self.tree.drawn[1:]
        return int((drawn[drawn > 0] - 1).sum())

    def __repr__(self) -> str:
        found = "nothing finished" if self.best is None else f"answer {self.answer!r}"
        notes = "".join(f", {name} {n}" for name, n in self.limits.items())
        return (f"SearchResult({self.tree.root.problem.id!r}, {found}, {len(self.tree)} nodes, "
                f"{len(self.candidates)} candidates{notes})")


def run(strategy: Strategy, problems: Problem | Trace | Iterable[Problem | Trace],
        policy: Policy, scorer: StepScorer | None, *, max_steps: int = 20,
        aggregate: Aggregate = "product", seed: int = 0, temperature: float = 1.0,
        watch: Watch | None = None, choose: Chooser = choosing.best) -> list[SearchResult]:
    """One result a problem of a search by `strategy`, all problems in lockstep.

    Args:
        strategy: a generator over a growing tree; see the top of this module.
        problems: one or many; a trace among them is a prefix to go on from, whose own steps are
            scored along.
        policy: proposes.
        scorer: judges; None for a strategy that asks for no score.
        max_steps: most steps of a trace, those of a prefix included.
        aggregate: how step scores become one; a rule of `scoring`, or a function.
        seed: of the sampling.
        temperature: of the sampling.
        watch: called after each round with its number, from 1, and the trees as they stand; if it
            returns True the search ends with what there is.
        choose: how the answer is chosen among finished traces.

    Raises:
        ValueError: if there is no problem, a prefix is finished, a number is out of its range,
            the aggregation is unknown, or the scorer breaks its contract.
    """
    roots = _roots(problems, getattr(policy, "source", ""))
    at_least_one(max_steps=max_steps)
    scoring.aggregate([0.5], aggregate)
    fits = getattr(policy, "fits", lambda trace: True)
    trees = [GrowingTree(root, aggregate=aggregate, max_steps=max_steps, fits=fits)
             for root in roots]
    walks, costs = [strategy(tree) for tree in trees], [Cost()] * len(trees)
    server, round, stopped = _Server(policy, scorer, temperature), 0, False
    asks = _onward(trees, walks, dict.fromkeys(range(len(trees))))
    with bar(None, "round") as shown:
        while asks and not stopped:
            round, began = round + 1, time.perf_counter()
            rows = server.answer({i: (trees[i], ask) for i, ask in asks.items()}, round,
                                 round_seed(seed, round - 1))
            share = Cost(seconds=(time.perf_counter() - began) / len(asks))
            for i in asks:
                costs[i] += server.spent[i] + share
            asks = _onward(trees, walks, rows)
            stopped = bool(watch and watch(round, [tree.frozen() for tree in trees]))
            shown.update()
    for i in asks:
        trees[i].limits["stopped"] += 1
        walks[i].close()
    return [_result(tree, cost, choose) for tree, cost in zip(trees, costs, strict=True)]


def at_least_one(**counts: int) -> None:
    """ValueError, with its name, for a count below 1."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count!r}")


class _Server:
    """Answers the asks of a round by as few calls as it can; `spent`, what it took by tree."""

    def __init__(self, policy: Policy, scorer: StepScorer | None, temperature: float):
        self.policy, self.scorer, self.temperature = policy, scorer, temperature
        self.spent: dict[int, Cost] = {}

    def answer(self, asks: Mapping[int, tuple[GrowingTree, Ask]], round: int, seed: int
               ) -> dict[int, Rows]:
        """For each tree the rows of what it asked for, by now in the tree and scored."""
        self.spent = {i: Cost() for i in asks}
        rows: dict[int, Rows] = {i: [] for i in asks}
        ends: dict[int, dict[int, int]] = {i: {} for i in asks}  # node: whose scores it brings
        for tree, _ in asks.values():
            tree.round = round
        for kind in (Steps, Rollouts):
            some = {i: (tree, ask.nodes, ask.n) for i, (tree, ask) in asks.items()
                    if isinstance(ask, kind) and ask.nodes}
            rows |= self._sample(some, seed, self.temperature, one_step=kind is Steps, drawn=1)
        for i, (tree, ask) in asks.items():
            asked = ask.nodes if isinstance(ask, Scores) else [n for row in rows[i] for n in row]
            if isinstance(ask, Rollouts):
                cut = [node for node in asked if not tree.finished[node]]
                tree.limits += Counter(tokens=len(cut)) if cut else Counter()
                asked = [node for node in asked if tree.finished[node] and ask.scored]
            known = tree.value if getattr(ask, "ahead", 0) else tree.total
            ends[i] = {node: node for node in asked if np.isnan(known[node])}
        self._look_ahead(asks, ends, seed)
        self._score(asks, ends)
        return rows

    def _sample(self, asks: Mapping[int, tuple[GrowingTree, Sequence[int], int]], seed: int,
                temperature: float, *, one_step: bool, drawn: int) -> dict[int, Rows]:
        if not asks:
            return {}
        jobs = [(i, node, n) for i, (_, nodes, n) in asks.items() for node in nodes]
        before = self.policy_tokens()
        made = draw_each(self.policy, [(asks[i][0].trace(node), n) for i, node, n in jobs],
                         one_step=one_step, seed=seed, temperature=temperature)
        rows: dict[int, Rows] = {i: [] for i in asks}
        texts = {i: len(tree.root.problem.text) for i, (tree, _, _) in asks.items()}
        calls: dict[int, set[int]] = {i: set() for i in asks}
        for (i, node, _), (call, traces) in zip(jobs, made, strict=True):
            rows[i].append([asks[i][0].graft(node, trace, drawn=drawn) for trace in traces])
            texts[i] += sum(len(trace.text) for trace in traces)
            calls[i].add(call)
        shares = _shares(_minus(self.policy_tokens(), before), list(texts.values()))
        for i, share in zip(texts, shares, strict=True):
            self.spent[i] += Cost(policy_tokens=share, policy_calls=len(calls[i]))
        return rows

    def _look_ahead(self, asks: Mapping[int, tuple[GrowingTree, Ask]],
                    ends: dict[int, dict[int, int]], seed: int) -> None:
        """Move the ends on by as many steps as their asks say, at temperature 0."""
        for done in range(max((getattr(ask, "ahead", 0) for _, ask in asks.values()), default=0)):
            some = {i: (tree, live, 1) for i, (tree, ask) in asks.items()
                    if getattr(ask, "ahead", 0) > done and (live := tree.live(ends[i].values(), noted=False))}
            rows = self._sample(some, seed, 0.0, one_step=True, drawn=0)
            for i, (_, live, _) in some.items():
                further = {node: row[0] for node, row in zip(live, rows[i], strict=True)}
                ends[i] = {node: further.get(end, end) for node, end in ends[i].items()}

    def _score(self, asks: Mapping[int, tuple[GrowingTree, Ask]],
               ends: Mapping[int, Mapping[int, int]]) -> None:
        """Score to the ends; a trace too long for the scorer stays unscored, which is noted."""
        fits = getattr(self.scorer, "fits", lambda trace: True)
        jobs = [(i, node, end) for i, found in ends.items() for node, end in found.items()]
        if jobs and self.scorer is None:
            raise ValueError("this strategy asks for scores, so it needs a scorer, got None; "
                             "scorers.Constant() gives no advice")
        traces = {(i, end): asks[i][0].trace(end) for i, _, end in jobs}
        for i, end in [at for at, trace in traces.items() if not fits(trace)]:
            asks[i][0].limits["tokens"] += 1
            del traces[i, end]
        if not traces:
            return
        before = self.scorer_tokens()
        found = dict(zip(traces, protocols.scored(self.scorer, list(traces.values())), strict=True))
        for i, node, end in jobs:
            if (i, end) in found:
                tree, ask = asks[i]
                tree.take_scores(end, found[i, end])
                if getattr(ask, "ahead", 0):
                    tree.value[node] = scoring.aggregate(found[i, end], tree.aggregate)
        texts = dict.fromkeys((i for i, _ in traces), 0)
        for (i, _), trace in traces.items():
            texts[i] += len(trace.problem.text) + len(trace.text)
        shares = _shares(_minus(self.scorer_tokens(), before), list(texts.values()))
        for i, share in zip(texts, shares, strict=True):
            self.spent[i] += Cost(scorer_tokens=share, scorer_calls=1)

    def policy_tokens(self) -> int | None:
        """Tokens that the policy has run so far; those of merged samples took no run."""
        return getattr(getattr(self.policy, "usage", None), "forwarded", None)

    def scorer_tokens(self) -> int | None:
        """Tokens that the scorer has run so far."""
        return getattr(getattr(self.scorer, "usage", None), "scorer_tokens", None)


def _onward(trees: Sequence[GrowingTree], walks: Sequence[Generator[Ask, Rows, None]],
            rows: Mapping[int, Rows | None]) -> dict[int, Ask]:
    """What the strategies ask for next, now that they have these rows; those at an end nothing."""
    asks = {}
    for i, found in rows.items():
        try:
            asks[i] = walks[i].send(found)
        except StopIteration:
            continue
        if not isinstance(asks[i], Scores):
            trees[i].keep(asks[i].nodes)
    return asks


def _roots(problems: Problem | Trace | Iterable[Problem | Trace], source: str) -> list[Trace]:
    given = [problems] if isinstance(problems, Problem | Trace) else list(problems)
    if not given:
        raise ValueError("need at least one problem or prefix to search from, got none")
    roots = [Trace(one, (), source=source) if isinstance(one, Problem) else one for one in given]
    for root in roots:
        if not isinstance(root, Trace):
            raise ValueError(f"problems must be of Problem or of unfinished Trace, got "
                             f"{type(root).__name__}")
        if root.finished:
            raise ValueError(f"the trace of problem {root.problem.id!r} is finished, no search "
                             "can go on from it; take trace.prefix(n_steps)")
    return roots


def _result(tree: GrowingTree, cost: Cost, choose: Chooser) -> SearchResult:
    frozen = tree.frozen()
    choice = choose(frozen)
    best = None if choice.node is None else frozen.trace(choice.node)
    return SearchResult(best, frozen, choice.answer, cost, choice,
                        MappingProxyType({name: n for name, n in tree.limits.items() if n}))


def _shares(whole: int | None, weights: Sequence[int]) -> list[int | None]:
    """`whole` in parts by weight that sum up exactly."""
    if whole is None:
        return [None] * len(weights)
    total, before, shares = sum(weights) or 1, 0, []
    for weight in weights:
        shares.append(whole * (before + weight) // total - whole * before // total)
        before += weight
    return shares


def _minus(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else now - before


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b
