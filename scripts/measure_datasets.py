"""Memory and speed of reading a large file: python scripts/measure_datasets.py [--gigabytes 1].

Writes a file of PRM800K rows of that size into a temporary folder, one row in a thousand damaged,
reads it to its end in a process of its own, and prints the peak memory before and after, the
rate, and what was counted. With `--json FILE` the figures are written there too.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from prmlab.datasets import prm800k, rows, stepwise
from prmlab.traces import Trace


def write(path: Path, size: int) -> int:
    """A file of `size` bytes; returns its number of rows."""
    n, texts = 0, []
    for i in range(1000):
        problem = rows.problem_of(f"What is {i} + {i}? " + "Think. " * (i % 50), str(2 * i), "x", {})
        steps = [f"Step {k}: {i} + {i} is a sum. " + "So it is. " * (i % 30) for k in range(8)]
        trace = Trace(problem, (*steps, f"Answer: {2 * i}"), True, (1, 0, 1, 1, -1) + (None,) * 4)
        texts.append(json.dumps(prm800k.record(trace)).encode() + b"\n")
    texts[500] = texts[500][:300] + b"\n"
    with path.open("wb") as out:
        while out.tell() < size:
            out.writelines(texts)
            n += len(texts)
    return n


def peak() -> float:
    """Megabytes of the largest resident set so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def read(path: Path) -> dict:
    """Read and rewrite the file as stepwise rows, all in one stream."""
    for _ in islice(prm800k.read(path, neutral="right", strict=False), 5000):
        pass
    before, began = peak(), time.time()
    reading = prm800k.read(path, neutral="right", strict=False)
    n = stepwise.write(path.with_suffix(".trl"), reading, neutral="right")
    seconds = time.time() - began
    return {"bytes": path.stat().st_size, "rows": reading.n_rows, "traces written": n,
            "bad rows": reading.n_skipped, "first bad row": reading.bad_rows[0].line,
            "peak before, MB": round(before, 1), "peak after, MB": round(peak(), 1),
            "seconds": round(seconds, 1), "processor seconds": round(time.process_time(), 1)}


def main() -> None:
    """Write, read in a fresh process, print."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        print(json.dumps(read(args.read)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.jsonl"
        n = write(path, int(args.gigabytes * 2**30))
        done = subprocess.run([sys.executable, __file__, "--read", str(path)], check=True,
                              capture_output=True, text=True)
        found = json.loads(done.stdout)
    assert found["rows"] == n
    print(json.dumps(found, indent=1))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
