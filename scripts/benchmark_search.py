"""What searching in lockstep and remembering prefixes save: beam search on test problems.

Two comparisons, each way in turn, the same work on both sides:

- *memory*: what one beam search asks of the PRM, round by round: every trace read from its
  beginning (as search-and-learn scores), against `PrefixMemory`, forgotten before each run.
- *lockstep*: all problems in one search, against one search a problem, with memory on both sides;
  and against one a problem that reads every trace from its beginning, as beams elsewhere do.

`python scripts/benchmark_search.py --threads 1 --clock cpu --json data/runs/benchmark_search.json`
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from benchmark_labels import hardware

from prmlab import problems, search
from prmlab.prefix_memory import PrefixMemory
from prmlab.rewards import PRM
from prmlab.sampling import LocalPolicy
from prmlab.traces import Trace


class Recorder:
    """A scorer that writes down what it was asked, round by round."""

    def __init__(self, scorer: Any):
        self.scorer, self.rounds = scorer, list[list[Trace]]()

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        self.rounds.append(list(traces))
        return self.scorer.score(traces)

    def fits(self, trace: Trace) -> bool:
        return self.scorer.fits(trace)


def memory_rows(prm: PRM, rounds: Sequence[Sequence[Trace]], runs: int,
                clock: Callable[[], float]) -> dict[str, Any]:
    """Seconds and tokens of both ways of scoring these rounds, and how far their scores differ."""
    memory, seconds, tokens = PrefixMemory(prm), {"whole": [], "memory": []}, {}
    ways = {"whole": prm, "memory": memory}
    scores = {name: [way.score(traces) for traces in rounds] for name, way in ways.items()}
    apart = max(float(np.abs(a - b).max()) for old, new in zip(*scores.values(), strict=True)
                for a, b in zip(old, new, strict=True))
    for _ in range(runs):
        for name, way in ways.items():
            memory.forget()
            before = way.usage.scorer_tokens
            begun = clock()
            for traces in rounds:
                way.score(traces)
            seconds[name].append(clock() - begun)
            tokens[name] = way.usage.scorer_tokens - before
            print(f"{name}: {seconds[name][-1]:.2f} s, {tokens[name]:,} tokens", file=sys.stderr)
    return {"seconds": seconds, "tokens": tokens, "scores_apart": apart}


def lockstep_rows(given: Sequence[problems.Problem], policy: LocalPolicy, prm: PRM,
                  sizes: dict[str, int], runs: int, clock: Callable[[], float]
                  ) -> dict[str, Any]:
    """Seconds of one search of all problems, and of one search a problem in two ways."""
    memory = PrefixMemory(prm)
    ways: dict[str, Callable[[], list[search.SearchResult]]] = {
        "lockstep": lambda: search.beam(given, policy, memory, **sizes),
        "alone": lambda: [search.beam(p, policy, memory, **sizes)[0] for p in given],
        "alone, whole": lambda: [search.beam(p, policy, prm, **sizes)[0] for p in given]}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, list[search.SearchResult]] = {}
    for _ in range(runs):
        for name, work in ways.items():
            memory.forget()
            begun = clock()
            found[name] = work()
            seconds[name].append(clock() - begun)
            print(f"{name}: {seconds[name][-1]:.2f} s", file=sys.stderr)
    same = sum(a.tree.step == b.tree.step == c.tree.step
               for a, b, c in zip(*found.values(), strict=True))
    return {"seconds": seconds, "same_trees": same}


def ratio(slow: Sequence[float], fast: Sequence[float]) -> tuple[float, float, float]:
    """Median, least and largest of slow / fast, run by run."""
    ratios = np.array(slow) / np.array(fast)
    return float(np.median(ratios)), float(ratios.min()), float(ratios.max())


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="of torch; by default all cores")
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--beam-width", type=int, default=4)
    parser.add_argument("--branching", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--quick", action="store_true", help="4 problems, one run: does it work")
    parser.add_argument("--json", type=Path, help="write all figures there, too")
    options = parser.parse_args()
    if options.quick:
        options.problems, options.runs = 4, 1
    return options


def main() -> int:
    """Measure and print both comparisons."""
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    policy = LocalPolicy.load("policy", device=options.device)
    prm = PRM.load("prm", device=options.device)
    given = problems.mix(options.problems, seed=21, families=("stories", "equations"),
                         difficulty=(1, 2, 3, 4, 5), split="test")
    sizes = {"beam_width": options.beam_width, "branching": options.branching}
    recorder = Recorder(prm)
    search.beam(given, policy, recorder, **sizes)
    memory = memory_rows(prm, recorder.rounds, options.runs, clock)
    lockstep = lockstep_rows(given, policy, prm, sizes, options.runs, clock)
    where = (f"{hardware(options.device)}; torch {torch.__version__}, transformers "
             f"{transformers.__version__}, {options.clock} clock")
    saved = memory["tokens"]["whole"] / memory["tokens"]["memory"]
    by_memory = ratio(memory["seconds"]["whole"], memory["seconds"]["memory"])
    by_lockstep, by_both = (ratio(lockstep["seconds"][name], lockstep["seconds"]["lockstep"])
                            for name in ("alone", "alone, whole"))
    print(f"{options.problems} problems, beam of {options.beam_width} x {options.branching}\n"
          f"{where}\n"
          f"prefix memory: {saved:.1f} times fewer tokens, {by_memory[0]:.1f} "
          f"[{by_memory[1]:.1f}, {by_memory[2]:.1f}] times faster; scores differ by at most "
          f"{memory['scores_apart']:.1g}\n"
          f"lockstep: {by_lockstep[0]:.1f} [{by_lockstep[1]:.1f}, {by_lockstep[2]:.1f}] times "
          f"faster than one at a time, {by_both[0]:.1f} [{by_both[1]:.1f}, {by_both[2]:.1f}] times "
          f"with memory too; {lockstep['same_trees']} of {options.problems} trees equal")
    if options.json:
        record = {"hardware": where, "problems": options.problems, **sizes,
                  "command": f"python scripts/benchmark_search.py {' '.join(sys.argv[1:])}",
                  "memory": {**memory, "ratio": by_memory, "fewer_tokens": saved},
                  "lockstep": {**lockstep, "ratio": by_lockstep, "ratio_to_whole": by_both}}
        options.json.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
