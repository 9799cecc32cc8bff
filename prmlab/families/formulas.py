"""Steps of algebra as an outline of words, and the formulas between them.

Owns what counts as a formula inside running text, and which words say nothing. Does not know
what a formula or a word means: the families do.
"""

import re
from collections.abc import Mapping
from fractions import Fraction

from prmlab.arithmetic import Bin, Neg, Node, Num

LONGEST_STEP = 2000  # characters, after spaces are collapsed; nothing longer is read
_LETTER = "A-Za-zÀ-ÖØ-öø-ɏ"
_VULGAR = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"
_SYMBOL = (rf"(?:[0-9]+(?:,[0-9]{{3}}(?![0-9]))*(?:\.[0-9]+)?|\.[0-9]+"
           rf"|(?<![{_LETTER}])[xX](?![{_LETTER}'’])"
           rf"|[-+=*/^()\[\]{{}}%−–‐‑×·⋅∙∗÷∕⁄⁰¹²³⁴⁵⁶⁷⁸⁹{_VULGAR}])")
_PIECE = re.compile(rf"\s*(?:(?P<formula>{_SYMBOL}(?:\s*{_SYMBOL})*)"
                    rf"|(?P<word>[{_LETTER}]+(?:['’][{_LETTER}]+)*)"
                    r"|(?P<mark>[:;,.!$\"'`~>#→⇒⟹|]))")
_ASIDE = re.compile(rf"\(([^()]*[{_LETTER}]{{2}}[^()]*)\)")  # words in brackets
_NUMBERED = re.compile(r"(?:(?:step|line)\s[0-9]{1,3}\s?[:.)]?\s?|[0-9]{1,2}\.\s(?=[A-Za-z0-9])"
                       r"|[0-9]{1,2}\)\s(?=[A-Za-z]{2}))", re.IGNORECASE)
FRACTION = re.compile(r"[-−]?[0-9]+ ?[/÷] ?[-−]?[0-9]+")
FILLERS = frozenset(re.findall(r"\S+", """
    a again all also and are as at away be becomes becoming carefully clearly
    consequently down equation everything expression finally first follows for from get
    gets give gives giving have hence here i in it its know last let let's me
    meaning means must my next now obtain obtaining of ok okay on our out perform
    rearrange rearranging result results rewrite rewriting second see simply since so
    still that the then there therefore these third this through thus to us using value
    we well where which will with write writing yielding yields you your
"""))
_EQUALS = frozenset(("is", "equals", "makes", "equal"))


def squeeze(text: str) -> str:
    """The text, spaces collapsed, without a list number, "####" read out; empty if too long."""
    if len(text) > 50 * LONGEST_STEP:
        return ""
    text = " ".join(text.split())
    if match := _NUMBERED.match(text):
        text = text[match.end():]
    if text.startswith("####"):
        text = f"Answer: {text.lstrip('# ')}"
    return text if len(text) <= LONGEST_STEP else ""


def pieces(text: str) -> list[tuple[str, str]]:
    """The (kind, text) pieces, kind "word" (in lower case) or "formula".

    Raises:
        ValueError: if the text holds anything else than words, formulas and punctuation.

    Example:
        >>> pieces("Subtract 5 from both sides: 2x = 10")[-3:]
        [('word', 'both'), ('word', 'sides'), ('formula', '2x = 10')]
    """
    found, at = [], 0
    text = _ASIDE.sub(r" ; \1 ; ", text).strip()
    while at < len(text):
        match = _PIECE.match(text, at)
        if match is None:
            raise ValueError(f"a step must hold words and formulas only, got {text[at]!r}")
        at = match.end()
        if match.lastgroup == "word":
            found.append(("word", match["word"].lower().replace("’", "'")))
        elif match.lastgroup == "formula":
            found.append(("formula", match["formula"]))
    return found


def outline(text: str, synonyms: Mapping[str, str]) -> tuple[str, list[str]]:
    """What is said, with N for a formula and E for one with `=`, and the formulas in order.

    Words that say nothing are left out, others replaced by their synonyms; "N is N" becomes E.

    Raises:
        ValueError: as `pieces`.

    Example:
        >>> outline("So we subtract 5: 2x is 10.", {})
        ('subtract N E', ['5', '2x = 10'])
    """
    words, formulas = [], []
    for kind, piece in pieces(text):
        if kind == "word":
            word = synonyms.get(piece, piece)
            if word in _EQUALS:
                words += [] if words[-1:] == ["="] else ["="]
            elif word not in FILLERS:
                words.append(word)
        elif words[-2:] == ["N", "="]:
            words[-2:] = ["E"]
            formulas[-1] += f" = {piece}"
        else:
            words.append("E" if "=" in piece else "N")
            formulas.append(piece)
    return " ".join(words), formulas


def whole(value: Fraction | int) -> Fraction | int:
    """The value as an int where it is one: faster, and equal and hashed alike."""
    return value.numerator if value.denominator == 1 else value


def divide(p: Fraction | int, q: Fraction | int) -> Fraction | int:
    """The exact quotient, as an int where it is one; ZeroDivisionError on zero."""
    if p.denominator == q.denominator == 1 and p % q == 0:
        return int(p // q)
    return whole(Fraction(p) / q)


def has_sum(node: Node) -> bool:
    """Whether a sum or difference occurs anywhere in the node."""
    if isinstance(node, Bin):
        return node.op in "+-" or has_sum(node.left) or has_sum(node.right)
    return isinstance(node, Neg) and has_sum(node.arg)


def numbers(node: Node) -> list[Fraction | int]:
    """The numbers written in the node, from left to right."""
    if isinstance(node, Num):
        return [whole(node.value)]
    if isinstance(node, Neg):
        return numbers(node.arg)
    if isinstance(node, Bin):
        return numbers(node.left) + numbers(node.right)
    return []
