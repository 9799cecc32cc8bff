"""What keeping a problem's traces together costs in learning: python scripts/measure_together.py --json FILE.

With `together=8` what eight traces of a problem begin with is run once, and a pass takes half the
time. A step's gradient is then of fewer problems, and a noisier one. This trains the PRM of
`benchmark_training.py` (1.5 M parameters, 12,000 traces of 1,500 problems once, AdamW, four
trainings of each setting) with together=1, 4 and 8, three rates and two batch sizes, and compares
the loss on 3,200 traces of 400 other training problems, seed by seed, with 95 % t intervals over the
trainings. Processor seconds, of one thread.

    --problems, --held-out   problems to learn from, and to measure on; 8 traces each
    --jobs                   trainings at once

Each training lies in a .part file beside the record until all are done; a run cut off goes on.
"""

import argparse
import json
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import benchmark_training as bench  # noqa: E402

from prmlab import muon, traces, training  # noqa: E402
from prmlab.traces import Trace  # noqa: E402

SETTINGS = [(32, 1, 1e-3), (32, 4, 1e-3), (32, 8, 1e-3), (32, 1, 6e-4), (32, 8, 6e-4), (32, 8, 4e-4),
            (128, 1, 1e-3), (128, 8, 1e-3)]
RATE = 1e-3  # of the trainings with together=1 that the others are compared with
NAMES = ("batch_size", "together", "lr")


def divided(data: Sequence[Trace], n: int) -> tuple[list[Trace], list[Trace]]:
    """The traces of the first `n` problems, and the others'."""
    of = [list(group) for _, group in groupby(data, key=lambda t: t.problem.id)]
    return [t for some in of[:n] for t in some], [t for some in of[n:] for t in some]


def measure(options: argparse.Namespace) -> dict:
    """One training in this process: what it took, and what came of it."""
    torch.set_num_threads(1)
    learned, held_out = divided(list(traces.read_jsonl(options.data)), options.problems)
    prm = bench.fresh(argparse.Namespace(shape="tiny", seed=options.seed, device="cpu"))
    began = time.process_time()
    for _ in training.fit_prm(
            learned, base=prm, seed=options.seed, decay=1.0, warmup=4, lr=options.lr,
            batch_size=options.batch_size, together=options.together, weight_decay=0.0,
            optimizer=muon.adamw, device="cpu", precision="no"):
        pass
    spent = time.process_time() - began
    prm.model.eval()
    figures = training.step_figures(held_out)(prm)
    return {"seconds": round(spent, 1), **{name: round(x, 4) for name, x in figures.items()}}


def spawn(setting: dict, data: Path, record: Path) -> dict:
    """`measure` in a process of its own; what the .part file has already is not run again."""
    part = record.with_suffix(".part")
    known = [json.loads(line) for line in part.open()] if part.exists() else []
    for row in known:
        if all(row[name] == x for name, x in setting.items()):
            return row
    done = subprocess.run([sys.executable, __file__, "--data", data, *(
        x for name, value in setting.items() for x in (f"--{name.replace('_', '-')}", str(value)))],
        stdout=subprocess.PIPE, text=True, check=True)
    row = setting | json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(row), file=sys.stderr, flush=True)
    with part.open("a") as file:
        file.write(json.dumps(row) + "\n")
    return row


def summary(rows: Sequence[dict]) -> list[dict]:
    """A row a setting: means, and its loss less that of together=1 with the same batch size."""
    of = {setting: [row for row in rows if tuple(row[n] for n in NAMES) == setting]
          for setting in SETTINGS}
    return [dict(zip(NAMES, setting, strict=True)) | {
        name: round(statistics.mean(row[name] for row in some), 4)
        for name in ("seconds", "loss", "auroc", "f1")} | {
        "loss less apart": bench.less(some, of[setting[0], 1, RATE], "loss")}
            for setting, some in of.items()]


def main() -> int:
    """Train every setting, or measure one."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--problems", type=int, default=1500)
    parser.add_argument("--held-out", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=4, choices=range(1, 9), metavar="1..8")
    parser.add_argument("--jobs", type=int, default=2)
    for hidden, kind in (("data", Path), ("batch-size", int), ("together", int), ("lr", float), ("seed", int)):
        parser.add_argument(f"--{hidden}", type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.data:
        print(json.dumps(measure(options)))
        return 0
    if not options.json:
        parser.error("name the record to write with --json")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        data = Path(folder) / "data.jsonl"
        made = bench.sampled(options.problems + options.held_out)
        traces.write_jsonl(data, made)
        rows = list(pool.map(lambda setting: spawn(setting, data, options.json), [
            {"problems": options.problems, "held_out": options.held_out}
            | dict(zip((*NAMES, "seed"), (*setting, seed), strict=True))
            for seed in range(options.seeds) for setting in SETTINGS]))
        learned, held_out = divided(made, options.problems)
    record = {"command": "python " + shlex.join(sys.argv), "seed": bench.SEED,
              "hardware": platform.processor() or platform.machine(), "torch": torch.__version__,
              "traces": len(learned), "held out": len(held_out), "warmup": 4, "decay": 1.0,
              "summary": summary(rows), "trainings": rows}
    options.json.write_text(json.dumps(record, indent=1) + "\n")
    options.json.with_suffix(".part").unlink(missing_ok=True)
    for row in record["summary"]:
        print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
