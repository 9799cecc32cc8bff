"""How fast problems are made, solved and checked: per second and core, by family and difficulty.

    python scripts/benchmark_problems.py [--problems 2000] [--json FILE]

Required: 5,000 problems a second for each family's default mix (difficulty 1 to 5). Time is the
processor's, so that other work on the machine does not count; each figure is the best of three
runs on problems that were not seen before.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prmlab import problems  # noqa: E402

REQUIRED = 5000  # problems made a second, default mix
MIX = "mix"
LEVELS = (MIX, *range(1, 9))


def per_second(work: Callable[[int], int], runs: int = 3) -> float:
    """The best rate of several runs; `work` takes the run's number, returns how much it did."""
    best = 0.0
    for run in range(runs):
        begun = time.process_time()
        done = work(run)
        best = max(best, done / max(time.process_time() - begun, 1e-9))
    return best


def measure(family: str, level: int | str, n: int) -> dict[str, float]:
    """Problems made, problems solved, and steps checked, each per second."""
    difficulty = None if level == MIX else level
    module = problems.FAMILIES[family]
    made = [problems.make(family, n, seed=run, difficulty=difficulty) for run in range(3)]
    steps = [[module.solve(problem) for problem in batch] for batch in made]

    def check(run: int) -> int:
        for problem, trace in zip(made[run], steps[run], strict=True):
            module.check(problem, trace)
        return sum(map(len, steps[run]))

    return {
        "made": per_second(lambda run: len(problems.make(family, n, seed=100 + run,
                                                         difficulty=difficulty))),
        "solved": per_second(lambda run: len([module.solve(problem) for problem in made[run]])),
        "checked steps": per_second(check),
    }


def main() -> int:
    """Print the table; 1 if a family's mix is made more slowly than required."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--problems", type=int, default=2000, help="per family and difficulty")
    parser.add_argument("--json", type=Path, help="write the rates there, too")
    options = parser.parse_args()
    rates = {family: {str(level): measure(family, level, options.problems) for level in LEVELS}
             for family in problems.FAMILIES}
    print(f"{'family':12} {'difficulty':>10} {'made/s':>10} {'solved/s':>10} {'steps checked/s':>16}")
    for family, levels in rates.items():
        for level, rate in levels.items():
            print(f"{family:12} {level:>10} {rate['made']:10,.0f} {rate['solved']:10,.0f} "
                  f"{rate['checked steps']:16,.0f}")
    if options.json:
        options.json.write_text(json.dumps(rates, indent=1, sort_keys=True) + "\n")
    slow = [family for family, levels in rates.items() if levels[MIX]["made"] < REQUIRED]
    print(f"required: {REQUIRED:,} problems made a second; "
          + (f"too slow: {', '.join(slow)}" if slow else "met by every family"))
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
