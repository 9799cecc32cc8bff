"""What the algorithms need of a policy and of a scorer: two batched protocols.

Anything with these methods will do: a model trained here, a public PRM, a server, a toy whose
values are known in closed form. Both take many prefixes at once, so that many problems are
searched in lockstep and a model sees full batches; `B` is the number of prefixes or traces.

Conventions: a prefix is a `Trace` with `finished=False`, possibly without any step. Policies
and scorers return new traces and arrays and change nothing. What a token costs, where a score
is read and how a step ends is theirs alone.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from prmlab.traces import Trace


@runtime_checkable
class Policy(Protocol):
    """Something that continues prefixes.

    The same prefixes, `n`, `seed` and `temperature` give the same traces on the same machine.
    Samples of one prefix are independent draws: the same text may come back more than once.

    A class that says `repeats_differ = True` gives equal prefixes in one call different samples.
    Searches that need prefixes several times then ask for all at once; of any other policy they
    ask for all samples of a prefix by giving it once, which can take more calls.

    For a journal it needs a `fingerprint`: a text that changes with whatever decides what is
    drawn (weights, prompt, settings). A repr that says all of that will do, as a dataclass's may.
    """

    def propose(
        self, prefixes: Sequence[Trace], n: int, *, seed: int, temperature: float = 1.0
    ) -> list[list[Trace]]:
        """`n` ways to go one step further from each prefix.

        Args:
            prefixes: B traces, none of them finished.
            n: children of each prefix, >= 1.
            seed: of the sampling.
            temperature: 0 takes the most likely step, so that all `n` are equal.

        Returns:
            B lists of `n` traces, each the prefix with exactly one step more, `finished` if
            that step ended the trace.
        """
        ...

    def complete(
        self, prefixes: Sequence[Trace], n: int, *, seed: int, temperature: float = 1.0
    ) -> list[list[Trace]]:
        """`n` rollouts from each prefix to the end.

        Args:
            prefixes: B traces; a finished one comes back as it is, `n` times.
            n: rollouts of each prefix, >= 1.
            seed: of the sampling.
            temperature: 0 takes the most likely continuation.

        Returns:
            B lists of `n` traces that begin with the prefix. A rollout cut at the policy's
            own limit comes back with `finished=False`: it has no answer.
        """
        ...


@runtime_checkable
class StepScorer(Protocol):
    """Something that judges every step of a trace: a PRM, or the exact truth."""

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """The score of every step, given the problem and the steps up to it.

        Args:
            traces: B traces, finished or not, each with a step: a scorer may refuse one without.

        Returns:
            B arrays, the one of a trace with S steps `[S]`: P(the step is right | the problem
            and the steps before it), in [0, 1]. A score depends on nothing after its step.
        """
        ...


def scored(scorer: StepScorer, traces: Sequence[Trace]) -> list[np.ndarray]:
    """`scorer.score(traces)`, once it is known to keep the contract of `StepScorer`.

    Returns:
        B float arrays, `[S]` each.

    Raises:
        ValueError: naming the scorer, the trace and the step, if a trace or a step has no score
            or one too many, or a score is not in [0, 1].
    """
    name = type(scorer).__name__
    results = scorer.score(traces)
    if len(results) != len(traces):
        raise ValueError(f"{name}.score must return one array per trace, got {len(results)} "
                         f"for {len(traces)} traces")
    arrays = []
    for i, (trace, result) in enumerate(zip(traces, results, strict=True)):
        if hasattr(result, "detach"):  # a torch tensor, of any precision, on any device
            result = result.detach().float().cpu()
        array = np.asarray(result, dtype=float)
        where = f"{name}.score, trace {i} (problem {trace.problem.id!r})"
        if array.shape != (len(trace.steps),):
            raise ValueError(f"{where}: one score per step, got shape {array.shape} "
                             f"for {len(trace.steps)} steps")
        wrong = np.flatnonzero(~((array >= 0) & (array <= 1)))
        if wrong.size:
            step = wrong[0]
            raise ValueError(f"{where}: a score must be a probability in [0, 1], got "
                             f"{float(array[step])!r} at step {step} ({trace.steps[step]!r})")
        arrays.append(array)
    return arrays


def sampled(policy: Policy, prefixes: Sequence[Trace], n: int, *, one_step: bool, seed: int,
            temperature: float) -> list[Sequence[Trace]]:
    """What `policy` draws, once it is known to keep the contract of `Policy`.

    Args:
        prefixes: B traces.
        n: samples of each.
        one_step: whether to `propose`, else to `complete`.

    Returns:
        B rows of `n` traces.

    Raises:
        ValueError: naming the policy and the problem, if a prefix has no row of `n` traces, or one
            of them is not the prefix gone on with (by just one step, if that was asked for).
    """
    draw = policy.propose if one_step else policy.complete
    name, what = ("propose", "steps") if one_step else ("complete", "rollouts")
    name = f"{type(policy).__name__}.{name}"
    rows = list(draw(prefixes, n, seed=seed, temperature=temperature))
    sizes = [len(row) if isinstance(row, Sequence) else None for row in rows]
    if sizes != [n] * len(prefixes):
        raise ValueError(f"{name} must return {n} {what} for each of {len(prefixes)} prefixes, got "
                         f"{len(rows)} rows of {', '.join(map(str, dict.fromkeys(sizes)))}")
    for prefix, row in zip(prefixes, rows, strict=True):
        begun = len(prefix.steps)
        for made in row:
            if not isinstance(made, Trace):
                raise ValueError(f"{name} must return traces, got {made!r}")
            if made.problem != prefix.problem or made.steps[:begun] != prefix.steps or (
                    one_step and len(made.steps) != begun + 1):
                raise ValueError(f"{name} must return the prefix with "
                                 f"{'one step' if one_step else 'steps'} more, for problem "
                                 f"{prefix.problem.id!r} it went from {prefix.steps!r} to "
                                 f"{made.steps!r} of problem {made.problem.id!r}")
    return rows


def check_request(prefixes: Sequence[Trace], n: int, temperature: float, *, one_step: bool
                  ) -> None:
    """What every policy refuses.

    Raises:
        ValueError: if n or temperature is out of its range, or one step more is asked of a
            trace that is finished.
    """
    if n < 1 or not temperature >= 0:
        raise ValueError(f"n must be at least 1 and temperature at least 0, got {n} and "
                         f"{temperature}")
    for prefix in prefixes:
        if one_step and prefix.finished:
            raise ValueError(f"the trace of problem {prefix.problem.id!r} is finished, no "
                             "step can follow; take trace.prefix(n_steps) to go on from an "
                             "earlier one")
