"""Arithmetic expressions: text to a small tree, and its exact value as a fraction.

Conventions owned here: `^` binds tighter than a minus sign (-2^2 is -4) and to the right;
`*`, `/` and the unwritten product have one precedence, to the left (6/2(3) is 9, 1/2x is
half of x); "3½" is three and a half; "20%" is a fifth; "1,234" is a number with thousands.
Everything is bounded (tokens, nesting, size of a number), so hostile text costs nothing.
Does not know words, units, money or `=`: `claims` and `answers` do. Nothing is rounded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

MAX_TOKENS = 400
MAX_NESTING = 100
MAX_BITS = 4096  # of a numerator or denominator: about 1,200 digits
MAX_DIGITS = 1000

VULGAR = dict(zip(
    "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒",
    (Fraction(part) for part in
     "1/2 1/3 2/3 1/4 3/4 1/5 2/5 3/5 4/5 1/6 5/6 1/7 1/8 3/8 5/8 7/8 1/9 1/10".split()),
    strict=True,
))
_OPERATORS = {
    "+": "+", "-": "-", "−": "-", "–": "-", "‐": "-", "‑": "-", "*": "*", "×": "*", "·": "*",
    "⋅": "*", "∙": "*", "∗": "*", "/": "/", "÷": "/", "∕": "/", "⁄": "/", "^": "^", "**": "^",
}
_CLOSES = {"(": ")", "[": "]", "{": "}"}
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "^": 4}
_SPACE = re.compile(r"\s*")
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)?(?:\.[0-9]+)?)"
    rf"(?P<vulgar>(?:(?<=[0-9])[ ]?)?[{''.join(VULGAR)}])?(?P<percent>\s?%)?"
)
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹]+")


class ArithmeticSyntaxError(ValueError):
    """The text is not an arithmetic expression; `position` is the offending index."""

    def __init__(self, message: str, text: str, position: int):
        around = text[max(0, position - 20):position + 20]
        super().__init__(f"{message}, at character {position} (near {around!r})")
        self.position = position


class TooBig(ValueError):
    """A number is larger than `MAX_BITS` allows."""


class DivisionByZero(ValueError):
    """A division by zero; a ValueError, so that one `except` covers a bad expression."""


@dataclass(frozen=True)
class Num:
    """A number; a minus sign before a literal belongs to it."""

    value: Fraction


@dataclass(frozen=True)
class Var:
    """A variable, one letter."""

    name: str


@dataclass(frozen=True)
class Neg:
    """Minus something that is not a literal."""

    arg: "Node"


@dataclass(frozen=True)
class Bin:
    """Two operands and `op`, one of `+ - * / ^`."""

    op: str
    left: "Node"
    right: "Node"


Node = Num | Var | Neg | Bin


@dataclass(frozen=True)
class Token:
    """One token: `kind` is number, name, operator, open or close; `text[start:end]` wrote it.

    `value` is the Fraction of a number, and otherwise the canonical character.
    """

    kind: str
    value: Fraction | str
    start: int
    end: int


def tokens(text: str, *, variables: str = "") -> Iterator[Token]:
    """The tokens of `text`, one by one.

    Args:
        text: an expression; spaces separate.
        variables: the letters that are names here. An `x` that is not one means times.

    Raises:
        ArithmeticSyntaxError: at the first character that belongs to no token.
        TooBig: at a number of more than `MAX_DIGITS` digits.

    Example:
        >>> [str(token.value) for token in tokens("3½ × (1,200 − x)", variables="x")]
        ['7/2', '*', '(', '1200', '-', 'x', ')']
    """
    at = _SPACE.match(text).end()
    while at < len(text):
        token = _token_at(text, at, variables)
        yield token
        at = token.end
        if raised := _SUPERSCRIPT.match(text, at):
            yield Token("operator", "^", at, at)
            power = Fraction(_integer(raised[0].translate(SUPERSCRIPTS)))
            yield Token("number", power, *raised.span())
            at = raised.end()
        at = _SPACE.match(text, at).end()


def _token_at(text: str, at: int, variables: str) -> Token:
    char = text[at]
    if char in variables:
        return Token("name", char, at, at + 1)
    if text.startswith("**", at):
        return Token("operator", "^", at, at + 2)
    if char in _OPERATORS or char in "xX":
        return Token("operator", _OPERATORS.get(char, "*"), at, at + 1)
    if char in _CLOSES:
        return Token("open", char, at, at + 1)
    if char in _CLOSES.values():
        return Token("close", char, at, at + 1)
    number = _TOKEN.match(text, at)
    if not number["number"] and not number["vulgar"]:
        raise ArithmeticSyntaxError(f"{char!r} is no part of an expression", text, at)
    whole, _, decimals = number["number"].replace(",", "").partition(".")
    value = Fraction(_integer(whole + decimals), 10 ** len(decimals) if decimals else None)
    if number["vulgar"]:
        value += VULGAR[number["vulgar"].strip()]
    if number["percent"]:
        value /= 100
    return Token("number", value, *number.span())


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise TooBig(f"a number may have {MAX_DIGITS:,} digits, got one of {len(digits):,}")
    return int(digits or "0")


def parse(text: str, *, variables: str = "") -> Node:
    """The tree of an arithmetic expression.

    Args:
        text: an expression with `+ - * / ^ **`, their Unicode forms, `² ½ %` and any brackets.
        variables: the letters that may occur as names; "2x" is then a product.

    Raises:
        ArithmeticSyntaxError: with the position, if `text` is not an expression, has more than
            `MAX_TOKENS` tokens or nests deeper than `MAX_NESTING`.
        TooBig: if a number has more than `MAX_DIGITS` digits.

    Example:
        >>> parse("2x + 5", variables="x")
        Bin(op='+', left=Bin(op='*', left=Num(value=Fraction(2, 1)), \
right=Var(name='x')), right=Num(value=Fraction(5, 1)))
    """
    return _Parser(text, variables).run()


class _Parser:
    """Shunting-yard: `operands` and `pending` are its two stacks; no recursion."""

    def __init__(self, text: str, variables: str):
        self.text = text
        self.variables = variables
        self.operands: list[Node] = []
        self.pending: list[str] = []  # operators, "neg", and open brackets

    def run(self) -> Node:
        after_operand = False
        for count, token in enumerate(tokens(self.text, variables=self.variables)):
            if count >= MAX_TOKENS:
                self.fail(f"an expression may have {MAX_TOKENS} tokens, got more", token.start)
            if len(self.pending) > MAX_NESTING:
                self.fail(f"brackets may nest {MAX_NESTING} deep, got deeper", token.start)
            step = self.continue_with if after_operand else self.begin_with
            after_operand = step(token)
        if not after_operand:
            self.fail("a number or an opening bracket must follow", len(self.text))
        self.reduce(0)
        if self.pending:
            self.fail(f"{self.pending[-1]!r} is never closed", len(self.text))
        return self.operands[0]

    def fail(self, message: str, position: int) -> None:
        raise ArithmeticSyntaxError(message, self.text, position)

    def begin_with(self, token: Token) -> bool:
        """Take a token where an operand must begin; True if an operand is now complete."""
        if token.kind == "number":
            self.operands.append(Num(token.value))
        elif token.kind == "name":
            self.operands.append(Var(token.value))
        elif token.kind == "open":
            self.pending.append(token.value)
        elif token.value == "-":
            self.pending.append("neg")
        elif token.value != "+":
            self.fail("a number or an opening bracket must stand here", token.start)
        return token.kind in ("number", "name")

    def continue_with(self, token: Token) -> bool:
        """Take a token that follows a complete operand; True if one is complete again."""
        if token.kind == "close":
            self.reduce(0)
            if not self.pending or _CLOSES[self.pending.pop()] != token.value:
                self.fail(f"{token.value!r} closes nothing that is open", token.start)
            return True
        if token.kind == "operator":
            self.reduce(_PRECEDENCE[token.value] + (token.value == "^"))
            self.pending.append(token.value)
            return False
        if token.kind == "number":
            self.fail("an operator must stand between two operands", token.start)
        self.reduce(_PRECEDENCE["*"])
        self.pending.append("*")
        return self.begin_with(token)

    def reduce(self, precedence: int) -> None:
        """Apply the pending operators that bind at least as tightly as `precedence`."""
        while self.pending and _PRECEDENCE.get(self.pending[-1], -1) >= precedence:
            op = self.pending.pop()
            right = self.operands.pop()
            if op == "neg":
                node = Num(-right.value) if isinstance(right, Num) else Neg(right)
            else:
                node = Bin(op, self.operands.pop(), right)
            self.operands.append(node)


def render(node: Node) -> str:
    """The node as text with the fewest brackets; `parse` reads it back to the same value.

    Example:
        >>> render(parse("(3 + (-4)) × (2−5)"))
        '(3 + -4) * (2 - 5)'
    """
    return _render(node, 0)


def _render(node: Node, outer: int) -> str:
    if isinstance(node, Var):
        return node.name
    if isinstance(node, Num):
        text, inner = str(node.value), 9
        if node.value < 0:
            inner = _PRECEDENCE["neg"]
        if node.value.denominator > 1:
            inner = _PRECEDENCE["/"]
    elif isinstance(node, Neg):
        inner = _PRECEDENCE["neg"]
        text = "-" + _render(node.arg, inner)
    else:
        inner = _PRECEDENCE[node.op]
        right_first = node.op == "^"
        left = _render(node.left, inner + right_first)
        text = f"{left} {node.op} {_render(node.right, inner + (not right_first))}"
    return f"({text})" if inner < outer else text


def evaluate(node: Node, values: Mapping[str, Fraction] | None = None) -> Fraction:
    """The exact value of a node.

    Args:
        node: from `parse`.
        values: a number for each variable that occurs.

    Raises:
        DivisionByZero: on a division by zero, or a negative power of zero.
        TooBig: if a value on the way has more than `MAX_BITS` bits (a power: before computing).
        ValueError: if a variable has no value or an exponent is not a whole number.

    Example:
        >>> evaluate(parse("1 / 3 + 2x", variables="x"), {"x": Fraction(1, 6)})
        Fraction(2, 3)
    """
    if isinstance(node, Num):
        return node.value
    if isinstance(node, Neg):
        return -evaluate(node.arg, values)
    if isinstance(node, Bin):
        return _apply(node.op, evaluate(node.left, values), evaluate(node.right, values))
    if values is None or node.name not in values:
        raise ValueError(f"every variable needs a value, got none for {node.name!r}")
    return Fraction(values[node.name])


def _apply(op: str, left: Fraction, right: Fraction) -> Fraction:
    if op == "^":
        return _power(left, right)
    if op == "/" and right == 0:
        raise DivisionByZero(f"a divisor must not be zero, got {left} / 0")
    if op == "+":
        result = left + right
    elif op == "-":
        result = left - right
    else:
        result = left * right if op == "*" else left / right
    if _bits(result) > MAX_BITS:
        raise TooBig(f"a value may have {MAX_BITS:,} bits, got {_bits(result):,}")
    return result


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        raise ValueError(f"an exponent must be a whole number, got {exponent}")
    if base == 0 and exponent < 0:
        raise DivisionByZero(f"zero has no negative power, got 0 ^ {exponent}")
    if _bits(base) * abs(exponent) > MAX_BITS:
        raise TooBig(f"a power may have {MAX_BITS:,} bits, this would have more")
    return base ** int(exponent)


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def linear(node: Node, variable: str = "x") -> tuple[Fraction, Fraction]:
    """`a` and `b` of the polynomial `a*x + b` that the node equals.

    Raises:
        ValueError: if the node is not linear in `variable`, or as for `evaluate`.

    Example:
        >>> a, b = linear(parse("3(x - 2) - x/2", variables="x"))
        >>> print(a, b)
        5/2 -6
    """
    if isinstance(node, Var) and node.name == variable:
        return Fraction(1), Fraction(0)
    if isinstance(node, Neg):
        a, b = linear(node.arg, variable)
        return -a, -b
    if not isinstance(node, Bin):
        return Fraction(0), evaluate(node)
    (a, b), (c, d) = linear(node.left, variable), linear(node.right, variable)
    if node.op in "+-":
        return _apply(node.op, a, c), _apply(node.op, b, d)
    if node.op == "*" and (a == 0 or c == 0):
        return _apply("*", a, d) + _apply("*", c, b), _apply("*", b, d)
    if c == 0 and node.op == "/":
        return _apply("/", a, d), _apply("/", b, d)
    if c == 0 and node.op == "^" and (a == 0 or d in (0, 1)):
        return (a, b) if d == 1 else (Fraction(0), _power(b, d) if a == 0 else Fraction(1))
    raise ValueError(f"must be linear in {variable!r}, got {render(node)!r}")
