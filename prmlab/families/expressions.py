"""Nested arithmetic with negative numbers, worked out one operation a step.

A problem's `facts` hold `expression`: a number or `[operator, left, right]`, nested.
Difficulty is the number of operations. Every intermediate value lies within -50..50.
"""

from random import Random

from prmlab.families import expressions_check
from prmlab.traces import Problem

FAMILY = "expressions"
check = expressions_check.check
Tree = int | list
LARGEST = 50
RANK = {"+": 1, "-": 1, "*": 2}


def show(tree: Tree) -> str:
    """The expression as text, with the brackets it needs and no others."""
    if isinstance(tree, int):
        return str(tree)
    operator, left, right = tree
    low, high = show(left), show(right)
    if isinstance(left, list) and RANK[left[0]] < RANK[operator]:
        low = f"({low})"
    if isinstance(right, list) and RANK[right[0]] <= RANK[operator]:
        high = f"({high})"
    return f"{low} {operator} {high}"


def value(tree: Tree) -> int:
    """The exact value."""
    if isinstance(tree, int):
        return tree
    return _apply(tree[0], value(tree[1]), value(tree[2]))


def make(n: int, *, rng: Random, difficulty: int) -> list[Problem]:
    """`n` expressions of `difficulty` operations."""
    return [_make_one(rng, difficulty) for _ in range(n)]


def solve(problem: Problem, rng: Random | None = None) -> tuple[str, ...]:
    """The reference steps: always the leftmost operation whose two sides are numbers."""
    tree, steps = problem.facts["expression"], []
    while isinstance(tree, list):
        (operator, x, y), tree = _reduce(tree)
        steps.append(f"{x} {operator} {y} = {_apply(operator, x, y)}, leaving {show(tree)}")
    return (*steps, f"Answer: {tree}")


def _apply(operator: str, x: int, y: int) -> int:
    return x + y if operator == "+" else x - y if operator == "-" else x * y


def _reduce(tree: list) -> tuple[list, Tree]:
    operator, left, right = tree
    if isinstance(left, list):
        done, left = _reduce(left)
    elif isinstance(right, list):
        done, right = _reduce(right)
    else:
        return tree, _apply(operator, left, right)
    return done, [operator, left, right]


def _make_one(rng: Random, difficulty: int) -> Problem:
    while (built := _grow(rng, difficulty)) is None:
        pass
    tree, total = built
    return Problem("", f"Compute {show(tree)}.", str(total), FAMILY, {"expression": tree})


def _grow(rng: Random, n_operations: int) -> tuple[Tree, int] | None:
    if n_operations == 0:
        signed = rng.random() < 0.6
        leaf = rng.choice((-1, 1)) * rng.randint(1, 9) if signed else rng.randint(1, 12)
        return leaf, leaf
    operator = rng.choice("+-*")
    n_left = rng.randint(0, n_operations - 1)
    left = _grow(rng, n_left)
    right = left and _grow(rng, n_operations - 1 - n_left)
    if not right:
        return None
    total = _apply(operator, left[1], right[1])
    return ([operator, left[0], right[0]], total) if abs(total) <= LARGEST else None
