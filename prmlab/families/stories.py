"""Word problems over a graph of quantities: who has how many of something, told by relations.

A problem's `facts` hold `item`, `asked`, and `facts`: one record a quantity, each after the
ones it depends on: `name`, `relation`, `k` (a number or None) and `of` (the names it is
computed from). Difficulty is the number of quantities that must be derived. Facts are told in
that order, as people tell them; one story in ten is shuffled. Owns the wordings; does not know
how a model reads them.
"""

from collections.abc import Sequence
from random import Random

from prmlab.families import stories_check
from prmlab.traces import Problem
from prmlab.verdicts import Verdict

FAMILY = "stories"
NAMES = ("Ana", "Ben", "Cy", "Dee", "Eve", "Finn", "Gus", "Hana", "Ivo", "Jon", "Kim", "Leo",
         "Mia", "Ned", "Ola", "Pia")
ITEMS = ("pens", "apples", "coins", "books", "cards", "shells", "stamps", "marbles")
TOLD = {
    "start": ("{a} has {k} {item}.", "{a} owns {k} {item}.", "With {a} there are {k} {item}."),
    "times": ("{a} has {k} times as many {item} as {b}.",
              "{a} owns {k} times as many {item} as {b} owns.",
              "With {a} there are {k} times as many {item} as with {b}."),
    "more": ("{a} has {k} more {item} than {b}.", "{a} owns {k} {item} more than {b} owns.",
             "With {a} there are {k} more {item} than with {b}."),
    "fewer": ("{a} has {k} fewer {item} than {b}.", "{a} owns {k} {item} fewer than {b} owns.",
              "With {a} there are {k} fewer {item} than with {b}."),
    "half": ("{a} has half as many {item} as {b}.", "{a} owns half as many {item} as {b} owns.",
             "With {a} there are half as many {item} as with {b}."),
    "together": ("{a} has as many {item} as {b} and {c} together.",
                 "{a} owns as many {item} as {b} and {c} own together.",
                 "With {a} there are as many {item} as with {b} and {c} together."),
}
ASKED = ("How many {item} does {a} have?", "How many {item} does {a} own?",
         "How many {item} are there with {a}?")
STEP = {
    "times": "{a} has {k} times as many as {b}: {k} * {x} = {v}",
    "more": "{a} has {k} more than {b}: {x} + {k} = {v}",
    "fewer": "{a} has {k} fewer than {b}: {x} - {k} = {v}",
    "half": "{a} has half as many as {b}: {x} / 2 = {v}",
    "together": "{a} has as many as {b} and {c} together: {x} + {y} = {v}",
}
LARGEST = 60


def compute(relation: str, k: int | None, values: list[int]) -> int:
    """The value that a relation gives: `k` is its constant, `values` those of its sources."""
    match relation:
        case "start":
            return k
        case "times":
            return k * values[0]
        case "more":
            return values[0] + k
        case "fewer":
            return values[0] - k
        case "half":
            return values[0] // 2
        case "together":
            return values[0] + values[1]
    raise ValueError(f"unknown relation {relation!r}; known: {', '.join(TOLD)}")


def quantities(problem: Problem) -> dict[str, int]:
    """The true value of every quantity in the story, by name, in the order of dependence."""
    values: dict[str, int] = {}
    for fact in problem.facts["facts"]:
        sources = [values[name] for name in fact["of"]]
        values[fact["name"]] = compute(fact["relation"], fact["k"], sources)
    return values


def needed(problem: Problem) -> set[str]:
    """The names of the quantities that the asked one depends on, itself included."""
    of = {fact["name"]: fact["of"] for fact in problem.facts["facts"]}
    found, todo = set(), [problem.facts["asked"]]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(of[name])
    return found


def make(n: int, *, rng: Random, difficulty: int) -> list[Problem]:
    """`n` problems in which `difficulty` quantities have to be derived."""
    return [_make_one(rng, difficulty) for _ in range(n)]


def solve(problem: Problem, rng: Random | None = None) -> tuple[str, ...]:
    """The reference steps; with `rng`, now and then with a true step that was not needed."""
    values, wanted = quantities(problem), needed(problem)
    steps = []
    for fact in problem.facts["facts"]:
        extra = rng is not None and rng.random() < 0.1
        if fact["relation"] != "start" and (fact["name"] in wanted or extra):
            steps.append(_step(fact, values))
    return (*steps, f"Answer: {values[problem.facts['asked']]}")


def check(problem: Problem, steps: Sequence[str]) -> list[Verdict]:
    """The verdict on every step of a trace of this problem; `stories_check` has the rules.

    Raises:
        ValueError: if the problem's facts are not those of a story.
    """
    try:
        values, wanted = quantities(problem), needed(problem)
    except (KeyError, TypeError) as error:
        raise ValueError("a story's facts must hold item, asked and facts as problems.make "
                         f"writes them (problem {problem.id!r}): {type(error).__name__} "
                         f"{error}") from None
    return stories_check.check(problem.facts, values, wanted, steps)


def _step(fact: dict, values: dict[str, int]) -> str:
    b, c = (*fact["of"], "", "")[:2]
    return STEP[fact["relation"]].format(a=fact["name"], b=b, c=c, k=fact["k"],
                                         x=values[b], y=values.get(c), v=values[fact["name"]])


def _make_one(rng: Random, difficulty: int) -> Problem:
    names = rng.sample(NAMES, len(NAMES))
    facts: list[dict] = []
    values: dict[str, int] = {}

    def add(relation: str, k: int | None, of: list[str]) -> str:
        name = names[len(facts)]
        facts.append({"name": name, "relation": relation, "k": k, "of": of})
        values[name] = compute(relation, k, [values[source] for source in of])
        return name

    n_starts = 2 if difficulty > 1 and rng.random() < 0.4 else 1
    unused = [add("start", rng.randint(2, 12), []) for _ in range(n_starts)]
    distractor_at = rng.randrange(difficulty) if rng.random() < 0.35 else None
    distractor = None
    for i in range(difficulty):
        left = difficulty - i
        if i == distractor_at:
            aside = (("start", rng.randint(2, 12), []) if rng.random() < 0.3
                     else _unary(rng, values, rng.choice(list(values))))
            distractor = add(*aside)
        if len(unused) > 1 and (len(unused) > left or rng.random() < 0.3):
            b, c = rng.sample(unused, 2)
            if values[b] + values[c] > LARGEST:
                return _make_one(rng, difficulty)
            unused = [name for name in unused if name not in (b, c)]
            unused.append(add("together", None, [b, c]))
        else:
            branch = len(unused) < left - 1 and rng.random() < 0.15
            known = [name for name in values if name != distractor]
            source = rng.choice(known if branch else unused)
            unused = [name for name in unused if name != source]
            unused.append(add(*_unary(rng, values, source)))
    asked = unused[0]
    item = rng.choice(ITEMS)
    problem_facts = {"item": item, "asked": asked, "facts": facts}
    return Problem("", _tell(problem_facts, rng), str(values[asked]), FAMILY, problem_facts)


def _unary(rng: Random, values: dict[str, int],
           source: str) -> tuple[str, int | None, list[str]]:
    x = values[source]
    relations = [name for name, possible in (
        ("times", 2 * x <= LARGEST), ("more", x + 2 <= LARGEST), ("fewer", x > 3),
        ("half", x % 2 == 0 and x > 2)) if possible]
    relation = rng.choice(relations)
    k = {"times": lambda: rng.randint(2, min(4, LARGEST // x)),
         "more": lambda: rng.randint(2, min(12, LARGEST - x)),
         "fewer": lambda: rng.randint(2, min(12, x - 1)),
         "half": lambda: None}[relation]()
    return relation, k, [source]


def _tell(facts: dict, rng: Random) -> str:
    told = list(facts["facts"])
    if rng.random() < 0.1:
        rng.shuffle(told)
    sentences = []
    for fact in told:
        b, c = (*fact["of"], "", "")[:2]
        sentences.append(rng.choice(TOLD[fact["relation"]]).format(
            a=fact["name"], b=b, c=c, k=fact["k"], item=facts["item"]))
    sentences.append(rng.choice(ASKED).format(a=facts["asked"], item=facts["item"]))
    return " ".join(sentences)
