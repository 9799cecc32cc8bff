"""The label sources once more, fixed beforehand: it writes data/runs/label_sources_again.json.

In `record_label_sources.py` the learning rate was settled after a look at the test figures. Here
nothing is chosen: other traces (1,600, of training problems that no model has seen), other test
problems, other training seeds, and all else as it stands there: rate, rollouts, threshold from
validation, product, F1 and best of 16. Fewer sources, more trainings and more problems, since what
it is to settle is whether Monte Carlo labels are worse at finding errors and not at choosing.

What is done is kept in runs/label_sources_again, so that an interrupted run goes on where it was.
"""

import argparse
import json
import sys
from pathlib import Path

from evaluate_models import MODELS, ROOT
from make_models import reward_problems
from record_label_sources import (
    N_ROLLOUTS,
    N_SAMPLES,
    N_TRACES,
    RATE,
    Measured,
    figures,
    labelled,
    measured_on,
    quality,
    run,
    stored,
)

from prmlab import checker, labels, traces
from prmlab.evidence import total
from prmlab.sampling import LocalPolicy
from prmlab.traces import Trace

PART, TEST_SEED, SAMPLING_SEED = 40, 101, 11  # no other script uses these
KEPT = ROOT / "runs" / "label_sources_again"


def training_traces(kept: Path) -> list[Trace]:
    """`N_TRACES` traces of `policy`, 4 a problem as in data/traces/train.jsonl, made once."""
    def make() -> dict:
        policy = LocalPolicy.load(MODELS / "policy", max_new_tokens=160)
        made = [Trace(p, ()) for p in reward_problems(N_TRACES // 4 + 50, part=PART)]
        rows = policy.complete(made, 4, seed=SAMPLING_SEED)
        path = kept / "train.jsonl"
        traces.write_jsonl(path, checker.labelled(
            [t for row in rows for t in row if t.steps][:N_TRACES]))
        return {"file": path.name}

    return traces.read_jsonl(kept / stored(kept, "train", make)["file"])


def main() -> None:
    """Label, train, measure."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4, 5, 6, 7])
    parser.add_argument("--problems", type=int, default=200)
    args = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    data = training_traces(KEPT)
    exact = list(labels.exact(data))
    weak, seconds = labelled("policy", data, KEPT)
    by_source = {"exact": {"rows": exact, "kind": "hard"},
                 "Monte Carlo, hard": {"rows": weak, "kind": "hard"},
                 "Monte Carlo, soft": {"rows": weak, "kind": "soft"}}
    truth = {(row.trace.problem.id, row.trace.steps): row for row in exact}
    held_out, test = measured_on(args.problems, seed=TEST_SEED)
    found: dict[str, list[dict]] = {name: [] for name in by_source}
    for seed in args.seeds:  # all with one seed before any with two
        for name, source in by_source.items():
            found[name].append(run(name, source, seed, RATE, held_out, test, KEPT))
    base = Measured(found["exact"], test)
    result = {"command": "python " + " ".join(sys.argv), "seed": TEST_SEED, "seeds": args.seeds,
              "traces": len(data), "rollouts": N_ROLLOUTS, "rate": RATE,
              "problems": len(test.rows), "samples": N_SAMPLES,
              "pass@1": round(float(test.right.mean()), 4), "sources": [{
                  "name": name, "kind": source["kind"],
                  "generations": total(source["rows"]).generations,
                  "core seconds": round(seconds if "Carlo" in name else 0),
                  "labels": quality(source["rows"], truth),
                  **figures(Measured(found[name], test), base)}
                  for name, source in by_source.items()]}
    (ROOT / "data" / "runs" / "label_sources_again.json").write_text(
        json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
