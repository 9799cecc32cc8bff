"""How a PRM grows with its labels: python scripts/record_learning.py [--keep-trained].

PRMs are trained for one epoch on the first 300, 1,200, ... traces of `runs/traces` (made by
scripts/make_models.py traces) from two starts: the strong policy as it is, and verifier-base, which
was taught without labels to notice what that policy would not have written. Validation traces
choose the learning rate of each (of `RATES`) and its threshold; test traces, the same 64 of each of
200 problems for all, give first-error F1, best-of-N by the product of step scores with what the last
N is ahead of each (`gain`, paired on the problems), and how many steps the chosen traces have
where there is a right one. Intervals are over problems. It writes data/runs/learning.json;
with --keep-trained that file keeps the PRMs trained here, and only `prm` and `prm-large` are
measured.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product

import numpy as np
from evaluate_models import MODELS, REWARDED, ROOT, SEED, rounded, sample
from make_models import REWARD, require, training_traces

from prmlab import answers, checker, curves, metrics, problems, scoring, thresholds, training
from prmlab.rewards import PRM
from prmlab.sampling import LocalPolicy
from prmlab.traces import Trace

OUT = ROOT / "data" / "runs" / "learning.json"
SIZES = (300, 1_200, 4_800)
STARTS = ("policy-strong", "verifier-base")
RATES = (0.002, 0.02)


@dataclass(frozen=True)
class Sampled:
    """Traces of held-out problems, a row a problem, and what is true of them."""

    rows: Sequence[Sequence[Trace]]

    @cached_property
    def flat(self) -> list[Trace]:
        """All traces in order."""
        return [t for row in self.rows for t in row]

    @cached_property
    def first_errors(self) -> list[int | None]:
        """The checker's first error of each."""
        return [checker.first_error(t) for t in self.flat]

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each has the right answer, [problems, samples]."""
        return np.array([[t.answer is not None and answers.equal(t.answer, t.problem.answer)
                          for t in row] for row in self.rows])

    @cached_property
    def n_steps(self) -> np.ndarray:
        """How many steps each has, [problems, samples]."""
        return np.array([[len(t.steps) for t in row] for row in self.rows])


def trained(start: str, data: Sequence[Trace], held_out: Sampled
            ) -> tuple[PRM, thresholds.ThresholdChoice, dict]:
    """The PRM of the learning rate that does best on validation traces, and its threshold."""
    tried = []
    for lr in RATES:
        began = time.time()
        for record in training.fit_prm(data, base=MODELS / start, seed=SEED, **(
                REWARD | {"lr": lr, "warmup": min(100, len(data) // 64)})):
            pass
        seconds = round(time.time() - began)
        choice = thresholds.choose_threshold(record.model.score(held_out.flat),
                                             held_out.first_errors)
        tried.append((record.model, choice, {"lr": lr, "seconds": seconds,
                                             "validation f1": round(choice.f1, 4)}))
    best = max(tried, key=lambda row: row[1].f1)
    return best[0], best[1], best[2] | {"tried": [row[2] for row in tried]}


def figures(prm: PRM, threshold: float, test: Sampled) -> dict:
    """First-error F1 and the best-of-N curve of one PRM."""
    scores = prm.score(test.flat)
    said = [scoring.first_error(s, threshold=threshold) for s in scores]
    f1 = metrics.first_error_f1(said, test.first_errors,
                                groups=[t.problem.id for t in test.flat])
    alone = metrics.first_error_f1(said, test.first_errors)  # to show what it would feign
    values = np.array([scoring.aggregate(s, "product") for s in scores]).reshape(test.right.shape)
    curve = curves.best_of_n_curve(test.right, values)
    gain = curves.curve_of(curve.per_problem[:, -1:] - curve.per_problem, curve.n)
    solved = test.right.any(axis=1)
    steps = curves.winner_curve(test.n_steps[solved], values[solved])
    return {"threshold": round(threshold, 4), "f1": rounded([f1.f1, f1.low, f1.high]),
            "f1 over": "problems", "f1 over traces": rounded([alone.f1, alone.low, alone.high]),
            "n": list(curve.n), "best of n": rounded(curve.mean), "low": rounded(curve.low),
            "high": rounded(curve.high), "gain": [rounded(gain.at(n)) for n in gain.n],
            "steps": rounded(steps.mean)}


def trained_sizes(held_out: Sampled, test: Sampled) -> Iterator[dict]:
    """Train and measure each size from each start."""
    data = training_traces([0])
    for start, size in product(STARTS, SIZES):
        prm, choice, how = trained(start, data[:size], held_out)
        n_labels = sum(len(t.steps) for t in data[:size])
        yield {"start": start, "traces": size, "labels": n_labels, **how,
               **figures(prm, choice.threshold, test)}


def shipped(held_out: Sampled, test: Sampled) -> Iterator[dict]:
    """Measure the PRMs in data/models."""
    for name in ("prm", "prm-large"):
        card = json.loads((MODELS / name / "training.json").read_text())
        prm = PRM.load(MODELS / name)
        choice = thresholds.choose_threshold(prm.score(held_out.flat), held_out.first_errors)
        yield {"start": "verifier-base", "model": name, "traces": card["traces"],
               "labels": card["labels"], **figures(prm, choice.threshold, test)}


def main() -> None:
    """Train and measure each size."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep-trained", action="store_true",
                        help="measure only prm and prm-large, and keep what else was recorded")
    args = parser.parse_args()
    if not args.keep_trained:
        require("traces", [0])
    policy = LocalPolicy.load(MODELS / "policy", max_new_tokens=200)
    test, held_out = (Sampled(sample(policy, problems.mix(
        n, seed=SEED, families=REWARDED, split=split), n_samples))
        for split, n, n_samples in (("test", 200, 64), ("validation", 200, 8)))
    found = []
    if args.keep_trained:
        found = [row for row in json.loads(OUT.read_text())["sizes"] if "model" not in row]
    for row in chain([] if args.keep_trained else trained_sizes(held_out, test),
                     shipped(held_out, test)):
        found.append(row)
        print(json.dumps(row), flush=True)
    solved = test.right.any(axis=1)
    of_right = [row[right].mean() for row, right in zip(test.n_steps[solved], test.right[solved])]
    result = {"command": "python scripts/record_learning.py", "seed": SEED, "rates": RATES,
              "problems": len(test.rows), "samples": 64,
              "steps of right answers": round(float(np.mean(of_right)), 4), "sizes": found}
    OUT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
