"""What the tiny models learn from before any trace is sampled, in the order of their lessons.

A policy repeats random words, retells stories, then solves problems. A verifier's base spots what
was exchanged in solutions, then notices where a strong policy would be surprised. Used by
make_models and measure_binding.
"""

from collections.abc import Iterator, Mapping, Sequence
from random import Random

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from prmlab import problems, tokens
from prmlab.families import stories
from prmlab.tokens import Encoded
from prmlab.traces import Problem, Trace
from prmlab.training import Example, MakeExample

MIX = {"stories": 600, "equations": 200, "expressions": 200}
EASY, EASY_SHARE = (1, 2, 3), 0.1
LOOK_UPS, RETELLINGS = 12_288, 8_192
WORDS = (*stories.NAMES, *stories.ITEMS, *"0123456789", "has", "owns", "more", "fewer", "than", "half",
         "times", "with", "there", "are", "together", "as", "many")
POLICY_SEEDS = 1_000_000  # training problems from here on are the policy's
SPOTTING_SEEDS = 1_500_000  # and from here on those that tokens are exchanged in
EXCHANGED = (tuple("0123456789"), stories.NAMES, ("+", "-", "*", "/"),
             ("more", "fewer", "times", "half"))
SURPRISE = 0.01  # 0.3 to 0.001 are as good: first-error F1 0.95 to 0.97 (measure_surprise.py)


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


def spotting(tokenizer: PreTrainedTokenizerBase, *, seed: int = 0) -> MakeExample:
    """In three solutions of four, one token exchanged for another of its kind.

    The target at every token of the solution is 1.0 before the exchange and 0.0 from it to the end
    of its step, where the trace stops. A target at the exchanged token alone (replaced token
    detection, Clark et al. 2020, ELECTRA, arXiv:2003.10555) did not help: the verdict was formed in
    the last layer, and no step's end could read it there.
    """
    kinds = {i: group for words in EXCHANGED
             for group in [tokenizer.convert_tokens_to_ids(list(words))] for i in group}
    rng = Random(f"spotting/{seed}")

    def example(_: Trace, encoded: Encoded) -> Example:
        ids, start = list(encoded.ids), encoded.n_prompt
        first_wrong = len(ids)
        if rng.random() < 0.75:
            first_wrong = rng.choice([i for i in range(start, len(ids)) if ids[i] in kinds])
            ids[first_wrong] = rng.choice([i for i in kinds[ids[first_wrong]]
                                           if i != ids[first_wrong]])
        return _cut(ids, encoded, first_wrong)

    return example


def chances(traces: Sequence[Trace], model: PreTrainedModel,
            tokenizer: PreTrainedTokenizerBase) -> list[list[tuple[int, list[float]]]]:
    """What chance the model gave each token of each step: a step is (its first place, chances)."""
    order = sorted(range(len(traces)), key=lambda i: len(traces[i].text))
    found: list = [None] * len(traces)
    for first in range(0, len(order), 64):
        lot = order[first:first + 64]
        encoded = tokens.encode_many(tokenizer, [traces[i] for i in lot],
                                     separator=tokens.SEPARATOR)
        ids = torch.zeros(len(lot), max(len(e.ids) for e in encoded), dtype=torch.long)
        for row, e in enumerate(encoded):
            ids[row, :len(e.ids)] = torch.tensor(e.ids)
        ids = ids.to(model.device)
        with torch.inference_mode():
            log_p = torch.log_softmax(model(ids).logits[:, :-1], -1)
        chance = log_p.gather(-1, ids[:, 1:, None])[..., 0].exp().tolist()
        for i, e, row in zip(lot, encoded, chance, strict=True):
            starts = [e.n_prompt, *(end + 1 for end in e.step_ends[:-1])]
            found[i] = [(start, row[start - 1:end - 1])
                        for start, end in zip(starts, e.step_ends, strict=True)]
    return found


def surprises(traces: Sequence[Trace], model: PreTrainedModel,
              tokenizer: PreTrainedTokenizerBase) -> list[int | None]:
    """In each trace the place of the first token that the model gave a chance below `SURPRISE`.

    A strong policy's surprise finds the first wrong step of a weaker one's traces nearly always
    (scripts/measure_surprise.py). Labels are not looked at.
    """
    return [next((start + i for start, row in steps for i, p in enumerate(row) if p < SURPRISE),
                 None) for steps in chances(traces, model, tokenizer)]


def noticing(found: Mapping[tuple, int | None]) -> MakeExample:
    """Targets as in `spotting`, where not an exchange but a strong policy's surprise is noticed."""

    def example(trace: Trace, encoded: Encoded) -> Example:
        at = found[trace.problem.id, trace.steps]
        return _cut(list(encoded.ids), encoded, len(encoded.ids) if at is None else at)

    return example


def _cut(ids: list[int], encoded: Encoded, first_wrong: int) -> Example:
    if first_wrong < len(ids):
        ids = ids[:1 + next(end for end in encoded.step_ends if end >= first_wrong)]
    at = tuple(range(encoded.n_prompt, len(ids)))
    return Example(tuple(ids), at, tuple(float(i < first_wrong) for i in at))
