"""Labels for every step of many traces: by rollouts, by critics, or exact.

Every function yields one `evidence.Labelled` a trace, in the traces' order, as it goes: traces may
be any iterable and memory stays flat (`list(...)` keeps them all). Those that ask a model work in
chunks of `chunk_size` traces, each asked about together, show a progress bar, and take a `journal`,
a path: interrupted or killed at any instant and called again, they go on where they were.
`executor` spreads the chunks over other machines (`ray_executor`). Values, labels and costs are as
`evidence` says. None of them knows the truth but `exact`; rollouts measure whether *this policy*
reaches the right answer from a prefix, which is not whether the step is right.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from os import PathLike
from typing import Any

from prmlab import protocols
from prmlab.estimates import (
    Key,
    Stopping,
    Tally,
    draw_adaptively,
    draw_tree,
    is_right,
    key,
    tokens_of,
)
from prmlab.evidence import Cost, Labelled, StepLabel, share
from prmlab.executors import Chunk, Executor, label_all
from prmlab.journal import identity
from prmlab.judging import Critic, read_vote
from prmlab.protocols import Policy, StepScorer
from prmlab.traces import Trace

Path = str | PathLike[str]


def exact(traces: Iterable[Trace]) -> Iterator[Labelled]:
    """The checker's labels: +1, 0 or -1, with the value 1, 1 or 0. Free, and right.

    Raises:
        ValueError: as `checker.check`.

    Example:
        >>> from prmlab import problems
        >>> (solved,) = [problems.solve(p) for p in problems.make("equations", 1, seed=0)]
        >>> set(next(exact([solved])).values)
        {1.0}
    """
    from prmlab import checker  # with all families, slow to import, and needed here alone

    for trace in traces:
        yield Labelled(trace, tuple(
            StepLabel(float(verdict.label), float(verdict.label >= 0), source=checker.SOURCE)
            for verdict in checker.check(trace)), "exact")


def monte_carlo(traces: Iterable[Trace], policy: Policy, *, n_rollouts: int = 16, seed: int = 0,
                adaptive: bool | Stopping = False, threshold: float = 0.0,
                temperature: float = 1.0, chunk_size: int = 64, journal: Path | None = None,
                executor: Executor | None = None) -> Iterator[Labelled]:
    """Each step's value: the share of rollouts from it that reach the right answer.

    `value = n_right / n` (the soft label); the hard one is +1 if `value > threshold`, else -1.
    The last step of a finished trace needs no rollout: its outcome is known.

    With `adaptive`, by rounds: a prefix stops once `estimates.Stopping` is sure on which side of
    the threshold it is, and what that saves is spent where it is open: at most `n_rollouts` for
    each prefix of a chunk on average, at most four times that for one. Values are then biased,
    because chance decides when to stop; `estimates.expected` gives the bias exactly. By default
    (threshold 0) a prefix stops after 4 rollouts if one was right, else after 8: values are too
    high on average by up to 0.041 (at 0.2), and a live prefix of value v is missed with chance
    `(1 - v)^8`.

    Args:
        n_rollouts: of each prefix, >= 1.
        seed: of the rollouts. Equal prefixes of a chunk are asked about once.
        adaptive: True, or the rule itself, whose threshold is then that of the labels.
        threshold: of the hard label, in [0, 1).
        temperature: as for the policy.
        chunk_size: traces asked about together, >= 1.
        journal: a file to go on from; see `journal.Journal`.
        executor: where chunks run; this process by default.

    Raises:
        ValueError: if a number is out of its range, a problem has no answer, or as `Journal`.

    Source: Wang et al. 2023, Math-Shepherd, arXiv:2312.08935: hard and soft estimation.

    Example:
        >>> from prmlab import toys
        >>> (problem,) = toys.make(1, length=3)
        >>> next(monte_carlo([toys.trace(problem, "+-+")], toys.ToyPolicy(0.9, 0.0))).labels
        (1.0, -1.0, 1.0)
    """
    _check(threshold, n_rollouts=n_rollouts, chunk_size=chunk_size)
    rule = _rule(adaptive, n_rollouts, threshold, at_most=4 * n_rollouts)
    how = {"n_rollouts": n_rollouts, "seed": seed, "threshold": rule.threshold,
           "temperature": temperature, "adaptive": asdict(rule) if adaptive else False}

    def draw(tally: Tally, prefixes: dict[Key, Trace], traces: Sequence[Trace]) -> None:
        if adaptive:
            draw_adaptively(tally, list(prefixes.values()), rule, n_rollouts * len(prefixes))
        else:
            tally.draw(list(prefixes.values()), n_rollouts)

    return _run("monte_carlo", partial(_by_rollouts, "monte_carlo", draw, seed, temperature,
                                       rule.threshold),
                policy, traces, how, chunk_size, journal, executor)


def tree(traces: Iterable[Trace], policy: Policy, *, n_rollouts: int = 16, seed: int = 0,
         adaptive: bool | Stopping = False, threshold: float = 0.0, count_traces: bool = False,
         temperature: float = 1.0, chunk_size: int = 64, journal: Path | None = None,
         executor: Executor | None = None) -> Iterator[Labelled]:
    """As `monte_carlo`, but a rollout counts for every prefix on its way that needs one.

    The traces of a chunk are laid over each other as a tree. Shortest first, each prefix counts
    the rollouts of shorter ones that pass through it, and only what lacks to `n_rollouts` is
    drawn. That is unbiased: how a rollout came to a prefix says nothing of how it goes on. But
    neighbours share luck, and are no longer independent. It pays where texts repeat: many traces
    of one problem (next to each other, so that they share a chunk), short steps, a sure policy.

    Args:
        adaptive: True, or the rule itself: of each prefix is drawn only what leaves it decided,
            at most `n_rollouts` (a rule has its own limit). Values are then biased, as there.
        count_traces: count the finished traces themselves as rollouts of their prefixes. Only
            for all the traces that this policy sampled, none left out for its answer.
        others: as for `monte_carlo`.

    Raises:
        ValueError: as `monte_carlo`.

    Source: the reuse is that of Luo et al. 2024, OmegaPRM, arXiv:2406.06592, without its search.
    """
    _check(threshold, n_rollouts=n_rollouts, chunk_size=chunk_size)
    rule = _rule(adaptive, n_rollouts, threshold, at_most=n_rollouts)
    how = {"n_rollouts": n_rollouts, "seed": seed, "threshold": rule.threshold,
           "temperature": temperature, "count_traces": count_traces}
    how |= {"adaptive": asdict(rule)} if adaptive else {}  # older journals have no such line
    draw = partial(draw_tree, n_rollouts, count_traces, rule if adaptive else None)
    return _run("tree", partial(_by_rollouts, "tree", draw, seed, temperature, rule.threshold),
                policy, traces, how, chunk_size, journal, executor)


def bisect(traces: Iterable[Trace], policy: Policy, *, n_rollouts: int = 16, seed: int = 0,
           threshold: float = 0.0, temperature: float = 1.0, chunk_size: int = 64,
           journal: Path | None = None, executor: Executor | None = None) -> Iterator[Labelled]:
    """The first error by binary search: about log2(S) prefixes of S are asked, not S.

    A prefix is alive if its value is above the threshold. The search takes for granted that a
    dead prefix never comes alive again, and uses what other traces of the chunk had asked. Steps
    before the first dead prefix are +1 (asked, or "implied"), the one that ends it is -1, later
    ones None. A finished trace with the right answer is +1 throughout without a rollout, whatever
    its steps say. Where the problem alone is dead already (asked along, once a problem), no step
    is to blame, and all are None.

    Arguments and errors as `monte_carlo`.

    Source: Luo et al. 2024, OmegaPRM, arXiv:2406.06592.
    """
    _check(threshold, n_rollouts=n_rollouts, chunk_size=chunk_size)
    how = {"n_rollouts": n_rollouts, "seed": seed, "threshold": threshold,
           "temperature": temperature}
    return _run("bisect", partial(_by_bisection, n_rollouts, seed, temperature, threshold),
                policy, traces, how, chunk_size, journal, executor)


def judge(traces: Iterable[Trace], critic: Critic | StepScorer, *, n_votes: int = 1,
          seed: int = 0, threshold: float = 0.5, chunk_size: int = 64,
          journal: Path | None = None, executor: Executor | None = None) -> Iterator[Labelled]:
    """What a critic says: a language model's votes on the first error, or a scorer's scores.

    A critic (`judging.Endpoint`) votes `n_votes` times. Steps before the most voted first error
    are +1, it is -1, later ones None; where two are voted equally often, steps are +1 up to the
    earlier one and None from there. A step's value is the share of votes that hold it right among
    those that got as far; votes that cannot be read count nowhere. A scorer's values are its
    scores, and a step is +1 if its score is above `threshold`.

    Args:
        critic: a `Critic`, or a `StepScorer`, such as a large PRM on this machine.
        n_votes: critiques of each trace, >= 1; not for a scorer.
        seed: of the critiques.
        threshold: of a scorer's hard labels, in [0, 1).
        others: as for `monte_carlo`.

    Raises:
        ValueError: if a number is out of its range, `critic` is neither, or as `Journal`.

    Source: the question is that of Zheng et al. 2024, ProcessBench, arXiv:2412.06559.
    """
    _check(threshold, n_votes=n_votes, chunk_size=chunk_size)
    if isinstance(critic, StepScorer):
        work, how = partial(_by_scores, threshold), {"threshold": threshold}
    elif isinstance(critic, Critic):
        work, how = partial(_by_votes, n_votes, seed), {"n_votes": n_votes, "seed": seed}
    else:
        raise ValueError(f"critic must have a method critique or score, got "
                         f"{type(critic).__name__}; see judging.Endpoint")
    return _run("judge", work, critic, traces, how, chunk_size, journal, executor)


def consensus(a: Iterable[Labelled], b: Iterable[Labelled]) -> Iterator[Labelled]:
    """The traces on whose first error both agree, with the labels of `a` up to it.

    Traces where either is undecided before its first error are left out, too: their share is
    part of the result. Labels after the first error are None. Costs are both together.

    Args:
        a: labels of some traces; values and n are kept from here.
        b: labels of the same traces, in the same order, from another source.

    Raises:
        ValueError: if they are not of the same traces.

    Source: Zhang et al. 2025, arXiv:2501.07301: Monte Carlo and a judge, filtered by consensus.
    """
    pairs = zip(a, b, strict=True)
    for number, (left, right) in enumerate(pairs):
        if key(left.trace) != key(right.trace):
            raise ValueError(f"both must label the same traces in the same order: number {number} "
                             f"is of problem {left.trace.problem.id!r} in a, of "
                             f"{right.trace.problem.id!r} in b, or the steps differ")
        error = left.first_error
        if left.decided and right.decided and error == right.first_error:
            n_kept = len(left.steps) if error is None else error + 1
            steps = tuple(
                replace(one, source=f"{one.source} & {other.source}", cost=one.cost + other.cost)
                if s < n_kept else StepLabel(cost=one.cost + other.cost)
                for s, (one, other) in enumerate(zip(left.steps, right.steps, strict=True)))
            yield Labelled(left.trace, steps, "consensus", left.cost + right.cost)


def _check(threshold: float, **counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count!r}")
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold must be in [0, 1), got {threshold!r}")


def _rule(adaptive: bool | Stopping, n_rollouts: int, threshold: float, *, at_most: int
          ) -> Stopping:
    rule = adaptive if isinstance(adaptive, Stopping) else Stopping(
        at_most=at_most, step=min(4, n_rollouts), threshold=threshold)
    if threshold not in (0.0, rule.threshold):
        raise ValueError(f"adaptive stops by the threshold {rule.threshold}, so labels must have "
                         f"it too, got threshold={threshold}; give it in the rule alone")
    return rule


def _run(method: str, work: Callable[[Any, Chunk], list[Labelled]], model: Any,
         traces: Iterable[Trace], how: dict[str, Any], chunk_size: int, journal: Path | None,
         executor: Executor | None) -> Iterator[Labelled]:
    settings = {"method": method, "chunk_size": chunk_size, **how}
    if journal is not None:
        settings["model"] = identity(model)
    return label_all(work, model, traces, chunk_size=chunk_size, settings=settings,
                     journal=journal, executor=executor)


def _prefixes(trace: Trace) -> list[Trace]:
    """The prefixes that steps end and whose value is not known: without a finished trace's last."""
    return [trace.prefix(n) for n in range(1, len(trace.steps) + (not trace.finished))]


def _step_label(tally: Tally, trace: Trace, s: int, paid: dict[Key, int], threshold: float
                ) -> StepLabel:
    """What the tally says of step `s`; who asks first takes the cost out of `paid`."""
    prefix = trace.prefix(s + 1)
    cost = paid.pop(key(prefix), 0) + (paid.pop(key(trace.prefix(0)), 0) if s == 0 else 0)
    if trace.finished and s + 1 == len(trace.steps):
        n, n_right, source = 0, is_right(trace), "outcome"
    else:
        (n, n_right), source = tally.counts.get(key(prefix), (0, 0)), "rollouts"
        if not n:
            return StepLabel(cost=cost)
    value = n_right / (n or 1)
    return StepLabel(1.0 if value > threshold else -1.0, value, n, source, cost)


def _by_rollouts(method: str, draw: Callable[[Tally, dict[Key, Trace], Sequence[Trace]], None],
                 seed: int, temperature: float, threshold: float, policy: Policy, chunk: Chunk
                 ) -> list[Labelled]:
    tally = Tally(policy, seed=seed, temperature=temperature)
    draw(tally, {key(p): p for trace in chunk.traces for p in _prefixes(trace)}, chunk.traces)
    paid = dict(tally.drawn)
    return share([
        Labelled(trace, tuple(_step_label(tally, trace, s, paid, threshold)
                              for s in range(len(trace.steps))), method)
        for trace in chunk.traces], tally.cost())


def _by_bisection(n_rollouts: int, seed: int, temperature: float, threshold: float,
                  policy: Policy, chunk: Chunk) -> list[Labelled]:
    tally = Tally(policy, seed=seed, temperature=temperature)
    ends = {i: len(trace.steps) + (not trace.finished) for i, trace in enumerate(chunk.traces)
            if trace.steps and not (trace.finished and is_right(trace))}
    while True:
        spans = {i: _span(tally, chunk.traces[i], end, threshold) for i, end in ends.items()}
        asked = [chunk.traces[i].prefix(n) for i, (low, high) in spans.items()
                 for n in {0, (low + high) // 2}]
        new = {key(p): p for p in asked if key(p) not in tally.counts}
        if not new:
            break
        tally.draw(list(new.values()), n_rollouts)
    paid = dict(tally.drawn)
    return share([_located(tally, trace, spans.get(i), paid, threshold)
                  for i, trace in enumerate(chunk.traces)], tally.cost())


def _span(tally: Tally, trace: Trace, end: int, threshold: float) -> tuple[int, int]:
    """`(low, high)`: prefixes of up to `low` steps count as alive, that of `high` as dead.

    `end` is the shortest one known to be dead without rollouts, or one more than there are. Two
    equal numbers, 0, if the problem alone is dead.
    """
    seen = {n: n_right / n_drawn > threshold for n in range(end)
            for n_drawn, n_right in [tally.counts.get(key(trace.prefix(n)), (0, 0))] if n_drawn}
    high = min((n for n, alive in seen.items() if not alive), default=end)
    return max((n for n, alive in seen.items() if alive and n < high), default=0), high


def _located(tally: Tally, trace: Trace, span: tuple[int, int] | None, paid: dict[Key, int],
             threshold: float) -> Labelled:
    n_steps = len(trace.steps)
    low, high = span or (n_steps, n_steps + 1)  # none: right to its end
    steps = []
    for s in range(n_steps):
        seen = _step_label(tally, trace, s, paid, threshold)
        label = 1.0 if s < low else -1.0 if s == high - 1 else None
        implied = label is not None and seen.value is None
        steps.append(replace(seen, label=label, source="implied" if implied else seen.source))
    return Labelled(trace, tuple(steps), "bisect")


def _by_scores(threshold: float, scorer: StepScorer, chunk: Chunk) -> list[Labelled]:
    before, begun = tokens_of(scorer), time.perf_counter()
    begun_traces = [trace for trace in chunk.traces if trace.steps]
    scores = iter(protocols.scored(scorer, begun_traces) if begun_traces else [])
    rows = [Labelled(trace, tuple(
        StepLabel(1.0 if score > threshold else -1.0, float(score), source="scorer")
        for score in (next(scores) if trace.steps else ())), "judge") for trace in chunk.traces]
    return share(rows, _spent(scorer, before, begun, 0))


def _by_votes(n_votes: int, seed: int, critic: Critic, chunk: Chunk) -> list[Labelled]:
    before, begun = tokens_of(critic), time.perf_counter()
    asked = {key(trace): trace for trace in chunk.traces if trace.steps}
    texts = critic.critique(list(asked.values()), n_votes, seed=seed) if asked else []
    if [len(row) for row in texts] != [n_votes] * len(asked):
        raise ValueError(f"{type(critic).__name__}.critique must return {n_votes} texts for each "
                         f"of {len(asked)} traces, got {[len(row) for row in texts][:5]}")
    said, paid = dict(zip(asked, texts)), dict.fromkeys(asked, n_votes)
    rows = [Labelled(trace, _voted(said.get(key(trace), []), len(trace.steps),
                                   paid.pop(key(trace), 0)), "judge") for trace in chunk.traces]
    return share(rows, _spent(critic, before, begun, n_votes * len(asked)))


def _voted(texts: Sequence[str], n_steps: int, cost: int) -> tuple[StepLabel, ...]:
    votes: list[int] = []  # first errors; n_steps for none
    for text in texts:
        with suppress(ValueError):  # an unreadable critique has no vote
            error = read_vote(text, n_steps)
            votes.append(n_steps if error is None else error)
    most = Counter(votes).most_common()
    winners = sorted(error for error, n in most if n == most[0][1])
    steps = []
    for s in range(n_steps):
        reached = [error for error in votes if error >= s]
        value = sum(error > s for error in reached) / len(reached) if reached else None
        label = None
        if winners and s < winners[0]:
            label = 1.0
        elif len(winners) == 1 and s == winners[0]:
            label = -1.0
        steps.append(StepLabel(label, value, len(reached), "critic", 0 if s else cost))
    return tuple(steps)


def _spent(model: Any, before: int | None, begun: float, generations: int) -> Cost:
    after = tokens_of(model)
    return Cost(generations, None if after is None or before is None else after - before, 1,
                time.perf_counter() - begun)
