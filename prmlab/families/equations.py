"""Linear equations in one unknown, solved by what is done to both sides.

A problem's `facts` hold `left`, `right` (lists of terms) and `x`, the solution. A term is
`["x", c]` for cx, `["n", c]` for a number, `["b", a, c]` for a bracket a(x + c), `["d", a]` for
x / a.
Difficulty is the number of steps that the reference solution takes before its answer.
"""

from collections.abc import Iterator
from random import Random

from prmlab.families import equations_check
from prmlab.traces import Problem

FAMILY = "equations"
check = equations_check.check
Term = list
EXPAND, COMBINE = "Expand the brackets", "Combine like terms"


def show_side(terms: list[Term]) -> str:
    """The terms of one side as text: `[["x", 2], ["n", -5]]` is `2x - 5`."""
    text = ""
    for kind, c, *rest in terms:
        if kind == "d":
            size = f"x / {c}"
        elif kind == "n":
            size = f"{abs(c)}"
        else:
            size = "" if abs(c) == 1 and kind == "x" else f"{abs(c)}"
            inside = f"(x {'+' if rest[0] > 0 else '-'} {abs(rest[0])})" if rest else "x"
            size += inside
        negative = c < 0 and kind != "d"
        if not text:
            text = f"-{size}" if negative else size
        else:
            text += f" - {size}" if negative else f" + {size}"
    return text or "0"


def show(left: list[Term], right: list[Term]) -> str:
    """The equation as text."""
    return f"{show_side(left)} = {show_side(right)}"


def make(n: int, *, rng: Random, difficulty: int) -> list[Problem]:
    """`n` equations whose reference solution takes `difficulty` steps before the answer."""
    return [_make_one(rng, difficulty) for _ in range(n)]


def solve(problem: Problem, rng: Random | None = None) -> tuple[str, ...]:
    """The reference steps: brackets, like terms, the unknown's side, the number, the factor."""
    moves = _moves(problem.facts["left"], problem.facts["right"])
    return (*(f"{words}: {show(left, right)}" for words, left, right in moves),
            f"Answer: {problem.facts['x']}")


def _moves(left: list[Term], right: list[Term]) -> Iterator[tuple[str, list[Term], list[Term]]]:
    """What is done to both sides and what they are then, move after move."""
    while (move := _next(left, right)) is not None:
        yield move
        _, left, right = move


def _next(left: list[Term], right: list[Term]) -> tuple[str, list[Term], list[Term]] | None:
    for i, side in enumerate((left, right)):
        for j, term in enumerate(side):
            if term[0] == "b":
                new = [*side[:j], ["x", term[1]], ["n", term[1] * term[2]], *side[j + 1:]]
                return (EXPAND, new, right) if i == 0 else (EXPAND, left, new)
    for i, side in enumerate((left, right)):
        kinds = [term[0] for term in side]
        if len(kinds) != len(set(kinds)):
            new = _combine(side)
            return (COMBINE, new, right) if i == 0 else (COMBINE, left, new)
    xs = {term[0]: term[1] for term in right}
    if "x" in xs:
        return _both("x", xs["x"], left, right)
    number = sum(term[1] for term in left if term[0] == "n")
    if number:
        return _both("n", number, left, right)
    kind, c = left[0]
    value = right[0][1]
    if kind == "d":
        return f"Multiply both sides by {c}", [["x", 1]], [["n", value * c]]
    if c != 1:
        return f"Divide both sides by {c}", [["x", 1]], [["n", value // c]]
    return None


def _both(kind: str, c: int, left: list[Term], right: list[Term]):
    amount = show_side([[kind, abs(c)]])
    words = f"Subtract {amount} from both sides" if c > 0 else f"Add {amount} to both sides"
    return words, _combine([*left, [kind, -c]]), _combine([*right, [kind, -c]])


def _combine(side: list[Term]) -> list[Term]:
    kept = [term for term in side if term[0] == "d"]
    for kind in ("x", "n"):
        total = sum(term[1] for term in side if term[0] == kind)
        if total:
            kept.append([kind, total])
    return kept or [["n", 0]]


def _make_one(rng: Random, difficulty: int) -> Problem:
    while True:
        x = rng.choice([v for v in range(-9, 10) if v])
        left, right = _shape(rng, difficulty)
        total = sum(_value(t, x) for t in left) - sum(_value(t, x) for t in right)
        right = [*right, ["n", total]] if total else right
        if not right or any(abs(term[1]) > 60 for term in (*left, *right)):
            continue
        if any(term[0] == "d" and x % term[1] for term in left):
            continue
        if _factor(left) == _factor(right):
            continue
        if sum(1 for _ in _moves(left, right)) == difficulty:
            return Problem("", f"Solve {show(left, right)}.", str(x), FAMILY,
                           {"left": left, "right": right, "x": x})


def _factor(side: list[Term]) -> int:
    return sum(term[1] for term in side if term[0] in "xb")


def _value(term: Term, x: int) -> int:
    kind, c, *rest = term
    if kind == "d":
        return x // c
    return c if kind == "n" else c * (x + rest[0]) if rest else c * x


def _shape(rng: Random, difficulty: int) -> tuple[list[Term], list[Term]]:
    def a() -> int:
        return rng.randint(2, 6)

    def n() -> int:
        return rng.choice((-1, 1)) * rng.randint(1, 12)

    def bracket() -> Term:
        return ["b", rng.randint(2, 4), rng.choice((-1, 1)) * rng.randint(1, 6)]

    match difficulty:
        case 1:
            return rng.choice(([["x", a()]], [["x", 1], ["n", n()]], [["d", a()]])), []
        case 2:
            return [rng.choice((["x", a()], ["d", a()])), ["n", n()]], []
        case 3:
            return rng.choice((([["x", a()], ["n", n()]], [["x", a()]]), ([bracket()], [])))
        case 4:
            return rng.choice((([bracket(), ["n", n()]], []), ([bracket()], [["x", a()]])))
        case 5:
            return [bracket(), ["n", n()]], [["x", a()]]
        case 6:
            return [bracket(), ["n", n()]], [bracket()]
        case 7:
            return [bracket(), ["n", n()]], [bracket(), ["x", a()]]
        case 8:
            return [bracket(), bracket()], [bracket(), ["x", a()]]
    raise ValueError(f"difficulty of an equation must be 1 to 8, got {difficulty!r}")
