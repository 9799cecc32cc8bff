"""The verdict on every step of a story, exact for any text that `stories_reading` can read.

A step derives a quantity. It is right if the relation it states is one that the problem
states, every `=` holds, and one of its expressions is the computation that the problem's fact
calls for: the same numbers and operation in any order, each source given by its value as
established (told, or derived before in this trace) or by its own computation written in place.
A bare value is right if it is one computation away from what is established. A value that is
true by coincidence is wrong. A quantity's latest value counts; what follows correctly from a
wrong step is carried.

Relations are those of the problem, or one solved for its source ("Ben has 5 more than Cy" where
Cy has 5 fewer than Ben). A relation that follows only from several facts together is not
accepted, nor is a computation rearranged beyond order and brackets.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

from prmlab.arithmetic import DivisionByZero, evaluate
from prmlab.families.stories_reading import Claim, Reader, Term, Unreadable
from prmlab.families.stories_rules import (
    Form,
    Relation,
    computation,
    joined,
    negative,
    numbers_in,
    plain,
    relation,
    result,
    sentence,
    solved,
)
from prmlab.verdicts import Verdict

SOUND, CARRIED, UNSUPPORTED, OTHER_OPERATION, UNRELATED = range(5)  # how well, best first
MAX_NUMBERS = 64  # in an expression that is compared with the problem's facts
RIGHT = Verdict(1, "right")
REPEATED = Verdict(0, "repeated")
NOT_NEEDED = Verdict(0, "not needed")
AFTER_THE_ANSWER = Verdict(0, "after the answer")


def check(facts: Mapping[str, Any], values: Mapping[str, int], wanted: set[str],
          steps: Sequence[str]) -> list[Verdict]:
    """One verdict a step.

    Args:
        facts: the problem's `facts`.
        values: the true value of every quantity.
        wanted: the quantities that the asked one depends on, itself included.
    """
    checker = _StoryChecker(facts, values, wanted)
    return [checker.step(step) for step in steps]


class _Ledger:
    """What the problem states, and what a trace has claimed so far."""

    def __init__(self, facts: Mapping[str, Any], values: Mapping[str, int]):
        self.values = values
        self.facts = {fact["name"]: relation(fact["relation"], fact["k"], tuple(fact["of"]))
                      for fact in facts["facts"]}
        self.letters = {name: chr(0xE000 + i) for i, name in enumerate(values)}
        self.claimed: dict[str, tuple[Fraction, bool]] = {}  # latest value, reached soundly

    def is_told(self, name: str) -> bool:
        """Whether the problem gives the quantity's value itself."""
        return self.facts[name].kind == "start"

    def established(self, name: str) -> tuple[Fraction | int, int]:
        """A quantity's latest value in the trace, and how well it is established.

        The true value where nothing is claimed: told (sound), or not established.
        """
        if name in self.claimed:
            value, sound = self.claimed[name]
            return value, SOUND if sound else CARRIED
        return self.values[name], SOUND if self.is_told(name) else UNSUPPORTED

    def possible(self, name: str) -> list[tuple[Fraction | int, int]]:
        """The values that a step may have in mind for a quantity, and how well each stands.

        What is told stands whatever the trace says of it; else the true value that the trace
        has not reached, or has contradicted since, is not established.
        """
        latest = self.established(name)
        value, truth = latest[0], self.values[name]
        if self.is_told(name):
            return [(truth, SOUND)] if value == truth else [(truth, SOUND), latest]
        return [latest] if value == truth else [latest, (truth, UNSUPPORTED)]

    def rules(self, name: str) -> list[Relation]:
        """The fact that gives a quantity, then the facts about others solved for it."""
        return [self.facts[name]] + [solved(other, fact, name)
                                     for other, fact in self.facts.items()
                                     if name in fact.of and fact.k != 0]

    def support(self, rule: Relation, shown: Term) -> int:
        """How well an expression does what a rule calls for."""
        n = len(shown.numbers)
        if n > MAX_NUMBERS:
            return UNRELATED
        written = _Writings(self, shown.numbers).of_rule(rule, n)
        status = min((s for form, s in written if form == shown.form), default=UNRELATED)
        if status <= CARRIED:
            return status
        # Of the ways to write "3 times", 12 + 12 + 12 has not the fact's numbers.
        same_numbers = any(numbers_in(form) == shown.numbers for form, s in written
                           if s < status and (rule.kind != "times" or form[0] == "*"))
        return OTHER_OPERATION if same_numbers else status

    def bare_support(self, rule: Relation, value: Fraction) -> int:
        """The same for a value alone: it must be one computation away."""
        return min((max((status for _, status in sources), default=SOUND)
                    for sources in product(*map(self.possible, rule.of))
                    if result(rule, [source for source, _ in sources]) == value),
                   default=UNRELATED)

    def computation(self, rule: Relation) -> str:
        """A rule's computation on the latest values."""
        return computation(rule, [self.established(name)[0] for name in rule.of])


class _Writings:
    """Every accepted way to write a rule's computation with some given numbers and names.

    Each comes with how well it is supported. Remembers what it has found: a quantity may be
    needed in several places.
    """

    def __init__(self, ledger: _Ledger, numbers: Sequence[Form]):
        self.ledger = ledger
        self.numbers = numbers
        self.found: dict[tuple[str, int], list[tuple[Form, int]]] = {}

    def of_name(self, name: str, n: int) -> list[tuple[Form, int]]:
        """The ways to write a quantity with `n` numbers or names."""
        ledger = self.ledger
        if n == 1:
            ways = [(plain(value), status) for value, status in ledger.possible(name)]
            letter = ledger.letters[name]
            if letter in self.numbers:
                ways.append((letter, ledger.established(name)[1]))
            return [way for way in ways if numbers_in(way[0])[0] in self.numbers]
        if n < 1 or ledger.is_told(name):
            return []
        if (name, n) not in self.found:
            self.found[name, n] = self.of_rule(ledger.facts[name], n)
        return self.found[name, n]

    def of_rule(self, rule: Relation, n: int) -> list[tuple[Form, int]]:
        """The ways to write a rule's computation with `n` numbers or names."""
        kind, k, of = rule
        if kind == "start":
            return [(plain(k), SOUND)] if n == 1 else []
        if kind in ("times", "more"):
            op, by = "*" if kind == "times" else "+", plain(k)
            ways = [(joined(op, (form, by)), status)
                    for form, status in self.of_name(of[0], n - 1)]
            if kind == "times" and isinstance(by, Fraction):  # 1/2 * 12
                ways += [(joined(op, (form, 1, by)), status)
                         for form, status in self.of_name(of[0], n - 2)]
            elif kind == "times" and 1 < by <= n and n % by == 0:  # 12 + 12 + 12
                ways += [(joined("+", [form] * by), status)
                         for form, status in self.of_name(of[0], n // by)]
            return ways
        signed = negative if kind == "minus" else (lambda form: form)
        return [(joined("+", (form, signed(other))), max(status, other_status))
                for first in range(1, n)
                for form, status in self.of_name(of[0], first)
                for other, other_status in self.of_name(of[1], n - first)]


class _StoryChecker:
    """Checks the steps of one trace, in order."""

    def __init__(self, facts: Mapping[str, Any], values: Mapping[str, int], wanted: set[str]):
        self.asked: str = facts["asked"]
        self.wanted = wanted
        self.answered = False
        self.ledger = _Ledger(facts, values)
        self.reader = Reader(self.ledger.letters, facts["item"])

    def step(self, text: str) -> Verdict:
        """The verdict on the next step; of several claims the first wrong one decides."""
        was_answered = self.answered
        try:
            claims = self.reader.read(text)
        except Unreadable as error:
            return _wrong("nonsense", str(error))
        verdicts = [self.claim(claim) for claim in claims]
        wrong = next((verdict for verdict in verdicts if verdict.label < 0), None)
        if wrong or was_answered:
            return wrong or AFTER_THE_ANSWER
        return max(verdicts, key=lambda verdict: verdict.label)

    def claim(self, claim: Claim) -> Verdict:
        """The verdict on one claim; keeps what it claimed."""
        self.answered = self.answered or claim.is_answer
        try:
            values = [self.value(term) for term in claim.chain]
        except DivisionByZero as error:
            return _wrong("slip", str(error))
        except ValueError as error:  # numbers too big to compare
            return _wrong("nonsense", str(error))
        value = values[-1] if values else None
        for i in range(1, len(values)):
            if values[i] != values[i - 1]:
                self.keep(claim.subject, value)
                return _wrong("slip", _uneven(*claim.chain[i - 1:i + 1], values[i - 1]))
        if claim.is_answer:
            return self.answer(claim, value)
        return self.derivation(claim, value) if claim.subject else self.anonymous(claim, value)

    def value(self, term: Term) -> Fraction:
        """The value of a term, names standing for their latest values."""
        if term.value is not None:
            return term.value
        return evaluate(term.node, {letter: Fraction(self.ledger.established(name)[0])
                                    for name, letter in self.ledger.letters.items()})

    def keep(self, subject: str | None, value: Fraction | None, sound: bool = False) -> None:
        """Remember the value that the trace now claims for a quantity."""
        if subject is not None and value is not None:
            self.ledger.claimed[subject] = (value, sound)

    def derivation(self, claim: Claim, value: Fraction | None) -> Verdict:
        """The verdict on a claim whose `=` all hold."""
        subject, stated = claim.subject, claim.relation
        if stated and (verdict := self.misstated(subject, stated)):
            self.keep(subject, value)
            return verdict
        if value is None:
            return REPEATED
        ledger = self.ledger
        was_sound = ledger.is_told(subject) or ledger.claimed.get(subject, (None, False))[1]
        status = self.support(claim, value)
        rule = stated or ledger.facts[subject]
        verdict = None if status == SOUND else self.unsound(claim, rule, value, status)
        self.keep(subject, value, sound=verdict is None)
        if verdict or was_sound:
            return verdict or REPEATED
        return RIGHT if subject in self.wanted else NOT_NEEDED

    def support(self, claim: Claim, value: Fraction) -> int:
        """How well a claim's value is supported, by its best expression or as a bare value."""
        ledger, subject = self.ledger, claim.subject
        rules = [claim.relation] if claim.relation else ledger.rules(subject)
        shown = [term for term in claim.chain if not term.is_number]
        if shown:
            status = min(ledger.support(rules[0], term) for term in shown)
            others = (ledger.support(rule, term) for rule in rules[1:] for term in shown)
            return min((s for s in others if s < min(status, OTHER_OPERATION)), default=status)
        status = min(ledger.bare_support(rule, value) for rule in rules)
        if subject in ledger.claimed and ledger.claimed[subject][0] == value:
            status = min(status, ledger.established(subject)[1])
        return status

    def anonymous(self, claim: Claim, value: Fraction | None) -> Verdict:
        """The verdict on a chain without a subject: it belongs to the quantity it computes."""
        shown = [term for term in claim.chain if not term.is_number]
        if not shown or len(claim.chain) < 2:
            return _wrong("nonsense", "a number that is said of nothing")
        ledger = self.ledger
        candidates = sorted(ledger.facts,
                            key=lambda name: (name != claim.perhaps, name in ledger.claimed))
        for status in (SOUND, CARRIED):
            for name in candidates:
                if any(ledger.support(ledger.facts[name], term) == status for term in shown):
                    return self.derivation(claim._replace(subject=name), value)
        if claim.perhaps:
            return self.derivation(claim._replace(subject=claim.perhaps), value)
        return NOT_NEEDED

    def answer(self, claim: Claim, value: Fraction | None) -> Verdict:
        """The verdict on a stated answer, with its derivation where it shows one."""
        asked, ledger = self.asked, self.ledger
        if claim.subject not in (None, asked):
            return _wrong("wrong answer", f"the question is about {asked}, not {claim.subject}")
        if claim.relation or not all(term.is_number for term in claim.chain):
            derived = self.derivation(claim._replace(subject=asked), value)
            if derived.label < 0:
                return derived
        if value is None:
            return _wrong("nonsense", "an answer without a value")
        said, status = ledger.established(asked)
        if status == CARRIED and said == value:
            return self.carried(asked)
        if value != ledger.values[asked]:
            return _wrong("wrong answer", f"{asked} has {ledger.values[asked]}, not {value}")
        if status == UNSUPPORTED:
            return _wrong("unsupported", f"no step has established what {asked} has")
        if said != value:
            return _wrong("unsupported", f"this trace has said that {asked} has {said}")
        return RIGHT

    # -- what went wrong, and why --------------------------------------------------------------

    def misstated(self, subject: str, stated: Relation) -> Verdict | None:
        """What is wrong with a relation as stated; None if the problem says so."""
        fact = self.ledger.facts[subject]
        if stated == fact or stated in self.ledger.rules(subject):
            return None
        if stated.kind == fact.kind and stated.k == fact.k:
            word = "than" if stated.kind == "more" else "as"
            return _wrong("wrong quantity", f"{sentence(subject, fact)}, "
                                            f"not {word} {' and '.join(stated.of)}")
        return _wrong("wrong relation", f"the problem says: {sentence(subject, fact)}")

    def unsound(self, claim: Claim, rule: Relation, value: Fraction, status: int) -> Verdict:
        """Why a value is not soundly supported."""
        ledger, subject = self.ledger, claim.subject
        fact = sentence(subject, ledger.facts[subject])
        weak = [name for name in rule.of if ledger.established(name)[1] != SOUND]
        if status == CARRIED:
            return self.carried(*weak or [subject])
        if status == UNSUPPORTED:
            return _wrong("unsupported", self.missing(weak))
        shown = next((term for term in claim.chain if not term.is_number), None)
        if shown and rule.kind == "start":
            return _wrong("wrong quantity", f"{fact}, as the problem says; not as {shown.text}")
        if shown:
            reason = "wrong operation" if status == OTHER_OPERATION else "wrong quantity"
            return _wrong(reason, f"{fact}: {ledger.computation(rule)}, not {shown.text}")
        if rule.kind == "start":
            return _wrong("unsupported", f"{fact}, not {value}")
        if claim.relation and all(ledger.established(name)[1] == CARRIED for name in weak):
            return _wrong("slip", f"{fact}: {ledger.computation(rule)} is not {value}")
        return _wrong("unsupported", f"nothing before this gives {subject} = {value}")

    def missing(self, weak: Sequence[str]) -> str:
        """Which of some quantities is used without being established."""
        for name in weak:
            value, status = self.ledger.established(name)
            if status == UNSUPPORTED:
                return f"no step has established what {name} has"
            if value != self.ledger.values[name]:
                return f"this trace has said that {name} has {value}"
        return "this uses a value that no step has established"

    def carried(self, *names: str) -> Verdict:
        """The verdict on what follows correctly from earlier wrong steps."""
        said = " and ".join(f"{name} = {self.ledger.established(name)[0]}" for name in names)
        return Verdict(-1, "carried error", carried=True,
                       note=f"follows from an earlier wrong step: {said}")


def _wrong(reason: str, note: str) -> Verdict:
    return Verdict(-1, reason, note=note)


def _uneven(left: Term, right: Term, value: Fraction) -> str:
    if left.is_number or not right.is_number:
        return f"{left.text} is not {right.text}"
    return f"{left.text} is {value}, not {right.text}"
