"""The exact verdict on every step of an expression, for any text.

The rule. A trace has a current expression, the problem's first. A step may make claims (`a op b =
c`, or longer) and state what is left. It is right if every claim is true and stands in the current
expression, and what is left is that expression with the claimed parts replaced by their values;
without a claim, with any parts replaced by their values. "Stands in" and "is" are read up to what
changes nothing: brackets, spaces, the order of sums and products. A step that follows in that way
from a wrong expression of the trace is a carried error. An answer is supported when at most one
operation is left.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from prmlab.arithmetic import Bin, Neg, Node, Num, evaluate, parse
from prmlab.families.forms import (
    Form,
    Number,
    canonical,
    count,
    derives,
    leaves,
    number,
    replaced,
    value,
)
from prmlab.families.formulas import FILLERS, pieces, squeeze, whole
from prmlab.traces import Problem
from prmlab.verdicts import Verdict

NONSENSE = Verdict(-1, "nonsense")
RIGHT = Verdict(1, "right")
REPEATED = Verdict(0, "repeated")
NOT_NEEDED = Verdict(0, "not needed")
AFTER = Verdict(0, "after the answer")
CARRIED = Verdict(-1, "carried error", carried=True)


# --- reading -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expression:
    """An expression as written, its form up to what changes nothing, and its value."""

    text: str
    node: Node
    form: Form
    value: Number


@dataclass(frozen=True)
class Step:
    """A step as read: chains of things said to be equal, an expression left, an answer."""

    claims: tuple[tuple[Expression, ...], ...] = ()
    left: tuple[Expression, ...] = ()
    answer: Number | None = None


@lru_cache(maxsize=1 << 15)
def _expression(text: str) -> Expression:
    node = parse(text)
    return Expression(text, node, canonical(node), whole(evaluate(node)))


@lru_cache(maxsize=1 << 15)
def _read(text: str) -> Step | None:
    """The step that a text states; None if it states nothing that can be checked."""
    found = pieces(text)
    if found is None:
        return None
    formulas, words = [], []
    for kind, piece in found:
        if kind == "formula":
            formulas.append(piece)
            words.append("E" if "=" in piece else "N")
        elif piece in ("is", "equals", "makes"):
            words.append("=")
        elif piece in ("leaving", "leaves", "leave", "left"):
            words.append("leaving")
        elif piece not in FILLERS:
            words.append(piece)
    try:
        return _understand(" ".join(words), formulas)
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _understand(said: str, formulas: list[str]) -> Step | None:
    answer = None
    if match := re.search(r"(?:^| )(?:final )?answer (?:= )?N$", said):
        answer = _expression(formulas[-1]).value
        said, formulas = said[:match.start()], formulas[:-1]
        if not said:
            return Step(answer=answer)
    formulas = list(formulas)
    while (at := said.find("N = N")) >= 0:
        i = sum(said[:at].count(letter) for letter in "NE")
        formulas[i:i + 2] = [f"{formulas[i]} = {formulas[i + 1]}"]
        said = f"{said[:at]}E{said[at + 5:]}"
    if not re.fullmatch(r"(?:E(?: |$))*(?:(?:leaving )?[NE])?", said):
        return None
    claims, left = [], []
    for formula in formulas:
        first, *rest = formula.split("=")
        if not rest or not first.strip():
            left += [_expression(part.strip()) for part in rest or (first,)]
        elif left:
            return None
        else:
            claims.append(tuple(_expression(part.strip()) for part in (first, *rest)))
    return Step(tuple(claims), tuple(left), answer) if claims or left else None


def parse_problem(text: str) -> Expression:
    """The expression that a problem's text asks to compute.

    Raises:
        ValueError: unless the text holds exactly one expression with a value.

    Example:
        >>> parse_problem("Compute (3 + -4) * (2 - 5).").value
        3
    """
    formulas = [piece.rstrip(" =") for kind, piece in pieces(text) or () if kind == "formula"]
    try:
        (formula,) = formulas
        return _expression(formula)
    except (ValueError, ArithmeticError, RecursionError):
        raise ValueError("an expression problem must hold one arithmetic expression, got "
                         f"{text[:100]!r}; write it as in 'Compute (3 + 4) * 5.'") from None


# --- judging -------------------------------------------------------------------------------


class _Trace:
    """What a trace has established so far: `current` stands last, `sound` is the last true one."""

    def __init__(self, problem: Expression):
        self.truth = problem.value
        self.current = problem
        self.sound = problem
        self.seen = {problem.form}
        self.left = count(problem.form)
        self.answered = False

    def step(self, step: Step | None) -> Verdict:
        """The verdict on the next step, which then stands."""
        if step is None:
            return NONSENSE
        verdicts = []
        if step.claims or step.left:
            verdicts.append(self.work(step.claims, step.left))
        if step.answer is not None:
            verdicts.append(self.answer(step.answer))
        verdict = min(verdicts, key=lambda v: {-1: 0, 1: 1, 0: 2}[v.label])
        return verdict

    def take(self, new: Expression) -> None:
        """Let an expression stand."""
        self.current = new
        if new.value == self.truth:
            self.sound = new
            self.seen.add(new.form)
            self.left = min(self.left, count(new.form))

    def work(self, claims: tuple, left: tuple[Expression, ...]) -> Verdict:
        for chain in claims:
            for part in chain[1:]:
                if part.value != chain[0].value:
                    return self.slip(chain, part, left)
        for part in left[:-1]:
            if part.value != left[-1].value:
                return self.slip(left, left[-1], left)
        if len(claims) == 1 and not left and self.is_current(claims[0][0]):
            claims, left = (), claims[0][1:]
        if left:
            verdict = self.stated(claims, left)
            self.take(left[-1])
            return verdict
        return self.claimed(claims)

    def is_current(self, expression: Expression) -> bool:
        """Whether it is what stands, perhaps with parts worked out."""
        return any(derives(start.form, expression.form) for start in (self.current, self.sound))

    def slip(self, chain: tuple, part: Expression, left: tuple[Expression, ...]) -> Verdict:
        """The verdict on a false claim; what it leaves, or would leave, then stands."""
        if left:
            self.take(left[-1])
        elif self.is_current(chain[0]):
            self.take(chain[-1])
        else:
            self.put(next(replaced(self.current.form, chain[0].form, chain[-1].form), None))
        return Verdict(-1, "slip", note=_denial(chain[0], part))

    def put(self, form: Form | None) -> None:
        """Let a form that nobody wrote out stand."""
        if form is not None:
            self.take(Expression("", None, form, value(form)))

    def stated(self, claims: tuple, left: tuple[Expression, ...]) -> Verdict:
        """The verdict on a step that states what is left, its claims being true."""
        new = left[-1]
        true = new.value == self.truth
        for start in (self.current, self.sound):
            if (start.value == self.truth) != true:
                continue
            if all(part.value == new.value for part in left) and any(
                    derives(form, new.form) for form in _after(start.form, claims)):
                if not true:
                    return CARRIED
                if new.form in self.seen:
                    return self.late(REPEATED)
                return self.late(RIGHT)
        if not claims and true:
            return self.late(REPEATED if new.form in self.seen else NOT_NEEDED)
        return self.astray(claims, new)

    def claimed(self, claims: tuple) -> Verdict:
        """The verdict on true claims that do not state what is left."""
        for start in (self.sound, self.current):
            after = next(_after(start.form, claims), None)
            if after is None or after == start.form:
                continue
            wrong = start.value != self.truth
            if not wrong and self.current.value != self.truth:
                onward = next(_after(self.current.form, claims), None)
                self.put(after)
                self.put(onward)
            else:
                self.put(after)
            return CARRIED if wrong else self.late(RIGHT)
        for chain in claims:
            if note := _misread(self.current, chain[0]):
                return Verdict(-1, "wrong operation", note=note)
        return self.late(NOT_NEEDED)

    def astray(self, claims: tuple, new: Expression) -> Verdict:
        """The verdict on what is said to be left but does not follow."""
        for chain in claims:
            if next(_after(self.current.form, (chain,)), None) is None:
                if note := _misread(self.current, chain[0]):
                    return Verdict(-1, "wrong operation", note=note)
                return Verdict(-1, "unsupported",
                               note=f"{chain[0].text} does not stand in {_show(self.current)}")
        expected = next(_after(self.current.form, claims), self.current.form)
        if not claims and (note := _slipped(self.current, new)):
            return Verdict(-1, "slip", note=note)
        same = leaves(expected) == leaves(new.form)
        return Verdict(-1, "wrong operation" if same else "wrong quantity",
                       note=f"{new.text} is not what is left of {_show(self.current)}")

    def late(self, verdict: Verdict) -> Verdict:
        """After the answer nothing true is needed."""
        return AFTER if self.answered and verdict.label >= 0 else verdict

    def answer(self, stated: Number) -> Verdict:
        if stated != self.truth:
            verdict = Verdict(-1, "wrong answer", carried=stated == self.current.value,
                              note=f"the value is {self.truth}, not {stated}")
        elif self.answered:
            verdict = AFTER
        elif self.left > 1:
            verdict = Verdict(-1, "unsupported",
                              note=f"nothing yet shows that the value is {stated}")
        else:
            verdict = RIGHT
        self.answered = True
        return verdict


def _after(form: Form, claims: tuple):
    """Every form that the claims, one after the other, can leave of `form`."""
    if not claims:
        yield form
        return
    first, *rest = claims
    if count(first[0].form) == 0:
        yield from _after(form, tuple(rest))
        return
    for new in replaced(form, first[0].form, first[-1].form):
        yield from _after(new, tuple(rest))


def _denial(one: Expression, other: Expression) -> str:
    comes = f"is {one.value}, " if count(one.form) else "is "
    return f"{one.text} {comes}not {other.text}"


def _show(expression: Expression) -> str:
    return expression.text or "the expression"


def _misread(current: Expression, part: Expression) -> str:
    """How `a op b` misreads the current expression: another operation there, or precedence."""
    node = part.node
    if not (isinstance(node, Bin) and isinstance(node.left, Num) and isinstance(node.right, Num)):
        return ""
    a, b = node.left, node.right
    for op in "+-*/":
        for left, right in ((a, b), (b, a)):
            other = Bin(op, left, right)
            if next(replaced(current.form, canonical(other), number(0)), None) is not None:
                return f"{part.text} does not stand in {_show(current)}: there the sign is {op}"
    if current.node and (node.left, node.op, node.right) in _triples(current.node):
        return f"in {_show(current)} something else comes before {part.text}"
    return ""


def _triples(node: Node) -> list[tuple]:
    flat = _inorder(node)
    return list(zip(flat[::2], flat[1::2], flat[2::2], strict=False))


def _inorder(node: Node) -> list:
    if isinstance(node, Bin):
        return [*_inorder(node.left), node.op, *_inorder(node.right)]
    if isinstance(node, Neg):
        return _inorder(node.arg)
    return [node]


def _slipped(current: Expression, new: Expression) -> str:
    """The one operation of the current expression that `new` works out wrongly."""
    if count(new.form) == 0:
        return f"{_show(current)} is {current.value}, not {new.text}"
    if current.node is None or count(current.form) > 20:
        return ""
    for left, op, right in _triples(current.node):
        part = Bin(op, left, right)
        for size in set(leaves(new.form)):
            for wrong in (size, -size):
                if new.form in replaced(current.form, canonical(part), number(wrong)):
                    return f"{left.value} {op} {right.value} is not {wrong}"
    return ""


def check(problem: Problem, steps: tuple[str, ...]) -> list[Verdict]:
    """The exact verdict on every step; the truth is read from the problem's text.

    Raises:
        ValueError: if the problem's text holds no arithmetic expression.

    Example:
        >>> problem = Problem("", "Compute 2 + 3 * 4.", None, "expressions")
        >>> [verdict.reason for verdict in check(problem, ("2 + 3 = 5, leaving 5 * 4", "20"))]
        ['wrong operation', 'carried error']
    """
    trace = _Trace(parse_problem(problem.text))
    verdicts = []
    for text in steps:
        text = squeeze(text)
        step = _read(text) if text else None
        try:
            verdicts.append(trace.step(step))
        except (ValueError, ArithmeticError, RecursionError):
            verdicts.append(NONSENSE)
    return verdicts
