"""Expressions and the steps that work them out, read from any text.

Owns the grammar: claims `a op b = c` or longer chains, then what is left ("leaving E", "= E",
or E alone), or an answer. Words that say nothing are skipped; a text with any other word is
not read. Does not decide what is right: `expressions_check` does.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from prmlab.arithmetic import Node, evaluate, parse
from prmlab.families.forms import Form, Number, canonical, count
from prmlab.families.formulas import FRACTION, outline, pieces, whole

_PLAIN = re.compile(r"\(*-?[0-9]{1,9}\)*(?: [-+*] \(*-?[0-9]{1,9}\)*)*")
_SYNONYMS = {"leaves": "leaving", "leave": "leaving", "left": "leaving", "remains": "leaving"}


class Expression(NamedTuple):
    """An expression as written; `plain` is that the family could have written it so.

    `others` are forms that may be meant just as well, where nobody has written it out.
    """

    text: str
    value: Number
    operations: int
    plain: bool
    others: tuple[Form, ...] = ()

    @property
    def form(self) -> Form:
        """What it is, up to what changes nothing."""
        return form_of(self.text)


class Step(NamedTuple):
    """A step as read: chains of things said to be equal, expressions left, an answer."""

    claims: tuple[tuple[Expression, ...], ...] = ()
    left: tuple[Expression, ...] = ()
    answer: Number | None = None


@lru_cache(maxsize=1 << 14)
def tree(text: str) -> Node:
    """The tree of an expression. ValueError if it is none."""
    return parse(text)


@lru_cache(maxsize=1 << 14)
def form_of(text: str) -> Form:
    """The form of an expression. ValueError if it is none."""
    return canonical(tree(text))


@lru_cache(maxsize=1 << 14)
def expression(text: str) -> Expression:
    """The expression that a text states. ValueError if it states none, or has no value."""
    value = whole(evaluate(tree(text)))
    return Expression(text, value, count(form_of(text)), _PLAIN.fullmatch(text) is not None)


@lru_cache(maxsize=1 << 14)
def read(text: str) -> Step:
    """The step that a text states.

    Raises:
        ValueError: if it states nothing that can be checked.

    Example:
        >>> step = read("3 + -4 = -1, leaving -1 * 5")
        >>> [e.value for e in step.claims[0]], step.left[0].text
        ([-1, -1], '-1 * 5')
    """
    said, formulas = outline(text, _SYNONYMS)
    match = re.fullmatch(r"((?:E(?: |$))*(?:(?:leaving )?[NE](?: |$))?)"
                         r"((?:final )?answer (?:= )?[NE])?", said)
    if match is None or not said:
        raise ValueError(f"a step must be formulas and known words, got {text[:100]!r}")
    answer = None
    if match[2]:
        answer = _number(formulas.pop().rpartition("=")[2])
    claims, left = [], []
    for formula in formulas:
        first, *rest = (part.strip() for part in formula.split("="))
        if left and rest and first:
            raise ValueError("a claim must come before what is left")
        if first and rest:
            claims.append(tuple(expression(part) for part in (first, *rest)))
        else:
            left += [expression(part) for part in rest or (first,)]
    return Step(tuple(claims), tuple(left), answer)


def _number(text: str) -> Number:
    stated = expression(text.strip())
    if stated.operations and not FRACTION.fullmatch(text.strip()):
        raise ValueError(f"an answer must be a number, got {text!r}")
    return stated.value


def parse_problem(text: str) -> Expression:
    """The expression that a problem's text asks to compute.

    Raises:
        ValueError: unless the text holds exactly one expression with a value.

    Example:
        >>> parse_problem("Compute (3 + -4) * (2 - 5).").value
        3
    """
    try:
        (formula,) = (piece for kind, piece in pieces(text.rstrip("? ")) if kind == "formula")
        return expression(formula.rstrip(" ="))
    except (ValueError, ArithmeticError, RecursionError):
        raise ValueError("an expression problem must hold one arithmetic expression, got "
                         f"{text[:100]!r}; write it as in 'Compute (3 + 4) * 5.'") from None
