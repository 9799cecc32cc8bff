"""What pays when a PRM is trained on a CPU: python scripts/measure_training_options.py [--shape 100m].

The same traces (8 of a problem together) in one setting after the other, each in a process of its
own, the rounds of all settings interleaved; the median step of each process counts, and of those the
median. Ratios are to float32 on one thread with fused AdamW, distinct tokens run once. Padded rows
are sorted by length, the others are not. With --clock cpu it is the processor's time, for a busy
machine. It writes data/runs/training_options.json, where each shape has its entry.
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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmark_training import SETTINGS, fresh, sampled  # noqa: E402

from prmlab import muon, traces, training  # noqa: E402

OUT = Path(__file__).resolve().parent.parent / "data/runs/training_options.json"
BASE: dict[str, Any] = {"threads": 1, "precision": "no", "packed": True, "compiled": False,
                        "optimizer": "fused AdamW"}
OPTIONS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "two threads": {"threads": 2},
    "bfloat16": {"precision": "bf16"},
    "bfloat16, two threads": {"precision": "bf16", "threads": 2},
    "AdamW, all tensors at once": {"optimizer": "foreach AdamW"},
    "AdamW, tensor by tensor": {"optimizer": "plain AdamW"},
    "Muon": {"optimizer": "Muon"},
    "padded rows": {"packed": False},
    "padded rows, compiled": {"packed": False, "compiled": True},
}


def plain(model: torch.nn.Module, *, foreach: bool, **options: float) -> torch.optim.AdamW:
    """AdamW as torch has it without fusing."""
    return torch.optim.AdamW(model.parameters(), foreach=foreach, **options)


OPTIMIZERS: dict[str, Callable] = {
    "fused AdamW": muon.adamw, "Muon": muon.Muon, "foreach AdamW": partial(plain, foreach=True),
    "plain AdamW": partial(plain, foreach=False)}


def measure(options: argparse.Namespace) -> dict:
    """One setting, in this process: the median step, the first, and the tokens it covers."""
    chosen = BASE | OPTIONS[options.one]
    torch.set_num_threads(chosen.pop("threads"))
    optimizer = OPTIMIZERS[chosen.pop("optimizer")]
    optimizer.__name__ = "chosen"  # a partial has no name, and a run keeps its optimizer's
    data = list(traces.read_jsonl(options.data))
    options.seed, options.device = 0, "cpu"
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    times, last = [], clock()
    for record in training.fit_prm(
            data, base=fresh(options), together=8, batch_size=options.batch_size, decay=1.0,
            weight_decay=0.0, optimizer=optimizer, device="cpu", **SETTINGS[options.shape],
            **chosen):
        now = clock()
        times.append(now - last)
        last = now
    return {"first step": round(times[0], 3), "median step": round(statistics.median(times[1:]), 4),
            "memory_mb": round(record.memory_mb), "loss": round(record.loss, 4)}


def spawn(name: str, options: argparse.Namespace, data: Path) -> dict:
    """`measure` in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", name, "--data", data, "--shape", options.shape,
         "--batch-size", str(options.batch_size), "--clock", options.clock], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"{name:28}{found['median step'] * 1e3:9.0f} ms", file=sys.stderr, flush=True)
    return found


def main() -> int:
    """Measure all settings, or one."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=tuple(SETTINGS), default="tiny")
    parser.add_argument("--problems", type=int, default=64, help="8 traces each")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--settings", nargs="+", choices=tuple(OPTIONS), default=list(OPTIONS),
                        help="those to measure, beside the one as it is")
    parser.add_argument("--one", choices=tuple(OPTIONS), help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options)))
        return 0
    options.settings = list(dict.fromkeys(["as it is", *options.settings]))
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.jsonl"
        traces.write_jsonl(data, sampled(options.problems))
        found: dict[str, list[dict]] = {name: [] for name in options.settings}
        for _ in range(options.rounds):
            for name in options.settings:
                found[name].append(spawn(name, options, data))
    base = [row["median step"] for row in found["as it is"]]
    settings = {name: {
        "median step": statistics.median(row["median step"] for row in rows),
        "as fast as it is": round(statistics.median(
            b / row["median step"] for b, row in zip(base, rows, strict=True)), 2),
        "rounds": rows} for name, rows in found.items()}
    for name, row in settings.items():
        print(f"{name:28}{row['median step'] * 1e3:9.0f} ms{row['as fast as it is']:7.2f}")
    record = json.loads(OUT.read_text()) if OUT.exists() else {}
    record[options.shape] = {"command": shlex.join(["python", *sys.argv]), "seed": 0,
                             "hardware": platform.processor() or platform.machine(),
                             "torch": torch.__version__, "settings": settings}
    OUT.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
