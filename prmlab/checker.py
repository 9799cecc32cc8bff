"""The exact verdict on every step of a trace of a built-in family.

Asks the problem's family, which knows the truth. Also finds arithmetic errors in the free text
of any problem, by its arithmetic claims alone: that says nothing of a step that makes none.
"""

from collections.abc import Iterable, Sequence

from prmlab import claims, problems
from prmlab.traces import Trace
from prmlab.verdicts import Verdict

SOURCE = "exact"  # the `source` of labels made here


def check(trace: Trace) -> list[Verdict]:
    """One verdict a step, in order; an unfinished trace is checked as far as it goes.

    Raises:
        ValueError: if the trace has no steps, or its problem is of no built-in family, or the
            problem's facts are not those that its family writes.

    Example:
        >>> (problem,) = problems.make("equations", 1, seed=0, difficulty=1)
        >>> {verdict.reason for verdict in check(problems.solve(problem))}
        {'right'}
    """
    if not trace.steps:
        raise ValueError("a trace must have at least one step to be checked, got none (problem "
                         f"{trace.problem.id!r}); add steps, or skip traces nobody has begun")
    return problems.family_of(trace.problem).check(trace.problem, trace.steps)


def first_error(trace: Trace) -> int | None:
    """The 0-based index of the first wrong step; None if there is none. Errors as `check`."""
    return next((i for i, verdict in enumerate(check(trace)) if verdict.label < 0), None)


def label(trace: Trace) -> Trace:
    """The same trace with the checker's labels. Errors as `check`."""
    return trace.with_labels([float(verdict.label) for verdict in check(trace)], SOURCE)


def labelled(traces: Iterable[Trace]) -> list[Trace]:
    """The same traces with the checker's labels. Errors as `check`."""
    return [label(trace) for trace in traces]


def first_arithmetic_error(steps: Sequence[str], problem: str | None = None, *,
                           misprints: bool = False) -> int | None:
    """The 0-based index of the first step with a false arithmetic claim; None if there is none.

    `claims.first_arithmetic_error`, which says what `problem` and `misprints` mean.

    Example:
        >>> first_arithmetic_error(["3 * 12 = 36", "so 36 - 5 = 30"])
        1
    """
    return claims.first_arithmetic_error(steps, problem, misprints=misprints)
