"""10,000 damaged rows of every format: each is skipped and reported, or is a sound trace."""

import json
import math
import time
from pathlib import Path
from random import Random

import pytest
from mutations_rows import mutate

from prmlab.datasets import (
    bigbench_mistake,
    gsm8k_solutions,
    math_shepherd,
    omegaprm,
    prm800k,
    prmbench,
    processbench,
    recorded,
    rows,
    stepwise,
)
from prmlab.traces import Trace

SAMPLES = Path(__file__).parent / "data" / "datasets"
N = 10_000
FORMATS = {
    "prm800k": ("prm800k.jsonl", lambda path, **o: prm800k.read(
        path, neutral="keep", alternatives=True, quality_control=True, **o)),
    "math_shepherd": ("math_shepherd.jsonl", math_shepherd.read),
    "stepwise": ("stepwise.jsonl", stepwise.read),
    "processbench": ("processbench.jsonl", processbench.read),
    "prmbench": ("prmbench.jsonl", prmbench.read),
    "bigbench_mistake": ("bigbench_mistake.jsonl", bigbench_mistake.read),
    "gsm8k_solutions": ("gsm8k_solutions.jsonl", gsm8k_solutions.read),
    "omegaprm tree": ("omegaprm_tree.jsonl", omegaprm.read),
    "omegaprm flat": ("omegaprm_flat.jsonl", omegaprm.read),
}


def sound(trace: Trace) -> bool:
    """True if any file can hold the trace, and its labels mean something."""
    json.dumps(trace.to_dict(), ensure_ascii=False, allow_nan=True).encode("utf-8")
    labels = trace.labels or ()
    return (bool(trace.steps) and bool(trace.problem.id)
            and all(x is None or (-1 <= x <= 1 and not math.isnan(x)) for x in labels)
            and ("soft" in trace.source or all(x in (-1, 0, 1, None) for x in labels)))


class Clock:
    """The longest processor time between two signs of life."""

    def __init__(self):
        self.last, self.longest = time.process_time(), 0.0

    def tick(self, _=None):
        now = time.process_time()
        self.longest, self.last = max(self.longest, now - self.last), now


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_rows_are_skipped_or_sound(name, tmp_path):
    sample, read = FORMATS[name]
    good = [line for line in (SAMPLES / sample).read_bytes().split(b"\n") if line]
    rng = Random(f"damage {name}")
    lines = [mutate(rng.choice(good), rng) for _ in range(N)]
    path = tmp_path / "damaged.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    clock, found = Clock(), []
    reading = read(path, strict=False, on_finding=lambda f: (clock.tick(), found.append(f)))
    for trace in reading:
        clock.tick()
        assert sound(trace), trace
    clock.tick()
    skipped = [f for f in found if f.skipped]
    assert reading.n_rows == sum(bool(line.strip()) for line in lines)
    assert len(skipped) == reading.n_skipped == len({f.line for f in skipped}) > N / 4
    assert all(f.reason and f.file == str(path) and f.reason.isprintable() for f in found)
    assert len(reading.bad_rows) == rows.KEPT
    assert clock.longest < 1.0
    for f in rng.sample(skipped, 50):  # alone and strictly: an error that names the line
        path.write_bytes(b"\n\n" + lines[f.line - 1])
        with pytest.raises(ValueError, match=r"damaged.jsonl, line 3: .*strict=False"):
            list(read(path))


def test_damaged_records_of_a_run(tmp_path):
    """One file, one record: the file is one JSON object, so damage to it is damage to all."""
    good, rng = (SAMPLES / "recorded.json").read_bytes(), Random("damage recorded")
    path, skipped = tmp_path / "damaged.json", 0
    for _ in range(N):
        path.write_bytes(mutate(good, rng))
        clock = Clock()
        reading = recorded.read(path, strict=False)
        assert all(sound(trace) or not trace.steps for trace in reading)
        clock.tick()
        skipped += reading.n_skipped > 0
        assert clock.longest < 1.0
    assert skipped > N / 4


@pytest.mark.parametrize("name", FORMATS)
def test_a_row_of_many_megabytes_is_no_hang(name, tmp_path):
    sample, read = FORMATS[name]
    good = (SAMPLES / sample).read_bytes().split(b"\n")[0]
    huge = b'"' + b"a = 1, the answer is: " * 350_000 + b'"'  # 7.7 MB, which is allowed
    whole = json.loads(good)
    longest = max((key for key in whole if isinstance(whole[key], str)), key=len)
    lines = [json.dumps({**whole, longest: "@"}).encode().replace(b'"@"', huge),
             b"[" * 7_000_000, b"9" * 7_000_000, b'"' + b"x" * rows.MAX_ROW + b'"', good, b""]
    path, clock = tmp_path / "huge.jsonl", Clock()
    path.write_bytes(b"\n".join(lines))
    reading = read(path, strict=False, on_finding=clock.tick)
    clock.last = time.process_time()
    assert all(sound(trace) for trace in reading)
    clock.tick()
    assert reading.n_rows == 5
    assert reading.n_traces > 0
    assert [f.line for f in reading.bad_rows][-3:] == [2, 3, 4]
    assert any("longer than 8,388,608 bytes" in f.reason for f in reading.bad_rows)
    assert clock.longest < 1.0
