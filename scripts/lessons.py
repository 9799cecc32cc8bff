"""What a tiny policy learns from, in the order of its lessons.

It repeats random words, retells stories, then solves problems. Used by make_models and
measure_binding.
"""

from collections.abc import Iterator
from random import Random

from prmlab import problems
from prmlab.families import stories
from prmlab.traces import Problem, Trace

MIX = {"stories": 600, "equations": 200, "expressions": 200}
EASY, EASY_SHARE = (1, 2, 3), 0.1
LOOK_UPS, RETELLINGS = 12_288, 8_192
WORDS = (*stories.NAMES, *stories.ITEMS, *"0123456789", "has", "owns", "more", "fewer", "than", "half",
         "times", "with", "there", "are", "together", "as", "many")
POLICY_SEEDS = 1_000_000  # training problems from here on are the policy's


def lessons(n: int, *, seed: int = 0) -> Iterator[Trace]:
    """What a policy learns from, in order: looking up, told facts, `n` solved problems.

    The first two take two minutes, and without them names do not bind to numbers in thirty.
    """
    rng = Random(f"solve/{seed}")
    for _ in range(LOOK_UPS):
        text = " ".join(rng.sample(WORDS, rng.randint(8, 24)))
        yield Trace(Problem("", f"{text}?", None, "repetition"), (text,), True)
    told = problems.make("stories", RETELLINGS, seed=POLICY_SEEDS - 1, split="train")
    yield from (retold(problem, rng) for problem in told)
    yield from solved(n, rng)


def retold(problem: Problem, rng: Random) -> Trace:
    """Every relation of a story in a step's words, without its sum, in any order."""
    facts = [f for f in problem.facts["facts"] if f["relation"] != "start"]
    steps = [stories.STEP[f["relation"]].partition(":")[0].format(
        a=f["name"], k=f["k"], **dict(zip("bc", f["of"], strict=False)))
        for f in rng.sample(facts, len(facts))]
    return Trace(problem, tuple(steps), True)


def solved(n: int, rng: Random, *, easy: float = EASY_SHARE, first_seed: int = POLICY_SEEDS
           ) -> Iterator[Trace]:
    """Reference traces of `n` training problems, more than half of them stories, short ones first.

    One quantity in ten that the question does not need is derived all the same.
    """
    made, number = 0, first_seed
    while made < n:
        levels = EASY if made < easy * n else problems.TRAINED_DIFFICULTIES
        chunk = [p for family, share in MIX.items()
                 for p in problems.make(family, share, seed=number, difficulty=levels,
                                        split="train")]
        Random(number).shuffle(chunk)
        for problem in chunk[:n - made]:
            yield Trace(problem, problems.family_of(problem).solve(problem, rng), True)
        made += len(chunk)
        number += 1
