"""How far labels by rollouts are from the truth, and what they cost: data/runs/label_error.json.

Traces of `policy` for test problems, six a problem, are labelled by 64 rollouts of each prefix
by each of the three policies. A random n of 64 rollouts are n rollouts, so that the counts give the
error at every n up to 64 without sampling again: unbiased, and with far less noise than one run of
n. Then adaptive, bisect and tree label the same traces within several budgets, and their first
errors are compared with those of fixed n. Intervals are bootstrapped over problems.

Labels by rollouts are kept in runs/label_error, so that an interrupted run goes on where it was.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import comb
from typing import Any

import numpy as np
from evaluate_models import MODELS, REWARDED, ROOT, SEED, rounded

from prmlab import checker, labels, problems
from prmlab.estimates import Stopping
from prmlab.evidence import Labelled, total
from prmlab.intervals import percentiles, resample_weights
from prmlab.sampling import LocalPolicy
from prmlab.traces import Trace

POLICIES = ("policy", "policy-weak", "policy-strong")
MOST, NS, BUDGETS, SEEDS = 64, (1, 2, 4, 8, 16, 32, 64), (4, 6, 8, 12, 16), (7,)
REFERENCE = 16  # rollouts of each prefix that the other methods are compared with
KEPT = ROOT / "runs" / "label_error"


def until_right(label: Callable[..., Iterator[Labelled]], traces: Sequence[Trace],
                policy: LocalPolicy, *, n_rollouts: int, **options: Any) -> Iterator[Labelled]:
    """The labels of a method with fixed n, but a prefix stops at its first right rollouts."""
    return label(traces, policy, n_rollouts=n_rollouts, adaptive=Stopping(
        n_rollouts, step=2, confidence=0.99), **options)


METHODS = {"adaptive": partial(labels.monte_carlo, adaptive=True),
           "adaptive, until right": partial(until_right, labels.monte_carlo),
           "bisect": labels.bisect, "tree": labels.tree,
           "tree, traces counted": partial(labels.tree, count_traces=True),
           "tree, until right": partial(until_right, labels.tree)}


def sampled(n_problems: int, n_samples: int) -> list[Trace]:
    """Traces of test problems, problem by problem, less those without a step."""
    policy = LocalPolicy.load(MODELS / "policy", max_new_tokens=160)
    made = problems.mix(n_problems, seed=SEED + 1, families=REWARDED, split="test")
    rows = policy.complete([Trace(p, ()) for p in made], n_samples, seed=SEED + 1)
    return [t for row in rows for t in row if t.steps]


def missed(n_right: int, n: int, *, most: int = MOST, above: int = 0) -> float:
    """Chance that at most `above` of `n` rollouts, drawn from `most`, are among the right ones."""
    return sum(comb(n_right, k) * comb(most - n_right, n - k)
               for k in range(min(above, n_right, n) + 1)) / comb(most, n)


class Truth:
    """What is true of the traces, and sums over them problem by problem."""

    def __init__(self, traces: Sequence[Trace]):
        self.right = [[v.label >= 0 for v in checker.check(t)] for t in traces]
        self.first_errors = [next((s for s, ok in enumerate(row) if not ok), None)
                             for row in self.right]
        names = list(dict.fromkeys(t.problem.id for t in traces))
        self.of = np.array([names.index(t.problem.id) for t in traces])
        n = len(names)
        self.weights = np.vstack([np.full(n, 1 / n), resample_weights(n, seed=SEED)])

    def draws(self, values: Sequence[tuple[int, float]]) -> np.ndarray:
        """Means of `(trace, value)` pairs: as observed, then of each bootstrap draw."""
        n = self.weights.shape[1]
        of = self.of[[i for i, _ in values]]
        sums = np.bincount(of, [x for _, x in values], n)
        return (self.weights @ sums) / (self.weights @ np.bincount(of, minlength=n))


def triple(draws: np.ndarray) -> list[float]:
    """What was observed, and the ends of its interval."""
    return rounded([draws[0], *percentiles(draws[1:], 0.95)])


def by_rollouts(rows: Sequence[Labelled], truth: Truth) -> dict:
    """Errors at every n, from the counts of right rollouts of each prefix that was asked about."""
    asked = [(i, truth.right[i][s], round(step.value * step.n)) for i, row in enumerate(rows)
             for s, step in enumerate(row.steps) if step.source == "rollouts"]
    counts = {name: np.bincount([k for _, ok, k in asked if ok is kind], minlength=MOST + 1)
              for name, kind in (("right", True), ("wrong", False))}
    found = {"prefixes": len(asked), "counts": {k: v.tolist() for k, v in counts.items()},
             "n": NS, "error": [], "right called wrong": [], "wrong called right": [],
             "brier": [], "absolute": [], "first error missed": []}
    for n in NS:
        dead = [missed(k, n) for k in range(MOST + 1)]
        wrong = [(i, dead[k] if ok else 1 - dead[k]) for i, ok, k in asked]
        found["error"].append(triple(truth.draws(wrong)))
        for name, kind in (("right called wrong", True), ("wrong called right", False)):
            found[name].append(triple(truth.draws(
                [pair for pair, (_, ok, _) in zip(wrong, asked) if ok is kind])))
        spread = (MOST - n) / (MOST - 1) / n
        found["brier"].append(triple(truth.draws(
            [(i, (k / MOST - ok)**2 + k / MOST * (1 - k / MOST) * spread)
             for i, ok, k in asked])))
        found["absolute"].append(triple(truth.draws(
            [(i, abs(k / MOST - ok)) for i, ok, k in asked])))
        found["first error missed"].append(triple(truth.draws(fixed_misses(rows, truth, n))))
    return found | {"thresholds": by_threshold(asked, truth)}


def by_threshold(asked: Sequence[tuple[int, bool, int]], truth: Truth, n: int = 8) -> dict:
    """Errors with n rollouts where more than `above` of them must be right."""
    found = {"n": n, "above": list(range(n)), "error": [], "right called wrong": [],
             "wrong called right": []}
    for above in range(n):
        dead = [missed(k, n, above=above) for k in range(MOST + 1)]
        wrong = [(i, ok, dead[k] if ok else 1 - dead[k]) for i, ok, k in asked]
        found["error"].append(triple(truth.draws([(i, x) for i, _, x in wrong])))
        for name, kind in (("right called wrong", True), ("wrong called right", False)):
            found[name].append(triple(truth.draws([(i, x) for i, ok, x in wrong if ok is kind])))
    return found


def fixed_misses(rows: Sequence[Labelled], truth: Truth, n: int) -> list[tuple[int, float]]:
    """For each trace the chance that n rollouts a prefix name another first error than the true."""
    found = []
    for i, row in enumerate(rows):
        dead = [missed(round(step.value * step.n), n) if step.n else 1 - step.value
                for step in row.steps]
        end = truth.first_errors[i]
        hit = np.prod([1 - d for d in dead[:end]]) * (1 if end is None else dead[end])
        found.append((i, 1 - float(hit)))
    return found


def compared(runs: Sequence[Sequence[Labelled]], truth: Truth,
             reference: tuple[np.ndarray, float]) -> dict:
    """First errors missed by labels, the mean of some runs, and their cost; also less reference."""
    rows = [(i, row) for run in runs for i, row in enumerate(run)]
    draws = truth.draws([(i, float(not row.decided or row.first_error != truth.first_errors[i]))
                         for i, row in rows])
    cost, n_runs = total(row for _, row in rows), len(runs)
    steps = [(i, float((label >= 0) != truth.right[i][s])) for i, row in rows
             for s, label in enumerate(row.labels) if label is not None]
    return {"generations": round(cost.generations / n_runs), "tokens": cost.tokens // n_runs,
            "per trace": round(cost.generations / len(rows), 2),
            "share of reference": round(cost.generations / n_runs / reference[1], 4),
            "first error missed": triple(draws), "less reference": triple(draws - reference[0]),
            "undecided": round(float(np.mean([not row.decided for _, row in rows])), 4),
            "steps labelled": round(len(steps) / n_runs), "step error": triple(truth.draws(steps))}


def main() -> None:
    """Sample, label, compare."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=80)
    parser.add_argument("--samples", type=int, default=6)
    args = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    traces = sampled(args.problems, args.samples)
    truth = Truth(traces)
    result = {"command": "python " + " ".join(sys.argv), "seed": SEED, "seeds": SEEDS,
              "problems": args.problems,
              "traces": len(traces), "steps": sum(len(t.steps) for t in traces),
              "with an error": round(float(np.mean([e is not None
                                                    for e in truth.first_errors])), 4),
              "policies": {}, "reference": REFERENCE, "methods": []}
    most = {}
    for name in POLICIES:
        policy = LocalPolicy.load(MODELS / name, max_new_tokens=160)
        most[name] = list(labels.monte_carlo(traces, policy, n_rollouts=MOST, seed=SEED,
                                             journal=KEPT / f"{name}.jsonl"))
        cost = total(most[name])
        result["policies"][name] = by_rollouts(most[name], truth) | {
            "generations": cost.generations, "tokens": cost.tokens}
        print(name, json.dumps(result["policies"][name]), flush=True)
    result["generations per trace"] = round(  # of fixed Monte Carlo, for each n
        total(most["policy"]).generations / MOST / len(traces), 4)
    base = (truth.draws(fixed_misses(most["policy"], truth, REFERENCE)),
            total(most["policy"]).generations * REFERENCE / MOST)
    policy = LocalPolicy.load(MODELS / "policy", max_new_tokens=160)
    for method, label in METHODS.items():
        for budget in BUDGETS:
            runs = [list(label(traces, policy, n_rollouts=budget, seed=seed, journal=KEPT / (
                f"{method.replace(', ', '-').replace(' ', '-')}-{budget}-{seed}.jsonl")))
                for seed in SEEDS]
            result["methods"].append({"method": method, "n_rollouts": budget,
                                      **compared(runs, truth, base)})
            print(json.dumps(result["methods"][-1]), flush=True)
    (ROOT / "data" / "runs" / "label_error.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
