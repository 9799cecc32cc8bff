"""When does a name bind to its number? python scripts/measure_binding.py (about four minutes).

Two tiny policies learn to retell the relations of stories in any order. One sees nothing else, one
first repeats lists of random words. Measured on 60 validation stories every 50 steps: given a name,
how often is the number (or "half", or "as") that the story tells of it the likeliest token? Writes
data/runs/binding.json.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import islice
from random import Random

import torch
from lessons import LOOK_UPS, POLICY_SEEDS, lessons, retold
from make_models import POLICY, ROOT, SEED, hardware

from prmlab import problems, tokens, training
from prmlab.traces import Trace

RETELLINGS = 12_800


def retellings(n: int, rng: Random) -> Iterator[Trace]:
    """`n` training stories, every relation retold."""
    for problem in problems.make("stories", n, seed=POLICY_SEEDS - 2, split="train"):
        yield retold(problem, rng)


def looked_up(model, tokenizer, told: list[Trace]) -> float:
    """Share of retold relations whose first token after "has" is the story's."""
    has, hits = tokenizer.convert_tokens_to_ids("has"), []
    for trace in told:
        encoded = tokens.encode(tokenizer, trace)
        with torch.no_grad():
            best = model(torch.tensor([encoded.ids])).logits[0].argmax(-1).tolist()
        hits += [best[i] == encoded.ids[i + 1] for i in range(encoded.n_prompt, len(best) - 1)
                 if encoded.ids[i] == has]
    return sum(hits) / len(hits)


def curve(first: int) -> list[dict]:
    """Train after `first` traces of repeated words; a point every 50 steps of 32 traces."""
    tokenizer, rng = tokens.build(), Random("binding")
    held_out = [retold(p, rng) for p in problems.make("stories", 60, seed=SEED, difficulty=(4, 5),
                                                      split="validation")]
    model, points = training.new_policy(tokenizer, seed=SEED), []

    def data() -> Iterator[Trace]:
        yield from islice(lessons(0), first)
        yield from retellings(RETELLINGS, rng)

    for record in training.fit_policy(
            data(), base=model, tokenizer=tokenizer, n_traces=first + RETELLINGS, seed=SEED,
            validate=lambda m: {"looked up": looked_up(m, tokenizer, held_out)},
            validate_every=50, **(POLICY | {"decay": 0.01})):
        if record.validation:
            points.append({"step": record.step, "traces": record.n_traces,
                           "tokens": record.tokens, "loss": record.loss, **record.validation})
            print(json.dumps(points[-1]), flush=True)
    return points


def main() -> None:
    """Both curves, one after the other."""
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    found = {"repeated words first": curve(LOOK_UPS), "retelling alone": curve(0)}
    result = {"command": "python " + " ".join(sys.argv), "seed": SEED, "hardware": hardware(),
              "curves": found}
    path = ROOT / "data" / "runs" / "binding.json"
    path.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
