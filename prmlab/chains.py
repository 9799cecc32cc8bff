"""Free text to chains: runs of arithmetic ("sides") with an equality between them.

Conventions owned here: which characters and words are numbers, operators, units or a stop; that
words after a number are its units; that a side ends where an operand stands without an operator
before it. Whatever cannot be read with certainty is None in its chain. Decides nothing: see
`claims`. The time taken is linear in the length of the text, and nothing recurses.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from prmlab import arithmetic

MAX_LEXEMES = 120_000  # of one text: numbers, signs and words
_EQUAL_WORDS = {"is", "equals", "makes", "gives"}
_FILLERS = {"equal", "to", "only", "just", "exactly", "about", "approximately", "roughly"}
_APPROXIMATE = {"≈", "≃", "≅", "~=", "about", "approximately", "roughly"}
_OPERATOR_WORDS = {"times": "*", "plus": "+", "minus": "-"}
_NO_UNITS = set("and or so then but which that while if where because since thus hence when "
                "therefore are was were has have had gets with he she it they we you".split())
_PAUSES = {*".,;:!?\n\"“", *_NO_UNITS}
_COMPARISONS = set("more less fewer times greater bigger smaller larger older".split())
_THOUSANDS = "[\u00a0\u202f ]"  # 350 000, as some write it
_GROUPS = rf"[0-9]{{1,3}}(?:(?:,[0-9]{{3}})+|(?:{_THOUSANDS}[0-9]{{3}})+)(?![0-9])"
_NUMBER = rf"(?:{_GROUPS}|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
_VULGAR = "".join(arithmetic.VULGAR)
_COMPLETE = ("number", "mixed", "letter", "close", "raised")
_STARTS = ("number", "mixed", "open")
_EDGE = ("stop", "", -1, -1)  # what stands before the first and after the last lexeme
_LEXEME = re.compile(
    rf"(?P<stop>[0-9]+:[0-9]+|->|→|=>|⇒|<=|>=|!=|≠|\n(?![^\S\n]*[=≈]))"
    rf"|(?P<word>[0-9]+(?:st|nd|rd|th)\b|[^\W\d_]{{2,}}(?:['’-][^\W\d_]+)*(?:\^?[0-9²³]\b)?|¢)"
    rf"|(?P<mixed>(?:[0-9]+ |(?<=[/÷] ))[0-9]+/[0-9]+(?![0-9/]))"
    rf"|(?P<number>(?:(?:{_NUMBER})(?: ?[{_VULGAR}])?|[{_VULGAR}])(?:\s?%(?![0-9]))?)"
    r"|(?P<equals>={1,3}|≈|≃|≅|~=)"
    r"|(?P<skip>(?:[^\S\n]|\n|[$€£&_`\\]|/\s?(?=[^\W\d_]{2}))+)"
    r"|(?P<operator>\*\*|[-+*/^×·⋅∙÷−–‐‑∕⁄∗])"
    r"|(?P<raised>[⁰¹²³⁴⁵⁶⁷⁸⁹]+)"
    r"|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<letter>[^\W\d_])|(?P<other>.)",
)
MARK = re.compile(r"<<([^<>\n]*)>>")
_CLEAN = (  # each is replaced by something no longer, and padded: positions stay
    (MARK, lambda m: ""),
    (re.compile(r"\\[dt]?frac\{([0-9.]+)\}\{([0-9.]+)\}"), lambda m: f"({m[1]}/{m[2]})"),
    (re.compile(r"\\(?:times|cdot)(?![a-z])"), lambda m: "*"),
    (re.compile(r"\\div(?![a-z])"), lambda m: "/"),
    (re.compile(r"\\approx(?![a-z])"), lambda m: "≈"),
    (re.compile(r"\\(?:left|right|boxed|text|quad|[()\[\],;!])"), lambda m: ""),
    (re.compile(r"(?<![\d\s])\*\*|(?<!\S)\*\*(?=\S)|\*\*(?![ \d(])"), lambda m: ""),  # **bold**
    (re.compile(r"divided by|multiplied by"), lambda m: "/" if m[0][0] == "d" else "*"),
)


class Lexeme(NamedTuple):
    """A piece of text and its kind: number, mixed (3 1/2), letter (a name), operator,
    raised (²), open, close, equals, says ("is"), word or stop."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def source(self) -> str:
        """The text as `arithmetic` reads it."""
        if self.kind == "raised":
            return "^" + self.text.translate(arithmetic.SUPERSCRIPTS)
        if self.kind == "mixed":
            return f"({self.text.replace(' ', ' + ')})"
        return "".join(self.text.split()) if self.kind == "number" else self.text


@dataclass
class Side:
    """A run of lexemes that is an expression, with the words that followed its numbers."""

    parts: list[Lexeme] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    after_word: bool = False  # a word stands directly before it
    approximate: bool = False
    loose: bool = False  # claimed by a word ("is"), not by a sign

    @property
    def complete(self) -> bool:
        """Whether it ends with an operand, so that an operator may follow."""
        return bool(self.parts) and self.parts[-1].kind in _COMPLETE

    @property
    def operators(self) -> str:
        """Its operators without a leading sign."""
        rest = self.parts[1:]
        return "".join(part.text for part in rest if part.kind in ("operator", "raised"))

    @property
    def has_of(self) -> bool:
        """Whether one of its products was written "of"."""
        return any(p.text == "*" and p.end - p.start == 2 for p in self.parts)

    @property
    def name(self) -> str | None:
        """The letter, if the side is one letter."""
        alone = len(self.parts) == 1 and self.parts[0].kind == "letter"
        return self.parts[0].text if alone else None

    @property
    def literal(self) -> str | None:
        """The number, if the side is one number, perhaps signed or in brackets."""
        numbers = [part.text for part in self.parts if part.kind in ("number", "mixed")]
        plain = not self.operators and all(p.kind != "letter" for p in self.parts)
        return numbers[0] if len(numbers) == 1 and plain else None

    @property
    def source(self) -> str:
        """The expression as `arithmetic` reads it."""
        return " ".join(part.source for part in self.parts)

    def within(self, text: str) -> str:
        """The side as `text` wrote it."""
        return text[self.parts[0].start:self.parts[-1].end]


def chains(text: str) -> Iterator[list[Side | None]]:
    """The chains of a text, each of two sides or more; None is a side that cannot be read.

    Raises:
        ValueError: if `text` has more than `MAX_LEXEMES` numbers, signs and words.

    Example:
        >>> for chain in chains("Ben: 2 pens + 3 = 5 = many; ½ of 6 is 3"):
        ...     print([side and side.source for side in chain])
        ['2 + 3', '5', None]
        ['½ * 6', '3']
    """
    chain: list[Side | None] = []
    side, spoilt, before = Side(), False, None
    for lexeme in _lexemes(text):
        says = lexeme.kind == "says" and not chain and _can_speak(side)
        if lexeme.kind == "equals" or says:
            chain.append(_finished(side, spoilt, first=not chain))
            side, spoilt = Side(loose=says), False
            side.approximate = lexeme.text in _APPROXIMATE
        elif fate := _extend(side, lexeme, before, spoilt, following=bool(chain)):
            if chain:
                yield [*chain, _finished(side, spoilt, first=False)]
                chain = []
            side, spoilt = Side(), fate == "spoil"
            edge = before if fate == "restart" else lexeme
            blocks = edge.kind in ("word", "stop") and edge.text.lower() not in _PAUSES
            side.after_word = blocks
            if fate == "restart":
                side.parts.append(lexeme)
        before = lexeme
    if chain:
        yield [*chain, _finished(side, spoilt, first=False)]


def _can_speak(side: Side) -> bool:
    """Whether "is" after it can be an equality: after an expression, not after 5 or 3/4."""
    tight = len(side.parts) == 3 and side.parts[0].end + 1 == side.parts[2].start
    return side.complete and bool(side.operators) and not tight


def _extend(
    side: Side, lexeme: Lexeme, before: Lexeme | None, spoilt: bool, *, following: bool
) -> str | None:
    """Add a lexeme to the side if it can be there (None), else say what becomes of the side.

    "stop": the side ends before it. "restart": the side ends and the lexeme begins another.
    "spoil": as "stop", and nothing can be read up to the next stop.
    """
    kind, text = lexeme.kind, lexeme.text
    glued = before is not None and before.end == lexeme.start
    if kind in ("stop", "says") or text.lower() in _NO_UNITS:
        return "stop"
    if spoilt:
        return None
    if kind == "word":
        return _take_word(side, text.lower(), following)
    if kind in ("number", "mixed", "letter", "open"):
        if side.complete and not (glued and kind in ("letter", "open")):
            ambiguous = kind == "open" and not following and before.kind == "number"
            return "spoil" if ambiguous else "restart"  # "1/2 (68)" may be a product
    elif kind == "operator" and not side.complete:
        if text not in "-−–+":
            return "spoil"
    elif kind in ("close", "raised") and not side.complete:
        return "spoil"
    side.parts.append(lexeme)
    return None


def _take_word(side: Side, word: str, following: bool) -> str | None:
    """As `_extend`, for a word: a unit after an operand, and otherwise in the way."""
    if side.complete:
        if side.loose and not side.units and word in _COMPARISONS:
            side.parts.clear()  # "10 - 3 is 7 more than ..." says something else
            return "spoil"
        side.units.append(word)
        return None
    if following and not side.parts and word in _FILLERS:
        side.approximate |= word in _APPROXIMATE
        return None
    side.after_word = True
    return "spoil" if side.parts or following else None


def _finished(side: Side, spoilt: bool, *, first: bool) -> Side | None:
    """The side without a dangling operator and without brackets that have no partner."""
    if spoilt:
        return None
    while side.parts and not side.complete and not first:
        side.parts.pop()
    if not side.complete:
        return None
    bare = not side.operators and not side.name
    signed = side.parts[0].kind == "operator" and side.parts[0].end < side.parts[1].start
    if first and (signed or (bare and side.after_word)):
        return None  # "day 2 = ..." and "the rest - 5 = ..." say something else
    opened, unmatched = [], set()
    for index, part in enumerate(side.parts):
        if part.kind == "open":
            opened.append(index)
        elif part.kind == "close":
            if opened:
                opened.pop()
            else:
                unmatched.add(index)
    unmatched.update(opened)
    side.parts = [part for index, part in enumerate(side.parts) if index not in unmatched]
    return side


def _lexemes(text: str) -> list[Lexeme]:
    plain = text
    for pattern, replacement in _CLEAN:
        plain = pattern.sub(lambda m, new=replacement: new(m).ljust(len(m[0])), plain)
    found = (Lexeme(match.lastgroup or "", match[0], *match.span())
             for match in _LEXEME.finditer(plain) if match.lastgroup != "skip")
    raw = list(islice(found, MAX_LEXEMES + 1))
    if len(raw) > MAX_LEXEMES:
        raise ValueError(
            f"a text may have {MAX_LEXEMES:,} numbers, signs and words; got more, in "
            f"{len(text):,} characters from {text[:40]!r} on; split it")
    return [_in_context(raw, index) for index in range(len(raw))]


def _in_context(raw: list[Lexeme], index: int) -> Lexeme:
    """The lexeme with the kind that its neighbours give it: x, "of", "half", "is", a bullet."""
    lexeme = raw[index]
    if lexeme.kind not in ("letter", "word", "other", "operator"):
        return lexeme
    before = raw[index - 1] if index else Lexeme(*_EDGE)
    after = raw[index + 1] if index + 1 < len(raw) else Lexeme(*_EDGE)
    word = lexeme.text.lower()
    kind, text = lexeme.kind, lexeme.text
    if kind == "operator":
        bullet = before.text in ("", "\n") and after.start > lexeme.end
        kind, text = ("stop", "\n") if bullet else (kind, text)
    elif kind == "other":
        kind = "stop"
    elif kind == "letter":
        if word == "x" and after.kind in _STARTS and before.kind in (*_COMPLETE, "word"):
            kind, text = "operator", "*"
        elif not (before.kind == "number" and before.end == lexeme.start) and not (
                {before.kind, after.kind} & {"operator", "equals", "open", "close", "raised"}):
            kind = "word"
    elif word == "half" and after.text == "of":
        kind, text = "number", "½"
    elif word == "of" and after.kind in _STARTS and _is_fraction(raw, index - 1):
        kind, text = "operator", "*"
    elif word in _OPERATOR_WORDS and after.kind in _STARTS:
        kind, text = "operator", _OPERATOR_WORDS[word]
    elif word in _EQUAL_WORDS:
        kind = "says"
    return Lexeme(kind, text, lexeme.start, lexeme.end)


def _is_fraction(raw: list[Lexeme], index: int) -> bool:
    """Whether the number at `index` is a part of something: ½, 20%, 0.3, the 4 of 3/4, half."""
    text = raw[index].text if index >= 0 else ""
    over = index > 0 and raw[index - 1].text in ("/", "⁄", "÷")
    return text.lower() == "half" or over or any(c in _VULGAR + "%./)" for c in text)
