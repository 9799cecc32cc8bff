"""The exact verdict on every step of an expression, for any text.

The rule. A trace has a current expression, the problem's first. A step may make claims (`a op
b = c`, or longer) and state what is left. It is right if every claim is true and stands in
the current expression, and what is left is that expression with the claimed parts replaced by
their values; without a claim, with any parts replaced by their values. "Stands in" and "is"
are read up to what changes nothing (see `forms`), and a part may have been worked out
silently. A step that follows in that way from a wrong expression of the trace is a carried
error; one that follows from the last true expression is right. An answer is supported when at
most one operation is left.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import add, mul, sub

from prmlab.arithmetic import Bin, Neg, Node, Num
from prmlab.families.expressions_reading import (
    Expression,
    Step,
    parse_problem,
    read,
    tree,
)
from prmlab.families.forms import (
    Form,
    Number,
    canonical,
    count,
    derives,
    leaves,
    number,
    replaced,
    show,
    value,
)
from prmlab.families.ledger import CARRIED, NOT_NEEDED, REPEATED, RIGHT, Ledger
from prmlab.traces import Problem
from prmlab.verdicts import Verdict

MOST_READINGS = 32  # of claims that do not say what is left
OPERATIONS = {"+": add, "-": sub, "*": mul}
_PLAIN_STEP = re.compile(r"(-?[0-9]{1,9}) ([-+*]) (-?[0-9]{1,9}) = (-?[0-9]{1,9}), "
                         r"leaving (.+)")


def check(problem: Problem, steps: Sequence[str]) -> list[Verdict]:
    """The exact verdict on every step; the truth is read from the problem's text.

    Raises:
        ValueError: if the problem's text holds no arithmetic expression.

    Example:
        >>> problem = Problem("", "Compute 2 + 3 * 4.", None, "expressions")
        >>> [verdict.reason for verdict in check(problem, ["2 + 3 = 5, leaving 5 * 4", "20"])]
        ['wrong operation', 'carried error']
    """
    return _Expressions(parse_problem(problem.text)).check(steps)


class _Expressions(Ledger):
    """`current` is the expression that stands last, `sound` the last true one."""

    def __init__(self, problem: Expression):
        self.truth = problem.value
        self.moves_left = problem.operations
        self.wrong: set[Number] = set()  # values of the false ones
        self.trail: list[Expression] = []
        self.forms: set[Form] = set()  # of the first `looked_at` of them
        self.looked_at = 0
        self.take(problem)

    def take(self, new: Expression, *, follows: bool = True) -> None:
        """Let an expression stand, true or not; `follows` tells whether it was derived."""
        self.current = new
        if new.value == self.truth:
            self.sound = new if follows else self.sound
            self.trail.append(new)
            self.moves_left = min(self.moves_left, new.operations)
        else:
            self.wrong.add(new.value)

    def is_repeated(self, claims: Sequence[tuple[Expression, ...]], new: Expression) -> bool:
        """Whether a true expression before is the same, and the claims led to it."""
        self.forms.update(old.form for old in self.trail[self.looked_at:])
        self.looked_at = len(self.trail)
        return new.form in self.forms and (not claims or any(
            new.form in _after(old, claims) for old in self.trail[:MOST_READINGS]))

    def read(self, text: str) -> Step:
        """The step that a text states."""
        return read(text)

    def step(self, text: str) -> Verdict:
        """The verdict on the next step, which then stands."""
        return self.plain_step(text) or super().step(text)

    def plain_step(self, text: str) -> Verdict | None:
        """The same verdict, faster, where the next step is one that the family could write."""
        start = self.current
        match = _PLAIN_STEP.fullmatch(text) if start.plain else None
        if match is None or OPERATIONS[match[2]](int(match[1]), int(match[3])) != int(match[4]):
            return None
        claim, left = text.partition(" = ")[0], match[5]
        true = start.value == self.truth
        if true and start.operations > self.moves_left or left not in reductions(
                start.text, claim, match[4]):
            return None
        self.take(Expression(left, start.value, start.operations - 1, True))
        return self.late(RIGHT) if true else CARRIED

    def judge(self, step: Step) -> list[Verdict]:
        """The verdicts on a step's claims, on what it leaves, and on its answer."""
        verdicts = []
        if step.left:
            verdicts.append(self.leaving(step.claims, step.left))
        else:
            verdicts += [self.claim(chain) for chain in step.claims]
        if step.answer is not None:
            verdicts.append(self.answer(step.answer, self.wrong))
        return verdicts

    def starts(self, *, true: bool) -> list[Expression]:
        """The expressions from which a step may go on to a true, or to a wrong, expression."""
        return [start for start in (self.current, self.sound)
                if (start.value == self.truth) == true]

    def leaving(self, claims: Sequence[tuple[Expression, ...]],
                left: Sequence[Expression]) -> Verdict:
        """The verdict on a step that states what is left, which then stands."""
        new, true = left[-1], left[-1].value == self.truth
        note = _false([*claims, left])
        if true and not note and self.is_repeated(claims, new):
            self.current = self.sound
            return self.late(REPEATED)
        follows = not note and any(derives(form, new.form) for start in self.starts(true=true)
                                   for form in _after(start, claims))
        if follows:
            verdict = self.late(RIGHT) if true else CARRIED
        elif note:
            verdict = Verdict(-1, "slip", note=note)
        else:
            verdict = self.late(NOT_NEEDED) if true and not claims else self.astray(claims, new)
        self.take(new, follows=follows)
        return verdict

    def claim(self, chain: tuple[Expression, ...]) -> Verdict:
        """The verdict on a claim about a part, without a word about what is left."""
        if any(start.form == chain[0].form for start in (self.current, self.sound)):
            return self.leaving((), chain[1:])
        after = {start: _unwritten(forms) for start in (self.sound, self.current)
                 if chain[0].operations and (forms := _after(start, [chain]))}
        sound = after and self.sound in after
        for changed in after.values():
            self.take(changed)
        if note := _false([chain]):
            return Verdict(-1, "slip", note=note)
        if after:
            return self.late(RIGHT) if sound else CARRIED
        if note := _misread(self.current, chain[0]):
            return Verdict(-1, "wrong operation", note=note)
        return self.late(NOT_NEEDED)

    def astray(self, claims: Sequence[tuple[Expression, ...]], new: Expression) -> Verdict:
        """The verdict on what is said to be left but does not follow."""
        start = self.current
        for chain in claims:
            if not _after(start, [chain]):
                if note := _misread(start, chain[0]):
                    return Verdict(-1, "wrong operation", note=note)
                return Verdict(-1, "unsupported",
                               note=f"{chain[0].text} does not stand in {start.text}")
        if not claims and (note := _slipped(start, new)):
            return Verdict(-1, "slip", note=note)
        expected = (_after(start, claims) or [start.form])[0]
        same = leaves(expected) == leaves(new.form)
        return Verdict(-1, "wrong operation" if same else "wrong quantity",
                       note=f"{new.text} is not what that leaves of {start.text}")


def reductions(text: str, part: str, value: str) -> Iterator[str]:
    """The plain expressions that come of working out one `part`, `a op b`, of a plain one.

    Example:
        >>> list(reductions("10 - 4 - (4 + 5)", "4 + 5", "9"))
        ['10 - 4 - 9']
        >>> list(reductions("10 - 4 + 5", "4 + 5", "9"))
        []
    """
    operator = part.split(" ")[1]
    at = text.find(part)
    while at >= 0:
        before, after = text[:at], text[at + len(part):]
        if before[-1:] in ("", " ", "(") and after[:1] in ("", " ", ")"):
            if before[-1:] == "(" and after[:1] == ")":
                yield f"{before[:-1]}{value}{after[1:]}"
            elif operator == "*" or (before[-2:-1] not in ("-", "*") and after[1:2] != "*"):
                yield f"{before}{value}{after}"
        at = text.find(part, at + 1)


def _false(chains: Sequence[Sequence[Expression]]) -> str:
    """The first chain whose members are not equal, as a note; empty if there is none."""
    for first, *rest in chains:
        for other in rest:
            if other.value != first.value:
                comes = f"is {first.value}, " if first.operations else "is "
                return f"{first.text} {comes}not {other.text}"
    return ""


def _after(start: Expression, claims: Sequence[tuple[Expression, ...]]) -> list[Form]:
    """The forms that the claims, one after the other, can leave of `start`."""
    forms = [start.form, *start.others]
    for first, *_, last in claims:
        if first.operations:
            found = (new for form in forms for new in replaced(form, first.form, last.form))
            forms = list(dict.fromkeys(islice(found, MOST_READINGS)))
    return forms


def _unwritten(forms: list[Form]) -> Expression:
    """What is left and nobody has written out: the first form, or another of its value."""
    first = forms[0]
    others = tuple(form for form in forms[1:] if value(form) == value(first))
    operations = min(count(form) for form in (first, *others))
    return Expression(show(first), value(first), operations, False, others)


def _misread(current: Expression, part: Expression) -> str:
    """How `a op b` misreads the current expression: another operation there, or precedence."""
    node = tree(part.text)
    if not (isinstance(node, Bin) and isinstance(node.left, Num)
            and isinstance(node.right, Num)):
        return ""
    if (node.left, node.op, node.right) in _triples(tree(current.text)):
        return f"in {current.text} something else comes before {part.text}"
    for op in "+-*/":
        for pair in ((node.left, node.right), (node.right, node.left)):
            if any(True for _ in replaced(current.form, canonical(Bin(op, *pair)), number(0))):
                return f"{part.text} does not stand in {current.text}"
    return ""


def _triples(node: Node) -> list[tuple[Node, str, Node]]:
    """The (number, operation, number) that stand side by side, whatever the brackets."""
    flat = _in_order(node)
    return list(zip(flat[::2], flat[1::2], flat[2::2], strict=False))


def _in_order(node: Node) -> list:
    if isinstance(node, Bin):
        return [*_in_order(node.left), node.op, *_in_order(node.right)]
    return _in_order(node.arg) if isinstance(node, Neg) else [node]


def _slipped(current: Expression, new: Expression) -> str:
    """The one operation of the current expression that `new` works out wrongly, as a note."""
    if new.operations == 0:
        return f"{current.text} is {current.value}, not {new.text}"
    if current.operations > 20 or new.operations >= current.operations:
        return ""
    for left, op, right in _triples(tree(current.text)):
        part = canonical(Bin(op, left, right))
        for size in set(leaves(new.form)):
            for wrong in (size, -size):
                if new.form in replaced(current.form, part, number(wrong)):
                    return f"{left.value} {op} {right.value} is not {wrong}"
    return ""
