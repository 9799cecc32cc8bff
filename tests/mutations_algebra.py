"""Changes to right traces of equations and expressions whose effect is known without the checker.

`mutate` breaks a trace at one step; `harmless` rewrites it so that it stays right. The arguments
are in `mutations_equations` and `mutations_expressions`.
"""

from collections.abc import Sequence
from random import Random

import mutations_equations
import mutations_expressions
from mutations_equations import Mutation

from prmlab.traces import Problem

FAMILIES = {"equations": mutations_equations, "expressions": mutations_expressions}


def mutate(problem: Problem, steps: Sequence[str], rng: Random) -> Mutation:
    """One way, drawn evenly, to break a reference trace."""
    return FAMILIES[problem.family].mutate(problem, list(steps), rng)


def harmless(problem: Problem, steps: Sequence[str],
             rng: Random) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The trace in another order, in other words, with true steps added; and its labels."""
    return FAMILIES[problem.family].harmless(problem, list(steps), rng)
