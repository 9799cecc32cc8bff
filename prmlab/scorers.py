"""Step scorers to put in each other's place: exact, by rollouts, at random, and mixtures.

Every one has `score(traces)` as `protocols.StepScorer`, and a `usage` whose `scorer_tokens` says
what it has run so far (None if a part does not count). A PRM (`rewards.PRM`, `public_prms`) is one
as it is, an ORM by `orm.as_step_scorer()`: neither is known here. A score never depends on what
follows its step, so a tree's scores can be kept as it grows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from prmlab.estimates import Key, is_right, key
from prmlab.protocols import Policy, StepScorer
from prmlab.traces import Problem, Trace
from prmlab.usage import Tokens


@dataclass(frozen=True)
class Exact:
    """The checker's truth: 0 for a wrong step, 1 for any other. Built-in families only."""

    usage = Tokens(0)

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """One array `[S]` of 0 and 1 a trace. Errors as `checker.check`."""
        from prmlab import checker  # with all families, slow to import, and needed here alone

        return [np.array([float(verdict.label >= 0) for verdict in checker.check(trace)])
                for trace in traces]


@dataclass(frozen=True)
class Outcome:
    """The answer's truth: 1 for every step but the last of a finished trace that is not right."""

    usage = Tokens(0)

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """One array `[S]` of 0 and 1 a trace. ValueError if a problem has no answer."""
        return [np.array([1.0] * (len(trace.steps) - 1)
                         + [float(is_right(trace) if trace.finished else 1)])
                for trace in traces]


@dataclass(frozen=True)
class Constant:
    """The same score for every step, in [0, 1]: what a search does without advice."""

    value: float = 0.5
    usage = Tokens(0)

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """One array `[S]` a trace."""
        return [np.full(len(trace.steps), self.value) for trace in traces]


@dataclass(frozen=True)
class Random:
    """Uniform in [0, 1), by `seed` and the prefix that the step ends, and nothing else."""

    seed: int = 0
    usage = Tokens(0)

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """One array `[S]` a trace."""
        return [np.array([self._draw(trace, s + 1) for s in range(len(trace.steps))])
                for trace in traces]

    def _draw(self, trace: Trace, n_steps: int) -> float:
        words = (str(self.seed), trace.problem.id, trace.problem.text, *trace.steps[:n_steps])
        digest = blake2b("\0".join(words).encode(), digest_size=8).digest()
        return (int.from_bytes(digest, "little") >> 11) * 2.0**-53


@dataclass(frozen=True)
class MonteCarlo:
    """The value of the prefix that each step ends: the share of rollouts that come out right.

    It needs the problem's answer, so it can teach and measure, not serve. Equal prefixes are asked
    about once, ever.

    Args:
        policy: makes the rollouts.
        n_rollouts: of each prefix, >= 1.
        seed: of the rollouts.
        temperature: of the rollouts.
    """

    policy: Policy
    n_rollouts: int = 8
    seed: int = 0
    temperature: float = 1.0
    _known: dict[Key, float] = field(default_factory=dict, repr=False, compare=False)
    _spent: list[int | None] = field(default_factory=lambda: [0], repr=False, compare=False)

    @property
    def usage(self) -> Tokens:
        """Tokens that its rollouts have run through the policy."""
        return Tokens(self._spent[0])

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """One array `[S]` a trace: multiples of `1 / n_rollouts`; the end is 0 or 1.

        Raises:
            ValueError: if a problem has no answer, or as the policy does.
        """
        new = {key(prefix): prefix for trace in traces for prefix in _unfinished(trace)
               if key(prefix) not in self._known}
        if new:
            before = _run_by(self.policy)
            rows = self.policy.complete(list(new.values()), self.n_rollouts, seed=self.seed,
                                        temperature=self.temperature)
            after = _run_by(self.policy)
            self._spent[0] = (None if after is None or self._spent[0] is None
                              else self._spent[0] + after - before)
            for name, row in zip(new, rows, strict=True):
                self._known[name] = float(np.mean([is_right(rollout) for rollout in row]))
        return [np.array([self._known[key(prefix)] for prefix in _unfinished(trace)]
                         + ([float(is_right(trace))] if trace.finished else []))
                for trace in traces]


class _Mixture:
    """What scorers made of other scorers share: their cost, and what they can take."""

    parts: tuple[StepScorer, ...]

    @property
    def usage(self) -> Tokens:
        """Tokens that the parts have run, one that stands there twice counted once."""
        counts = [getattr(getattr(part, "usage", None), "scorer_tokens", None)
                  for part in self._leaves().values()]
        return Tokens(None if None in counts else sum(counts))

    def _leaves(self) -> dict[int, StepScorer]:
        found: dict[int, StepScorer] = {}
        for part in self.parts:
            found |= part._leaves() if isinstance(part, _Mixture) else {id(part): part}
        return found

    def fits(self, trace: Trace) -> bool:
        """Whether every part can take the trace."""
        return all(part.fits(trace) for part in self.parts if hasattr(part, "fits"))


@dataclass(frozen=True)
class Weighted(_Mixture):
    """The weighted mean of several scorers, step by step: as 0.7 PRM + 0.3 ORM.

    Raises:
        ValueError: unless there is one weight >= 0 a scorer, not all 0.
    """

    parts: tuple[StepScorer, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.parts) != len(self.weights) or not sum(self.weights) > 0 or any(
                not weight >= 0 for weight in self.weights):
            raise ValueError(f"need one weight >= 0 a scorer, not all 0, got {len(self.parts)} "
                             f"scorers and the weights {self.weights}")

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """One array `[S]` in [0, 1] a trace. Errors as the parts'."""
        scores = zip(*(part.score(traces) for part in self.parts), strict=True)
        return [np.average(rows, axis=0, weights=self.weights) for rows in scores]


@dataclass(frozen=True)
class Ending(_Mixture):
    """One scorer for steps, another for the end: as a PRM, then an ORM for the finished trace.

    Args:
        steps: scores every step but the last of a finished trace.
        end: scores that one.
    """

    steps: StepScorer
    end: StepScorer

    @property
    def parts(self) -> tuple[StepScorer, ...]:
        """Both scorers."""
        return self.steps, self.end

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """One array `[S]` in [0, 1] a trace. Errors as the parts'."""
        results = [np.array(scores, dtype=float) for scores in self.steps.score(traces)]
        finished = [i for i, trace in enumerate(traces) if trace.finished]
        ends = self.end.score([traces[i] for i in finished]) if finished else []
        for i, scores in zip(finished, ends, strict=True):
            results[i][-1] = scores[-1]
        return results


@dataclass(frozen=True)
class Routed(_Mixture):
    """A scorer chosen by the problem: as an ORM for the easy ones, a PRM for the hard.

    Args:
        easy: scores traces of problems that are not hard.
        hard: scores the others.
        is_hard: says which they are, from the problem alone.
    """

    easy: StepScorer
    hard: StepScorer
    is_hard: Callable[[Problem], bool]

    @property
    def parts(self) -> tuple[StepScorer, ...]:
        """Both scorers."""
        return self.easy, self.hard

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """One array `[S]` in [0, 1] a trace. Errors as the parts'."""
        results: dict[int, np.ndarray] = {}
        for part, wanted in ((self.easy, False), (self.hard, True)):
            rows = [i for i, trace in enumerate(traces) if self.is_hard(trace.problem) == wanted]
            if rows:
                results |= zip(rows, part.score([traces[i] for i in rows]), strict=True)
        return [results[i] for i in range(len(traces))]


def _unfinished(trace: Trace) -> list[Trace]:
    """The prefixes that steps end, without a finished trace's last."""
    return [trace.prefix(n) for n in range(1, len(trace.steps) + (not trace.finished))]


def _run_by(policy: Policy) -> int | None:
    """Tokens that a policy has run so far; None if it does not count them."""
    return getattr(getattr(policy, "usage", None), "forwarded", None)
