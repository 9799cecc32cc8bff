"""Policies and scorers whose values are known in closed form, for tests and first steps.

Owns the family "toy": a problem asks for `length` moves, each a "+" or a "-". A trace stands right
after a "+", and at the start, and wrong after a "-"; it ends right if its last move is a "+", and
only then states the problem's answer. So a "-" is a wrong step, and a later "+" a repair: a wrong
prefix can be lucky and a right one unlucky, with chances that are known. Made for speed (a rollout
takes microseconds). Knows no language, and its moves mean nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from prmlab.protocols import StepScorer
from prmlab.traces import Problem, Trace
from prmlab.usage import Usage

FAMILY = "toy"
ANSWER, WRONG_ANSWER = "12", "1"  # one is a substring of the other, on purpose


def make(n: int, *, length: int = 6) -> list[Problem]:
    """`n` problems of `length` moves; they differ in their ids, which also seed the policies.

    Raises:
        ValueError: if `n` or `length` is below 1.

    Example:
        >>> [problem.id for problem in make(2, length=3)]
        ['toy-3-0', 'toy-3-1']
    """
    if n < 1 or length < 1:
        raise ValueError(f"need at least one problem of at least one move, got n={n}, "
                         f"length={length}")
    return [Problem(f"toy-{length}-{i}", f"Make {length} moves and end on a +.", ANSWER, FAMILY,
                    {"length": length}) for i in range(n)]


def trace(problem: Problem, moves: str) -> Trace:
    """The trace of these moves, finished if they are as many as the problem asks for.

    Raises:
        ValueError: if the problem is no toy, the moves are not of "+" and "-", or too many.

    Example:
        >>> trace(make(1, length=2)[0], "+-").steps
        ('+', '- Answer: 1')
    """
    length = _length(problem)
    if set(moves) - set("+-") or len(moves) > length:
        raise ValueError(f"moves must be at most {length} of '+' and '-', got {moves!r}")
    if len(moves) < length:
        return Trace(problem, tuple(moves), source=FAMILY)
    return Trace(problem, (*moves[:-1], _last(moves[-1])), finished=True, source=FAMILY)


@dataclass(frozen=True)
class ToyPolicy:
    """A policy on toy problems whose values are exact: a chain of two states.

    A sample depends on (seed, the prefix, the sample's index) and on nothing else; equal prefixes
    in one call get different samples, as with `sampling.LocalPolicy`.

    Args:
        keep: chance that a prefix standing right makes a "+" next, in [0, 1].
        repair: chance that one standing wrong does, in [0, 1]; with 0 an error is final.

    Raises:
        ValueError: if a chance is not in [0, 1].
    """

    keep: float = 0.9
    repair: float = 0.1
    repeats_differ = True

    def __post_init__(self) -> None:
        for name in ("keep", "repair"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a chance in [0, 1], got {getattr(self, name)!r}")

    def value(self, prefix: Trace, *, temperature: float = 1.0) -> float:
        """The exact chance that a rollout from `prefix` ends right, in [0, 1].

        `q + (s - q) (keep - repair)^m` with `q = repair / (1 - keep + repair)`, `s` whether the
        prefix stands right (1 or 0) and `m` the moves to come.

        Raises:
            ValueError: if the prefix is not of the family "toy".

        Example:
            >>> policy = ToyPolicy(keep=0.9, repair=0.0)
            >>> [round(policy.value(trace(make(1, length=3)[0], m)), 3) for m in ("", "+", "+-")]
            [0.729, 0.81, 0.0]
        """
        keep, repair = self._chances(temperature)
        m, right = _left(prefix), _stands_right(prefix)
        away = 1 - keep + repair
        settled = repair / away if away else float(right)
        return settled + (right - settled) * (keep - repair) ** m

    def complete(self, prefixes: Sequence[Trace], n: int, *, seed: int,
                 temperature: float = 1.0) -> list[list[Trace]]:
        """`n` rollouts of each prefix to its end; see `protocols.Policy.complete`.

        Raises:
            ValueError: if `n < 1`, `temperature < 0`, or a prefix is not of the family "toy".
        """
        return self._sample(prefixes, n, seed, temperature, most=None)

    def propose(self, prefixes: Sequence[Trace], n: int, *, seed: int,
                temperature: float = 1.0) -> list[list[Trace]]:
        """`n` ways to go one move further; see `protocols.Policy.propose`.

        Raises:
            ValueError: as `complete`, and if a prefix has no move left.
        """
        for prefix in prefixes:
            if prefix.finished or not _left(prefix):
                raise ValueError(f"problem {prefix.problem.id!r}: no move is left after "
                                 f"{len(prefix.steps)}; take trace.prefix(n_steps) to go on from "
                                 "an earlier one")
        return self._sample(prefixes, n, seed, temperature, most=1)

    def _chances(self, temperature: float) -> tuple[float, float]:
        if not temperature >= 0:
            raise ValueError(f"temperature must be at least 0, got {temperature}")
        if temperature == 0:
            return float(self.keep >= 0.5), float(self.repair >= 0.5)
        if temperature == 1:
            return self.keep, self.repair
        plus = np.array([self.keep, self.repair]) ** (1 / temperature)
        minus = (1 - np.array([self.keep, self.repair])) ** (1 / temperature)
        keep, repair = (plus / (plus + minus)).tolist()
        return keep, repair

    def _sample(self, prefixes: Sequence[Trace], n: int, seed: int, temperature: float,
                most: int | None) -> list[list[Trace]]:
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        chances, streams = self._chances(temperature), {}
        rows = []
        for prefix in prefixes:
            left = _left(prefix)
            n_moves = left if most is None else min(left, most)
            if prefix.finished:
                rows.append([prefix] * n)
                continue
            key = (prefix.problem.id, prefix.steps)
            if key not in streams:
                streams[key] = _stream(seed, *key)
            rolls = streams[key].random((n, n_moves))
            rows.append(_continued(prefix, _moves(rolls, _stands_right(prefix), *chances),
                                   n_moves == left))
        return rows


@dataclass(frozen=True)
class Truth:
    """The scorer that knows: 1 for a step that leaves the trace standing right, else 0."""

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """One array `[S]` of 0 and 1 a trace. ValueError if one is not of the family "toy"."""
        return [np.array([_sign(step) for step in given.steps], dtype=float) for given in traces]


@dataclass(frozen=True)
class Values:
    """The scorer that gives each step `policy.value` of the prefix that it ends."""

    policy: ToyPolicy = ToyPolicy()

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """One array `[S]` in [0, 1] a trace. ValueError if one is not of the family "toy"."""
        return [np.array([self.policy.value(given.prefix(s + 1))
                          for s in range(len(given.steps))]) for given in traces]


@dataclass(frozen=True)
class Noisy:
    """Another scorer, with each score `p` turned into `1 - p` at a known rate.

    Whether a score is turned depends on (seed, the prefix that the step ends) and nothing else.

    Args:
        scorer: the scorer to disturb.
        flip: chance to turn a score, in [0, 1].
        seed: decides which.

    Raises:
        ValueError: if `flip` is not in [0, 1].
    """

    scorer: StepScorer
    flip: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.flip <= 1:
            raise ValueError(f"flip must be a chance in [0, 1], got {self.flip!r}")

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """One array `[S]` in [0, 1] a trace. Errors as the disturbed scorer's."""
        return [np.where([self._turned(given, s) for s in range(len(given.steps))],
                         1 - scores, scores)
                for given, scores in zip(traces, self.scorer.score(traces), strict=True)]

    def _turned(self, given: Trace, s: int) -> bool:
        return _stream(self.seed, given.problem.id, given.steps[:s + 1]).random() < self.flip


@dataclass(frozen=True)
class Metered:
    """A policy or scorer of this module that counts, a move for a token.

    `usage` says what it has run so far: each prefix or trace it was given (equal ones of a call
    once), and each move drawn.
    """

    model: Any
    _counts: list[Usage] = field(default_factory=lambda: [Usage()], repr=False, compare=False)

    @property
    def usage(self) -> Usage:
        """What it has run so far."""
        return self._counts[0]

    @property
    def repeats_differ(self) -> bool:
        """As the model's."""
        return getattr(self.model, "repeats_differ", False)

    def propose(self, prefixes: Sequence[Trace], n: int, *, seed: int,
                temperature: float = 1.0) -> list[list[Trace]]:
        """As the model's."""
        return self._drawn(prefixes, self.model.propose(prefixes, n, seed=seed,
                                                        temperature=temperature))

    def complete(self, prefixes: Sequence[Trace], n: int, *, seed: int,
                 temperature: float = 1.0) -> list[list[Trace]]:
        """As the model's."""
        return self._drawn(prefixes, self.model.complete(prefixes, n, seed=seed,
                                                         temperature=temperature))

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """As the model's."""
        self._counts[0] += Usage(calls=1, prompt_tokens=_read(traces))
        return self.model.score(traces)

    def _drawn(self, prefixes: Sequence[Trace], rows: list[list[Trace]]) -> list[list[Trace]]:
        new = sum(len(made.steps) - len(prefix.steps)
                  for prefix, row in zip(prefixes, rows, strict=True) for made in row)
        self._counts[0] += Usage(calls=1, samples=sum(map(len, rows)),
                                 prompt_tokens=_read(prefixes), new_tokens=new)
        return rows


def _read(traces: Sequence[Trace]) -> int:
    return sum(len(steps) for _, steps in {(trace.problem.id, trace.steps) for trace in traces})


def _length(problem: Problem) -> int:
    length = problem.facts.get("length") if problem.family == FAMILY else None
    if not isinstance(length, int):
        raise ValueError(f"problem {problem.id!r} must be of the family {FAMILY!r}, made by "
                         f"toys.make; it is of {problem.family!r}")
    return length


def _left(prefix: Trace) -> int:
    """Moves to come; ValueError if there are more than the problem asks for."""
    left = _length(prefix.problem) - len(prefix.steps)
    if left < 0:
        raise ValueError(f"problem {prefix.problem.id!r} asks for {_length(prefix.problem)} "
                         f"moves, got {len(prefix.steps)}")
    return left


def _sign(step: str) -> bool:
    if step[:1] not in ("+", "-"):
        raise ValueError(f"a toy's step must begin with '+' or '-', got {step!r}")
    return step[0] == "+"


def _stands_right(prefix: Trace) -> bool:
    return _sign(prefix.steps[-1]) if prefix.steps else True


def _last(move: str) -> str:
    return f"{move} Answer: {ANSWER if move == '+' else WRONG_ANSWER}"


def _stream(seed: int, problem_id: str, steps: tuple[str, ...]) -> np.random.Generator:
    name = "\0".join((str(seed), problem_id, *steps)).encode()
    key = int.from_bytes(blake2b(name, digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))


def _moves(rolls: np.ndarray, right: bool, keep: float, repair: float) -> np.ndarray:
    """Which moves are "+", `[N, m]`, from uniform numbers `[N, m]`."""
    plus = np.empty(rolls.shape, dtype=bool)
    stands = np.full(len(rolls), right)
    for j in range(rolls.shape[1]):
        stands = plus[:, j] = rolls[:, j] < np.where(stands, keep, repair)
    return plus


def _continued(prefix: Trace, plus: np.ndarray, ends: bool) -> list[Trace]:
    """The traces of these moves; equal samples are one object, since traces are frozen."""
    made: dict[bytes, Trace] = {}
    rows = []
    for row in plus:
        name = row.tobytes()
        if name not in made:
            moves = ["+" if up else "-" for up in row]
            if ends and moves:
                moves[-1] = _last(moves[-1])
            made[name] = Trace(prefix.problem, (*prefix.steps, *moves), ends, source=FAMILY)
        rows.append(made[name])
    return rows
