"""The exact verdict on every step of an equation, for any text.

The rule. A trace establishes equations, the problem's first. An equation is true if it has exactly
the problem's solution. A true one is right if its description, where there is one, turns an
established equation into it (each side may be rewritten freely) and it is progress: its `rank` is
below that of every true equation before it. Otherwise it is repeated or not needed. A false one is
a slip or a wrong operation, unless it follows from a false one of the trace: then it is a carried
error. An answer is supported when at most one move is left.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise

from prmlab.arithmetic import Bin, Neg, Node, linear, parse
from prmlab.families.formulas import FILLERS, has_sum, numbers, pieces, squeeze, whole
from prmlab.traces import Problem
from prmlab.verdicts import Verdict

Number = Fraction | int
Line = tuple[Number, Number]  # a, b of a*x + b
NONSENSE = Verdict(-1, "nonsense")
RIGHT = Verdict(1, "right")
REPEATED = Verdict(0, "repeated")
NOT_NEEDED = Verdict(0, "not needed")
AFTER = Verdict(0, "after the answer")
CARRIED = Verdict(-1, "carried error", carried=True)
BRACKET = re.compile(r"[(\[{](?!\s*[-+−–]?\s*(?:[0-9.]*\s*\*?\s*x?)\s*[)\]}])", re.IGNORECASE)


# --- equations -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Side:
    """One side of an equation: its line, its terms in any order, and the work left on it.

    `work` counts the terms once expanded, and those whose numbers are not yet worked out.
    """

    line: Line
    terms: tuple
    brackets: int
    work: int

    @cached_property
    def unfinished(self) -> bool:
        """Whether like terms are left to combine, or numbers to work out."""
        return self.work > max(1, (self.line[0] != 0) + (self.line[1] != 0))


@dataclass(frozen=True)
class Equation:
    """Two sides; `lines` and `key` are the same for both ways round."""

    lhs: Side
    rhs: Side

    @cached_property
    def lines(self) -> tuple[Line, Line]:
        """What the sides come to."""
        return _ordered(self.lhs.line, self.rhs.line)

    @cached_property
    def key(self) -> tuple:
        """The sides' terms: equal for equations that differ only in order or spelling."""
        return _ordered(self.lhs.terms, self.rhs.terms)

    @cached_property
    def solution(self) -> Number | str:
        """The one solution, or "any" or "none"."""
        (a, b), (c, d) = self.lines
        return _divide(d - b, a - c) if a != c else "any" if b == d else "none"

    @cached_property
    def rank(self) -> tuple[int, int, int]:
        """How far it is from `x = v`: moves between the sides, fractions, rewriting within."""
        (a, b), (c, d) = self.lines
        if a and c:
            moves = 3 + (b != 0) + (d != 0)
        else:
            moves = ((b != 0) + (a != 1)) if a else ((d != 0) + (c != 1))
        fractions = sum(value.denominator != 1 for value in (a, b, c, d))
        return moves, fractions, sum(side.brackets + side.unfinished
                                     for side in (self.lhs, self.rhs))

    @property
    def has_x(self) -> bool:
        """Whether x is on either side."""
        return self.lhs.line[0] != 0 or self.rhs.line[0] != 0

    @property
    def brackets(self) -> int:
        """Brackets left to expand."""
        return self.lhs.brackets + self.rhs.brackets

    @property
    def work(self) -> int:
        """Terms left, and numbers to work out."""
        return self.lhs.work + self.rhs.work

    def __str__(self) -> str:
        return f"{_show(self.lhs.line)} = {_show(self.rhs.line)}"


def _ordered(one: tuple, other: tuple) -> tuple:
    return (one, other) if one <= other else (other, one)


def _divide(p: Number, q: Number) -> Number:
    return whole(Fraction(p, 1) / q)


def _show(line: Line) -> str:
    a, b = line
    if a == 0:
        return str(b)
    size = "" if abs(a) == 1 else f"{abs(a)}" if a.denominator == 1 else f"({abs(a)})"
    text = f"{'-' if a < 0 else ''}{size}x"
    return text if b == 0 else f"{text} {'-' if b < 0 else '+'} {abs(b)}"


@lru_cache(maxsize=1 << 15)
def _side(text: str) -> Side:
    """The side that a text states. ValueError if it is not linear in x."""
    node = parse(text, variables="x")
    terms, work = [], 0
    for sign, term in _terms(node, 1):
        a, b = (whole(value) for value in linear(term))
        inner = has_sum(term)
        undone = not inner and not _worked_out(term, a or b)
        work += _count(term) + undone
        terms.append((sign * a, sign * b, inner, undone))
    a, b = (whole(value) for value in linear(node))
    return Side((a, b), tuple(sorted(terms)), len(BRACKET.findall(text)), work)


def _terms(node: Node, sign: int) -> Iterator[tuple[int, Node]]:
    if isinstance(node, Bin) and node.op in "+-":
        yield from _terms(node.left, sign)
        yield from _terms(node.right, sign if node.op == "+" else -sign)
    elif isinstance(node, Neg):
        yield from _terms(node.arg, -sign)
    else:
        yield sign, node


def _count(node: Node) -> int:
    if isinstance(node, Neg):
        return _count(node.arg)
    if not isinstance(node, Bin):
        return 1
    if node.op in "+-":
        return _count(node.left) + _count(node.right)
    return _count(node.left) * (_count(node.right) if node.op == "*" else 1)


def _worked_out(term: Node, coefficient: Number) -> bool:
    """Whether a term without a sum is as simple as can be: 3x, x/3, 2x/3, 5, 2/3; not 10/2."""
    written = sorted(abs(n) for n in numbers(term))
    size = abs(coefficient)
    if len(written) == 2:
        return size.denominator != 1 and written == sorted((size.numerator, size.denominator))
    return len(written) < 2 and not (isinstance(term, Bin) and term.op == "^")


def _equations(formula: str) -> list[Equation]:
    """The equations of a chain a = b = c; one alone may say that equal things are equal."""
    sides = [_side(text.strip()) for text in formula.lower().split("=")]
    runs = [sides[0]]
    for side in sides[1:]:
        if side.line == runs[-1].line:
            runs[-1] = side
        else:
            runs.append(side)
    if len(runs) == 1:
        return [Equation(sides[0], sides[-1])]
    numeric = [i for i, run in enumerate(runs) if run.line[0] == 0]
    if len(runs) > 2 and len(numeric) > 1:  # numbers that differ: the equation meant, and a slip
        return [Equation(runs[0], runs[-1]), Equation(runs[numeric[0]], runs[numeric[1]])]
    return [Equation(one, other) for one, other in pairwise(runs)]


# --- reading a step ------------------------------------------------------------------------


@dataclass(frozen=True)
class Move:
    """What is said to be done to both sides: `kind` and, for the four operations, an amount."""

    kind: str  # + - * / expand combine
    amount: Line = (0, 0)

    @property
    def rewrites(self) -> bool:
        """Whether it leaves what each side comes to as it is."""
        return self.kind not in "+-*/"

    def undo(self, line: Line) -> Line | None:
        """The line that the move turns into this one; None if there is not exactly one."""
        (a, b), (c, d) = line, self.amount
        if self.kind == "+":
            return a - c, b - d
        if self.kind == "-":
            return a + c, b + d
        if self.kind in "*/":
            if c != 0 or d == 0:
                return None
            return (_divide(a, d), _divide(b, d)) if self.kind == "*" else (a * d, b * d)
        return line


@dataclass(frozen=True)
class Step:
    """A step as read."""

    moves: tuple[Move, ...] = ()
    equations: tuple[Equation, ...] = ()
    answer: Number | None = None


_SYNONYMS = {
    "adding": "add", "added": "add", "adds": "add", "subtracting": "subtract", "takes": "subtract",
    "subtracted": "subtract", "subtracts": "subtract", "multiplying": "multiply",
    "multiplied": "multiply", "dividing": "divide", "divided": "divide", "expanding": "expand",
    "distribute": "expand", "distributing": "expand", "open": "expand", "opening": "expand",
    "parentheses": "brackets", "bracket": "brackets", "parenthesis": "brackets",
    "combining": "combine", "collect": "combine", "collecting": "combine", "gather": "combine",
    "gathering": "combine", "simplifying": "simplify", "each": "both", "term": "terms",
    "side": "sides", "on": "to", "onto": "to", "from": "to",
}
_MOVE = (r"(?:(?P<sum>add|subtract) N(?: to)?(?: both sides)?"
         r"|(?P<product>multiply|divide)(?: both sides)? by N"
         r"|(?P<expand>expand)(?: brackets)?|(?P<combine>combine)(?: like)? terms"
         r"|(?P<simplify>simplify)(?: both)?(?: sides)?)(?: |$)")
_MOVES = re.compile(_MOVE)
_KINDS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "expand": "expand",
          "combine": "combine", "simplify": "simplify"}
_UNSAID = FILLERS - {"from", "on", "side"} | {"line", "leaving"}


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
        else:
            word = _SYNONYMS.get(piece, piece)
            if word not in _UNSAID:
                words.append(word)
    try:
        return _understand(" ".join(words), formulas)
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _understand(said: str, formulas: list[str]) -> Step | None:
    stated = iter(formulas)
    if re.fullmatch(r"(?:final )?answer (?:N|E)", said):
        return Step(answer=_value(next(stated)))
    moves, equations, at = [], [], 0
    while at < len(said):
        if match := _MOVES.match(said, at):
            word = match["sum"] or match["product"] or match[0].split()[0]
            amount = _side(next(stated)).line if " N" in match[0] else (0, 0)
            moves.append(Move(_KINDS[word], amount))
            at = match.end()
        elif re.match(r"E(?: |$)", said[at:at + 2]):
            equations += _equations(next(stated))
            at += 2
        else:
            break
    answer = None
    if re.fullmatch(r"(?:final )?answer (?:N|E)", said[at:]) and equations:
        answer = _value(next(stated))
    elif at < len(said):
        return None
    return Step(tuple(moves), tuple(equations), answer) if equations else None


def _value(formula: str) -> Number:
    """The number in "5" or "x = 5"."""
    first, *rest = formula.lower().split("=")
    line = _side((rest[0] if rest else first).strip()).line
    if len(rest) > 1 or line[0] != 0 or rest and first.strip() != "x":
        raise ValueError(f"an answer must be a number, got {formula!r}")
    return line[1]


def parse_problem(text: str) -> Equation:
    """The equation that a problem's text asks to solve.

    Raises:
        ValueError: unless the text holds exactly one linear equation with one solution.

    Example:
        >>> parse_problem("Solve 2x + 5 = 15.").solution
        5
    """
    formulas = [piece for kind, piece in pieces(text) or () if kind == "formula" and "=" in piece]
    try:
        (equation,) = _equations(formulas[0]) if len(formulas) == 1 else ()
    except (ValueError, TypeError, ArithmeticError):
        equation = None
    if equation is None or isinstance(equation.solution, str):
        raise ValueError("an equation problem must hold one linear equation in x with exactly one "
                         f"solution, got {text[:100]!r}; write it as in 'Solve 2x + 5 = 15.'")
    return equation


# --- judging -------------------------------------------------------------------------------


class _Trace:
    """What a trace has established so far."""

    def __init__(self, problem: Equation):
        self.truth = problem.solution
        self.current = problem
        self.stated: dict[tuple[Line, Line], tuple[int, int]] = {}  # most brackets, most work
        self.keys: set[tuple] = set()
        self.wrong: set[Number | str] = set()
        self.rank = problem.rank
        self.left = 9
        self.answered = False
        self.take(problem)

    def take(self, equation: Equation) -> None:
        """Let an equation stand, true or not."""
        brackets, work = self.stated.get(equation.lines, (0, 0))
        self.stated[equation.lines] = (max(brackets, equation.brackets), max(work, equation.work))
        if equation.solution == self.truth:
            self.keys.add(equation.key)
            self.rank = min(self.rank, equation.rank)
            self.left = min(self.left, equation.rank[0] + equation.rank[2])
        else:
            self.wrong.add(equation.solution)
        self.current = equation

    def step(self, step: Step | None) -> Verdict:
        """The verdict on the next step, which then stands."""
        if step is None:
            return NONSENSE
        verdicts = []
        moves = step.moves
        for equation in step.equations:
            verdicts.append(self.equation(moves, equation))
            if moves or equation.has_x:
                self.take(equation)
            moves = ()
        if step.answer is not None:
            verdicts.append(self.answer(step.answer))
        return _together(verdicts)

    def late(self, verdict: Verdict) -> Verdict:
        """After the answer nothing true is needed."""
        return AFTER if self.answered and verdict.label >= 0 else verdict

    def equation(self, moves: tuple[Move, ...], new: Equation) -> Verdict:
        """The verdict on an equation said to come of these moves."""
        if new.solution == "any" and not moves:
            return self.late(NOT_NEEDED)
        follows = self.follows(moves, new)
        if new.solution == self.truth:
            vacuous = all(move.rewrites for move in moves)
            if new.key in self.keys and (follows or vacuous):
                return self.late(REPEATED)
            if not follows:
                return self.astray(moves, new)
            return self.late(RIGHT if new.rank < self.rank else NOT_NEEDED)
        if follows:
            return CARRIED
        return self.astray(moves, new)

    def follows(self, moves: tuple[Move, ...], new: Equation) -> bool:
        """Whether the moves, or where none are named any, lead from a stated equation to it."""
        if not moves:
            return new.solution == self.truth or new.solution in self.wrong
        lines: list[Line | None] = list(new.lines)
        for move in reversed(moves):
            lines = [line and move.undo(line) for line in lines]
        if None in lines or (before := self.stated.get(_ordered(*lines))) is None:
            return False
        if moves[-1].kind == "expand":
            return new.brackets < before[0]
        if moves[-1].kind == "combine":
            return new.work < before[1]
        return moves[-1].kind != "simplify" or new.brackets + new.work < sum(before)

    def astray(self, moves: tuple[Move, ...], new: Equation) -> Verdict:
        """The verdict on an equation that does not follow."""
        if not moves and not new.has_x:
            return Verdict(-1, "slip", note=f"{new.lhs.line[1]} is not {new.rhs.line[1]}")
        if moves and new.solution == self.current.solution:
            return Verdict(-1, "wrong operation", note=f"{new} is not what that move gives from "
                                                       f"{self.current}")
        return Verdict(-1, "slip", note=f"{new} does not follow from {self.current}")

    def answer(self, value: Number) -> Verdict:
        if value != self.truth:
            verdict = Verdict(-1, "wrong answer", carried=value in self.wrong,
                              note=f"x is {self.truth}, not {value}")
        elif self.answered:
            verdict = AFTER
        elif self.left > 1:
            verdict = Verdict(-1, "unsupported", note=f"nothing yet shows that x is {value}")
        else:
            verdict = RIGHT
        self.answered = True
        return verdict


def _together(verdicts: list[Verdict]) -> Verdict:
    """The first that is wrong, else the first that is right, else the first."""
    return min(verdicts, key=lambda verdict: {-1: 0, 1: 1, 0: 2}[verdict.label])


def check(problem: Problem, steps: tuple[str, ...]) -> list[Verdict]:
    """The exact verdict on every step; the truth is read from the problem's text.

    Raises:
        ValueError: if the problem's text holds no linear equation with exactly one solution.

    Example:
        >>> problem = Problem("", "Solve 2x + 5 = 15.", None, "equations")
        >>> [verdict.reason for verdict in check(problem, ("2x = 20", "x = 10"))]
        ['slip', 'carried error']
    """
    trace = _Trace(parse_problem(problem.text))
    verdicts = []
    for text in steps:
        text = squeeze(text)
        verdicts.append(trace.step(_read(text) if text else None))
    return verdicts
