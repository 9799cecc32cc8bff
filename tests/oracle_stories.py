"""A second checker of stories, for canonical steps alone, written without looking at the first.

It knows exactly the wordings that `stories.solve` writes, so it can be simple: no grammar, no
forms. `scrambled` writes traces in these wordings with several errors of any kind in one trace,
as a weak language model would; both checkers must agree on every label and reason of them.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from random import Random

from mutations_stories import World, operands, sentence, subject, value_of

from prmlab.families import stories
from prmlab.traces import Problem

SOUND, CARRIED, UNSUPPORTED, NOT_THAT = range(4)
PATTERNS = {relation: re.compile(re.sub(r"\\\{([abckxyv])\\\}", r"(?P<\1>-?\\w+)",
                                        re.escape(wording.partition(":")[0])))
            for relation, wording in stories.STEP.items()}
COMPUTATION = re.compile(r"(-?\d+) (\S) (-?\d+) = (-?\d+)")


def check(problem: Problem, steps: Sequence[str]) -> list[tuple[int, str]]:
    """Label and reason of every step; all of them must be canonical."""
    world = World(problem)
    latest: dict[str, tuple[int, bool]] = {}
    found, answered = [], False
    for step in steps:
        if step.startswith("Answer: "):
            label, reason = _answer(world, latest, int(step.removeprefix("Answer: ")))
        else:
            label, reason = _derivation(world, latest, step)
        if answered and label >= 0:
            label, reason = 0, "after the answer"
        answered = answered or step.startswith("Answer: ")
        found.append((label, reason))
    return found


def _derivation(world: World, latest: dict[str, tuple[int, bool]],
                step: str) -> tuple[int, str]:
    said, _, computed = step.partition(": ")
    left, op, right, value = (int(part) if part.lstrip("-").isdigit() else part
                              for part in COMPUTATION.fullmatch(computed).groups())
    relation, match = next((relation, match.groupdict())
                           for relation, pattern in PATTERNS.items()
                           if (match := pattern.fullmatch(said)))
    stated = {"relation": relation, "name": match["a"],
              "k": int(match["k"]) if "k" in match else None,
              "of": [match[x] for x in "bc" if x in match]}
    name = stated["name"]
    if not {name, *stated["of"]} <= set(world.facts):
        return -1, "nonsense"
    before = latest.get(name)
    latest[name] = (value, False)
    if value != value_of(left, op, right):
        return -1, "slip"
    if reason := _misstated(world, stated):
        return -1, reason
    if before is None:
        del latest[name]
    else:
        latest[name] = before
    status, reason = _supported(world, latest, stated, (left, op, right))
    latest[name] = (value, status == SOUND)
    if status != SOUND:
        return -1, reason
    if world.is_told(name) or (before is not None and before[1]):
        return 0, "repeated"
    return (1, "right") if name in world.needed else (0, "not needed")


def _misstated(world: World, stated: Mapping) -> str | None:
    fact = world.facts[stated["name"]]
    if all(sorted(stated[key]) == sorted(fact[key]) if key == "of" else stated[key] == fact[key]
           for key in ("relation", "k", "of")):
        return None
    turned = {"more": "fewer", "fewer": "more"}
    for source in stated["of"]:
        other = world.facts[source]
        if other["of"] == [stated["name"]] and (
                (turned.get(other["relation"]), other["k"]) == (stated["relation"], stated["k"])
                or (other["relation"], stated["relation"], stated["k"]) == ("half", "times", 2)
                or (stated["relation"], other["relation"], other["k"]) == ("half", "times", 2)):
            return None
    if (stated["relation"], stated["k"]) == (fact["relation"], fact["k"]):
        return "wrong quantity"
    return "wrong relation"


def _supported(world: World, latest: Mapping[str, tuple[int, bool]], stated: Mapping,
               shown: tuple[int, str, int]) -> tuple[int, str]:
    best, same_numbers = NOT_THAT, NOT_THAT
    for choice in product(*(_values(world, latest, source) for source in stated["of"])):
        values = {source: value for source, (value, _) in zip(stated["of"], choice)}
        left, op, right = operands(stated, values)
        twice = stated["relation"] == "times" and stated["k"] == 2
        status = max(status for _, status in choice)
        nothing = right == 0 and op in "+-" or left == 0 and op == "+"  # x - 0 is x + 0
        if shown == (left, op, right) or (op in "+*" and shown == (right, op, left)) or (
                twice and shown in ((right, "+", right), (right, "-", -right))) or (
                nothing and shown in ((left + right, "-", 0), (left + right, "+", 0),
                                      (0, "+", left + right))):
            best = min(best, status)
        if sorted(map(abs, (left, right))) == sorted(map(abs, shown[::2])):
            same_numbers = min(same_numbers, status)
    if best > CARRIED and same_numbers < best:
        return NOT_THAT, "wrong operation"
    reasons = {CARRIED: "carried error", UNSUPPORTED: "unsupported"}
    return best, reasons.get(best, "wrong quantity")


def _values(world: World, latest: Mapping[str, tuple[int, bool]],
            name: str) -> list[tuple[int, int]]:
    true = [(world.values[name], SOUND if world.is_told(name) else UNSUPPORTED)]
    if name in latest:
        value, sound = latest[name]
        said = [(value, SOUND if sound else CARRIED)]
        return said + (true if value != world.values[name] or world.is_told(name) else [])
    return true


def _answer(world: World, latest: Mapping[str, tuple[int, bool]],
            value: int) -> tuple[int, str]:
    said, sound = latest.get(world.asked, (None, False))
    if said == value and not sound:
        return -1, "carried error"
    if value != world.values[world.asked]:
        return -1, "wrong answer"
    if said != value:
        return -1, "unsupported"
    return 1, "right"


def scrambled(problem: Problem, steps: Sequence[str], rng: Random) -> tuple[str, ...]:
    """A canonical trace that computes with what it has said, with errors strewn in."""
    world = World(problem)
    values = dict(world.values)
    out: list[str] = []
    names = [subject(step) for step in steps]
    if rng.random() < 0.3:
        names.insert(rng.randrange(len(names)), rng.choice(
            [name for name in world.facts if not world.is_told(name)]))
    for name in names:
        if rng.random() < 0.07:
            continue
        if name is None:
            out.append(f"Answer: {_perhaps(values[world.asked], 0.1, rng, world)}")
            continue
        fact = {**world.facts[name]}
        if rng.random() < 0.08:
            fact["of"] = [rng.choice([*world.facts, "Zed"] if rng.random() < 0.1
                                     else list(world.facts)) for _ in fact["of"]]
        if fact["k"] and rng.random() < 0.05:
            fact["k"] = rng.randint(1, 20)
        if fact["relation"] in ("more", "fewer", "times") and rng.random() < 0.06:
            fact["relation"] = rng.choice(("more", "fewer", "times"))
        if rng.random() < 0.04:
            fact["name"] = rng.choice(list(world.facts))
        left, op, right = operands(fact, {**values, "Zed": 5})
        left, right = _perhaps(left, 0.05, rng, world), _perhaps(right, 0.05, rng, world)
        op = rng.choice("+-*") if rng.random() < 0.05 else op
        value = value_of(left, op, right)
        value = _perhaps(left + right if value is None else value, 0.06, rng, world)
        out.append(f"{sentence(fact)}: {left} {op} {right} = {value}")
        values[fact["name"]] = value
    return tuple(out) or ("Answer: 0",)


def _perhaps(value: int, chance: float, rng: Random, world: World) -> int:
    """The value, or with some chance another one."""
    if rng.random() >= chance:
        return value
    return rng.choice((value + 1, value - 1, value + 10, *world.values.values()))
