"""What the facts of a story call for: relations in one form, computations compared up to order.

Conventions owned here: "half" is times 1/2, "5 fewer" is -5 more, subtracting is adding the
negative, dividing by a number is multiplying with its reciprocal. Two expressions have the same
`form` exactly if they differ by the order and the brackets of their sums and products. Does not
know what a trace has established: `stories_check` does.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from prmlab.arithmetic import Neg, Node, Num, Var

Form = int | Fraction | str | tuple


class Relation(NamedTuple):
    """How a quantity follows from others, in one form for every wording.

    `kind` is start, times, more, together, or minus (the first of `of` less the second: a
    together solved for one of its two).
    """

    kind: str
    k: Fraction | None
    of: tuple[str, ...]


@lru_cache(maxsize=4096)
def relation(kind: str, k: int | Fraction | None, of: tuple[str, ...]) -> Relation:
    """The one form of a relation that a problem or a step states in its own words."""
    if kind == "half":
        return Relation("times", Fraction(1, 2), of)
    if kind == "together":
        return Relation(kind, None, tuple(sorted(of)))
    k = Fraction(k)
    return Relation("more", -k, of) if kind == "fewer" else Relation(kind, k, of)


def solved(name: str, fact: Relation, source: str) -> Relation:
    """The fact about `name` as a rule for one of its sources."""
    kind, k, of = fact
    if kind == "times":
        return Relation(kind, 1 / k, (name,))
    if kind == "more":
        return Relation(kind, -k, (name,))
    return Relation("minus", None, (name, of[of[0] == source]))


def result(rule: Relation, values: Sequence[Fraction | int]) -> Fraction | int:
    """The value that a rule gives from its sources' values."""
    kind, k, _ = rule
    if kind == "start":
        return k
    if kind == "times":
        return k * values[0]
    if kind == "more":
        return values[0] + k
    return values[0] + values[1] if kind == "together" else values[0] - values[1]


def sentence(name: str, fact: Relation) -> str:
    """A fact in its shortest words.

    Example:
        >>> sentence("Cy", relation("fewer", 5, ("Ben",)))
        'Cy has 5 fewer than Ben'
    """
    kind, k, of = fact
    if kind == "start":
        return f"{name} has {k}"
    if kind == "more":
        return f"{name} has {abs(k)} {'more' if k >= 0 else 'fewer'} than {of[0]}"
    if kind == "together":
        return f"{name} has as many as {' and '.join(of)} together"
    return f"{name} has {'half' if k == Fraction(1, 2) else f'{k} times'} as many as {of[0]}"


def computation(rule: Relation, values: Sequence[Fraction | int]) -> str:
    """A rule's computation in numbers.

    Example:
        >>> computation(relation("half", None, ("Ana",)), [12])
        '12 / 2'
    """
    kind, k, _ = rule
    if kind == "start":
        return str(k)
    if kind == "times":
        return f"{k} * {values[0]}" if k.denominator == 1 else f"{values[0]} / {1 / k}"
    if kind == "more":
        return f"{values[0]} {'+' if k >= 0 else '-'} {abs(k)}"
    return f"{values[0]} {'+' if kind == 'together' else '-'} {values[1]}"


def form(node: Node) -> Form:
    """An expression up to the order and the brackets of its sums and products.

    A number, a variable's letter, or a tuple of an operator and its parts, sorted.

    Example:
        >>> from prmlab.arithmetic import parse
        >>> form(parse("(36 - 5) + 7")) == form(parse("7 + (-5 + 36)"))
        True
    """
    if isinstance(node, Num):
        return plain(node.value)
    if isinstance(node, Var):
        return node.name
    if isinstance(node, Neg):
        return negative(form(node.arg))
    left, right = form(node.left), form(node.right)
    if node.op in "+*":
        return joined(node.op, (left, right))
    if node.op == "-":
        return joined("+", (left, negative(right)))
    if node.op == "/" and isinstance(right, int | Fraction) and right:
        return joined("*", (left, plain(1 / Fraction(right))))
    return (node.op, left, right)


def plain(value: Fraction | int) -> Fraction | int:
    """The number as a form: whole ones are ints."""
    return value.numerator if value.denominator == 1 else value


def joined(op: str, parts: Iterable[Form]) -> Form:
    """The form of a sum ("+") or product ("*") of forms."""
    flat: list[Form] = []
    for part in parts:
        if isinstance(part, tuple) and part[0] == op:
            flat.extend(part[1:])
        else:
            flat.append(part)
    return (op, *sorted(flat, key=repr))


def negative(of: Form) -> Form:
    """The form of minus a form."""
    if isinstance(of, int | Fraction):
        return -of
    if isinstance(of, tuple) and of[0] == "+":
        return joined("+", map(negative, of[1:]))
    return joined("*", (-1, of))


def numbers_in(of: Form) -> tuple[Form, ...]:
    """The sizes of the numbers in a form and its names, sorted; 1/2 counts as a 2.

    Example:
        >>> numbers_in(("*", 12, Fraction(1, 2)))
        (12, 2)
    """
    if isinstance(of, tuple):
        return tuple(sorted((n for part in of[1:] for n in numbers_in(part)), key=repr))
    if isinstance(of, str):
        return (of,)
    size = abs(of)
    return (size.denominator if size.numerator == 1 else size,)
