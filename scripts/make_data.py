"""Make the labelled traces that the notebooks share: python scripts/make_data.py.

Traces are sampled from data/models/policy and labelled by the exact checker. Their problems are of
the reward models' families, and none was used to train the models in data/. A correct run prints:
train 2,400 traces, validation 400 (less those without a step, which are left out).
"""

import argparse
from pathlib import Path

from prmlab import checker, problems, traces
from prmlab.sampling import LocalPolicy
from prmlab.traces import Trace

FOLDER = Path(__file__).resolve().parent.parent / "data" / "traces"
SEED = 2
REWARDED = ("stories", "equations")
PARTS = {"train": 600, "validation": 100}  # problems; four traces of each


def main() -> None:
    """Sample, label, write."""
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    policy = LocalPolicy.load("policy", max_new_tokens=160)
    for split, n_problems in PARTS.items():
        made = problems.mix(n_problems, seed=SEED, families=REWARDED, split=split)
        rows = policy.complete([Trace(p, ()) for p in made], 4, seed=SEED)
        kept = checker.labelled(t for row in rows for t in row if t.steps)
        n = traces.write_jsonl(FOLDER / f"{split}.jsonl", kept)
        wrong = sum(y < 0 for t in kept for y in t.labels)
        steps = sum(len(t.steps) for t in kept)
        print(f"{split}: {n} traces, {steps} steps, {wrong} of them wrong")


if __name__ == "__main__":
    main()
