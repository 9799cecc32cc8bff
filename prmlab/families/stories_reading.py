"""Reading a step of a story: free text to the claims it makes, if it can be read.

The grammar is closed: the problem's names and item, numbers (words too), operators, the words
for relations, and a list of fillers that change no meaning. One word outside it ("not",
"about", another name) and nothing is read, so that no claim is misread. Case, punctuation,
spaces and the item's name do not matter. Does not know what is true: `stories_check` does.
"""

import re
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from prmlab.arithmetic import (
    VULGAR,
    ArithmeticSyntaxError,
    Node,
    Num,
    TooBig,
    evaluate,
    parse,
)
from prmlab.families.stories_rules import Form, Relation, form, numbers_in, relation

MAX_LENGTH = 2000  # characters of a step that is read at all


class Unreadable(ValueError):
    """A text outside the grammar; the message says where."""


class Term(NamedTuple):
    """One side of an `=`. A name is a variable, its letter is in `Reader.letters`.

    `value` is None where names, or a division by zero, keep it from being known by itself;
    `form` and `numbers` are those of `stories_rules`.
    """

    text: str
    node: Node
    value: Fraction | None
    form: Form
    numbers: tuple[Form, ...]

    @property
    def is_number(self) -> bool:
        """Whether it is just a number."""
        return isinstance(self.node, Num)


class Claim(NamedTuple):
    """What a text says of one quantity: a relation, and expressions that all equal it.

    `subject` is None where the text names none ("3 * 12 = 36", "Answer: 31"); `perhaps` is then
    the quantity whose relation was stated just before, if any.
    """

    subject: str | None
    relation: Relation | None
    chain: tuple[Term, ...]
    is_answer: bool = False
    perhaps: str | None = None


_CANONICAL = re.compile(
    r"Answer: (?P<answer>0|-?[1-9][0-9]{0,8})|"
    r"(?P<name>[A-Za-z]+) has (?:"
    r"(?P<k>[1-9][0-9]{0,8}) (?P<kind>times as many as|more than|fewer than) (?P<of>[A-Za-z]+)|"
    r"half as many as (?P<half>[A-Za-z]+)|"
    r"as many as (?P<b>[A-Za-z]+) and (?P<c>[A-Za-z]+) together): "
    r"(?P<left>(?:0|[1-9][0-9]{0,8}) [-+*/] (?:0|[1-9][0-9]{0,8})) = "
    r"(?P<v>0|-?[1-9][0-9]{0,8})")
_TOKEN = re.compile(
    r"\s+|(?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?"
    rf"[{''.join(VULGAR)}]?|[{''.join(VULGAR)}]|\.[0-9]+)"
    r"|(?P<word>[^\W\d_]+)|(?P<own>(?<=[^\W\d_])['’](?:s\b)?)|(?P<mark>=>|->|\*\*|####|[^\w\s])")
_LIST_MARK = re.compile(r"\s*(?:[-*•]\s+(?=[^\W\d])|step\s+[0-9]{1,3}\s*[:.)]|"
                        r"[0-9]{1,3}[.)]\s+(?=[^\W\d]))", re.IGNORECASE)
# One letter a token: N name, # number, + operator, - minus, ( ) = and then the words' own.
_KINDS = {word: kind for kind, words in {
    "H": "has have owns own holds hold", "T": "times", "A": "as", "M": "many much",
    "O": "more", "F": "fewer less", "X": "than", "h": "half", "2": "twice double",
    "3": "thrice triple", "g": "together altogether combined", "&": "and", "W": "with",
    "R": "there", "a": "answer ####", "=": "is are equals equal makes gives =",
    "-": "minus - − –", "(": "( [ {", ")": ") ] }",
    "+": "plus multiplied divided x + * / × · ⋅ ∙ ∗ ÷ ∕ ⁄ ** ^",
    ".": ". ; !", ",": ",", ":": ":", "c": "because since",
    "s": "so then therefore thus hence which means get => -> → ⇒",
    "": "the a an of now we know that this what number amount total in final by both also just "
    "exactly to",
}.items() for word in words.split()}
_WRITTEN = {"plus": "+", "minus": "-", "multiplied": "*", "divided": "/", "x": "*",
            "times": "*"}
_RUN = r"[(\-]*[#N]\)*(?:[+T\-][(\-]*[#N]\)*)*"  # an expression
_CHAIN = rf"(?>{_RUN}(?:=+{_RUN})*)(?![OFXAM#(+T=)\-])"  # expressions with = between
_SOURCES = r"(?:(?:#T|[h23])(?:AMA)?W?N|#[OF]XW?N|AMAW?N(?:(?:,W?N)*,?&W?N)?)"
_GRAMMAR = re.compile("|".join((
    r"(?P<joint>[,.:sc&]+)",
    r"(?P<answer>a[,.:s=]*)",
    # Ben has 3 times as many as Ana [has] [together] [=]
    rf"(?P<relation>(?:WN,?R?=|NH|N=){_SOURCES}(?:H(?![#(\-]))?g?=?(?!\())",
    # Ana and Ben together have 48
    rf"(?P<sum>N(?:,N)*,?&N)(?P<all>gH|Hg?)=?(?P<total>{_CHAIN})(?P<in_all>g?)",
    # With Ben there are 36; Ben has 3 * 12 = 36; Ben: 36; There are 36 with Ben
    rf"(?P<statement>WN,?R?=|NH[=:]*|N[=:]+)(?P<value>{_CHAIN})g?",
    rf"R=(?P<there>{_CHAIN})(?P<place>WN)",
    # 3 * 12 = 36, but no name by itself
    rf"(?:R=)?(?P<chain>(?!N(?![=+T\-])){_CHAIN})(?!H)g?",
)))


class Reader:
    """Reads the steps of one problem.

    Args:
        names: the problem's quantities. In trees, the i-th is the variable `letters[name]`.
        item: what is counted, as in "pens".
    """

    def __init__(self, names: Iterable[str], item: str):
        self.letters = {name: chr(0xE000 + i) for i, name in enumerate(names)}
        self.names = {name.casefold(): name for name in self.letters}
        self.items = {item.casefold(), item.casefold().removesuffix("s")}

    def read(self, text: str) -> tuple[Claim, ...]:
        """The claims in a step's text, in order.

        Raises:
            Unreadable: if any part of the text is outside the grammar.
        """
        found = _CANONICAL.fullmatch(text)
        claim = found and self._canonical(found)
        return (claim,) if claim else self.read_slowly(text)

    def _canonical(self, found: re.Match) -> Claim | None:
        answer, name, k, kind, of, half, b, c, left, value = found.groups()
        if answer:
            return Claim(None, None, (_term(answer),), True)
        sources = (of,) if of else (half,) if half else (b, c)
        letters = self.letters
        if name not in letters or not all(source in letters for source in sources):
            return None
        word = kind.partition(" ")[0] if kind else "half" if half else "together"
        return Claim(name, relation(word, int(k) if k else None, sources),
                     (_term(left), _term(value)))

    def read_slowly(self, text: str) -> tuple[Claim, ...]:
        """The same as `read`, by the full grammar alone."""
        if len(text) > MAX_LENGTH:
            raise Unreadable(f"a step may have {MAX_LENGTH:,} characters, this has "
                             f"{len(text):,}")
        try:
            return _Clauses(self, text).claims()
        except (ArithmeticSyntaxError, TooBig):
            raise Unreadable("there is an expression in it that cannot be read") from None

    def kind(self, word: str) -> str:
        """The grammar's letter for a word or mark; empty for one that says nothing."""
        folded = word.casefold()
        if folded in self.names:
            return "N"
        if folded in self.items:
            return ""
        if folded not in _KINDS:
            raise Unreadable(f"nothing in this problem is known as {word[:20]!r}")
        return _KINDS[folded]


def _long_term(text: str) -> Term:
    """The term of an expression without names."""
    node = parse(text)
    shape = form(node)
    try:
        value = evaluate(node)
    except ValueError:  # the checker meets it again, and says what it means
        value = None
    return Term(text, node, value, shape, numbers_in(shape))


_term = lru_cache(maxsize=65536)(_long_term)  # the same few thousand come again and again


class _Clauses:
    """One text, as tokens and as a line of their letters, and the claims gathered from it."""

    def __init__(self, reader: Reader, text: str):
        self.reader = reader
        text = _NUMBER_WORDS.sub(_from_words, text)
        if mark := _LIST_MARK.match(text):
            text = text[mark.end():]
        self.text = text
        self.tokens: list[str] = []
        self.spans: list[tuple[int, int]] = []
        kinds = []
        at = 0
        for token in _TOKEN.finditer(text):
            if token.start() != at:
                break
            at = token.end()
            if token["number"] or token["word"] or token["mark"]:
                kind = "#" if token["number"] else reader.kind(token[0])
                if kind:
                    kinds.append(kind)
                    self.tokens.append(token[0])
                    self.spans.append(token.span())
        if at != len(text):
            raise Unreadable(f"{text[at]!r} says nothing in this problem")
        self.kinds = "".join(kinds)
        self.found: list[Claim] = []
        self.pending: tuple[Term, ...] = ()  # a chain that has no subject yet
        self.joint = ""  # what stands before the clause: "s" for so, "." for a full stop …
        self.answering = False

    def claims(self) -> tuple[Claim, ...]:
        """All claims of the text."""
        at = 0
        while at < len(self.kinds):
            clause = _GRAMMAR.match(self.kinds, at)
            if not clause:
                raise Unreadable("no claim about this problem can be read from "
                                 f"{self.tokens[at][:20]!r} on")
            at = clause.end()
            self.take(clause)
            self.joint = clause["joint"] or ""
        self.flush()
        if self.answering or not self.found:
            raise Unreadable("nothing is claimed about this problem")
        return tuple(self.found)

    def take(self, clause: re.Match) -> None:
        """Add what one clause says."""
        if clause["answer"]:
            self.answering = True
        elif clause["relation"]:
            names = self.names(clause, "relation")
            self.add(names[0], self.relation(clause, tuple(names[1:])), ())
        elif clause["statement"]:
            self.add(self.names(clause, "statement")[0], None, self.chain(clause, "value"))
        elif clause["there"]:
            self.add(self.names(clause, "place")[0], None, self.chain(clause, "there"))
        elif clause["sum"]:
            if "g" not in clause["all"] + clause["in_all"]:
                raise Unreadable("several names have something, each or together")
            self.take_chain((self.sum(self.names(clause, "sum")), *self.chain(clause, "total")))
        elif clause["chain"]:
            self.take_chain(self.chain(clause, "chain"))

    def take_chain(self, chain: tuple[Term, ...]) -> None:
        """A chain without a subject: more of what came before, or else it waits for one."""
        is_lone = len(chain) == 1 and chain[0].is_number
        same_sentence = "." not in self.joint
        if self.answering:
            self.add(None, None, chain)
        elif self.pending and is_lone and same_sentence:
            self.pending += chain
        elif not self.pending and self.found and same_sentence and (
                is_lone or not self.found[-1].chain or ":" in self.joint or "c" in self.joint):
            self.extend(chain)
        else:
            self.flush()
            self.pending = chain

    def add(self, subject: str | None, stated: Relation | None,
            chain: tuple[Term, ...]) -> None:
        """A claim about a subject; it takes a chain that waited, if they belong together."""
        if self.pending and (("c" in self.joint) if stated else "s" in self.joint or (
                not set(".c") & set(self.joint) and self.pending[-1].value == chain[-1].value)):
            chain, self.pending = self.pending + chain, ()
        self.flush()
        last = self.found[-1] if self.found else None
        if (last and last.subject == subject and not self.answering and not last.is_answer
                and (stated is None or last.relation in (None, stated))):
            self.found[-1] = last._replace(relation=last.relation or stated)
            self.extend(chain)
        else:
            self.found.append(Claim(subject, stated, chain, self.answering))
        self.answering = False

    def flush(self) -> None:
        """Make a claim of the chain that waits, without a subject."""
        if self.pending:
            open_claims = [claim.subject for claim in self.found
                           if claim.relation and not claim.chain]
            self.found.append(Claim(None, None, self.pending,
                                    perhaps=open_claims[-1] if open_claims else None))
            self.pending = ()

    def extend(self, chain: tuple[Term, ...]) -> None:
        """Say more of the last claim's value."""
        self.found[-1] = self.found[-1]._replace(chain=self.found[-1].chain + chain)

    def names(self, clause: re.Match, group: str) -> list[str]:
        """The names in a part of a clause, as the problem writes them."""
        return [self.reader.names[self.tokens[i].casefold()] for i in range(*clause.span(group))
                if self.kinds[i] == "N"]

    def relation(self, clause: re.Match, of: tuple[str, ...]) -> Relation:
        """The relation that a clause states."""
        start, _ = clause.span("relation")
        words = clause["relation"]
        k = parse(self.tokens[start + words.index("#")]) if "#" in words else None
        for letter, kind in (("T", "times"), ("O", "more"), ("F", "fewer")):
            if letter in words:
                return relation(kind, k.value, of)
        if factor := next((letter for letter in "23" if letter in words), None):
            return relation("times", int(factor), of)
        if "h" in words:
            return relation("half", None, of)
        return relation("together", None, of) if len(of) > 1 else relation("times", 1, of)

    def chain(self, clause: re.Match, group: str) -> tuple[Term, ...]:
        """The expressions between the equals signs of a chain."""
        start, end = clause.span(group)
        terms: list[list[int]] = [[]]
        for i in range(start, end):
            if self.kinds[i] != "=":
                terms[-1].append(i)
            elif terms[-1]:
                terms.append([])
        return tuple(self.term(term) for term in terms)

    def term(self, indices: list[int]) -> Term:
        """The expression of some tokens."""
        text = self.text[self.spans[indices[0]][0]:self.spans[indices[-1]][1]]
        letters, written = self.reader.letters, []
        for i in indices:
            token = self.tokens[i].casefold()
            written.append(letters[self.reader.names[token]] if self.kinds[i] == "N"
                           else _WRITTEN.get(token, token))
        is_named = any(self.kinds[i] == "N" for i in indices)
        make = self.named if is_named else _term if len(written) < 9 else _long_term
        return make(" ".join(written))._replace(text=text)

    def sum(self, names: list[str]) -> Term:
        """The term that "Ana and Ben together" is."""
        letters = " + ".join(self.reader.letters[name] for name in names)
        return self.named(letters)._replace(text=" + ".join(names))

    def named(self, text: str) -> Term:
        """The term of an expression that has names in it, as their letters."""
        node = parse(text, variables="".join(self.reader.letters.values()))
        shape = form(node)
        return Term(text, node, None, shape, numbers_in(shape))


_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
          "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
          "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_UNIT = "|".join(_SMALL[1:10])
_UNDER_100 = rf"(?:(?:{'|'.join(_TENS)})(?:[ -](?:{_UNIT}))?|{'|'.join(_SMALL[::-1])})"
_NUMBER_WORDS = re.compile(
    rf"\b(?:(?P<hundreds>{_UNIT}|a) hundred(?:(?: and)? (?P<rest>{_UNDER_100}))?"
    rf"|(?P<small>{_UNDER_100}))\b", re.IGNORECASE)


def _from_words(found: re.Match) -> str:
    """The digits of a number in words, up to 999."""
    hundreds = (found["hundreds"] or "zero").lower()
    value = 100 * (1 if hundreds == "a" else _SMALL.index(hundreds))
    for word in re.split("[ -]", (found["rest"] or found["small"] or "zero").lower()):
        value += _SMALL.index(word) if word in _SMALL else 10 * _TENS.index(word) + 20
    return str(value)
