"""Measure the tiny models on held-out problems: python scripts/evaluate_models.py [--problems 500].

Writes `data/runs/best_of_64.jsonl` (a problem a line: 64 sampled traces' answers, truth, PRM step
scores, ORM scores), the same for the two shifted sets, and `data/runs/summary.json`, in which every
figure stands with its 95 % interval over problems. The threshold of the PRM is chosen on validation problems. A
set whose file is there is not sampled again: remove the file to start over.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from prmlab import answers, checker, curves, metrics, problems, scoring, thresholds, votes
from prmlab.problems import LONG_DIFFICULTIES
from prmlab.rewards import ORM, PRM
from prmlab.sampling import LocalPolicy
from prmlab.traces import Trace

ROOT = Path(__file__).resolve().parent.parent
MODELS, RUNS = ROOT / "data" / "models", ROOT / "data" / "runs"
REWARDED = ("stories", "equations")
SEED = 1
AGGREGATES = ("min", "product", "mean", "last")


def sample(policy: LocalPolicy, made: Sequence, n_samples: int) -> list[list[Trace]]:
    """`n_samples` traces of each problem; one without a step keeps its place as "(nothing)"."""
    rows = policy.complete([Trace(p, ()) for p in made], n_samples, seed=SEED)
    return [[t if t.steps else Trace(t.problem, ("(nothing)",), t.finished, source=t.source)
             for t in row] for row in rows]


def record(rows: Sequence[Sequence[Trace]], prms: dict[str, PRM], orm: ORM) -> list[dict]:
    """One JSON record a problem: what was sampled, what is true, what the models say."""
    flat = [t for row in rows for t in row]
    step_scores = {name: prm.score(flat) for name, prm in prms.items()}
    outcome = orm.score(flat)
    records, at = [], 0
    for row in rows:
        part = slice(at, at + len(row))
        at += len(row)
        verdicts = [checker.check(t) for t in row]
        problem = row[0].problem
        records.append({
            "problem": problem.id, "family": problem.family, "text": problem.text,
            "difficulty": problem.facts["difficulty"], "answer": problem.answer,
            "answers": [None if t.answer is None else answers.normalise(t.answer) for t in row],
            "right": [int(t.answer is not None and answers.equal(t.answer, problem.answer))
                      for t in row],
            "labels": ["".join("-0+"[v.label + 1] for v in vs) for vs in verdicts],
            "orm": [round(float(s), 5) for s in outcome[part]],
            **{name: [[round(float(x), 5) for x in s] for s in scores[part]]
               for name, scores in step_scores.items()}})
    return records


def first_errors(records: Sequence[dict]) -> list[int | None]:
    """The true first error of every trace, in order."""
    return [None if (i := labels.find("-")) < 0 else i for r in records for labels in r["labels"]]


def best_of(records: Sequence[dict], prm_name: str) -> dict:
    """Accuracy at n = 1, 2, 4 ... N of every rule of choice, and its share of the oracle's gain."""
    right = np.array([r["right"] for r in records], dtype=bool)
    given = [r["answers"] for r in records]
    values = {how: np.array([[scoring.aggregate(s, how) for s in r[prm_name]] for r in records])
              for how in AGGREGATES}
    oracle = curves.oracle_curve(right)
    made = {"oracle": oracle, "majority": votes.majority_curve(right, given),
            "orm": curves.best_of_n_curve(right, np.array([r["orm"] for r in records])),
            **{f"{prm_name} {how}": curves.best_of_n_curve(right, v) for how, v in values.items()},
            f"{prm_name} weighted vote": votes.weighted_curve(right, given, values["product"])}
    ids = [r["problem"] for r in records for _ in r["right"]]
    choosing = {"orm": np.array([r["orm"] for r in records]),
                **{f"{prm_name} {how}": v for how, v in values.items()}}
    found = {}
    for name, curve in made.items():
        share = curves.recovered_gain(curve, oracle)
        found[name] = {"n": list(curve.n), "mean": rounded(curve.mean), "low": rounded(curve.low),
                       "high": rounded(curve.high), "share_of_oracle_gain": {
                           "mean": round(float(share.share[-1]), 4),
                           "low": round(float(share.low[-1]), 4),
                           "high": round(float(share.high[-1]), 4)}}
        if name in choosing and 0 < right.mean() < 1:
            found[name]["auroc within a problem"] = round(metrics.grouped_auroc(
                choosing[name].ravel().tolist(), right.ravel().tolist(), ids), 4)
    versus = curves.difference(made[f"{prm_name} product"], made["orm"])
    found[f"{prm_name} product minus orm"] = {
        "n": list(versus.n), "mean": rounded(versus.mean), "low": rounded(versus.low),
        "high": rounded(versus.high)}
    return found


def step_figures(records: Sequence[dict], prm_name: str, threshold: float) -> dict:
    """First-error F1 at 0.5 and at the chosen threshold, AUROC and calibration over steps."""
    scores = [np.array(s) for r in records for s in r[prm_name]]
    true = first_errors(records)
    of_problem = [r["problem"] for r in records for _ in r["labels"]]
    right = [c != "-" for r in records for labels in r["labels"] for c in labels]
    flat = np.concatenate(scores)
    figures = {"auroc": round(metrics.auroc(flat, right), 4),
               "ece": round(metrics.calibration(flat, right).ece, 4), "traces": len(scores)}
    if all(t is not None for t in true) or all(t is None for t in true):
        return figures | {"f1": "undefined: every trace has an error, or none"}
    for name, cut in (("f1 at 0.5", 0.5), ("f1 at chosen threshold", threshold)):
        found = metrics.first_error_f1([scoring.first_error(s, threshold=cut) for s in scores],
                                       true, groups=of_problem)
        figures[name] = {key: round(float(getattr(found, key)), 4) for key in (
            "f1", "low", "high", "acc_error", "acc_correct")} | {"threshold": round(cut, 4)}
    return figures


def policy_figures(records: Sequence[dict]) -> dict:
    """pass@1 by family and difficulty, and how often a right answer has a wrong step."""
    right = [(r, ok, "-" in labels) for r in records
             for ok, labels in zip(r["right"], r["labels"], strict=True)]
    table = {}
    for family in sorted({r["family"] for r in records}):
        for level in sorted({r["difficulty"] for r in records if r["family"] == family}):
            found = [ok for r, ok, _ in right if (r["family"], r["difficulty"]) == (family, level)]
            table[f"{family} {level}"] = round(float(np.mean(found)), 4)
    return {"pass@1": round(float(np.mean([ok for _, ok, _ in right])), 4), "by level": table,
            "right answers with a wrong step": round(
                float(np.mean([bad for _, ok, bad in right if ok])), 4)}


def rounded(values: np.ndarray) -> list[float]:
    """Four decimals are more than the intervals hold."""
    return [round(float(v), 4) for v in values]


def main() -> None:
    """Sample, score, write."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--only", nargs="+", choices=("best_of_64", "longer", "unseen_family"),
                        help="sample these sets and stop before the summary, to share the work")
    args = parser.parse_args()
    began, n = time.time(), args.problems
    RUNS.mkdir(parents=True, exist_ok=True)
    policy = LocalPolicy.load(MODELS / "policy", max_new_tokens=200)
    prms = {name: PRM.load(MODELS / name) for name in ("prm", "prm-large")
            if (MODELS / name).is_dir()}
    orm = ORM.load(MODELS / "orm")
    sets = {"best_of_64": (problems.mix(n, seed=SEED, families=REWARDED, split="test"),
                           args.samples),
            "longer": (problems.mix(n // 2, seed=SEED, families=REWARDED, split="test",
                                    difficulty=LONG_DIFFICULTIES), args.samples // 4),
            "unseen_family": (problems.make("expressions", n // 2, seed=SEED, split="test"),
                              args.samples // 4)}
    for name, (made, n_samples) in sets.items():
        path = RUNS / f"{name}.jsonl"
        if not path.exists() and name in (args.only or sets):
            records = record(sample(policy, made, n_samples), prms, orm)
            with path.with_suffix(".part").open("w", encoding="utf-8") as out:
                out.writelines(json.dumps(r, sort_keys=True) + "\n" for r in records)
            path.with_suffix(".part").replace(path)
    if args.only:
        return
    held_out = problems.mix(n, seed=SEED, families=REWARDED, split="validation")
    validation = record(sample(policy, held_out, 4), prms, orm)
    summary = {"command": "python " + " ".join(sys.argv), "seed": SEED, "sets": {}}
    for name, (_, n_samples) in sets.items():
        path = RUNS / f"{name}.jsonl"
        records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        figures = {"problems": len(records), "samples": n_samples,
                   "policy": policy_figures(records)}
        for prm_name in prms:
            chosen = thresholds.choose_threshold(
                [np.array(s) for r in validation for s in r[prm_name]], first_errors(validation))
            figures[prm_name] = {"steps": step_figures(records, prm_name, chosen.threshold),
                                 "best of n": best_of(records, prm_name)}
        summary["sets"][name] = figures
        print(name, json.dumps(figures, indent=1))
    summary |= {"minutes": round((time.time() - began) / 60, 1), "torch": torch.__version__}
    (RUNS / "summary.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
