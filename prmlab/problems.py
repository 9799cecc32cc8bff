"""Problems by family, difficulty and split, each reproducible from a seed.

A problem's split follows from its text alone (`split_of`), so training, validation and test never
share a problem, whatever the seeds. Does not decide what is right: `checker` does.
"""

from collections.abc import Sequence
from random import Random
from types import ModuleType
from zlib import crc32

from prmlab.families import equations, expressions, stories
from prmlab.traces import Problem, Trace

FAMILIES: dict[str, ModuleType] = {m.FAMILY: m for m in (stories, equations, expressions)}
TRAINED_DIFFICULTIES = (1, 2, 3, 4, 5)
LONG_DIFFICULTIES = (6, 7, 8)
SPLITS = ("train", "validation", "test")


def family_of(problem: Problem) -> ModuleType:
    """The module of a problem's family.

    Raises:
        ValueError: if the family is not built in; the message lists those that are.
    """
    return _family(problem.family)


def split_of(problem: Problem) -> str:
    """The split that a problem belongs to by its text: 80 % "train", 10 % each of the others.

    Example:
        >>> split_of(Problem("", "Solve 2x + 5 = 15.", "5", "equations"))
        'train'
    """
    bucket = crc32(problem.text.encode()) % 10
    return "test" if bucket == 0 else "validation" if bucket == 1 else "train"


def make(family: str, n: int, *, seed: int, difficulty: int | Sequence[int] | None = None,
         split: str | None = None) -> list[Problem]:
    """`n` problems of a family, the same for the same arguments.

    Args:
        family: "stories", "equations" or "expressions".
        difficulty: 1 to 8, or several to draw from evenly; None draws from 1 to 5.
        split: keep only problems of "train", "validation" or "test"; None keeps all.

    Raises:
        ValueError: on an unknown family or split, or a difficulty outside 1 to 8.

    Example:
        >>> make("equations", 1, seed=0, difficulty=2)[0].family
        'equations'
    """
    module = _family(family)
    levels = ((difficulty,) if isinstance(difficulty, int)
              else tuple(difficulty or TRAINED_DIFFICULTIES))
    if bad := [d for d in levels if d not in range(1, 9)]:
        raise ValueError(f"difficulty must be 1 to 8, got {bad[0]!r}")
    if split is not None and split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    rng = Random(f"{family}/{seed}")
    made: list[Problem] = []
    while len(made) < n:
        level = rng.choice(levels)
        (problem,) = module.make(1, rng=rng, difficulty=level)
        if split is None or split_of(problem) == split:
            made.append(Problem(f"{family}-{seed}-{len(made)}", problem.text, problem.answer,
                                family, {**problem.facts, "difficulty": level}))
    return made


def mix(n: int, *, seed: int, families: Sequence[str] = tuple(FAMILIES),
        difficulty: int | Sequence[int] | None = None, split: str | None = None) -> list[Problem]:
    """`n` problems spread evenly over families, interleaved (so any head of the list is a mix)."""
    share = -(-n // len(families))
    columns = [make(family, share, seed=seed, difficulty=difficulty, split=split)
               for family in families]
    return [problem for row in zip(*columns, strict=True) for problem in row][:n]


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
