"""Arithmetic claims in free text: found, and decided exactly. Nothing is evaluated as code.

A claim is a chain of sides joined by `=`, `≈`, "is", "equals" or "makes", such as
"A = (-9 - 5 - 0) = (-14) = -14" or "½ of 10 is 5" or `<<3*4=12>>`. It holds when every two
neighbouring sides that can be read are equal. Conventions owned here:

- units and money signs are dropped; a quantity converted to another unit ("5 feet = 60
  inches"), or a sum over units of measure ("5 feet + 3 inches"), is not decided;
- a decimal holds when it is the value rounded to the digits shown (10/3 = 3.33), an integer
  only when it is exact, unless the sign is `≈` or the word is "about"; 12 digits or more are
  taken for a floating-point number, good to 12 digits;
- a percentage on its own may stand for its number (5 / 20 * 100 = 25%);
- a single letter is a name. "A = ..." defines it for the steps that follow; a capital defined
  by an expression keeps its meaning, a small letter may be given another one. A side with an
  unknown name is not decided.

Anything that is not certainly a claim is passed over: a word where a number must stand, a
ratio, a missing operand. Does not know whether a true claim is the right one to make.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from prmlab import answers, arithmetic
from prmlab.chains import MARK, Side, chains

_parse = functools.lru_cache(maxsize=1024)(arithmetic.parse)  # sides are often repeated
_QUOTED = re.compile(r"[\"“]([^\"“”\n]{1,300})[\"”]")
_EXPRESSION = re.compile(r"[-−(\[{]*[0-9][-0-9\s.,+−–*×·÷/^()\[\]{}]*")


@dataclass(frozen=True)
class Claim:
    """One chain of sides: where it starts in the text, whether it holds, and why not.

    `note` names the first pair that fails ("3 * 12 is 36, not 35"), or "rounded", or is empty.
    `misprint`: a side in the middle is wrong, but the chain ends at the value it began with.
    """

    text: str
    sides: tuple[str, ...]
    start: int
    holds: bool
    note: str = ""
    misprint: bool = False


def find(text: str) -> list[Claim]:
    """The arithmetic claims in a text, in order, each decided.

    Raises:
        ValueError: if `text` has more than `chains.MAX_LEXEMES` numbers, signs and words.

    Example:
        >>> for claim in find("He has 3 x 4 = 12 pens, so 20% of 50 is 11."):
        ...     print(claim.text, claim.holds, claim.note or "-")
        3 x 4 = 12 True -
        20% of 50 is 11 False 20% of 50 is 10, not 11
    """
    return _Reader().read(text)


def read(steps: Sequence[str], problem: str | None = None) -> list[list[Claim]]:
    """The claims of each step, with the names that earlier steps defined.

    Args:
        steps: the steps of one trace.
        problem: its text. If given, a step that rewrites the problem's expression in names and
            defines them ('written as "A - B", where A = ...') must keep the expression's value.

    Returns:
        One list for each step.

    Raises:
        ValueError: if `steps` is a single text, or a step is too long.
    """
    if isinstance(steps, str):
        raise ValueError(f"steps must be a sequence of texts, got one text: {steps[:40]!r}")
    reader = _Reader()
    goal = _problem_value(problem) if problem else None
    found = []
    for step in steps:
        before = dict(reader.names)
        claims = reader.read(step)
        if goal is not None:
            claims += _rewritings(step, reader.names, before, goal)
        found.append(claims)
    return found


def first_arithmetic_error(
    steps: Sequence[str], problem: str | None = None, *, misprints: bool = False
) -> int | None:
    """The 0-based index of the first step with a claim that does not hold, or None.

    Args:
        steps: the steps of one trace.
        problem: its text, see `read`.
        misprints: count chains that end, after a wrong side, at the value they began with
            ("2 + 3 = 2 + 8 = 5"); people who label steps do not.

    Example:
        >>> first_arithmetic_error(["A = (2 + 3) = 5", "B = 4 * 2 = 8", "A - B = 5 - 8 = 3"])
        2
    """
    for index, claims in enumerate(read(steps, problem)):
        if any(not claim.holds and (misprints or not claim.misprint) for claim in claims):
            return index
    return None


class _Reader:
    """Reads texts one after the other; `names` holds what they defined so far."""

    def __init__(self) -> None:
        self.names: dict[str, Fraction] = {}
        self.fixed: set[str] = set()  # capitals defined by an expression

    def read(self, text: str) -> list[Claim]:
        claims = [claim for chain in chains(text) for claim in self.decide(text, chain)]
        for mark in MARK.finditer(text):  # its claim, moved to where it stands in the text
            for chain in chains(mark[1]):
                claims += [replace(claim, start=mark.start(1) + claim.start)
                           for claim in self.decide(mark[1], chain)]
        return sorted(claims, key=lambda claim: claim.start)

    def decide(self, text: str, chain: list[Side | None]) -> list[Claim]:
        """The claim of a chain, if it makes one; learns the name that the chain defines."""
        name = chain[0].name if chain[0] else None
        values = [self.value(side) for side in chain]
        if name and name not in self.fixed:
            values[0] = None  # it is being defined, not used
        if name and values[-1] is not None:
            self.names[name] = values[-1]
            if name.isupper() and any(side and side.operators for side in chain[1:]):
                self.fixed.add(name)
        known = list(zip(chain, values, strict=True))
        found = []
        for left, right in pairwise(known):
            if left[1] is not None and right[1] is not None:
                found.append(_compare(text, *left, *right))
                if found[-1] and not found[-1][0]:
                    break
        found = [verdict for verdict in found if verdict]
        if not found:
            return []
        sides = [side for side in chain if side and side.parts]
        start, end = sides[0].parts[0].start, sides[-1].parts[-1].end
        holds, note = min(found, key=lambda verdict: verdict[0])  # the failure, if there is one
        read = [value for value in values if value is not None]
        shown = tuple(side.within(text) for side in sides)
        return [Claim(text[start:end], shown, start, holds, note,
                      misprint=not holds and read[0] == read[-1])]

    def value(self, side: Side | None) -> Fraction | None:
        if side is None:
            return None
        digits = side.parts[0].text if len(side.parts) == 1 else ""
        if digits.isdecimal() and len(digits) < 1000:
            return Fraction(int(digits))  # the common case, fast
        if any(part.kind == "letter" and part.text not in self.names for part in side.parts):
            return None
        try:
            node = _parse(side.source, variables="".join(self.names))
            return arithmetic.evaluate(node, self.names)
        except ValueError:
            return None


def _compare(
    text: str, left: Side, a: Fraction, right: Side, b: Fraction
) -> tuple[bool, str] | None:
    """(holds, note) for two neighbouring sides, or None if that cannot be decided."""
    percents = [p.text for side in (left, right) for p in side.parts if "%" in p.text]
    by_hundred = "100%" in percents or "%" in (left.literal or "") + (right.literal or "")
    for scale in (1, 100, Fraction(1, 100)) if by_hundred else (1,):
        if a * scale == b:
            return True, ""
        if (_is_float(left) or _is_float(right)) and abs(a * scale - b) * 10**12 <= abs(b):
            return True, "floating point"
        if (_rounds_to(a * scale, right, b, right.approximate)
                or _rounds_to(b, left, a * scale, right.approximate)):
            return True, "rounded"
    if _is_undecided(left) or _is_undecided(right) or _converts(left, right):
        return None
    other = f"but {right.within(text)} is {_show(b)}" if right.operators else f"not {_show(b)}"
    return False, f"{left.within(text)} is {_show(a)}, {other}"


def _is_undecided(side: Side) -> bool:
    """Whether people read the side in two ways: 120 - 30%, half of 6 + 4, 5 feet + 3 inches."""
    if not set("+-−–") & set(side.operators):
        return False
    percents = {part.text[-1] == "%" for part in side.parts if part.kind in ("number", "mixed")}
    return len(percents) > 1 or side.has_of or len(_measures(side)) > 1


def _is_float(side: Side) -> bool:
    return any(sum(c.isdigit() for c in p.text) >= 12 and "." in p.text for p in side.parts)


def _rounds_to(value: Fraction, side: Side, shown: Fraction, approximate: bool) -> bool:
    """Whether the side is one number, and `value` rounded to the digits it shows."""
    literal = side.literal
    if not literal or not (approximate or "." in literal or literal.endswith("%")):
        return False
    digits = literal.rstrip("% ").replace(",", "")
    places = len(digits.partition(".")[2]) + 2 * literal.endswith("%")
    if approximate and "." not in digits:
        places -= len(digits) - len(digits.rstrip("0"))
    return abs(value - shown) * 2 <= Fraction(1, 10) ** places


def _converts(left: Side, right: Side) -> bool:
    """Whether the sides are in different units: 5 feet = 60 inches, 50 cents * 4 = $2."""
    renamed = bool(left.literal and left.units) and left.units != right.units
    return renamed or ("cent" in _measures(left)) != ("cent" in _measures(right))


def _measures(side: Side) -> set[str]:
    units = {unit for word in side.units for unit in (word, word.removesuffix("s"))} - {"in"}
    return {answers.MEASURES[unit] for unit in units & answers.MEASURES.keys()}


def _show(value: Fraction) -> str:
    """An integer, a short decimal or a fraction, whichever is exact; else a rounded decimal."""
    if value.denominator == 1:
        return str(value) if abs(value) < 10**40 else "a very large number"
    if value.denominator > 10**6 or abs(value) > 10**40:
        return f"about {float(value):.6g}" if abs(value) < 10**40 else "a very large number"
    short = f"{float(value):.6g}"
    return short if Fraction(short) == value else str(value)


def _problem_value(problem: str) -> Fraction | None:
    """The value of the longest expression in the problem's text."""
    for source in sorted(_EXPRESSION.findall(problem[:10_000]), key=len, reverse=True)[:3]:
        try:
            return arithmetic.evaluate(arithmetic.parse(source.rstrip(" .,\n-*+/")))
        except ValueError:
            continue
    return None


def _rewritings(step: str, names: dict[str, Fraction], before: dict[str, Fraction],
                goal: Fraction) -> Iterator[Claim]:
    """Quoted expressions over the names that this step defines; each must be worth `goal`."""
    for quoted in _QUOTED.finditer(step):
        letters = set(re.findall(r"[A-Za-z]", quoted[1]))
        if not letters or not letters <= names.keys() or letters <= before.keys():
            continue
        try:
            node = arithmetic.parse(quoted[1], variables="".join(letters))
            value = arithmetic.evaluate(node, names)
        except ValueError:
            continue
        note = "" if value == goal else (
            f"with the names as defined, {quoted[1]} is {_show(value)}; the problem's "
            f"expression is {_show(goal)}")
        yield Claim(quoted[1], (quoted[1],), quoted.start(1), value == goal, note)
