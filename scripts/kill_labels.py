"""Kill a labelling run again and again, and see that its journal loses, doubles, changes nothing.

    python scripts/kill_labels.py [--kills 100] [--ray-kills 5] [--traces 2000] [--json FILE]

A process labels toy traces onto a journal, and gets SIGKILL at a random instant; the next one
goes on. After every kill each whole line must be one of an undisturbed run, once, and none may
be gone. A run that comes to its end is compared with the undisturbed one, sorted, byte by byte,
and a new one begins, until all kills are spent. With `--ray-kills` the same for the workers of a
local Ray cluster of two, while the calling process lives. Exits with 1 if anything differs.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from prmlab import labels, toys  # noqa: E402

POLICY = toys.ToyPolicy(0.8, 0.2)


class Marked:
    """The toy policy; each process that runs it leaves its number in a folder."""

    def __init__(self, folder: Path):
        self.folder = str(folder)

    def __repr__(self) -> str:
        return repr(POLICY)

    def complete(self, *args, **options):
        """As `POLICY.complete`."""
        open(os.path.join(self.folder, str(os.getpid())), "w").close()
        return POLICY.complete(*args, **options)


def label(journal: Path, n_traces: int, policy=POLICY, executor=None) -> None:
    """Label `n_traces` toy traces onto the journal, ten at a time."""
    roots = [toys.trace(problem, "") for problem in toys.make(n_traces, length=6)]
    traces = (row[0] for row in POLICY.complete(roots, 1, seed=1))
    for _ in labels.monte_carlo(traces, policy, n_rollouts=16, chunk_size=10, journal=journal,
                                executor=executor):
        pass


def spawn(journal: Path, n_traces: int) -> subprocess.Popen:
    """A process that does so, once it has begun."""
    process = subprocess.Popen([sys.executable, __file__, "--label", str(journal),
                                "--traces", str(n_traces)], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def lines(journal: Path) -> list[bytes]:
    """The lines of a journal that has been begun, sorted."""
    return sorted(journal.read_bytes().splitlines(keepends=True)) if journal.exists() else []


def faults(found: list[bytes], whole: list[bytes], *, ended: bool) -> list[str]:
    """What is wrong with a journal's lines, given those of an undisturbed run."""
    found = [line for line in found if ended or line.endswith(b"\n")]
    wrong = []
    if len(set(found)) != len(found):
        wrong.append(f"{len(found) - len(set(found))} lines doubled")
    if strange := set(found) - set(whole):
        wrong.append(f"{len(strange)} lines changed")
    if ended and found != whole:
        wrong.append("not the bytes of an undisturbed run")
    return wrong


def kill_often(kills: int, n_traces: int, rng: random.Random, folder: Path) -> dict:
    """What that many kills of the labelling process did."""
    with spawn(folder / "whole.jsonl", n_traces) as process:
        begun = time.monotonic()
    life = time.monotonic() - begun
    whole = lines(folder / "whole.jsonl")
    spent, midway, wrong, run, before = 0, 0, [], 0, []
    while spent < kills or (folder / f"{run}.jsonl").exists():
        journal = folder / f"{run}.jsonl"
        with spawn(journal, n_traces) as process:
            try:
                code = process.wait(rng.uniform(0, life) if spent < kills else None)
                after = lines(journal)
                wrong += [f"exit code {code}"] if code else faults(after, whole, ended=True)
                run, before = run + 1, []
                continue
            except subprocess.TimeoutExpired:
                process.kill()
        spent, after = spent + 1, lines(journal)
        midway += 1 < len(after) < len(whole)
        wrong += faults(after, whole, ended=False)
        if lost := set(filter(lambda line: line.endswith(b"\n"), before)) - set(after):
            wrong.append(f"{len(lost)} lines lost")
        before = after
    return {"kills": spent, "kills with labels written and more to come": midway,
            "runs to their end": run, "seconds undisturbed": round(life, 2), "wrong": wrong}


def kill_workers(kills: int, n_traces: int, rng: random.Random, folder: Path) -> dict:
    """What that many kills of Ray workers did, at most one in each tenth of a second."""
    os.environ["PYTHONPATH"] = str(ROOT)  # of the workers
    import ray

    from prmlab.ray_executor import RayExecutor

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    label(folder / "calm.jsonl", n_traces)
    whole, spent, wrong, run = lines(folder / "calm.jsonl"), set(), [], 0
    (folder / "workers").mkdir()

    def kill() -> None:
        while labelling and len(spent) < kills:
            time.sleep(rng.uniform(0, 0.1))
            alive = {int(path.name) for path in (folder / "workers").iterdir()} - spent
            for victim in sorted(alive):
                path = folder / "workers" / str(victim)
                path.unlink()  # it comes again with the next chunk, if the worker still lives
                try:
                    if b"ray::" not in Path(f"/proc/{victim}/cmdline").read_bytes():
                        continue  # ended, and its number is another's
                    os.kill(victim, signal.SIGKILL)
                except (FileNotFoundError, ProcessLookupError):
                    continue
                spent.add(victim)
                break

    while len(spent) < kills:
        journal, labelling = folder / f"ray-{run}.jsonl", True
        killer = threading.Thread(target=kill)
        killer.start()
        label(journal, n_traces, Marked(folder / "workers"), RayExecutor(2, losses=kills + 1))
        labelling = False
        killer.join()
        wrong += faults(lines(journal), whole, ended=True)
        run += 1
    ray.shutdown()
    return {"kills": len(spent), "workers": 2, "runs to their end": run, "wrong": wrong}


def main() -> int:
    """Print what was found; 1 if anything was."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--ray-kills", type=int, default=0)
    parser.add_argument("--traces", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write what was found there, too")
    parser.add_argument("--label", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.label:
        print("begun", flush=True)
        label(options.label, options.traces)
        return 0
    rng, found = random.Random(options.seed), {}
    with tempfile.TemporaryDirectory() as folder:
        if options.kills:
            found["process"] = kill_often(options.kills, options.traces, rng, Path(folder))
        if options.ray_kills:
            found["ray"] = kill_workers(options.ray_kills, options.traces, rng, Path(folder))
    for what, one in found.items():
        print(f"{what}: {one['kills']} kills, {one['runs to their end']} runs of {options.traces} "
              f"traces came to their end; "
              + ("; ".join(one["wrong"]) or "nothing lost, doubled or changed"))
    if options.json:
        record = {"command": "python " + " ".join(sys.argv), "seed": options.seed,
                  "traces": options.traces, **found}
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return int(any(one["wrong"] for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
