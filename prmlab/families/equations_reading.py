"""Equations and the steps that change them, read from any text.

Owns the grammar: an optional move ("Subtract 5 from both sides"), an equation or a chain
`a = b = c`, or an answer. Words that say nothing are skipped; a text with any other word is not
read. Does not decide what is right: `equations_check` does.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from prmlab.arithmetic import Bin, Neg, Node, linear, parse
from prmlab.families.formulas import FRACTION, divide, has_sum, numbers, outline, pieces, whole

Number = Fraction | int
Line = tuple[Number, Number]  # a, b of a*x + b


class Side(NamedTuple):
    """One side of an equation: its line, its terms in any order, and the work left on it.

    `work` counts the terms once expanded, and those whose numbers are not yet worked out.
    """

    line: Line
    terms: tuple
    brackets: int
    work: int
    text: str


class Equation(NamedTuple):
    """Two sides. `lines`, `key` and `rank` are the same for both ways round.

    `key` is equal for equations that differ only in order or spelling. `solution` is a number,
    "any" or "none". `rank` says how far it is from `x = v`: moves between the sides, fractions,
    rewriting within the sides.
    """

    lines: tuple[Line, Line]
    key: tuple
    solution: Number | str
    rank: tuple[int, int, int]
    brackets: int
    work: int
    text: str

    @property
    def has_x(self) -> bool:
        """Whether x is on either side."""
        return self.lines[0][0] != 0 or self.lines[1][0] != 0


def equate(lhs: Side, rhs: Side) -> Equation:
    """The equation of two sides."""
    (a, b), (c, d) = lhs.line, rhs.line
    solution = divide(d - b, a - c) if a != c else "any" if b == d else "none"
    if a and c:
        moves = 3 + (b != 0) + (d != 0)
    else:
        moves = ((b != 0) + (a != 1)) if a else ((d != 0) + (c != 1))
    fractions = sum([number.denominator != 1 for number in (a, b, c, d)])
    brackets = lhs.brackets + rhs.brackets
    rewriting = brackets + sum([side.work > max(1, (side.line[0] != 0) + (side.line[1] != 0))
                                for side in (lhs, rhs)])
    return Equation(ordered(lhs.line, rhs.line), ordered(lhs.terms, rhs.terms), solution,
                    (moves, fractions, rewriting), brackets, lhs.work + rhs.work,
                    f"{lhs.text} = {rhs.text}")


def ordered(one: tuple, other: tuple) -> tuple:
    """The two, the smaller first."""
    return (one, other) if one <= other else (other, one)


def show(line: Line) -> str:
    """The line as text."""
    a, b = line
    if a == 0:
        return str(b)
    size = "" if abs(a) == 1 else f"{abs(a)}" if a.denominator == 1 else f"({abs(a)})"
    text = f"{'-' if a < 0 else ''}{size}x"
    return text if b == 0 else f"{text} {'-' if b < 0 else '+'} {abs(b)}"


# --- sides ---------------------------------------------------------------------------------


_PLAIN_TERM = r"(?:[0-9]{0,9}x|x / [1-9][0-9]{0,8}|[0-9]{1,9}|[0-9]{1,9}\(x [+-] [0-9]{1,9}\))"
_PLAIN_SIDE = re.compile(rf"-?{_PLAIN_TERM}(?: [+-] {_PLAIN_TERM})*")
_PLAIN_PART = re.compile(r"([+-])? ?(?:([0-9]*)(?:(x)(?: / ([0-9]+))?|\(x ([+-]) ([0-9]+)\))"
                         r"|([0-9]+))")


@lru_cache(maxsize=1 << 15)
def side(text: str) -> Side:
    """The side that a text states. ValueError or ArithmeticError if it is not linear in x."""
    return plain_side(text) if _PLAIN_SIDE.fullmatch(text) else any_side(text)


def plain_side(text: str) -> Side:
    """The same as `any_side`, faster, for a side as the family writes it."""
    a = b = brackets = 0
    terms = []
    for sign, times, x, by, inner_sign, inner, n in _PLAIN_PART.findall(text):
        size = -1 if sign == "-" else 1
        if n:
            term = (0, size * int(n), False, False)
        elif x:
            size *= int(times) if times else 1
            term = (divide(size, int(by)) if by else size, 0, False, False)
        else:
            size *= int(times)
            brackets += 1
            term = (size, size * int(inner_sign + inner), True, False)
        terms.append(term)
        a += term[0]
        b += term[1]
    terms.sort()
    return Side((whole(a), b), tuple(terms), brackets, len(terms) + brackets, text)


def any_side(text: str) -> Side:
    """The side that a text states, in any spelling."""
    node = parse(text, variables="x")
    terms, work = [], 0
    for sign, term in _terms(node, 1):
        a, b = (whole(value) for value in linear(term))
        inner = has_sum(term)
        undone = not inner and not _worked_out(term, a or b)
        work += _count(term) + undone
        terms.append((sign * a, sign * b, inner, undone))
    a, b = (whole(value) for value in linear(node))
    return Side((a, b), tuple(sorted(terms)), _brackets(node), work, text)


def _terms(node: Node, sign: int) -> Iterator[tuple[int, Node]]:
    """The signed terms of a side; a sum with a minus before it is one term, a bracket."""
    if isinstance(node, Bin) and node.op in "+-":
        yield from _terms(node.left, sign)
        if node.op == "+":
            yield from _terms(node.right, sign)
            return
        node, sign = node.right, -sign
    elif isinstance(node, Neg):
        node, sign = node.arg, -sign
    if isinstance(node, Neg):
        yield from _terms(node, sign)
    else:
        yield sign, node


def _brackets(node: Node) -> int:
    """The brackets in a node that a factor, a divisor or a minus stands before."""
    if isinstance(node, Neg):
        return _is_sum(node.arg) + _brackets(node.arg)
    if not isinstance(node, Bin):
        return 0
    inner = _brackets(node.left) + _brackets(node.right)
    if node.op == "+":
        return inner
    return inner + _is_sum(node.right) + (_is_sum(node.left) and node.op != "-")


def _is_sum(node: Node) -> bool:
    return isinstance(node, Bin) and node.op in "+-"


def _count(node: Node) -> int:
    """The terms of a node once its brackets are expanded."""
    if isinstance(node, Neg):
        return _count(node.arg)
    if not isinstance(node, Bin):
        return 1
    if node.op in "+-":
        return _count(node.left) + _count(node.right)
    return _count(node.left) * (_count(node.right) if node.op == "*" else 1)


def _worked_out(term: Node, coefficient: Number) -> bool:
    """Whether a term without a sum is as simple as can be: 3x, x/3, 2x/3, 5, 2/3; not 10/2."""
    written = sorted(abs(n) for n in numbers(term))
    size = abs(coefficient)
    if len(written) == 2:
        return size.denominator != 1 and written == sorted((size.numerator, size.denominator))
    return len(written) < 2 and not (isinstance(term, Bin) and term.op == "^")


def chain(formula: str) -> tuple[Equation, ...]:
    """The equations of a chain `a = b = c`; of equal things, one equation that says so.

    A chain that also says of two different numbers that they are equal gives that false
    equation, then the one of its ends.
    """
    sides = [side(text.strip()) for text in formula.lower().split("=")]
    runs = [sides[0]]
    for new in sides[1:]:
        if new.line == runs[-1].line:
            runs[-1] = min(runs[-1], new, key=lambda side: side.brackets + side.work)
        else:
            runs.append(new)
    if len(runs) == 1:
        return (equate(sides[0], sides[-1]),)
    constant = [run for run in runs if run.line[0] == 0]
    if len(runs) > 2 and len(constant) > 1:
        return equate(constant[0], constant[1]), equate(runs[0], runs[-1])
    return tuple(equate(one, other) for one, other in pairwise(runs))


# --- steps ---------------------------------------------------------------------------------


class Move(NamedTuple):
    """What is said to be done to both sides: `kind`, and for `+ - * /` an amount."""

    kind: str  # + - * / expand combine simplify swap
    amount: Line = (0, 0)

    @property
    def rewrites(self) -> bool:
        """Whether it leaves what each side comes to as it is."""
        return self.kind not in "+-*/"

    def give(self, line: Line) -> Line | None:
        """What the move makes of a line; None if it cannot be done."""
        (a, b), (c, d) = line, self.amount
        if self.kind == "+":
            return a + c, b + d
        if self.kind == "-":
            return a - c, b - d
        if self.rewrites:
            return line
        if c != 0 or d == 0:
            return None
        return (a * d, b * d) if self.kind == "*" else (divide(a, d), divide(b, d))

    def undo(self, line: Line) -> Line | None:
        """The line that the move turns into this one; None if there is not exactly one."""
        opposite = {"+": "-", "-": "+", "*": "/", "/": "*"}.get(self.kind, self.kind)
        return self._replace(kind=opposite).give(line)


class Step(NamedTuple):
    """A step as read: moves, the equations they are said to give, an answer."""

    moves: tuple[Move, ...] = ()
    equations: tuple[Equation, ...] = ()
    answer: Number | None = None


_PLAIN_STEP = re.compile(
    r"(?:(?P<sum>Add|Subtract) (?P<amount>[0-9]{0,9}x|[0-9]{1,9}) (?:to|from) both sides"
    r"|(?P<product>Multiply|Divide) both sides by (?P<factor>-?[0-9]{1,9})"
    r"|(?P<inner>Expand the brackets|Combine like terms))"
    rf": (?P<lhs>{_PLAIN_SIDE.pattern}) = (?P<rhs>{_PLAIN_SIDE.pattern})"
    r"|Answer: (?P<answer>-?[0-9]{1,9})")
_SYNONYMS = {
    word: meaning for meaning, words in {
        "add": "adding added adds", "subtract": "subtracting subtracted subtracts take taking",
        "multiply": "multiplying multiplied", "divide": "dividing divided",
        "move": "moving moved", "swap": "swapping switch switching flip", "both": "each",
        "expand": "expanding expanded distribute distributing open opening remove removing",
        "combine": "combining collect collecting gather gathering group grouping",
        "simplify": "simplifying simplified simplifies", "isolate": "isolating solve solving",
        "sides": "side", "terms": "term", "brackets": "bracket parentheses parenthesis",
    }.items() for word in words.split()}
_MOVE = re.compile(
    r"(?:(?P<sum>add|subtract) N(?: both)?(?: sides)?"
    r"|(?P<move>move) N (?:other|left|right)(?: hand)? sides"
    r"|(?P<product>multiply|divide)(?: both)?(?: sides)? by N"
    r"|(?:multiply )?(?P<expand>expand|(?<=multiply )brackets)(?: brackets)?"
    r"|(?P<combine>combine)(?: like| N)? terms|(?P<simplify>simplify)(?: both)?(?: sides)?"
    r"|(?P<swap>swap)(?: both)? sides|isolate N)(?: |$)")
_EQUATION = re.compile(r"E(?: |$)")
_KINDS = {"add": "+", "subtract": "-", "move": "-", "divide": "/",
          "multiply": "*", "brackets": "expand"}


@lru_cache(maxsize=1 << 15)
def read(text: str) -> Step:
    """The step that a text states.

    Raises:
        ValueError or ArithmeticError: if it states nothing that can be checked.

    Example:
        >>> read("Subtract 5 from both sides: 2x = 10").moves
        (Move(kind='-', amount=(0, 5)),)
    """
    match = _PLAIN_STEP.fullmatch(text)
    return plain_step(match) if match else any_step(text)


def plain_step(match: re.Match) -> Step:
    """The same as `any_step`, faster, for a step as the family writes it."""
    if answer := match["answer"]:
        return Step(answer=int(answer))
    if word := match["sum"]:
        move = Move("+" if word == "Add" else "-", side(match["amount"]).line)
    elif word := match["product"]:
        move = Move("*" if word == "Multiply" else "/", (0, int(match["factor"])))
    else:
        move = Move("expand" if match["inner"][0] == "E" else "combine")
    return Step((move,), (equate(side(match["lhs"]), side(match["rhs"])),))


def any_step(text: str) -> Step:
    """The step that a text states, in any wording."""
    said, formulas = outline(text, _SYNONYMS)
    stated = iter(formulas)
    moves, equations, at = [], [], 0
    while match := _MOVE.match(said, at) or _EQUATION.match(said, at):
        at = match.end()
        named = [next(stated).lower() for word in match[0].split() if word in "NE"]
        if match.re is _EQUATION:
            equations += chain(named[0])
            continue
        amounts = [side(formula.strip()).line for formula in named]
        if match.lastgroup:
            word = match[match.lastgroup]
            kind = _KINDS.get(word, word)
            moves.append(Move(kind, amounts[0]) if kind in "+-*/" else Move(kind))
    answer = None
    if re.fullmatch(r"(?:final )?answer (?:= )?[NE]", said[at:]):
        answer, at = _value(next(stated)), len(said)
    if at < len(said) or not equations and (moves or answer is None):
        raise ValueError(f"a step must state an equation or an answer, got {text!r}")
    return Step(tuple(moves), tuple(equations), answer)


def _value(formula: str) -> Number:
    """The number in "5" or "x = 5"."""
    name, _, value = formula.lower().rpartition("=")
    stated = side(value.strip())
    plain = stated.work == 1 or FRACTION.fullmatch(value.strip())
    if stated.line[0] != 0 or not plain or name.strip() not in ("", "x"):
        raise ValueError(f"an answer must be a number, got {formula!r}")
    return stated.line[1]


def parse_problem(text: str) -> Equation:
    """The equation that a problem's text asks to solve.

    Raises:
        ValueError: unless the text holds exactly one linear equation with one solution.

    Example:
        >>> parse_problem("Solve 2x + 5 = 15.").solution
        5
    """
    try:
        formulas = [piece for kind, piece in pieces(text.rstrip("? ")) if kind == "formula" and "=" in piece]
        (formula,) = formulas
        (equation,) = chain(formula)
        if isinstance(equation.solution, str):
            raise ValueError("no single solution")
        return equation
    except (ValueError, ArithmeticError, RecursionError):
        raise ValueError("an equation problem must hold one linear equation in x with exactly "
                         f"one solution, got {text[:100]!r}; write it as in "
                         "'Solve 2x + 5 = 15.'") from None
