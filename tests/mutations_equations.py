"""Changes to right traces of equations whose effect is known without asking the checker.

The arguments use the solution x that the problem was made with, and nothing but arithmetic. An
equation that x does not satisfy is false. An equation has a line for each side, found by putting
in 0 and 1; a move does something to two lines, and if no equation before has lines that the stated
move turns into the new ones, the description is false. Where a change could be true by accident
(the lines fit after all) it is not made.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import NamedTuple

from prmlab.arithmetic import evaluate, parse
from prmlab.traces import Problem

Line = tuple[Fraction, Fraction]
NONSENSE = (
    "", "  ", "so", "Subtract 5 from both sides", "Subtract from both sides: 2x = 10", "2x = ",
    "= 7", "x", "2x + 5", "2x == 10", "x = y", "y = 5", "2x = 10 = ", "Expand the brackets:",
    "Divide both sides by : x = 5", "Divide both sides: x = 5", "x is not 5", "x = about 5",
    "Ana has 3 times as many as Ben: 3 * 4 = 12", "Answer:", "Answer: x", "Answer: x = x",
    "Answer: about 5", "9**9**9 = x", "x = 9**9**9", "x = 5 / 0", "x * x = 25", "2(x = 10", "((((",
    "2x = 10)", "2x = 1 0", "\0", "2x = 10 😀", "x = \u202e5", "Add 5 to Ben: x = 5", "x > 4",
    "Multiply both sides by two: 2x = 4", "if x = 5", "x = 5 apples", "Answer: 5 or 6", "+ x = = 5",
)
MOVE = re.compile(r"(Add|Subtract|Multiply|Divide)(?: both sides by)? (-?[0-9]*x?)(?: |$)")
OPPOSITE = {"Add": "Subtract", "Subtract": "Add", "Multiply": "Divide", "Divide": "Multiply"}


class Mutation(NamedTuple):
    """A trace that is right up to step `index`, where the checker must object.

    `labels`, where known, is what every step must get, `carried` the carried errors.
    """

    steps: tuple[str, ...]
    index: int
    reasons: frozenset[str]
    kind: str = ""
    labels: tuple[int, ...] | None = None
    carried: frozenset[int] = frozenset()


def line(side: str) -> Line:
    """a and b of the side's a*x + b."""
    node = parse(side, variables="x")
    at_0, at_1 = (evaluate(node, {"x": Fraction(x)}) for x in (0, 1))
    return at_1 - at_0, at_0


def lines(equation: str) -> tuple[Line, Line]:
    """The lines of the equation's sides."""
    left, right = equation.split("=")
    return line(left), line(right)


def satisfied(equation: str, x: int) -> bool:
    """Whether the number satisfies the equation; an identity too."""
    return len({a * x + b for a, b in lines(equation)}) == 1


def apply(verb: str, amount: Line, to: Line) -> Line:
    """What the move makes of a line."""
    (a, b), (c, d) = to, amount
    if verb in ("Add", "Subtract"):
        sign = 1 if verb == "Add" else -1
        return a + sign * c, b + sign * d
    return (a * d, b * d) if verb == "Multiply" else (a / d, b / d)


def show(sides: tuple[Line, Line]) -> str:
    """The equation with these lines."""
    texts = []
    for a, b in sides:
        number = "" if a and not b else f"{'-' if b < 0 else '+' if a else ''} {abs(b)}"
        size = "" if abs(a) == 1 else f"{abs(a)}" if a.denominator == 1 else f"({abs(a)})"
        texts.append(f"{'-' if a < 0 else ''}{size}x {number}".strip() if a
                     else str(b))
    return " = ".join(texts)


class Reference:
    """A reference trace taken apart: the problem's equation, moves and equations, the solution."""

    def __init__(self, problem: Problem, steps: list[str]):
        self.x = problem.facts["x"]
        self.start = problem.text.removeprefix("Solve ").removesuffix(".")
        self.steps = steps
        self.said = [step.partition(": ")[0] for step in steps[:-1]]
        self.equations = [step.partition(": ")[2] for step in steps[:-1]]

    def before(self, i: int) -> str:
        """The equation that stands before step `i`."""
        return self.equations[i - 1] if i else self.start

    def move(self, i: int) -> tuple[str, Line] | None:
        """The verb and amount of a step that does something to both sides."""
        match = MOVE.match(self.said[i])
        return (match[1], line(match[2])) if match else None

    def leads(self, verb: str, amount: Line, equation: str, stated: list[str]) -> bool:
        """Whether the move turns any of the stated equations into this one."""
        wanted = sorted(lines(equation))
        return any(sorted(apply(verb, amount, side) for side in lines(old)) == wanted
                   for old in stated)

    def replaced(self, i: int, step: str, *reasons: str) -> Mutation:
        """The trace with another step `i`."""
        steps = (*self.steps[:i], step, *self.steps[i + 1:])
        return Mutation(steps, i, frozenset(reasons))


def finish(sides: tuple[Line, Line]) -> list[str]:
    """Steps that solve an equation with one solution from its lines, by the rules."""
    steps = []

    def do(verb: str, amount: Line) -> None:
        nonlocal sides
        sides = tuple(apply(verb, amount, side) for side in sides)
        words = show((amount, amount)).partition(" = ")[0]
        steps.append({"Subtract": f"Subtract {words} from both sides",
                      "Divide": f"Divide both sides by {words}"}[verb] + f": {show(sides)}")

    if sides[1][0]:
        do("Subtract", (sides[1][0], Fraction(0)))
    if sides[0][1]:
        do("Subtract", (Fraction(0), sides[0][1]))
    if sides[0][0] != 1:
        do("Divide", (Fraction(0), sides[0][0]))
    return [*steps, f"Answer: {sides[1][1]}"]


# --- harmful -------------------------------------------------------------------------------


def mutate(problem: Problem, steps: list[str], rng: Random) -> Mutation:
    """One way, drawn evenly, to break a reference trace."""
    reference = Reference(problem, steps)
    for kind in rng.sample(list(HARMFUL), len(HARMFUL)):
        if mutation := HARMFUL[kind](reference, rng):
            return mutation._replace(kind=kind)
    raise AssertionError("some mutation is always possible")


def _pick(reference: Reference, rng: Random) -> int:
    return rng.randrange(len(reference.equations))


def _with_another_number(equation: str, x: int, rng: Random) -> str | None:
    """The equation with one number changed so that x does not satisfy it."""
    found = rng.choice(list(re.finditer(r"[0-9]+", equation)))
    number = int(found[0])
    wrong = rng.choice([n for n in (number + 1, number - 1, number * 10, number + 7, 2 * number)
                        if n > 0 and n != number])
    changed = f"{equation[:found.start()]}{wrong}{equation[found.end():]}"
    return None if satisfied(changed, x) else changed


def _with_another_sign(equation: str, x: int, rng: Random) -> str | None:
    """The equation with one sign changed so that x does not satisfy it."""
    found = rng.choice(list(re.finditer(r"(?<= )[+-](?= )", equation)) or [None])
    if found is None:
        changed = equation.replace("= ", "= -").replace("--", "")
    else:
        new = "-" if found[0] == "+" else "+"
        changed = f"{equation[:found.start()]}{new}{equation[found.end():]}"
    return None if satisfied(changed, x) else changed


def slip(reference: Reference, rng: Random) -> Mutation | None:
    """A number or a sign of the result changed."""
    i = _pick(reference, rng)
    change = rng.choice((_with_another_number, _with_another_sign))
    changed = change(reference.equations[i], reference.x, rng)
    return changed and reference.replaced(i, f"{reference.said[i]}: {changed}", "slip")


def bare_slip(reference: Reference, rng: Random) -> Mutation | None:
    """The same, and nothing said about what was done."""
    i = _pick(reference, rng)
    changed = _with_another_number(reference.equations[i], reference.x, rng)
    return changed and reference.replaced(i, changed, "slip")


def slip_carried_on(reference: Reference, rng: Random) -> Mutation | None:
    """A slip, and then the wrong equation is solved by the rules to its own solution."""
    i = _pick(reference, rng)
    changed = _with_another_number(reference.equations[i], reference.x, rng)
    if changed is None:
        return None
    (a, b), (c, d) = lines(changed)
    if a == c:
        return None
    steps = (*reference.steps[:i], f"{reference.said[i]}: {changed}", *finish(((a, b), (c, d))))
    labels = (1,) * i + (-1,) * (len(steps) - i)
    return Mutation(steps, i, frozenset({"slip"}), labels=labels,
                    carried=frozenset(range(i + 1, len(steps))))


def one_side_only(reference: Reference, rng: Random) -> Mutation | None:
    """The move done to one side."""
    i = _pick(reference, rng)
    if (move := reference.move(i)) is None:
        return None
    before = list(lines(reference.before(i)))
    side = rng.randrange(2)
    before[side] = apply(*move, before[side])
    changed = show(tuple(before))
    if satisfied(changed, reference.x):
        return None
    return reference.replaced(i, f"{reference.said[i]}: {changed}", "slip")


def other_amount(reference: Reference, rng: Random) -> Mutation | None:
    """Another amount is named; the equation stays, and is true."""
    i = _pick(reference, rng)
    if (move := reference.move(i)) is None:
        return None
    amount = rng.choice((str(rng.randint(2, 20)), f"{rng.randint(2, 9)}x", "x"))
    if move[0] in ("Multiply", "Divide"):
        amount = str(rng.choice((-1, 1)) * rng.randint(2, 20))
    return _misdescribed(reference, i, move[0], amount)


def other_verb(reference: Reference, rng: Random) -> Mutation | None:
    """The opposite move is named; the equation stays, and is true."""
    i = _pick(reference, rng)
    if (move := reference.move(i)) is None:
        return None
    amount = MOVE.match(reference.said[i])[2]
    verb = rng.choice([OPPOSITE[move[0]]] * 2 + (list(OPPOSITE) if "x" not in amount else []))
    return _misdescribed(reference, i, verb, amount)


def other_move(reference: Reference, rng: Random) -> Mutation | None:
    """A move where the step rewrites a side; the equation stays, and is true."""
    i = _pick(reference, rng)
    if reference.move(i) is not None:
        return None
    return _misdescribed(reference, i, rng.choice(list(OPPOSITE)), str(rng.randint(2, 9)))


def _misdescribed(reference: Reference, i: int, verb: str, amount: str) -> Mutation | None:
    stated = [reference.start, *reference.equations[:i]]
    if reference.leads(verb, line(amount), reference.equations[i], stated):
        return None
    words = {"Add": "Add {} to both sides", "Subtract": "Subtract {} from both sides"}.get(
        verb, f"{verb} both sides by {{}}").format(amount)
    return reference.replaced(i, f"{words}: {reference.equations[i]}", "wrong operation")


def opposite_done(reference: Reference, rng: Random) -> Mutation | None:
    """One move is named and the opposite one done, rightly."""
    i = _pick(reference, rng)
    if (move := reference.move(i)) is None:
        return None
    done = show(tuple(apply(OPPOSITE[move[0]], move[1], side)
                      for side in lines(reference.before(i))))
    if reference.leads(*move, done, [reference.start, *reference.equations[:i]]):
        return None
    return reference.replaced(i, f"{reference.said[i]}: {done}", "wrong operation")


def wrong_rewriting(reference: Reference, rng: Random) -> Mutation | None:
    """Expanding and combining mixed up: a reference step does only one of them."""
    i = _pick(reference, rng)
    other = {"Expand the brackets": "Combine like terms",
             "Combine like terms": "Expand the brackets"}.get(reference.said[i])
    return other and reference.replaced(i, f"{other}: {reference.equations[i]}",
                                        "wrong operation")


def removed(reference: Reference, rng: Random) -> Mutation | None:
    """A step left out, and the move after it leads nowhere from what is there."""
    i = _pick(reference, rng)
    if i + 1 >= len(reference.equations) or (move := reference.move(i + 1)) is None:
        return None
    stated = [reference.start, *reference.equations[:i]]
    if reference.leads(*move, reference.equations[i + 1], stated):
        return None
    steps = (*reference.steps[:i], *reference.steps[i + 1:])
    return Mutation(steps, i, frozenset({"wrong operation"}))


def other_answer(reference: Reference, rng: Random) -> Mutation | None:
    """Another answer."""
    wrong = rng.choice([n for n in (reference.x + 1, reference.x - 1, -reference.x,
                                    10 * reference.x, rng.randint(-99, 99)) if n != reference.x])
    i = rng.choice((len(reference.equations), _pick(reference, rng)))
    steps = (*reference.steps[:i], f"Answer: {wrong}")
    return Mutation(steps, i, frozenset({"wrong answer"}), labels=(1,) * i + (-1,))


def early_answer(reference: Reference, rng: Random) -> Mutation | None:
    """The right answer when the reference has two or more moves left."""
    if len(reference.equations) < 2:
        return None
    i = rng.randrange(len(reference.equations) - 1)
    steps = (*reference.steps[:i], f"Answer: {reference.x}")
    return Mutation(steps, i, frozenset({"unsupported"}), labels=(1,) * i + (-1,))


def nonsense(reference: Reference, rng: Random) -> Mutation | None:
    """A step without a claim that can be read."""
    i = rng.randrange(len(reference.steps))
    return reference.replaced(i, rng.choice(NONSENSE), "nonsense")


def late(reference: Reference, rng: Random) -> Mutation | None:
    """A false equation or answer after the answer."""
    changed = _with_another_number(reference.equations[-1], reference.x, rng)
    if changed is None:
        return None
    step, reason = rng.choice(((changed, "slip"),
                               (f"Answer: {reference.x + 1}", "wrong answer")))
    n = len(reference.steps)
    return Mutation((*reference.steps, step), n, frozenset({reason}), labels=(1,) * n + (-1,))


HARMFUL: dict[str, Callable[[Reference, Random], Mutation | None]] = {
    function.__name__: function
    for function in (slip, bare_slip, slip_carried_on, one_side_only, other_amount, other_verb,
                     other_move, opposite_done, wrong_rewriting, removed, other_answer,
                     early_answer, nonsense, late)
}


# --- harmless ------------------------------------------------------------------------------


def harmless(problem: Problem, steps: list[str],
             rng: Random) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The trace in another order or with steps skipped, reworded, true steps added; its labels."""
    reference = Reference(problem, steps)
    moves = _own_order(reference, rng) if rng.random() < 0.4 else _some(reference, rng)
    out: list[tuple[str, int]] = []
    stated = [reference.start]
    for said, before, equation in moves:
        while rng.random() < 0.12:
            out.append(_idle(stated, rng))
        out.append((_reworded(said, before, equation, rng), 1))
        stated.append(equation)
    answer = rng.choice(("Answer: {}", "The answer is {}.", "answer:  {}", "So the answer is {}",
                         "Final answer: {}", "Answer: x = {}", "Answer: ({})"))
    out.append((answer.format(reference.x), 1))
    if rng.random() < 0.1:
        out.append((rng.choice((f"Answer: {reference.x}", f"x = {reference.x}", "3 = 3")), 0))
    return tuple(text for text, _ in out), tuple(label for _, label in out)


def _some(reference: Reference, rng: Random) -> list[tuple[str, str, str]]:
    """The reference's moves, some left out; then nothing is said of how the next came about."""
    kept, last = [], -1
    for i, equation in enumerate(reference.equations):
        if i < len(reference.equations) - 1 and rng.random() < 0.1:
            continue
        said = reference.said[i] if i == last + 1 and rng.random() < 0.8 else ""
        kept.append((said, reference.before(i), equation))
        last = i
    return kept


def _own_order(reference: Reference, rng: Random) -> list[tuple[str, str, str]]:
    """Both sides combined at once, if need be; then moves in any order that gets on.

    Each takes a number from a side where another number stands across, or beside x; or x from one
    of two sides; or the factor of an x that stands on one side only.
    """
    sides, moves = lines(reference.start), []
    simple = show(sides)
    if len(reference.equations) > 1 and reference.said[0] == "Expand the brackets":
        moves.append((rng.choice(("Expand the brackets", "Simplify both sides", "")),
                      reference.start, simple))
    while (move := _any_move(sides, rng)) is not None:
        verb, amount = move
        before = moves[-1][2] if moves else reference.start
        sides = tuple(apply(verb, amount, side) for side in sides)
        if rng.random() < 0.3:
            sides = sides[::-1]
        words = show((amount, amount)).partition(" = ")[0]
        said = {"Subtract": f"Subtract {words} from both sides",
                "Add": f"Add {words} to both sides"}.get(verb, f"{verb} both sides by {words}")
        moves.append((said, before, show(sides)))
    return moves


def _any_move(sides: tuple[Line, Line], rng: Random) -> tuple[str, Line] | None:
    zero = Fraction(0)
    (a, b), (c, d) = sides
    if a and c:
        moves = [(side, zero) for side in (a, c)]
        if b and d:
            moves += [(zero, b), (zero, d)]
        amount = rng.choice(moves)
    else:
        factor, number = (a, b) if a else (c, d)
        moves = [(zero, number)] if number else []
        if factor != 1 and (not moves or rng.random() < 0.3):
            if rng.random() < 0.5:
                return "Divide", (zero, factor)
            return "Multiply", (zero, 1 / factor)
        if not moves:
            return None
        amount = moves[0]
    if max(amount) <= 0:
        return "Add", (-amount[0], -amount[1])
    return "Subtract", amount


def _idle(stated: list[str], rng: Random) -> tuple[str, int]:
    """A true step that adds nothing, and its label."""
    old = rng.choice(stated)
    n = rng.randint(1, 9)
    more = show(tuple((a, b + n) for a, b in lines(stated[-1])))
    (a, b), (c, d) = lines(stated[-1])
    worse = not (a and c) and not (b if a else d)  # x stood alone: a number beside it is worse
    kinds = ["3 = 3", "15 - 5 = 10", "x = x", old, _spelled(old, rng)]
    if worse:
        kinds += [f"Add {n} to both sides: {more}", more]
    return rng.choice(kinds), 0


WORDS = {
    "Subtract": ("Subtract {} from both sides", "subtracting {} on both sides", "Subtract {}",
                 "we subtract {} from each side", "Take {} from both sides",
                 "Move {} to the other side", "Now subtract {} from both sides of the equation"),
    "Add": ("Add {} to both sides", "Adding {} to each side", "add {}", "We add {} on both sides"),
    "Multiply": ("Multiply both sides by {}", "multiplying by {}", "Multiply each side by {}"),
    "Divide": ("Divide both sides by {}", "dividing by {}", "DIVIDE both sides by {}"),
    "Expand": ("Expand the brackets", "expanding the brackets", "Multiply out the brackets",
               "Remove the parentheses", "Expand"),
    "Combine": ("Combine like terms", "combining like terms", "Collect like terms",
                "Combine the terms", "Simplify"),
}


def _reworded(said: str, before: str, equation: str, rng: Random) -> str:
    """The step in other words."""
    verb = said.partition(" ")[0]
    match = MOVE.match(said)
    if verb in WORDS and rng.random() < 0.7:
        amount = said.removeprefix(verb).removeprefix(" both sides by").removesuffix(
            " from both sides").removesuffix(" to both sides").strip() if verb in OPPOSITE else ""
        said = rng.choice(WORDS[verb]).format(rng.choice((amount, f"({amount})", amount))
                                              if amount else "")
    if match and verb in ("Add", "Subtract") and rng.random() < 0.3:
        equation = _in_full(verb, line(match[2]), before, equation)
    equation = _spelled(equation, rng)
    if not said:
        return rng.choice(("{}", "so {}", "So we get {}.", "Then {}", "This gives {}.")).format(
            equation)
    return rng.choice(("{}: {}", "{}: {}", "{}, so {}", "{} to get {}.", "{} and we have {}",
                       "So {}: {}", "{} → {}", "Step 2: {}: {}", "{};   {}")).format(said, equation)


def _in_full(verb: str, amount: Line, before: str, equation: str) -> str:
    """`2x = 15 - 5 = 10` for `2x = 10`, where the number was taken from a number."""
    (a, b), (c, d) = lines(before)
    wanted = lines(equation)
    if amount[0] or c or "(" in before or wanted[0][0] != a or wanted[1][0]:
        return equation
    sign = "+" if verb == "Add" else "-"
    left, _, right = equation.partition(" = ")
    return f"{left} = {d} {sign} {amount[1]} = {right}"


def _spelled(equation: str, rng: Random) -> str:
    """The equation with sides swapped, terms in another order, other signs, spaces, brackets."""
    parts = equation.split(" = ")
    if rng.random() < 0.3:
        parts.reverse()
    texts = []
    for part in parts:
        if rng.random() < 0.4:
            part = _reordered(part, rng)
        if rng.random() < 0.2:
            part = re.sub(r"(?<=[0-9])x", rng.choice(("*x", " * x", "·x", " x")), part)
        if rng.random() < 0.2:
            part = rng.choice((f"({part})", f"[{part}]"))
        texts.append(part)
    text = rng.choice((" = ", " = ", "=", "  =  ")).join(texts)
    if rng.random() < 0.2:
        text = re.sub(r" ([+-]) ", r"\1", text)
    return text.replace("-", "−") if rng.random() < 0.1 else text


def _reordered(side: str, rng: Random) -> str:
    """The terms of a side in another order."""
    depth, terms, term = 0, [], ""
    for word in side.split(" "):
        if word in "+-" and depth == 0 and term:
            terms.append(term)
            term = word
        else:
            depth += word.count("(") - word.count(")")
            term += f" {word}" if depth or term.count("(") or term[-1:] == "/" or word == "/" else word
    terms.append(term)
    rng.shuffle(terms)
    text = ""
    for term in terms:
        sign, size = (term[0], term[1:].strip()) if term[0] in "+-" else ("+", term)
        text += f" {sign} {size}" if text else f"-{size}" if sign == "-" else size
    return text if line(text) == line(side) else side
