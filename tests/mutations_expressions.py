"""Changes to right traces of expressions whose effect is known without asking the checker.

The arguments use the problem's own tree and its value, and nothing but arithmetic. An expression
said to be left is wrong if its value is not the problem's. A claim is false if the operation gives
another number. Where a change keeps the value, or might be read as another right step, it is not
made.
"""

import re
from collections.abc import Callable, Iterator
from random import Random

from mutations_equations import Mutation

from prmlab.arithmetic import Bin, Node, evaluate, parse
from prmlab.families.expressions import Tree, show, value
from prmlab.traces import Problem

NONSENSE = (
    "", "  ", "so", "leaving", "3 +", "3 + 4 =", "* 4 = 7", "3 4 = 7", "3 + 4 = 7, leaving",
    "3 + 4 = seven", "(3 + 4", "3 + 4)", "3 + 4 = 7, leaving (7", "about 5", "5 apples", "x + 4 = 7",
    "Ana has 3 times as many as Ben: 3 * 4 = 12", "Subtract 5 from both sides: 2x = 10", "Answer:",
    "Answer: 3 + 4", "Answer: x", "Answer: 5 or 6", "9**9**9", "9**9**9 = 5", "((((", "5 / 0",
    "1 / 0 = 5, leaving 5", "\0", "7 😀", "3 + 4 = 7 \u202e", "3 + 4 is not 7", "= = 7",
    "leaving leaving 7", "3 + 4 = 7, leaving 7, leaving 7", "3 ? 4 = 7", "3 @ 4", "3 < 4", "!", "...",
)
Path = tuple[int, ...]


def at(tree: Tree, path: Path) -> Tree:
    """The part of the tree at the end of a path of 1 (left) and 2 (right)."""
    for i in path:
        tree = tree[i]
    return tree


def put(tree: Tree, path: Path, new: Tree) -> Tree:
    """The tree with another part at the end of the path."""
    if not path:
        return new
    copy = list(tree)
    copy[path[0]] = put(tree[path[0]], path[1:], new)
    return copy


def parts(tree: Tree, path: Path = ()) -> Iterator[tuple[Path, Tree]]:
    """Every part of the tree, in the order in which a reader meets them."""
    if isinstance(tree, list):
        yield from parts(tree[1], (*path, 1))
        yield path, tree
        yield from parts(tree[2], (*path, 2))
    else:
        yield path, tree


def ready(tree: Tree) -> list[Path]:
    """The operations whose two sides are numbers, from left to right."""
    return [path for path, part in parts(tree) if isinstance(part, list)
            and isinstance(part[1], int) and isinstance(part[2], int)]


def leaves(tree: Tree) -> list[int]:
    """The numbers of the tree."""
    return [part for _, part in parts(tree) if isinstance(part, int)]


def claim(part: Tree) -> str:
    """`a op b`."""
    return f"{part[1]} {part[0]} {part[2]}"


def finish(tree: Tree) -> list[str]:
    """The reference steps from a tree, and the answer they come to."""
    steps = []
    while isinstance(tree, list):
        path = ready(tree)[0]
        part = at(tree, path)
        tree = put(tree, path, value(part))
        steps.append(f"{claim(part)} = {value(part)}, leaving {show(tree)}")
    return [*steps, f"Answer: {tree}"]


class Reference:
    """A reference trace and the trees it passes."""

    def __init__(self, problem: Problem, steps: list[str]):
        self.truth = value(problem.facts["expression"])
        self.steps = steps
        self.trees = [problem.facts["expression"]]
        while isinstance(self.trees[-1], list):
            tree = self.trees[-1]
            self.trees.append(put(tree, ready(tree)[0], value(at(tree, ready(tree)[0]))))

    def pick(self, rng: Random) -> tuple[int, Tree, Path, Tree]:
        """A step's index, the tree before it, and the operation it works out."""
        i = rng.randrange(len(self.steps) - 1)
        tree = self.trees[i]
        path = ready(tree)[0]
        return i, tree, path, at(tree, path)

    def replaced(self, i: int, step: str, *reasons: str) -> Mutation:
        """The trace with another step `i`."""
        steps = (*self.steps[:i], step, *self.steps[i + 1:])
        return Mutation(steps, i, frozenset(reasons))

    def carried_on(self, i: int, step: str, tree: Tree, *reasons: str) -> Mutation:
        """The trace up to a wrong step that leaves `tree`, and that worked out by the rules."""
        steps = (*self.steps[:i], step, *finish(tree))
        return Mutation(steps, i, frozenset(reasons),
                        labels=(1,) * i + (-1,) * (len(steps) - i),
                        carried=frozenset(range(i + 1, len(steps))))

    def either(self, i: int, step: str, tree: Tree, rng: Random, *reasons: str) -> Mutation | None:
        """One of the two; None if the step leaves the right value."""
        if value(tree) == self.truth:
            return None
        return (self.carried_on(i, step, tree, *reasons) if rng.random() < 0.5
                else self.replaced(i, step, *reasons))


# --- harmful -------------------------------------------------------------------------------


def mutate(problem: Problem, steps: list[str], rng: Random) -> Mutation:
    """One way, drawn evenly, to break a reference trace."""
    reference = Reference(problem, steps)
    for kind in rng.sample(list(HARMFUL), len(HARMFUL)):
        if mutation := HARMFUL[kind](reference, rng):
            return mutation._replace(kind=kind)
    raise AssertionError("some mutation is always possible")


def slip(reference: Reference, rng: Random) -> Mutation | None:
    """Another result, which is also in what is left."""
    i, tree, path, part = reference.pick(rng)
    wrong = _other(value(part), rng)
    left = put(tree, path, wrong)
    return reference.either(i, f"{claim(part)} = {wrong}, leaving {show(left)}", left, rng, "slip")


def false_claim(reference: Reference, rng: Random) -> Mutation | None:
    """Another result; what is left is right all the same."""
    i, tree, path, part = reference.pick(rng)
    step = reference.steps[i].partition(", ")[2]
    return reference.replaced(i, f"{claim(part)} = {_other(value(part), rng)}, {step}", "slip")


def bare_slip(reference: Reference, rng: Random) -> Mutation | None:
    """A false claim and nothing about what is left."""
    i, tree, path, part = reference.pick(rng)
    return reference.replaced(i, f"{claim(part)} = {_other(value(part), rng)}", "slip")


def bare_wrong_value(reference: Reference, rng: Random) -> Mutation | None:
    """Only the value of the whole, and that is wrong."""
    i, tree, path, part = reference.pick(rng)
    wrong = _other(reference.truth, rng)
    return reference.replaced(i, rng.choice((f"= {wrong}", f"{wrong}", f"So we get {wrong}.",
                                             f"{show(tree)} = {wrong}")), "slip")


def _other(n: int, rng: Random) -> int:
    return rng.choice([wrong for wrong in (n + 1, n - 1, n + 10, n - 2, -n, 2 * n, n + 37)
                       if wrong != n])


def other_number(reference: Reference, rng: Random) -> Mutation | None:
    """A number in what is left replaced by another."""
    i, tree, path, part = reference.pick(rng)
    left = put(tree, path, value(part))
    place, old = rng.choice([(p, t) for p, t in parts(left) if isinstance(t, int)])
    new = _other(old, rng)
    changed = put(left, place, new)
    reason = "wrong operation" if new == -old else "wrong quantity"  # only a sign is another
    step = f"{claim(part)} = {value(part)}, leaving {show(changed)}"
    return reference.either(i, step, changed, rng, reason)


def dropped(reference: Reference, rng: Random) -> Mutation | None:
    """A part of what is left is missing."""
    i, tree, path, part = reference.pick(rng)
    left = put(tree, path, value(part))
    places = [p for p, t in parts(left) if isinstance(t, list)]
    if not places:
        return None
    place = rng.choice(places)
    changed = put(left, place, at(left, place)[rng.choice((1, 2))])
    step = f"{claim(part)} = {value(part)}, leaving {show(changed)}"
    return reference.either(i, step, changed, rng, "wrong quantity")


def other_sign_left(reference: Reference, rng: Random) -> Mutation | None:
    """An operation in what is left replaced by another."""
    i, tree, path, part = reference.pick(rng)
    left = put(tree, path, value(part))
    places = [p for p, t in parts(left) if isinstance(t, list)]
    if not places:
        return None
    place = rng.choice(places)
    old = at(left, place)
    changed = put(left, place, [rng.choice([op for op in "+-*" if op != old[0]]), *old[1:]])
    step = f"{claim(part)} = {value(part)}, leaving {show(changed)}"
    return reference.either(i, step, changed, rng, "wrong operation")


def brackets_dropped(reference: Reference, rng: Random) -> Mutation | None:
    """What is left without its brackets, where that changes the value."""
    i, tree, path, part = reference.pick(rng)
    left = put(tree, path, value(part))
    text = re.sub("[()]", "", show(left))
    changed = tree_of(parse(text))
    step = f"{claim(part)} = {value(part)}, leaving {text}"
    return reference.either(i, step, changed, rng, "wrong operation")


def tree_of(node: Node) -> Tree:
    """The tree of a parsed text."""
    if isinstance(node, Bin):
        return [node.op, tree_of(node.left), tree_of(node.right)]
    return int(evaluate(node))


def other_operation(reference: Reference, rng: Random) -> Mutation | None:
    """Another operation on the same two numbers, worked out rightly, or b - a for a - b."""
    i, tree, path, part = reference.pick(rng)
    op = rng.choice([op for op in "+-*" if op != part[0]] + ["swap"] * (part[0] == "-"))
    other = ["-", part[2], part[1]] if op == "swap" else [op, *part[1:]]
    if _may_stand(tree, other, path):
        return None
    left = put(tree, path, value(other))
    step = f"{claim(other)} = {value(other)}, leaving {show(left)}"
    return reference.either(i, step, left, rng, "wrong operation")


def too_early(reference: Reference, rng: Random) -> Mutation | None:
    """Two neighbours of one bracket worked out that are not each other's: 5 * 4 of 2 + 3 * 4."""
    i, tree, *_ = reference.pick(rng)
    words = show(tree).split(" ")
    found = []
    for j in range(1, len(words) - 1, 2):
        a, op, b = words[j - 1:j + 2]
        if not re.fullmatch(r"-?[0-9]+", a + b.lstrip("-")) or not re.fullmatch("-?[0-9]+", b):
            continue
        before = words[j - 2] if j > 1 else ""
        after = words[j + 2] if j + 2 < len(words) else ""
        if (op in "+-" and (after == "*" or before == "*" or before == "-")
                or op == "*" and before == "/"):
            found.append(j)
    if not found:
        return None
    j = rng.choice(found)
    pair = [words[j], int(words[j - 1]), int(words[j + 1])]
    text = " ".join([*words[:j - 1], str(value(pair)), *words[j + 2:]])
    left = tree_of(parse(text))
    if _may_stand(tree, pair, None):
        return None
    step = f"{claim(pair)} = {value(pair)}, leaving {text}"
    return reference.either(i, step, left, rng, "wrong operation")


def _may_stand(tree: Tree, part: Tree, but: Path | None) -> bool:
    """Whether a claim could be read as another step: its numbers, up to a sign, stand elsewhere,
    or some part of the tree has its value."""
    sizes = [abs(n) for n in leaves(tree)]
    if any(sizes.count(abs(n)) > 1 + (abs(part[1]) == abs(part[2])) for n in part[1:]):
        return True
    return any(abs(value(t)) == abs(value(part)) for p, t in parts(tree)
               if isinstance(t, list) and p != but)


def from_nowhere(reference: Reference, rng: Random) -> Mutation | None:
    """A true claim about numbers that are not there; what is left is right all the same."""
    i, *_ = reference.pick(rng)
    part = [rng.choice("+-"), rng.randint(1000, 9999), rng.randint(1, 99)]
    step = reference.steps[i].partition(", ")[2]
    return reference.replaced(i, f"{claim(part)} = {value(part)}, {step}", "unsupported")


def other_answer(reference: Reference, rng: Random) -> Mutation | None:
    """Another answer, at the end or before."""
    i = rng.choice((len(reference.steps) - 1, rng.randrange(len(reference.steps))))
    steps = (*reference.steps[:i], f"Answer: {_other(reference.truth, rng)}")
    return Mutation(steps, i, frozenset({"wrong answer"}), labels=(1,) * i + (-1,))


def early_answer(reference: Reference, rng: Random) -> Mutation | None:
    """The right answer with two or more operations left."""
    if len(reference.steps) < 3:
        return None
    i = rng.randrange(len(reference.steps) - 2)
    steps = (*reference.steps[:i], f"Answer: {reference.truth}")
    return Mutation(steps, i, frozenset({"unsupported"}), labels=(1,) * i + (-1,))


def nonsense(reference: Reference, rng: Random) -> Mutation | None:
    """A step without a claim that can be read."""
    i = rng.randrange(len(reference.steps))
    return reference.replaced(i, rng.choice(NONSENSE), "nonsense")


def late(reference: Reference, rng: Random) -> Mutation | None:
    """A false claim or answer after the answer."""
    step, reason = rng.choice(((f"{reference.truth} + 1 = {reference.truth + 2}", "slip"),
                               (f"Answer: {reference.truth + 1}", "wrong answer")))
    n = len(reference.steps)
    return Mutation((*reference.steps, step), n, frozenset({reason}), labels=(1,) * n + (-1,))


HARMFUL: dict[str, Callable[[Reference, Random], Mutation | None]] = {
    function.__name__: function
    for function in (slip, false_claim, bare_slip, bare_wrong_value, other_number, dropped,
                     other_sign_left, brackets_dropped, other_operation, too_early, from_nowhere,
                     other_answer, early_answer, nonsense, late)
}


# --- harmless ------------------------------------------------------------------------------


def harmless(problem: Problem, steps: list[str],
             rng: Random) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The expression worked out in another order, in other words, true steps added; its labels."""
    tree, out = problem.facts["expression"], []
    trees = [tree]
    truth = value(tree)
    while isinstance(tree, list):
        while rng.random() < 0.1:
            full = [step for step, _ in out if "leaving" in step]
            again = rng.choice(full) if full and rng.random() < 0.3 else _idle(trees, rng)
            out.append((again, 0))
        before, said = tree, []
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            if isinstance(tree, list):
                path = rng.choice(ready(tree))
                part = at(tree, path)
                said.append(f"{_pair(part, rng)} = {_number(value(part), rng)}")
                tree = put(tree, path, value(part))
        out.append((_step(before, said, tree, rng), 1))
        trees.append(tree)
    answer = rng.choice(("Answer: {}", "The answer is {}.", "answer:  {}", "So the answer is {}",
                         "Final answer: {}", "Answer: ({})", "Answer = {}"))
    out.append((answer.format(truth), 1))
    if rng.random() < 0.1:
        out.append((rng.choice((f"Answer: {truth}", f"= {truth}", "3 = 3", "1 + 1 = 2")), 0))
    return tuple(text for text, _ in out), tuple(label for _, label in out)


def _idle(trees: list[Tree], rng: Random) -> str:
    """A true step that adds nothing."""
    n = rng.randint(1000, 2000)
    old = _written(rng.choice(trees), rng)
    return rng.choice((f"{n} + 1 = {n + 1}", f"{n} - {n} = 0", old, f"= {old}", f"So {old}"))


def _step(before: Tree, said: list[str], after: Tree, rng: Random) -> str:
    left = _written(after, rng)
    kinds = ["{said}, leaving {left}"] * 4 + [
        "{said}, so {left}", "{said}, giving {left}.", "{said}; which leaves {left}",
        "{left}", "= {left}", "So we have {left}.", "{before} = {left}", "Step 1: {said} → {left}",
        "{said}"]
    text = rng.choice(kinds).format(said=" and ".join(said), left=left,
                                    before=_written(before, rng))
    return rng.choice((str, str, str, str.upper, lambda t: f"  {t.replace(' ', '   ')} "))(text)


def _number(n: int, rng: Random) -> str:
    return rng.choice((f"{n}",) * 8 + (f"({n})", f"{n}".replace("-", "−")))


def _pair(part: Tree, rng: Random) -> str:
    op, a, b = part
    if op != "-" and rng.random() < 0.3:
        a, b = b, a
    if op == "+" and b < 0 and rng.random() < 0.2:
        return f"{a} - {-b}"
    sign = rng.choice("*×·⋅") if op == "*" and rng.random() < 0.3 else op
    space = rng.choice((" ", " ", " ", ""))
    return f"{_number(a, rng)}{space}{sign}{space}{_number(b, rng)}"


def _written(tree: Tree, rng: Random) -> str:
    """The expression with operands of + and * in any order, and brackets that change nothing."""
    if isinstance(tree, int):
        return _number(tree, rng)
    op, left, right = tree
    if op != "-" and rng.random() < 0.15:
        left, right = right, left
    low, high = _written(left, rng), _written(right, rng)
    if isinstance(left, list) and (op == "*" and left[0] != "*" or rng.random() < 0.1):
        low = f"({low})"
    if isinstance(right, list) and (op == "*" or right[0] != "*" or rng.random() < 0.1):
        high = f"[{high}]" if rng.random() < 0.1 else f"({high})"
    return f"{low} {'×' if op == '*' and rng.random() < 0.1 else op} {high}"
