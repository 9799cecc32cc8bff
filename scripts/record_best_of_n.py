"""Sample far more than a notebook can: python scripts/record_best_of_n.py [--problems 500].

Writes data/runs/best_of_1860.npz: 1,860 traces of every problem of best_of_64's set (its 64 traces
among them), graded by the checker, scored by both PRMs and the ORM. As many samples as in Let's
Verify Step by Step, and as there scored for their outcome's sake: equal traces are scored once.
Each problem is a file in runs/best_of_1860 until all are there, so that an interrupted run goes on.
"""

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np
from evaluate_models import AGGREGATES, MODELS, REWARDED, ROOT, RUNS, SEED, sample

from prmlab import answers, checker, problems, samples, scoring
from prmlab.rewards import ORM, PRM
from prmlab.samples import Samples
from prmlab.sampling import LocalPolicy
from prmlab.traces import Problem, Trace

PARTS = ROOT / "runs" / "best_of_1860"


def condensed(problem: Problem, row: list[Trace], prms: dict[str, PRM], orm: ORM) -> Samples:
    """The samples of one problem, equal ones as one, graded and scored."""
    counted = Counter((t.steps, t.finished) for t in row)
    distinct = [Trace(problem, *trace) for trace in counted]
    given = [None if t.answer is None else answers.normalise(t.answer) for t in distinct]
    number = {None: -1} | {a: i for i, a in enumerate(sorted({a for a in given if a}))}
    wrong = [next((v.reason for v in checker.check(t) if v.label < 0), "") for t in distinct]
    step_scores = {name: prm.score(distinct) for name, prm in prms.items()}
    return Samples(
        np.array([problem.id]), np.array([problem.family]),
        np.array([problem.facts["difficulty"]]), np.zeros(len(distinct), int),
        np.array(list(counted.values())), np.array([number[a] for a in given]),
        np.array([a is not None and answers.equal(a, problem.answer) for a in given]),
        np.array(wrong), np.array([len(t.steps) for t in distinct]),
        {"orm": orm.score(distinct),
         **{f"{name} {how}": np.array([scoring.aggregate(s, how) for s in scores])
            for name, scores in step_scores.items() for how in AGGREGATES}})


def main() -> None:
    """Record what is missing, then join it."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--samples", type=int, default=1860)
    parser.add_argument("--parts", type=Path, default=PARTS)
    args = parser.parse_args()
    args.parts.mkdir(parents=True, exist_ok=True)
    policy = LocalPolicy.load(MODELS / "policy", max_new_tokens=200)
    prms = {name: PRM.load(MODELS / name) for name in ("prm", "prm-large")}
    orm = ORM.load(MODELS / "orm")
    made = problems.mix(500, seed=SEED, families=REWARDED, split="test")[:args.problems]
    files, began = [], time.process_time()
    for i, problem in enumerate(made):
        files.append(args.parts / f"{i:03}.npz")
        if not files[-1].exists():
            [row] = sample(policy, [problem], args.samples)
            samples.write(files[-1], condensed(problem, row, prms, orm))
            print(f"{i + 1} of {len(made)}: {time.process_time() - began:.0f} s", flush=True)
    joined = samples.join([samples.read(file) for file in files])
    samples.write(RUNS / f"best_of_{args.samples}.npz", joined)
    print(joined, f"{joined.each('right').mean():.1%} right", sep="\n")


if __name__ == "__main__":
    main()
