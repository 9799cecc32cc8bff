"""How a PRM grows with its labels: it writes data/runs/learning.json.

PRMs are trained for one epoch on the first 300, 1,200, ... traces of `runs/traces` (made by
scripts/make_models.py traces) from two starts: the strong policy as it is, and verifier-base, which
was taught without labels to notice what that policy would not have written. All are measured on the
same sampled traces of 200 test problems: first-error F1 at threshold 0.5, and best-of-N by the
product of step scores.
"""

import json
import sys
import time
from itertools import product

import numpy as np
from evaluate_models import MODELS, REWARDED, ROOT, SEED, first_errors, rounded, sample
from make_models import REWARD, training_traces

from prmlab import answers, checker, curves, metrics, problems, scoring, training
from prmlab.rewards import PRM
from prmlab.sampling import LocalPolicy

SIZES = (300, 1_200, 4_800)
STARTS = ("policy-strong", "verifier-base")


def figures(prm: PRM, rows: list) -> dict:
    """First-error F1 and the best-of-N curve of one PRM."""
    flat = [t for row in rows for t in row]
    scores = prm.score(flat)
    labels = ["".join("-0+"[v.label + 1] for v in checker.check(t)) for t in flat]
    f1 = metrics.first_error_f1([scoring.first_error(s) for s in scores],
                                first_errors([{"labels": labels}]))
    right = np.array([[t.answer is not None and answers.equal(t.answer, t.problem.answer)
                       for t in row] for row in rows])
    values = np.array([scoring.aggregate(s, "product") for s in scores]).reshape(right.shape)
    curve = curves.best_of_n_curve(right, values)
    return {"f1": rounded([f1.f1, f1.low, f1.high]), "n": list(curve.n),
            "best of n": rounded(curve.mean), "low": rounded(curve.low),
            "high": rounded(curve.high)}


def main() -> None:
    """Train and measure each size."""
    made = problems.mix(200, seed=SEED, families=REWARDED, split="test")
    rows = sample(LocalPolicy.load(MODELS / "policy", max_new_tokens=200), made, 64)
    data, found = training_traces([0]), []
    for start, size in product(STARTS, SIZES):
        began = time.time()
        for record in training.fit_prm(data[:size], base=MODELS / start, seed=SEED,
                                       **(REWARD | {"warmup": min(100, size // 64)})):
            pass
        n_labels = sum(len(t.steps) for t in data[:size])
        found.append({"start": start, "traces": size, "labels": n_labels,
                      "seconds": round(time.time() - began), **figures(record.model, rows)})
        print(json.dumps(found[-1]))
    for name in ("prm", "prm-large"):
        if (MODELS / name).is_dir():
            card = json.loads((MODELS / name / "training.json").read_text())
            found.append({"start": "verifier-base", "model": name, "traces": card["traces"],
                          "labels": card["labels"], **figures(PRM.load(MODELS / name), rows)})
            print(json.dumps(found[-1]))
    result = {"command": "python " + " ".join(sys.argv), "seed": SEED, "problems": len(made),
              "samples": 64, "sizes": found}
    (ROOT / "data" / "runs" / "learning.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
