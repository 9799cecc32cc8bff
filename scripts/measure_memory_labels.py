"""How much memory labelling takes, at two numbers of traces, each in a process of its own.

    python scripts/measure_memory_labels.py [--traces 2000 200000] [--seed 0] [--json FILE]

Toy traces of six moves come one at a time, are labelled by 16 rollouts a prefix onto a journal,
and are let go. The peak is the resident size of the whole process, as the kernel reports it;
"imported" is what it was before the first trace.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from prmlab import labels, toys  # noqa: E402
from prmlab.traces import Problem, Trace  # noqa: E402

POLICY = toys.ToyPolicy(0.8, 0.2)


def stream(n_traces: int, seed: int) -> Iterator[Trace]:
    """Sampled traces of as many problems, none of them kept."""
    (one,) = toys.make(1, length=6)
    for i in range(n_traces):
        problem = Problem(f"toy-6-{i}", one.text, one.answer, one.family, one.facts)
        yield POLICY.complete([toys.trace(problem, "")], 1, seed=seed)[0][0]


def peak_mib() -> float:
    """The largest resident size of this process so far, in MiB."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB on Linux, bytes on macOS
    return round(size / (2**20 if sys.platform == "darwin" else 2**10), 1)


def measure(n_traces: int, seed: int) -> dict:
    """Label them here and now."""
    imported, begun, n_labels = peak_mib(), time.process_time(), 0
    with tempfile.TemporaryDirectory() as folder:
        journal = os.path.join(folder, "labels.jsonl")
        for one in labels.monte_carlo(stream(n_traces, seed), POLICY, seed=seed + 1,
                                      journal=journal):
            n_labels += len(one.steps)
        return {"traces": n_traces, "labels": n_labels, "peak MiB": peak_mib(),
                "imported MiB": imported,
                "journal MiB": round(os.path.getsize(journal) / 2**20, 1),
                "processor seconds": round(time.process_time() - begun, 1)}


def main() -> None:
    """Print, and write, one record a number of traces."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--traces", type=int, nargs="+", default=[2000, 200_000])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write what was found there, too")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure(options.traces[0], options.seed)))
        return
    found = []
    for n_traces in options.traces:
        done = subprocess.run([sys.executable, __file__, "--here", "--seed", str(options.seed),
                               "--traces", str(n_traces)], stdout=subprocess.PIPE, check=True)
        found.append(json.loads(done.stdout))
        print(json.dumps(found[-1]), flush=True)
    if options.json:
        record = {"command": "python " + " ".join(sys.argv), "seed": options.seed,
                  "python": sys.version.split()[0], "sizes": found}
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
