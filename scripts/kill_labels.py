"""Kill a labelling run again and again, and see that its journal loses, doubles, changes nothing.

    python scripts/kill_labels.py [--kills 100] [--traces 2000] [--seed 0]

A process labels toy traces onto a journal, and gets SIGKILL at a random instant of its life; the
next one goes on. After every kill each whole line must be one of an undisturbed run, once. A run
that comes to its end is compared with the undisturbed one, sorted, byte by byte, and a new one
begins, until all kills are spent. Exits with 1 if anything differs.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from prmlab import labels, toys  # noqa: E402


def label(journal: Path, n_traces: int) -> None:
    """Label `n_traces` toy traces onto the journal, ten at a time."""
    policy = toys.ToyPolicy(0.8, 0.2)
    roots = [toys.trace(problem, "") for problem in toys.make(n_traces, length=6)]
    traces = (row[0] for row in policy.complete(roots, 1, seed=1))
    for _ in labels.monte_carlo(traces, policy, n_rollouts=16, chunk_size=10, journal=journal):
        pass


def spawn(journal: Path, n_traces: int) -> subprocess.Popen:
    """The process that does so."""
    return subprocess.Popen([sys.executable, __file__, "--label", str(journal),
                             "--traces", str(n_traces)])


def faults(journal: Path, whole: list[bytes], *, ended: bool) -> list[str]:
    """What is wrong with a journal, given the sorted lines of an undisturbed one."""
    if not journal.exists():
        return []
    lines = [line for line in journal.read_bytes().splitlines(keepends=True)
             if line.endswith(b"\n")]
    found = []
    if len(set(lines)) != len(lines):
        found.append(f"{len(lines) - len(set(lines))} lines doubled")
    if strange := set(lines) - set(whole):
        found.append(f"{len(strange)} lines changed")
    if ended and sorted(journal.read_bytes().splitlines(keepends=True)) != whole:
        found.append("not the bytes of an undisturbed run")
    return found


def kill_often(kills: int, n_traces: int, seed: int, folder: Path) -> tuple[list[str], int]:
    """Faults after that many kills, and how many runs came to their end."""
    begun = time.monotonic()
    if spawn(folder / "whole.jsonl", n_traces).wait():
        return ["the undisturbed run failed"], 0
    life = time.monotonic() - begun
    whole = sorted((folder / "whole.jsonl").read_bytes().splitlines(keepends=True))
    rng, found, run, before = random.Random(seed), [], 0, 0
    while kills or (folder / f"{run}.jsonl").exists():
        journal = folder / f"{run}.jsonl"
        process = spawn(journal, n_traces)
        try:
            code = process.wait(rng.uniform(0.2, 1.0) * life if kills else None)
            found += [f"run {run}: exit code {code}"] if code else []
            found += faults(journal, whole, ended=True)
            run, before = run + 1, 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills -= 1
            found += faults(journal, whole, ended=False)
            safe = journal.read_bytes().count(b"\n") if journal.exists() else 0
            found += [f"run {run}: {before - safe} lines lost"] if safe < before else []
            before = safe
    return found, run


def main() -> int:
    """Print what was found; 1 if anything was."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--traces", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--label", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.label:
        label(options.label, options.traces)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found, runs = kill_often(options.kills, options.traces, options.seed, Path(folder))
    print(f"{options.kills} kills, {runs} runs of {options.traces} traces came to their end; "
          + ("; ".join(found) if found else "nothing lost, doubled or changed"))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
