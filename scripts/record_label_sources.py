"""What labels of each source are worth: it writes data/runs/label_sources.json.

The same traces of `policy` (the first of data/traces/train.jsonl) are labelled by the exact
checker, by Monte Carlo (soft and hard, by `policy` itself and by `policy-strong`), by a judge
(`prm-large`), and by the consensus of Monte Carlo and judge. The consensus has fewer traces, and no
labels after the first error: two controls have as few traces, one exact labels to the first error.
A PRM is trained from `verifier-base` on each, several seeds each. Validation traces, with exact
labels, choose its threshold; test traces, the same for all, give first-error F1 and best-of-16, and
their differences from the PRM of exact labels. The learning rate is one for all: chosen for each by
validation F1, it differed, and moved best-of-16 more than the labels did; the first seed's runs at
another rate are kept to show it.

What is done is kept in runs/label_sources, so that an interrupted run goes on where it was.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
from evaluate_models import MODELS, REWARDED, ROOT, SEED, rounded, sample
from make_models import REWARD
from record_learning import Sampled

from prmlab import labels, metrics, problems, scoring, thresholds, traces, training
from prmlab.curves import best_of_n_curve
from prmlab.evidence import Labelled, StepLabel, total
from prmlab.intervals import percentiles, resample_weights
from prmlab.rewards import PRM
from prmlab.sampling import LocalPolicy
from prmlab.traces import Trace

N_TRACES, N_ROLLOUTS, N_SAMPLES = 1_600, 8, 16
RATE, OTHER_RATE = 0.005, 0.02
AGGREGATES = ("product", "min", "last", "mean")
KEPT = ROOT / "runs" / "label_sources"


def stored(kept: Path, name: str, make: Callable[[], dict]) -> dict:
    """What `make` gives, kept in a file of that name, so that it is made once."""
    path = kept / f"{name}.json"
    if not path.exists():
        path.with_suffix(".part").write_text(json.dumps(make()))
        path.with_suffix(".part").replace(path)
    return json.loads(path.read_text())


def labelled(name: str, data: Sequence[Trace], kept: Path = KEPT) -> tuple[list[Labelled], float]:
    """The traces labelled by a model, and the seconds of one core that it took."""
    def run() -> dict:
        began = time.process_time()
        if name == "judge":
            rows = labels.judge(data, PRM.load(MODELS / "prm-large"),
                                journal=kept / f"{name}.jsonl")
        else:
            policy = LocalPolicy.load(MODELS / name, max_new_tokens=160)
            rows = labels.monte_carlo(data, policy, n_rollouts=N_ROLLOUTS, seed=SEED,
                                      journal=kept / f"{name}.jsonl")
        return {"rows": [row.to_dict() for row in rows],
                "seconds": time.process_time() - began}

    found = stored(kept, name, run)
    return ([Labelled.from_dict(t, row) for t, row in zip(data, found["rows"], strict=True)],
            found["seconds"])


def sources(data: Sequence[Trace]) -> dict[str, dict]:
    """For each source: `rows` (labelled traces), `kind`, and the `seconds` they took."""
    exact = list(labels.exact(data))
    weak, weak_seconds = labelled("policy", data)
    strong, strong_seconds = labelled("policy-strong", data)
    judged, judge_seconds = labelled("judge", data)
    agreed = list(labels.consensus(weak, judged))
    few = sorted(Random(SEED).sample(range(len(data)), len(agreed)))

    def made(rows: list[Labelled], seconds: float, kind: str = "hard") -> dict:
        return {"rows": rows, "kind": kind, "seconds": seconds * len(rows) / len(data)}

    both = made(agreed, 0) | {"seconds": weak_seconds + judge_seconds}
    return {"exact": made(exact, 0), "Monte Carlo, hard": made(weak, weak_seconds),
            "Monte Carlo, soft": made(weak, weak_seconds, "soft"),
            "Monte Carlo, strong policy": made(strong, strong_seconds),
            "judge": made(judged, judge_seconds), "consensus": both,
            "exact, to first error": made([cut(row) for row in exact], 0),
            "Monte Carlo, fewer traces": made([weak[i] for i in few], weak_seconds),
            "exact, fewer traces": made([exact[i] for i in few], 0)}


def cut(row: Labelled) -> Labelled:
    """The same without labels after the first error, as consensus and human labellers leave it."""
    n_kept = len(row.steps) if row.first_error is None else row.first_error + 1
    return replace(row, steps=tuple(step if s < n_kept else StepLabel()
                                    for s, step in enumerate(row.steps)))


def quality(rows: Sequence[Labelled], truth: dict[tuple, Labelled]) -> dict:
    """How far labels are from the truth, on the steps that have one."""
    pairs = [(step.label, step.value, true.label >= 0) for row in rows for step, true in zip(
        row.steps, truth[row.trace.problem.id, row.trace.steps].steps) if step.label is not None]
    called = np.array([label >= 0 for label, _, _ in pairs])
    right = np.array([true for _, _, true in pairs])
    f1 = metrics.first_error_f1(
        [row.first_error for row in rows],
        [truth[row.trace.problem.id, row.trace.steps].first_error for row in rows],
        groups=[row.trace.problem.id for row in rows])
    return {"labels": len(pairs), "right": round(float(right.mean()), 4),
            "accuracy": round(float((called == right).mean()), 4),
            "right steps called wrong": round(float(1 - called[right].mean()), 4),
            "wrong steps called right": round(float(called[~right].mean()), 4),
            "brier": round(metrics.brier([value for _, value, _ in pairs], right), 4),
            "first-error f1": rounded([f1.f1, f1.low, f1.high])}


def trained(rows: Sequence[Labelled], kind: str, *, seed: int, lr: float, held_out: Sampled,
            test: Sampled) -> dict:
    """A PRM trained on these labels: what it says of the test traces, and its threshold."""
    data, began = [getattr(row, kind) for row in rows], time.process_time()
    for record in training.fit_prm(data, base=MODELS / "verifier-base", seed=seed,
                                   label_kind=kind, **(REWARD | {
                                       "lr": lr, "warmup": min(100, len(data) // 64)})):
        pass
    seconds = time.process_time() - began
    choice = thresholds.choose_threshold(record.model.score(held_out.flat),
                                         held_out.first_errors)
    return {"lr": lr, "seed": seed, "validation f1": round(choice.f1, 4),
            "threshold": choice.threshold, "seconds": round(seconds),
            "scores": [[round(float(x), 6) for x in s] for s in record.model.score(test.flat)]}


def run(name: str, source: dict, seed: int, lr: float, held_out: Sampled, test: Sampled,
        kept: Path = KEPT) -> dict:
    """One training, made once."""
    file = f"{name}-{seed}-{lr}".replace(", ", "-").replace(" ", "-").lower()
    found = stored(kept, file, lambda: trained(source["rows"], source["kind"], seed=seed, lr=lr,
                                         held_out=held_out, test=test))
    print(f"{name}, seed {seed}, rate {lr}: validation F1 {found['validation f1']}, "
          f"{found['seconds']} s", flush=True)
    return found


class Measured:
    """The runs of one source on the test traces, seed by seed and problem by problem."""

    def __init__(self, found: Sequence[dict], test: Sampled):
        self.counts, shape = [], test.right.shape  # a seed: [problems, 4], hits and all traces,
        for one in found:  # with an error and without
            said = [scoring.first_error(s, threshold=one["threshold"]) for s in one["scores"]]
            rows = [(hit * wrong, wrong, hit * (1 - wrong), 1 - wrong) for hit, wrong in (
                (p == t, int(t is not None)) for p, t in zip(said, test.first_errors))]
            self.counts.append(np.array(rows, float).reshape(*shape, 4).sum(axis=1))
        self.best = {how: [best_of_n_curve(test.right, np.array(
            [scoring.aggregate(s, how) for s in one["scores"]]).reshape(shape),
            ns=[N_SAMPLES]).per_problem[:, 0] for one in found] for how in AGGREGATES}

    def draws(self, name: str, weights: np.ndarray) -> np.ndarray:
        """"f1" or best-of-16 by an aggregation, [seeds, rows], a row a weighting of problems."""
        if name != "f1":
            return np.array([weights @ best for best in self.best[name]])
        sums = [weights @ counts for counts in self.counts]
        return np.array([metrics.harmonic_mean(s[:, 0] / s[:, 1], s[:, 2] / s[:, 3])
                         for s in sums])


def figures(measured: Measured, base: Measured) -> dict:
    """F1 and best-of-16 by each aggregation, with intervals, and both less those of `base`.

    Each draw of the bootstrap takes problems anew, the same for both, and trainings anew, for each
    by itself: a difference that another seed would undo lies within its interval.
    """
    n = len(measured.counts[0])
    weights = np.vstack([np.full(n, 1 / n), resample_weights(n, seed=SEED)])  # first: as observed
    rng = np.random.default_rng(SEED)

    def mean_over_seeds(values: np.ndarray) -> np.ndarray:
        k = len(values)
        drawn = rng.multinomial(k, [1 / k] * k, size=values.shape[1]) / k
        drawn[0] = 1 / k
        return (values.T * drawn).sum(axis=1)

    def triple(values: np.ndarray) -> list[float]:
        return rounded([values[0], *percentiles(values[1:], 0.95)])

    found, less = {}, {}
    for name in ("f1", *AGGREGATES):
        words = name if name == "f1" else f"best of {N_SAMPLES}, {name}"
        by_seed = measured.draws(name, weights)
        own = mean_over_seeds(by_seed)
        found |= {words: triple(own), f"{words}, by seed": rounded(by_seed[:, 0])}
        less[words] = triple(own - (own if measured is base else mean_over_seeds(
            base.draws(name, weights))))
    return found | {"less exact": less}


def measured_on(n_problems: int, *, seed: int) -> tuple[Sampled, Sampled]:
    """Validation traces, and `N_SAMPLES` traces of each of so many test problems."""
    policy = LocalPolicy.load(MODELS / "policy", max_new_tokens=200)
    made = problems.mix(n_problems, seed=seed, families=REWARDED, split="test")
    held_out = traces.read_jsonl(ROOT / "data" / "traces" / "validation.jsonl")
    return Sampled([[t] for t in held_out]), Sampled(sample(policy, made, N_SAMPLES))


def main() -> None:
    """Label, train, measure."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--problems", type=int, default=150)
    args = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    data = traces.read_jsonl(ROOT / "data" / "traces" / "train.jsonl")[:N_TRACES]
    by_source = sources(data)
    truth = {(row.trace.problem.id, row.trace.steps): row for row in by_source["exact"]["rows"]}
    for name, source in by_source.items():
        print(name, json.dumps(quality(source["rows"], truth)), flush=True)
    held_out, test = measured_on(args.problems, seed=SEED)
    found: dict[str, list[dict]] = {name: [] for name in by_source}
    for seed in args.seeds:  # all with one seed before any with two
        for name, source in by_source.items():
            found[name].append(run(name, source, seed, RATE, held_out, test))
    other = {name: Measured([run(name, source, args.seeds[0], OTHER_RATE, held_out, test)], test)
             for name, source in by_source.items()}
    base = Measured(found["exact"], test)
    result = {"command": "python " + " ".join(sys.argv), "seed": SEED, "seeds": args.seeds,
              "traces": len(data), "rollouts": N_ROLLOUTS, "rate": RATE,
              "problems": len(test.rows), "samples": N_SAMPLES,
              "pass@1": round(float(test.right.mean()), 4), "sources": []}
    for name, source in by_source.items():
        cost = total(source["rows"])
        result["sources"].append({
            "name": name, "kind": source["kind"], "traces": len(source["rows"]),
            "generations": cost.generations, "tokens": cost.tokens,
            "core seconds": round(source["seconds"]), "labels": quality(source["rows"], truth),
            "thresholds": rounded(one["threshold"] for one in found[name]),
            **figures(Measured(found[name], test), base),
            f"first seed at rate {OTHER_RATE}": figures(other[name], other["exact"])})
        print(json.dumps(result["sources"][-1]), flush=True)
    (ROOT / "data" / "runs" / "label_sources.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
