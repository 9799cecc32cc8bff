"""Changes to right traces of stories whose effect is known without asking the checker.

`mutate` breaks a trace at one step; `harmless` rewrites it so that it stays right. What must
be found is argued from the problem's facts alone: a changed statement is false because no fact
says it, a changed computation because it gives another value than the true one. Where such a
change could be true by accident it is not made.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from typing import NamedTuple

from prmlab.families import stories
from prmlab.traces import Problem

NONSENSE = (
    "", "  ", "so", "has 3 times as many: 36", "Zed has 12", "I like trains.", "3 * = 12",
    "{a} has", "{a} has many", "{a} does not have {v}", "{a} has about {v}", "{a} has {v} {v}",
    "{a} has {v} zebras", "{a} has 3 times as many as Zed: 3 * 4 = 12", "{a} {a} {a}", "{v}",
    "{a} has 3 times as many as: 3 * {v} = 12", "{a} has 9**9**9", "((((", "\0", "😀", "= {v}",
    "{a} has \u202e{v}", "Answer:", "Answer: {a}", "Answer: {v} zebras", "{a} has {v} or more",
)
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
         "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
         "eighteen", "nineteen", "twenty")


class Mutation(NamedTuple):
    """A trace that is right up to step `index`, where the checker must object.

    `labels` is what every step must get, `carried` the steps that must be carried errors.
    """

    steps: tuple[str, ...]
    index: int
    reasons: frozenset[str]
    kind: str
    labels: tuple[int, ...]
    carried: frozenset[int] = frozenset()


class World:
    """A problem's facts, handy."""

    def __init__(self, problem: Problem):
        self.facts = {fact["name"]: fact for fact in problem.facts["facts"]}
        self.values = stories.quantities(problem)
        self.needed = stories.needed(problem)
        self.asked = problem.facts["asked"]
        self.item = problem.facts["item"]

    def is_told(self, name: str) -> bool:
        return self.facts[name]["relation"] == "start"

    def others(self, *names: str) -> list[str]:
        return [name for name in self.facts if name not in names]

    def labels(self, names: Sequence[str | None], wrong: Mapping[int, str | None]) -> tuple:
        """What each step of a trace must get that derives `names` in order (None: the answer).

        `wrong` maps the steps that are wrong in themselves to the quantity they make a claim
        about. A step is right if all its sources are told or were derived rightly.
        """
        derived: set[str] = set()
        labels = []
        for i, name in enumerate(names):
            if i in wrong:
                derived.discard(wrong[i])
                labels.append(-1)
            elif name is None:
                labels.append(1 if self.asked in derived or self.is_told(self.asked) else -1)
            elif all(self.is_told(source) or source in derived
                     for source in self.facts[name]["of"]):
                labels.append((1 if name in self.needed else 0) if name not in derived else 0)
                derived.add(name)
            else:
                derived.discard(name)
                labels.append(-1)
        return tuple(labels)


def subject(step: str) -> str | None:
    """The quantity that a canonical step derives; None for the answer."""
    return None if step.startswith("Answer") else step.partition(" ")[0]


def sentence(fact: Mapping, **changed) -> str:
    """The first half of a canonical step, with some of its parts changed."""
    parts = {"a": fact["name"], "relation": fact["relation"], "k": fact["k"],
             "b": (*fact["of"], "", "")[0], "c": (*fact["of"], "", "")[1], **changed}
    return stories.STEP[parts["relation"]].partition(":")[0].format(**parts)


def operands(fact: Mapping, values: Mapping[str, int]) -> tuple[int, str, int]:
    """The computation of a fact: left, operator, right."""
    x, *more = (values[source] for source in fact["of"])
    return {"times": (fact["k"], "*", x), "more": (x, "+", fact["k"]),
            "fewer": (x, "-", fact["k"]), "half": (x, "/", 2),
            "together": (x, "+", *more)}[fact["relation"]]


def value_of(left: int, op: str, right: int) -> int | None:
    """The value of a computation, if it is a whole number."""
    if op == "/":
        return left // right if right and left % right == 0 else None
    return {"+": left + right, "-": left - right, "*": left * right}[op]


# -- harmful -----------------------------------------------------------------------------------


def mutate(problem: Problem, steps: Sequence[str], rng: Random) -> Mutation:
    """One way, drawn evenly, to break a reference trace."""
    world = World(problem)
    for kind in rng.sample(list(HARMFUL), len(HARMFUL)):
        if mutation := HARMFUL[kind](world, list(steps), rng):
            return mutation._replace(kind=kind)
    raise AssertionError("some mutation is always possible")


def _replaced(world: World, steps: list[str], i: int, step: str, claims: str | None,
              reasons: Collection[str]) -> Mutation:
    """Step `i` replaced by a wrong one, which claims a value for `claims`; the rest stays."""
    names = [subject(s) for s in steps]
    steps[i] = step
    return Mutation(tuple(steps), i, frozenset(reasons), "", world.labels(names, {i: claims}))


def _carried_on(world: World, steps: list[str], i: int, step: str, value: int,
                reasons: Collection[str]) -> Mutation | None:
    """The same, and the following steps compute with the wrong value, correctly."""
    names = [subject(s) for s in steps]
    values, affected = {**world.values, names[i]: value}, {names[i]}
    steps[i] = step
    carried = set()
    for j in range(i + 1, len(steps)):
        name = names[j]
        if name is None and world.asked in affected:
            steps[j] = f"Answer: {values[world.asked]}"
            carried.add(j)
        elif name and affected & set(world.facts[name]["of"]):
            left, op, right = operands(world.facts[name], values)
            values[name] = value_of(left, op, right)
            if values[name] is None:
                return None
            steps[j] = f"{sentence(world.facts[name])}: {left} {op} {right} = {values[name]}"
            affected.add(name)
            carried.add(j)
    return Mutation(tuple(steps), i, frozenset(reasons), "",
                    world.labels(names, {i: names[i]}), frozenset(carried))


def _replace_or_carry(world: World, steps: list[str], i: int, step: str, value: int,
                      reasons: Collection[str], rng: Random) -> Mutation | None:
    if rng.random() < 0.5 and value != world.values[subject(steps[i])]:
        return _carried_on(world, steps, i, step, value, reasons)
    return _replaced(world, steps, i, step, subject(steps[i]), reasons)


def _pick(steps: list[str], rng: Random) -> int:
    return rng.randrange(len(steps) - 1)  # any but the answer


def slip(world: World, steps: list[str], rng: Random) -> Mutation | None:
    """Another result."""
    i = _pick(steps, rng)
    computed, _, value = steps[i].rpartition(" = ")
    wrong = int(value) + rng.choice((-10, -3, -2, -1, 1, 2, 3, 10, 37))
    return _replace_or_carry(world, steps, i, f"{computed} = {wrong}", wrong, {"slip"}, rng)


def other_number(world: World, steps: list[str], rng: Random) -> Mutation | None:
    """One operand replaced, by another quantity's value or any number; the result fits."""
    i = _pick(steps, rng)
    fact = world.facts[subject(steps[i])]
    left, op, right = operands(fact, world.values)
    other = rng.choice((*world.values.values(), rng.randint(1, 99)))
    changed = (other, right) if rng.random() < 0.5 else (left, other)
    value = value_of(changed[0], op, changed[1])
    if changed == (left, right) or value is None:
        return None
    step = f"{sentence(fact)}: {changed[0]} {op} {changed[1]} = {value}"
    return _replace_or_carry(world, steps, i, step, value, {"wrong quantity"}, rng)


def other_operator(world: World, steps: list[str], rng: Random) -> Mutation | None:
    """Another operator, or the operands of - and / swapped; the result fits, and is wrong."""
    i = _pick(steps, rng)
    fact = world.facts[subject(steps[i])]
    left, op, right = operands(fact, world.values)
    new = rng.choice("+-*/")
    if rng.random() < 0.3:
        left, right = right, left
    value = value_of(left, new, right)
    if value in (None, world.values[fact["name"]]):  # 2 * 2 and 2 + 2 say the same
        return None
    step = f"{sentence(fact)}: {left} {new} {right} = {value}"
    return _replace_or_carry(world, steps, i, step, value, {"wrong operation"}, rng)


def other_source(world: World, steps: list[str], rng: Random) -> Mutation | None:
    """Another name after "as" or "than"; the numbers stay or fit it."""
    i = _pick(steps, rng)
    fact = world.facts[subject(steps[i])]
    name = rng.choice(world.others(*fact["of"]))
    if fact["name"] in world.facts[name]["of"]:  # its fact might say the same, turned round
        return None
    at = rng.randrange(len(fact["of"]))
    of = [*fact["of"][:at], name, *fact["of"][at + 1:]]
    left, op, right = operands({**fact, "of": of if rng.random() < 0.5 else fact["of"]},
                               world.values)
    value = value_of(left, op, right)
    if value is None:
        return None
    step = f"{sentence({**fact, 'of': of})}: {left} {op} {right} = {value}"
    return _replace_or_carry(world, steps, i, step, value, {"wrong quantity"}, rng)


def other_relation(world: World, steps: list[str], rng: Random) -> Mutation | None:
    """Another relation between the same two; the computation stays or fits it."""
    i = _pick(steps, rng)
    fact = world.facts[subject(steps[i])]
    if fact["relation"] == "together":
        return None
    others = [r for r in ("times", "more", "fewer", "half") if r != fact["relation"]]
    relation = rng.choice(others)
    said = {**fact, "relation": relation, "k": fact["k"] or rng.randint(2, 9)}
    left, op, right = operands(said if rng.random() < 0.5 else fact, world.values)
    value = value_of(left, op, right)
    if value is None:
        return None
    step = f"{sentence(said)}: {left} {op} {right} = {value}"
    return _replace_or_carry(world, steps, i, step, value, {"wrong relation"}, rng)


def other_constant(world: World, steps: list[str], rng: Random) -> Mutation | None:
    """Another number in the relation; the computation stays or fits it."""
    i = _pick(steps, rng)
    fact = world.facts[subject(steps[i])]
    if fact["k"] is None:
        return None
    said = {**fact, "k": rng.choice([k for k in range(1, 20) if k != fact["k"]])}
    left, op, right = operands(said if rng.random() < 0.5 else fact, world.values)
    value = value_of(left, op, right)
    step = f"{sentence(said)}: {left} {op} {right} = {value}"
    return _replace_or_carry(world, steps, i, step, value, {"wrong relation"}, rng)


def other_subject(world: World, steps: list[str], rng: Random) -> Mutation | None:
    """The step says of another quantity what is true of its own."""
    i = _pick(steps, rng)
    fact = world.facts[subject(steps[i])]
    name = rng.choice(world.others(fact["name"]))
    other = world.facts[name]
    if any(name in world.facts[source]["of"] for source in fact["of"]) or (
            other["relation"], other["k"], sorted(other["of"])) == (
            fact["relation"], fact["k"], sorted(fact["of"])):
        return None  # it might be true of the other one too
    _, _, computed = steps[i].partition(": ")
    return _replaced(world, steps, i, f"{sentence(fact, a=name)}: {computed}", name,
                     {"wrong relation", "wrong quantity"})


def removed(world: World, steps: list[str], rng: Random) -> Mutation | None:
    """A step left out; the first step that builds on it has nothing to stand on."""
    i = _pick(steps, rng)
    names = [subject(s) for s in steps]
    gone = names.pop(i)
    steps.pop(i)
    users = [j for j, name in enumerate(names) if j >= i and (
        gone == world.asked if name is None else gone in world.facts[name]["of"])]
    if not users:
        return None
    return Mutation(tuple(steps), users[0], frozenset({"unsupported"}), "",
                    world.labels(names, {}))


def other_answer(world: World, steps: list[str], rng: Random) -> Mutation | None:
    """Another answer, sometimes the value of another quantity."""
    right = world.values[world.asked]
    wrong = rng.choice([v for v in (*world.values.values(), right + 1, right - 1, right * 10)
                        if v != right])
    return _replaced(world, steps, len(steps) - 1, f"Answer: {wrong}", None, {"wrong answer"})


def early_answer(world: World, steps: list[str], rng: Random) -> Mutation | None:
    """The right answer before it has been derived."""
    i = rng.randrange(len(steps))
    names = [subject(s) for s in steps[:i]]
    if world.asked in names:
        return None
    return Mutation((*steps[:i], steps[-1]), i, frozenset({"unsupported"}), "",
                    (*world.labels(names, {}), -1))


def nonsense(world: World, steps: list[str], rng: Random) -> Mutation | None:
    """A step without a claim that can be read."""
    i = rng.randrange(len(steps))
    name = subject(steps[i])
    text = rng.choice(NONSENSE).format(a=name or world.asked, v=rng.randint(0, 99))
    return _replaced(world, steps, i, text, None, {"nonsense"})


def late(world: World, steps: list[str], rng: Random) -> Mutation | None:
    """A slip after the answer."""
    i = _pick(steps, rng)
    names = [subject(s) for s in steps]
    computed, _, value = steps[i].rpartition(" = ")
    return Mutation((*steps, f"{computed} = {int(value) + 1}"), len(steps), frozenset({"slip"}),
                    "", (*world.labels(names, {}), -1))


HARMFUL: dict[str, Callable[[World, list[str], Random], Mutation | None]] = {
    function.__name__: function
    for function in (slip, other_number, other_operator, other_source, other_relation,
                     other_constant, other_subject, removed, other_answer, early_answer,
                     nonsense, late)
}


# -- harmless ----------------------------------------------------------------------------------


def harmless(problem: Problem, steps: Sequence[str],
             rng: Random) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The trace in another order and other words, with true steps added; and its labels."""
    world = World(problem)
    names = _reordered(world, [subject(step) for step in steps[:-1]], rng)
    out: list[tuple[str, int]] = []
    derived: set[str] = set()
    inlined = _inlined(world, names, rng)
    for name in names:
        if name in inlined:
            continue
        while rng.random() < 0.15:
            out.append((_restated(world, derived, rng), 0))
        label = 1 if name in world.needed else 0
        out.append((_reworded(world, name, inlined, rng), label))
        derived.add(name)
    answer = rng.choice(("Answer: {v}", "The answer is {v}.", "So the answer is {v} {item}.",
                         "answer:  {v}", "Final answer: {a} has {v} {item}", "#### {v}"))
    out.append((answer.format(a=world.asked, v=world.values[world.asked], item=world.item), 1))
    if rng.random() < 0.1:
        out.append((_restated(world, derived, rng), 0))
    return tuple(text for text, _ in out), tuple(label for _, label in out)


def _reordered(world: World, names: list[str], rng: Random) -> list[str]:
    """Another order in which each quantity comes after its sources, some not needed added."""
    extra = [name for name in world.others(*names) if not world.is_told(name)
             and rng.random() < 0.5]
    todo, done = names + extra, []
    while todo:
        ready = [name for name in todo if not set(world.facts[name]["of"]) & set(todo)]
        ready = [name for name in ready if all(world.is_told(source) or source in done
                                               for source in world.facts[name]["of"])]
        if not ready:  # an extra one whose source is not derived
            break
        name = rng.choice(ready)
        todo.remove(name)
        done.append(name)
    return done


def _inlined(world: World, names: list[str], rng: Random) -> set[str]:
    """Quantities to be computed inside the step that uses them, where only one step does."""
    return {name for name in names if name != world.asked and rng.random() < 0.1
            and sum(world.facts[user]["of"].count(name) for user in names) == 1}


def _restated(world: World, derived: set[str], rng: Random) -> str:
    """A true step that adds nothing: a told value, a relation, a step again."""
    told = [name for name in world.facts if world.is_told(name)]
    kind = rng.randrange(3)
    if kind == 0 or (kind == 2 and not derived):
        name = rng.choice(told)
        return rng.choice((
            "{a} has {v}", "{a} has {v} {item}.", "With {a} there are {v} {item}",
            "{a}: {v}", "{a} = {v}")).format(
            a=name, v=world.values[name], item=world.item)
    if kind == 1:
        fact = world.facts[rng.choice([name for name in world.facts if name not in told])]
        return _told(world, fact, rng)
    name = rng.choice(sorted(derived))
    return f"{name} has {_digits_or_word(world.values[name], rng)} {world.item}"


def _reworded(world: World, name: str, inlined: set[str], rng: Random) -> str:
    """The step for a quantity, in other words."""
    fact, value = world.facts[name], world.values[name]
    expression = _expression(world, name, inlined, rng)
    said = sentence(fact) if rng.random() < 0.5 else _told(world, fact, rng)
    text = rng.choice((
        "{said}: {e} = {v}", "{said}: {e} = {v}", "{said}: {e} = {v}", "{said}, so {e} = {v}.",
        "{e} = {v}, so {a} has {v} {item}", "{a} = {e} = {v}", "{a} has {e} = {v} {item}.",
        "{said}, so {a} has {e} = {v} {item}", "{said}. {e} = {v}", "{a}: {e} = {v}",
        "{a} has {v} because {said}: {e} = {v}", "{said}: {e}",
    )).format(a=name, said=said, e=expression, v=value, item=world.item)
    if not inlined & set(fact["of"]) and rng.random() < 0.1:
        text = rng.choice(("{a} has {v} {item}", "{said}: {v}")).format(
            a=name, said=said, v=_digits_or_word(value, rng), item=world.item)
    return rng.choice((str, str, str, str.lower, str.upper, _spaced))(text)


def _spaced(text: str) -> str:
    return f"  {text.replace(' ', '   ')} "


def _digits_or_word(value: int, rng: Random) -> str:
    return WORDS[value] if 0 <= value <= 20 and rng.random() < 0.5 else str(value)


def _told(world: World, fact: Mapping, rng: Random) -> str:
    """The fact in one of the problem's own wordings."""
    b, c = (*fact["of"], "", "")[:2]
    k = "" if fact["k"] is None else _digits_or_word(fact["k"], rng)
    text = rng.choice(stories.TOLD[fact["relation"]]).format(
        a=fact["name"], b=b, c=c, k=k, item=world.item)
    return text.removesuffix(".")


def _expression(world: World, name: str, inlined: set[str], rng: Random) -> str:
    """The computation of a quantity: operands of + and * in any order, brackets, names."""
    fact = world.facts[name]
    written = []
    for source in fact["of"]:
        if source in inlined:
            written.append(f"({_expression(world, source, inlined, rng)})")
        else:
            written.append(rng.choice((str(world.values[source]),) * 6
                                      + (f"({world.values[source]})", source)))
    relation, k = fact["relation"], fact["k"]
    if relation == "half":
        return rng.choice((f"{written[0]} / 2", f"{written[0]} ÷ 2", f"0.5 * {written[0]}",
                           f"1/2 * {written[0]}", f"{written[0]} * ½"))
    if relation == "fewer":
        return rng.choice((f"{written[0]} - {k}", f"{written[0]} − {k}",
                           f"-{k} + {written[0]}"))
    pair = written + ([] if k is None else [str(k)])
    rng.shuffle(pair)
    if relation == "times" and rng.random() < 0.1:
        return " + ".join([written[0]] * k)
    op = rng.choice(("*", "×", "·", "times")) if relation == "times" else "+"
    return f" {op} ".join(pair)
