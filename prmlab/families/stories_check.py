"""The verdict on every step of a story, exact for any text that `stories_reading` can read.

A step derives a quantity. It is right if the relation it states is one that the problem states,
every `=` holds, and one of its expressions is the computation that the problem's fact calls for:
the same numbers and operation in any order, each source given by its value as established (told,
or derived before in this trace) or by its own computation written in place. A bare value is right
if it is one computation away from what is established. A value that is true by coincidence is
wrong. A quantity's latest value counts; what follows correctly from a wrong step is carried.

Relations are those of the problem, or one solved for its source ("Ana has 5 more than Ben" where
Ben has 5 fewer than Ana). Relations that follow only from several facts are not accepted.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from prmlab.arithmetic import Bin, DivisionByZero, Neg, Node, Num, Var, evaluate, render
from prmlab.families.stories_reading import Claim, Reader, Relation, Term, relation
from prmlab.verdicts import Verdict

Form = int | Fraction | str | tuple  # a computation, see `_form`
SOUND, CARRIED, UNSUPPORTED = range(3)
MAX_LEAVES = 64  # numbers in an expression that is compared with the problem's facts

RIGHT = Verdict(1, "right")
REPEATED = Verdict(0, "repeated")
NOT_NEEDED = Verdict(0, "not needed")
LATE = Verdict(0, "after the answer")


class StoryChecker:
    """Checks the steps of one trace, in order, keeping what the trace has claimed so far.

    Args:
        facts: the problem's `facts`.
        values: the true value of every quantity.
        wanted: the quantities that the asked one depends on, itself included.
    """

    def __init__(self, facts: Mapping[str, Any], values: Mapping[str, int], wanted: set[str]):
        self.asked: str = facts["asked"]
        self.values = values
        self.wanted = wanted
        self.facts = {fact["name"]: relation(fact["relation"], fact["k"], fact["of"])
                      for fact in facts["facts"]}
        self.claimed: dict[str, tuple[Fraction, bool]] = {}  # latest value, reached soundly
        self.answered = False
        self.reader = Reader(values, facts["item"])

    def step(self, text: str) -> Verdict:
        """The verdict on the next step; of several claims the first wrong one decides."""
        late = self.answered
        claims = self.reader.read(text)
        if claims is None:
            return _wrong("nonsense", "no claim about this problem can be read from this")
        verdicts = [self._claim(claim) for claim in claims]
        worst = next((v for v in verdicts if v.label < 0), None)
        return worst or (LATE if late else max(verdicts, key=lambda v: v.label))

    def _claim(self, claim: Claim) -> Verdict:
        try:
            numbers = [evaluate(term.node, self._letter_values(term)) for term in claim.chain]
        except DivisionByZero as error:
            return self._note_value(claim, None, _wrong("slip", str(error)))
        except ValueError as error:
            return _wrong("nonsense", str(error))
        value = numbers[-1] if numbers else None
        for i in range(1, len(numbers)):
            if numbers[i] != numbers[i - 1]:
                slip = _wrong("slip", _uneven(claim.chain[i - 1:i + 1], numbers[i - 1]))
                return self._note_value(claim, value, slip)
        return self._answer(claim, value) if claim.is_answer else self._derive(claim, value)

    def _derive(self, claim: Claim, value: Fraction | None) -> Verdict:
        subject, stated, chain, _ = claim
        if subject is None:
            return self._anonymous(claim, value)
        if stated and (verdict := self._misstated(subject, stated)):
            return self._note_value(claim, value, verdict)
        if value is None:
            return REPEATED
        about = [stated] if stated else self._about(subject)
        shown = [form for term in chain if not isinstance(term.node, Num)
                 for form in [self._form(term.node)]]
        known = self.claimed.get(subject, (None, False))
        if shown:
            status = min((self._status(rule, form) for rule in about for form in shown),
                         key=lambda s: 9 if s is None else s)
        else:
            status = min((self._bare_status(rule, value) for rule in about),
                         key=lambda s: 9 if s is None else s)
            if known[0] == value:
                status = min(SOUND if known[1] else CARRIED, 9 if status is None else status)
        if status == SOUND:
            return self._sound(subject, value, known[1])
        if status is None:
            verdict = (self._mismatch(subject, about[0], shown, chain) if shown
                       else self._bare_mismatch(subject, about[0], stated, value))
        else:
            verdict = self._tainted(subject, about[0], status)
        return self._note_value(claim, value, verdict)

    def _sound(self, subject: str, value: Fraction, was_sound: bool) -> Verdict:
        told = self.facts[subject].kind == "start"
        self.claimed[subject] = (value, True)
        if told or was_sound:
            return REPEATED
        return RIGHT if subject in self.wanted else NOT_NEEDED

    def _note_value(self, claim: Claim, value: Fraction | None, verdict: Verdict) -> Verdict:
        """The verdict on a wrong claim, after keeping the value that it claimed."""
        if claim.is_answer:
            self.answered = True
        elif claim.subject and value is not None:
            self.claimed[claim.subject] = (value, False)
        return verdict

    # -- what the problem's facts allow ---------------------------------------------------------

    def _about(self, subject: str) -> list[Relation]:
        """The fact that gives a quantity, then the facts of others solved for it."""
        found = [self.facts[subject]]
        for name, (kind, k, of) in self.facts.items():
            if subject not in of:
                continue
            if kind == "times" and k:
                found.append(Relation("times", 1 / k, (name,)))
            elif kind == "more":
                found.append(Relation("more", -k, (name,)))
            elif kind == "together" and len(of) == 2:
                found.append(Relation("minus", None, (name, of[of[0] == subject])))
        return found

    def _misstated(self, subject: str, stated: Relation) -> Verdict | None:
        """What is wrong with a relation as stated; None if the problem says so."""
        fact = self.facts[subject]
        if stated == fact or stated in self._about(subject):
            return None
        if stated.kind == fact.kind and stated.k == fact.k:
            return _wrong("wrong quantity", f"{self._sentence(subject)}, "
                                            f"not {_sources(stated)}")
        return _wrong("wrong relation", f"the problem says: {self._sentence(subject)}")

    def _leaves(self, name: str) -> Iterator[tuple[Form, int]]:
        """The values that may stand for a quantity, and how well each is established."""
        truth = self.values[name]
        told = self.facts[name].kind == "start"
        claim = self.claimed.get(name)
        if told:
            yield truth, SOUND
        if claim and not (told and claim[0] == truth):
            yield _plain(claim[0]), SOUND if claim[1] else CARRIED
        if not told and (claim is None or claim[0] != truth):
            yield truth, UNSUPPORTED

    def _established(self, name: str) -> tuple[Fraction | int, int]:
        """A quantity's latest value in this trace, the true one where there is none."""
        if name in self.claimed:
            value, sound = self.claimed[name]
            return value, SOUND if sound else CARRIED
        told = self.facts[name].kind == "start"
        return self.values[name], SOUND if told else UNSUPPORTED

    def _alternatives(self, name: str, n: int) -> Iterator[tuple[Form, int]]:
        """Every way to write a quantity with `n` numbers or names: itself, or how it is computed."""
        if n == 1:
            yield from self._leaves(name)
            yield self.reader.letters[name], self._established(name)[1]
        elif self.facts[name].kind != "start":
            yield from self._forms(self.facts[name], n)

    def _forms(self, rule: Relation, n: int) -> Iterator[tuple[Form, int]]:
        """Every accepted way to write a rule's computation with `n` numbers or names."""
        kind, k, of = rule
        if kind == "start":
            if n == 1:
                yield _plain(k), SOUND
        elif kind == "times":
            for form, status in self._alternatives(of[0], n - 1) if n > 1 else ():
                yield _product([_plain(k), form]), status
            if k.denominator == 1 and 1 < k <= n and n % k == 0:
                for form, status in self._alternatives(of[0], n // int(k)):
                    yield _sum([form] * int(k)), status
        elif kind == "more":
            for form, status in self._alternatives(of[0], n - 1) if n > 1 else ():
                yield _sum([form, _plain(k)]), status
        else:
            for left in range(1, n):
                for form, status in self._alternatives(of[0], left):
                    for other, its_status in self._alternatives(of[1], n - left):
                        signed = _negative(other) if kind == "minus" else other
                        yield _sum([form, signed]), max(status, its_status)

    def _status(self, rule: Relation, shown: Form) -> int | None:
        """How well a shown computation is supported by a rule; None if it is another one."""
        n = len(_numbers(shown))
        if n > MAX_LEAVES:
            return None
        best = None
        for form, status in self._forms(rule, n):
            if form == shown and (best is None or status < best):
                best = status
                if best == SOUND:
                    break
        return best

    def _bare_status(self, rule: Relation, value: Fraction) -> int | None:
        """The same for a value without its computation: one hop from what is established."""
        found = []
        for name_values in _combinations([list(self._leaves(name)) for name in rule.of]):
            if _result(rule, [leaf for leaf, _ in name_values]) == value:
                found.append(max((status for _, status in name_values), default=SOUND))
        return min(found, default=None)

    # -- what went wrong ------------------------------------------------------------------------

    def _mismatch(self, subject: str, rule: Relation, shown: list[Form],
                  chain: Sequence[Term]) -> Verdict:
        """A computation that is not the rule's."""
        text = next(term.text for term in chain if not isinstance(term.node, Num))
        note = f"{self._sentence(subject)}: {self._computation(rule)}, not {text}"
        for form in shown:
            numbers = _numbers(form)
            if len(numbers) <= MAX_LEAVES and any(
                    _numbers(other) == numbers for other, _ in self._forms(rule, len(numbers))):
                return _wrong("wrong operation", note)
        return _wrong("wrong quantity", note)

    def _bare_mismatch(self, subject: str, rule: Relation, stated: Relation | None,
                       value: Fraction) -> Verdict:
        """A value without a computation that does not come out."""
        if stated and all(self._established(name)[1] != UNSUPPORTED for name in rule.of):
            return _wrong("slip", f"{self._sentence(subject)}: {self._computation(rule)} "
                                  f"is not {value}")
        if rule.kind == "start":
            return _wrong("unsupported", f"{self._sentence(subject)}, not {value}")
        return _wrong("unsupported", f"nothing before this gives {subject} = {value}")

    def _tainted(self, subject: str, rule: Relation, status: int) -> Verdict:
        """A computation that is the rule's, on values that are not soundly established."""
        for name in rule.of:
            value, its_status = self._established(name)
            if status == its_status == UNSUPPORTED:
                return _wrong("unsupported", f"{name}'s value is not established at this point")
            if its_status == CARRIED and status == UNSUPPORTED:
                return _wrong("unsupported", f"this trace has said that {name} has {value}")
        if status == UNSUPPORTED:
            return _wrong("unsupported", "this uses a value that is not established at this point")
        return _carried(f"follows from an earlier wrong step for {subject}"
                        if not rule.of else "follows from an earlier step that was wrong")

    def _anonymous(self, claim: Claim, value: Fraction | None) -> Verdict:
        """A computation without a subject: that of the quantity it computes, if any."""
        if value is None or all(isinstance(term.node, Num) for term in claim.chain):
            return _wrong("nonsense", "a number that is said of nothing")
        forms = [self._form(term.node) for term in claim.chain if not isinstance(term.node, Num)]
        for wanted_status in (SOUND, CARRIED):
            for name in sorted(self.facts, key=lambda name: name in self.claimed):
                if any(self._status(self.facts[name], form) == wanted_status for form in forms):
                    return self._derive(claim._replace(subject=name), value)
        return NOT_NEEDED

    def _answer(self, claim: Claim, value: Fraction | None) -> Verdict:
        self.answered = True
        if claim.subject not in (None, self.asked):
            return _wrong("wrong answer", f"the question is about {self.asked}, "
                                          f"not {claim.subject}")
        if claim.relation or any(not isinstance(term.node, Num) for term in claim.chain):
            derived = self._derive(claim._replace(subject=self.asked, is_answer=False), value)
            if derived.label < 0:
                return derived
        if value is None:
            return _wrong("nonsense", "an answer without a value")
        said, status = self._established(self.asked)
        if status == CARRIED and said == value:
            return _carried("follows from an earlier step that was wrong")
        if value != self.values[self.asked]:
            return _wrong("wrong answer", f"{self.asked} has {self.values[self.asked]}, "
                                          f"not {value}")
        if status == UNSUPPORTED:
            return _wrong("unsupported", f"no step has established what {self.asked} has")
        if said != value:
            return _wrong("unsupported", f"this trace has said that {self.asked} has {said}")
        return RIGHT

    # -- words ----------------------------------------------------------------------------------

    def _letter_values(self, term: Term) -> dict[str, Fraction] | None:
        if isinstance(term.node, Num) or term.text.isascii() and not any(
                c.isalpha() for c in term.text):
            return None
        return {letter: Fraction(self._established(name)[0])
                for name, letter in self.reader.letters.items()}

    def _form(self, node: Node) -> Form:
        return _form(node)

    def _sentence(self, subject: str) -> str:
        """The problem's fact about a quantity, in its shortest words."""
        return _sentence(subject, self.facts[subject])

    def _computation(self, rule: Relation) -> str:
        return _computation(rule, [self._established(name)[0] for name in rule.of])


def check(facts: Mapping[str, Any], values: Mapping[str, int], wanted: set[str],
          steps: Sequence[str]) -> list[Verdict]:
    """One verdict a step; the arguments but the last as for `StoryChecker`."""
    checker = StoryChecker(facts, values, wanted)
    return [checker.step(step) for step in steps]


def _wrong(reason: str, note: str) -> Verdict:
    return Verdict(-1, reason, note=note)


def _carried(note: str) -> Verdict:
    return Verdict(-1, "carried error", carried=True, note=note)


def _uneven(pair: Sequence[Term], value: Fraction) -> str:
    left, right = pair
    if isinstance(left.node, Num) and not isinstance(right.node, Num):
        return f"{left.text} is not {right.text}"
    return f"{left.text} is {value}, not {right.text}" if str(value) != left.text else (
        f"{left.text} is not {right.text}")


def _sources(stated: Relation) -> str:
    names = " and ".join(stated.of)
    return f"than {names}" if stated.kind == "more" else f"as {names}"


def _sentence(name: str, fact: Relation) -> str:
    kind, k, of = fact
    if kind == "start":
        return f"{name} has {k}"
    if kind == "more":
        return f"{name} has {abs(k)} {'more' if k >= 0 else 'fewer'} than {of[0]}"
    if kind == "together":
        return f"{name} has as many as {' and '.join(of)} together"
    times = "half" if k == Fraction(1, 2) else f"{k} times"
    return f"{name} has {times} as many as {of[0]}"


def _computation(rule: Relation, values: Sequence[Fraction | int]) -> str:
    kind, k, _ = rule
    if kind == "start":
        return str(k)
    if kind == "times":
        return f"{k} * {values[0]}" if k.denominator == 1 else f"{values[0]} / {1 / k}"
    if kind == "more":
        return f"{values[0]} {'+' if k >= 0 else '-'} {abs(k)}"
    return f"{values[0]} {'+' if kind == 'together' else '-'} {values[1]}"


def _result(rule: Relation, values: Sequence[Fraction | int]) -> Fraction | int:
    kind, k, _ = rule
    if kind == "start":
        return k
    if kind == "times":
        return k * values[0]
    return values[0] + (k if kind == "more" else -values[1] if kind == "minus" else values[1])


def _combinations(choices: Sequence[Sequence[tuple]]) -> Iterator[tuple]:
    if not choices:
        yield ()
        return
    for first in choices[0]:
        for rest in _combinations(choices[1:]):
            yield (first, *rest)


# -- computations compared up to order and brackets ---------------------------------------------


def _form(node: Node) -> Form:
    """An expression up to the order and the brackets of its sums and products.

    A number, the letter of a name, or a tuple of an operator and its sorted parts. Subtracting
    is adding the negative; dividing by a number is multiplying with its reciprocal.
    """
    if isinstance(node, Num):
        return _plain(node.value)
    if isinstance(node, Var):
        return node.name
    if isinstance(node, Neg):
        return _negative(_form(node.arg))
    left, right = _form(node.left), _form(node.right)
    if node.op == "+":
        return _sum([left, right])
    if node.op == "-":
        return _sum([left, _negative(right)])
    if node.op == "*":
        return _product([left, right])
    if node.op == "/" and isinstance(right, int | Fraction) and right:
        inverse = _plain(Fraction(1) / right)
        return inverse if left == 1 else _product([left, inverse])
    return (node.op, left, right)


def _plain(value: Fraction | int) -> int | Fraction:
    return value.numerator if value.denominator == 1 else value


def _sum(terms: Sequence[Form]) -> Form:
    return _flat("+", terms)


def _product(factors: Sequence[Form]) -> Form:
    return _flat("*", factors)


def _flat(op: str, parts: Sequence[Form]) -> Form:
    flat: list[Form] = []
    for part in parts:
        if isinstance(part, tuple) and part[0] == op:
            flat.extend(part[1:])
        else:
            flat.append(part)
    return (op, *sorted(flat, key=repr))


def _negative(form: Form) -> Form:
    if isinstance(form, int | Fraction):
        return -form
    if isinstance(form, tuple) and form[0] == "+":
        return _sum([_negative(part) for part in form[1:]])
    return _product([-1, form])


def _numbers(form: Form) -> list[Form]:
    """The sizes of the numbers in a form, and the names; a half counts as a 2."""
    if isinstance(form, tuple):
        return sorted((n for part in form[1:] for n in _numbers(part)), key=repr)
    if isinstance(form, str):
        return [form]
    size = abs(form)
    return [1 / size if size and size < 1 else size]
