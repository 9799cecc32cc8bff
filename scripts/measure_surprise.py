"""How well a strong policy's surprise finds first errors: python scripts/measure_surprise.py.

A step's score is the least chance that policy-strong gives to one of its tokens; no label is used
but to choose the threshold, on validation problems. Measured on traces that `policy` sampled for
other problems of the test split: first-error F1 (ProcessBench's), and AUROC within a problem of the
product of step scores. Intervals are over problems. It writes data/runs/surprise.json.
"""

import argparse
import json
import sys

import numpy as np
from evaluate_models import MODELS, REWARDED, ROOT, SEED, first_errors, sample
from lessons import SURPRISE, chances
from transformers import AutoModelForCausalLM

from prmlab import checker, metrics, problems, scoring, tokens, training
from prmlab.sampling import LocalPolicy

LIMITS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)


def figures(scores: list[np.ndarray], traces: list, limit: float) -> dict:
    """First-error F1 at one limit, and AUROC within a problem."""
    labels = ["".join("-0+"[v.label + 1] for v in checker.check(t)) for t in traces]
    f1 = metrics.first_error_f1([scoring.first_error(s, threshold=limit) for s in scores],
                                first_errors([{"labels": labels}]),
                                groups=[t.problem.id for t in traces])
    within = metrics.grouped_auroc([float(np.prod(np.minimum(1, s / limit))) for s in scores],
                                   [training.outcome(t) for t in traces],
                                   [t.problem.id for t in traces])
    return {"limit": limit, "auroc within a problem": round(within, 4)} | {
        name: round(float(getattr(f1, name)), 4)
        for name in ("f1", "low", "high", "acc_error", "acc_correct")}


def main() -> None:
    """Score, choose on validation, measure on test."""
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    policy = LocalPolicy.load(MODELS / "policy", max_new_tokens=200)
    strong = AutoModelForCausalLM.from_pretrained(MODELS / "policy-strong", local_files_only=True)
    found = {}
    for split in ("validation", "test"):
        made = problems.mix(200, seed=SEED, families=REWARDED, split=split)
        traces = [t for row in sample(policy, made, 8) for t in row]
        steps = chances(traces, strong, tokens.build())
        scores = [np.array([min(row, default=1.0) for _, row in trace]) for trace in steps]
        limits = LIMITS if split == "validation" else (SURPRISE,)
        found[split] = [figures(scores, traces, limit) for limit in limits]
    result = {"command": "python " + " ".join(sys.argv), "seed": SEED, "problems": 200,
              "samples": 8, **found}
    (ROOT / "data" / "runs" / "surprise.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
