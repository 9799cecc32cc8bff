"""Steps of algebra as pieces: words, and formulas between them.

Owns what counts as a formula inside running text, and which words say nothing. Does not know what
a formula means: the families do.
"""

import re
from fractions import Fraction

from prmlab.arithmetic import Bin, Neg, Node, Num

LONGEST_STEP = 2000  # characters, after spaces are collapsed; nothing longer is read
LETTER = "A-Za-zÀ-ÖØ-öø-ɏ"
_SYMBOL = (rf"(?:[0-9]+(?:,[0-9]{{3}}(?![0-9]))*(?:\.[0-9]+)?|\.[0-9]+"
           rf"|(?<![{LETTER}])[xX](?![{LETTER}'’])"
           r"|[-+=*/^()\[\]{}%−–‐‑×·⋅∙∗÷∕⁄½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒⁰¹²³⁴⁵⁶⁷⁸⁹])")
_PIECE = re.compile(rf"\s*(?:(?P<formula>{_SYMBOL}(?:\s*{_SYMBOL})*)"
                    rf"|(?P<word>[{LETTER}]+(?:['’][{LETTER}]+)*)|(?P<mark>[:;,.!$\"'`~>#→⇒⟹|]))")
_HAS_VALUE = re.compile(r"[0-9xX½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒]")
FILLERS = frozenset(["a", "again", "all", "also", "and", "are", "as", "at", "be", "becomes", "can", "clearly", "consequently", "down", "finally", "first", "follows", "from", "get", "gets", "give", "gives", "giving", "have", "hence", "here", "i", "if", "in", "into", "is", "it", "know", "last", "leave", "leaves", "leaving", "left", "let's", "me", "must", "my", "next", "note", "now", "obtain", "obtaining", "ok", "okay", "on", "our", "out", "over", "result", "results", "see", "second", "side", "simply", "since", "so", "still", "that", "the", "then", "there", "therefore", "these", "third", "this", "thus", "to", "us", "using", "value", "we", "well", "where", "which", "will", "with", "working", "would", "write", "writing", "yields", "yielding", "you", "your", "equation", "expression", "becoming", "means", "meaning"])


def squeeze(text: str) -> str | None:
    """The text with runs of spaces collapsed; None if it is too long to be a step."""
    if len(text) > 50 * LONGEST_STEP:
        return None
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_STEP else None


def pieces(text: str) -> list[tuple[str, str]] | None:
    """The (kind, text) pieces, kind "word" (in lower case) or "formula"; None if unreadable.

    Example:
        >>> pieces("Subtract 5 from both sides: 2x = 10")[-3:]
        [('word', 'both'), ('word', 'sides'), ('formula', '2x = 10')]
    """
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _PIECE.match(text, at)
        if match is None:
            return None
        at = match.end()
        if match.lastgroup == "word":
            found.append(("word", match["word"].lower().replace("’", "'")))
        elif match.lastgroup == "formula":
            formula = _without_open_ends(match["formula"], text, *match.span("formula"))
            if _HAS_VALUE.search(formula):
                found.append(("formula", formula))
            elif formula:
                return None
    return found


def _without_open_ends(formula: str, text: str, start: int, end: int) -> str:
    """The formula without a bracket that holds the words before or after it."""
    if re.match(rf"\s*[{LETTER}]", text[end:end + 2]):
        formula = formula.rstrip("([{ ")
    if re.search(rf"[{LETTER}]\s*$", text[max(0, start - 2):start]):
        formula = formula.lstrip(")]} ")
    return formula


def whole(value: Fraction | int) -> Fraction | int:
    """The value as an int where it is one: faster, and equal and hashed alike."""
    return value.numerator if value.denominator == 1 else value


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
