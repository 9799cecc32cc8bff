"""Problems by family, difficulty and split, each reproducible from a seed.

Splits are disjoint by construction: each has its own range of seeds, and `make` gives a problem an
id that says where it came from. Does not decide what is right: `checker` does.
"""

from collections.abc import Iterator, Sequence
from random import Random
from types import ModuleType

from prmlab.families import equations, expressions, stories
from prmlab.traces import Problem, Trace

FAMILIES: dict[str, ModuleType] = {m.FAMILY: m for m in (stories, equations, expressions)}
TRAINED_DIFFICULTIES = (1, 2, 3, 4, 5)
LONG_DIFFICULTIES = (6, 7, 8)
SPLIT_SEEDS = {"train": 1_000_000, "validation": 2_000_000, "test": 3_000_000}


def family_of(problem: Problem) -> ModuleType:
    """The module of a problem's family.

    Raises:
        ValueError: if the family is not built in; the message lists those that are.
    """
    return _family(problem.family)


def make(family: str, n: int, *, seed: int,
         difficulty: int | Sequence[int] | None = None) -> list[Problem]:
    """`n` problems of a family, the same for the same arguments.

    Args:
        family: "stories", "equations" or "expressions".
        difficulty: 1 to 8, or several to draw from evenly; None draws from 1 to 5.

    Raises:
        ValueError: on an unknown family or a difficulty outside 1 to 8.

    Example:
        >>> make("equations", 1, seed=0, difficulty=2)[0].family
        'equations'
    """
    module = _family(family)
    levels = ((difficulty,) if isinstance(difficulty, int)
              else tuple(difficulty or TRAINED_DIFFICULTIES))
    if bad := [d for d in levels if d not in range(1, 9)]:
        raise ValueError(f"difficulty must be 1 to 8, got {bad[0]!r}")
    rng = Random(f"{family}/{seed}")
    made = []
    for i in range(n):
        level = rng.choice(levels)
        (problem,) = module.make(1, rng=rng, difficulty=level)
        made.append(Problem(f"{family}-{seed}-{i}", problem.text, problem.answer, family,
                            {**problem.facts, "difficulty": level}))
    return made


def mix(n: int, *, seed: int, families: Sequence[str] = tuple(FAMILIES),
        difficulty: int | Sequence[int] | None = None) -> list[Problem]:
    """`n` problems spread evenly over families, interleaved (so any head of the list is a mix)."""
    share = -(-n // len(families))
    columns = [make(family, share, seed=seed, difficulty=difficulty) for family in families]
    return [problem for row in zip(*columns, strict=True) for problem in row][:n]


def split_seed(split: str, number: int = 0) -> int:
    """The seed of part `number` of a split ("train", "validation", "test").

    Raises:
        ValueError: on an unknown split or a number outside 0 to 999,999.
    """
    if split not in SPLIT_SEEDS:
        raise ValueError(f"unknown split {split!r}; known: {', '.join(SPLIT_SEEDS)}")
    if not 0 <= number < 1_000_000:
        raise ValueError(f"part of a split must be 0 to 999,999, got {number!r}")
    return SPLIT_SEEDS[split] + number


def stream(split: str, *, families: Sequence[str] = tuple(FAMILIES), exclude: frozenset[str] =
           frozenset(), chunk: int = 1000) -> Iterator[Problem]:
    """Problems of a split without end, skipping those whose text is in `exclude`."""
    for number in range(1_000_000):
        for problem in mix(chunk, seed=split_seed(split, number), families=families):
            if problem.text not in exclude:
                yield problem


def solve(problem: Problem) -> Trace:
    """The reference trace: every step right and needed, ending in the answer.

    Raises:
        ValueError: if the problem's family is not built in.
    """
    return Trace(problem, family_of(problem).solve(problem), True, source="reference")


def _family(name: str) -> ModuleType:
    if name not in FAMILIES:
        raise ValueError(f"unknown family {name!r}; known: {', '.join(FAMILIES)}")
    return FAMILIES[name]
