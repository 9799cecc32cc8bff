"""Prove the checker: generate, break and rewrite traces, and count where it disagrees.

    python scripts/verify_checker.py [--problems 4000] [--seed 0] [--family NAME] [--json FILE]

For every problem of every family three traces are checked. The reference trace must have no
wrong step. A broken trace must be right up to the broken step, and wrong there for a right
reason; where the mutation knows the labels of the later steps, and which of them are carried
errors, those too. A rewritten trace must get the labels that the rewriting expects. What must
be found is argued in `tests/mutations_*.py` without the checker. Of stories a fourth trace,
with any number of errors in it, must get the labels and reasons that a second checker gives it,
which knows canonical steps alone. Exits with 1 if there is any disagreement.

With the defaults a correct run prints no disagreement in about 200,000 steps.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from prmlab import problems  # noqa: E402
from prmlab.traces import Problem  # noqa: E402
from prmlab.verdicts import Verdict  # noqa: E402

MUTATIONS = {"stories": "mutations_stories", "equations": "mutations_algebra",
             "expressions": "mutations_algebra"}
ORACLES = {"stories": "oracle_stories"}


class Counts:
    """What was checked, and the disagreements in words."""

    def __init__(self) -> None:
        self.steps: Counter = Counter()
        self.reasons: Counter = Counter()
        self.kinds: Counter = Counter()
        self.disagreements: list[str] = []
        self.seconds = 0.0

    def check(self, kind: str, problem: Problem, steps: Sequence[str]) -> list[Verdict]:
        """The verdicts, counted."""
        start = time.process_time()
        verdicts = problems.family_of(problem).check(problem, steps)
        self.seconds += time.process_time() - start
        self.steps[problem.family, kind] += len(steps)
        self.reasons.update((problem.family, verdict.reason) for verdict in verdicts)
        return verdicts

    def expect(self, what: str, holds: bool, problem: Problem, steps: Sequence[str],
               verdicts: Sequence[Verdict]) -> None:
        """Note a disagreement unless `holds`."""
        if not holds:
            lines = [f"  {verdict.label:+d} {verdict.reason:16} {step!r}  {verdict.note}"
                     for step, verdict in zip(steps, verdicts)]
            self.disagreements.append("\n".join((f"{what}: {problem.text}", *lines)))


def verify(family: str, n_problems: int, *, seed: int, counts: Counts) -> None:
    """Check `n_problems` problems of a family in the three ways."""
    module = import_module(MUTATIONS[family])
    oracle = import_module(ORACLES[family]) if family in ORACLES else None
    made = problems.make(family, n_problems, seed=seed, difficulty=range(1, 9))
    for i, problem in enumerate(made):
        rng = Random(f"verify {family} {seed} {i}")
        steps = problems.family_of(problem).solve(problem, rng)
        verdicts = counts.check("reference", problem, steps)
        counts.expect("reference", all(v.label >= 0 for v in verdicts), problem, steps,
                      verdicts)
        _verify_mutation(problem, module.mutate(problem, steps, rng), counts)
        rewritten, labels = module.harmless(problem, steps, rng)
        verdicts = counts.check("harmless", problem, rewritten)
        counts.expect("harmless", [v.label for v in verdicts] == list(labels), problem,
                      rewritten, verdicts)
        if oracle:
            strewn = oracle.scrambled(problem, steps, rng)
            verdicts = counts.check("scrambled", problem, strewn)
            found = [(v.label, v.reason) for v in verdicts]
            counts.expect("scrambled", found == oracle.check(problem, strewn), problem, strewn,
                          verdicts)


def _verify_mutation(problem: Problem, mutation, counts: Counts) -> None:
    verdicts = counts.check("harmful", problem, mutation.steps)
    kind = getattr(mutation, "kind", "")
    counts.kinds[problem.family, kind] += 1
    found = verdicts[mutation.index]
    holds = (all(v.label >= 0 for v in verdicts[:mutation.index])
             and found.label < 0 and found.reason in mutation.reasons)
    if (labels := getattr(mutation, "labels", None)) is not None:
        holds = holds and [v.label for v in verdicts] == list(labels)
    holds = holds and all(verdicts[i].carried for i in getattr(mutation, "carried", ()))
    counts.expect(f"harmful {kind}, step {mutation.index} must be one of "
                  f"{sorted(mutation.reasons)}", holds, problem, mutation.steps, verdicts)


def report(counts: Counts) -> Iterator[str]:
    """The counts as lines."""
    for (family, kind), steps in sorted(counts.steps.items()):
        yield f"{family:12} {kind:10} {steps:9,} steps"
    for (family, kind), n in sorted(counts.kinds.items()):
        yield f"{family:12} mutation {kind:20} {n:6,}"
    for (family, reason), n in sorted(counts.reasons.items()):
        yield f"{family:12} verdict  {reason:20} {n:6,}"
    yield (f"{counts.steps.total():,} steps checked, {len(counts.disagreements)} traces with a "
           f"disagreement; {counts.steps.total() / max(counts.seconds, 1e-9):,.0f} steps/s")


def main() -> None:
    """Run the proof and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--problems", type=int, default=4000, help="problems of each family")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--family", choices=MUTATIONS, help="only this one")
    parser.add_argument("--json", type=Path, help="write the counts there, too")
    given = parser.parse_args()
    counts = Counts()
    for family in [given.family] if given.family else MUTATIONS:
        verify(family, given.problems, seed=given.seed, counts=counts)
    print(*report(counts), *counts.disagreements[:5], sep="\n")
    if given.json:
        given.json.write_text(json.dumps({
            "problems_per_family": given.problems, "seed": given.seed,
            "steps": {" ".join(key): n for key, n in sorted(counts.steps.items())},
            "total_steps": counts.steps.total(), "disagreements": len(counts.disagreements),
        }, indent=1, sort_keys=True) + "\n")
    sys.exit(1 if counts.disagreements else 0)


if __name__ == "__main__":
    main()
