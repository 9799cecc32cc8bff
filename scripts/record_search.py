"""Search strategies at rising budgets: python scripts/record_search.py [--problems 100].

Writes `data/runs/search.json`: for each strategy and budget and for each test problem, whether the
answer is right and the tokens that policy and scorer ran. Samples of one prefix that draw the same
are run once here; `policy_tokens_apart` is what the policy runs where each sample is decoded apart,
for which every search is made a second time. The problems are the first of `best_of_64.jsonl`. The
settings that are no budget are chosen on validation problems (`chosen`). Each run is kept in
`runs/search/`, so that an interrupted recording goes on where it stopped.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from evaluate_models import MODELS, REWARDED, ROOT, SEED

from prmlab import answers, choosing, problems, search, wrong_turns
from prmlab.prefix_memory import PrefixMemory
from prmlab.rewards import PRM
from prmlab.sampling import LocalPolicy
from prmlab.search import SearchResult
from prmlab.traces import Problem
from prmlab.usage import Usage

KEPT = ROOT / "runs" / "search"
STRATEGIES = {"sampling": search.best_of_n, "beam": search.beam, "dvts": search.dvts,
              "lookahead": search.lookahead, "tree of thoughts": search.tree_of_thoughts,
              "mcts uct": search.mcts, "mcts puct": search.mcts}
BUDGETS = {"sampling": ("n_samples", (1, 2, 4, 8, 16, 32, 64, 128, 256)),
           "beam": ("beam_width", (1, 2, 4, 8, 16)), "dvts": ("n_trees", (2, 4, 8, 16)),
           "lookahead": ("beam_width", (1, 2, 4, 8)),
           "tree of thoughts": ("branching", (2, 4, 8, 16)),
           "mcts uct": ("n_simulations", (4, 16, 64, 256)),
           "mcts puct": ("n_simulations", (4, 16, 64, 256))}
FIXED = {"mcts uct": {"rule": "uct"}, "mcts puct": {"rule": "puct"}}
TRIED = {"tree of thoughts": ("threshold", (0.3, 0.5, 0.7)), "mcts uct": ("explore", (0.1, 0.3, 1)),
         "mcts puct": ("explore", (0.1, 0.3, 1))}
MIDDLE = {"tree of thoughts": {"branching": 4}, "mcts uct": {"n_simulations": 16},
          "mcts puct": {"n_simulations": 16}}
VOTES = {"best of n": choosing.best, "majority": choosing.majority,
         "weighted vote": choosing.weighted}
DEFAULT_WIDTH = 4  # of the beams whose failures are looked into


class Apart:
    """The same policy, with the bill of a server that decodes equal samples one by one."""

    def __init__(self, policy: LocalPolicy):
        self.policy = policy

    @property
    def usage(self) -> Usage:
        """What was drawn, and nothing taken off for what was drawn alike."""
        return replace(self.policy.usage, merged=0)

    def __getattr__(self, name: str) -> object:
        return getattr(self.policy, name)


def searched(strategy: str, made: Sequence[Problem], policy: LocalPolicy | Apart, verifier: PRM,
             **settings: object) -> tuple[list[SearchResult], float]:
    """The results with a fresh memory of the scorer, and the processor seconds they took."""
    began = time.process_time()
    found = STRATEGIES[strategy](made, policy, PrefixMemory(verifier), seed=SEED, **settings)
    return found, time.process_time() - began


def is_right(answer: str | None, problem: Problem) -> bool:
    """Whether the answer is the problem's."""
    return answer is not None and answers.equal(answer, problem.answer)


def row(name: str, found: Sequence[SearchResult], apart: Sequence[int], made: Sequence[Problem],
        cpu: float, **more: object) -> dict:
    """One run as a JSON record; of the columns each has one cell a problem."""
    rule = VOTES.get(name)
    right = [is_right(rule(r.tree).answer if rule else r.answer, p)
             for r, p in zip(found, made, strict=True)]
    cost = [r.cost for r in found]
    asked = name != "majority"  # a majority needs no scores
    return {"strategy": name, **more, "right": "".join("01"[ok] for ok in right),
            "policy_tokens": [c.policy_tokens for c in cost], "policy_tokens_apart": list(apart),
            "scorer_tokens": [c.scorer_tokens * asked for c in cost],
            "calls": round(float(np.mean([c.policy_calls + c.scorer_calls * asked
                                          for c in cost])), 2),
            "cpu_seconds": round(cpu / len(made), 4),
            "nodes": round(float(np.mean([len(r.tree) - 1 for r in found])), 1),
            "unanswered": sum(r.answer is None for r in found)}


def losses(found: Sequence[SearchResult], made: Sequence[Problem]) -> list[dict]:
    """Of each problem that was not solved, how the right way was lost."""
    lost = []
    for i, (result, problem) in enumerate(zip(found, made, strict=True)):
        if is_right(result.answer, problem):
            continue
        tree, turn = result.tree, wrong_turns.find(result.tree)
        record = {"problem": i, "cause": turn.cause, "round": turn.round,
                  "rounds": tree.rounds, "answer": result.answer}
        for name in ("right", "rival", "wrong"):
            if node := getattr(turn, name):
                record[name] = {
                    "node": node, "depth": int(tree.depth[node]), "step": tree.step[node],
                    "step_score": round(float(tree.step_score[node]), 4),
                    "total": round(float(tree.total[node]), 4)}
        lost.append(record | {"reason": turn.reason})
    return lost


def chosen(policy: LocalPolicy, verifier: PRM, n: int) -> dict:
    """For each strategy the setting with most validation problems right, the first of equals."""
    made = problems.mix(n, seed=SEED, families=REWARDED, split="validation")
    picked = {}
    for strategy, (setting, values) in TRIED.items():
        tried = {}
        for value in values:
            found, _ = searched(strategy, made, policy, verifier, **{setting: value},
                                **MIDDLE[strategy], **FIXED.get(strategy, {}))
            tried[value] = sum(map(is_right, (r.answer for r in found), made))
        picked[strategy] = {"setting": setting, "value": max(tried, key=tried.get),
                            "right": {str(k): v for k, v in tried.items()}, "of": n}
    return picked


def kept(name: str, make: Callable[[], object]) -> object:
    """What is on disk under this name; made and put there if nothing is."""
    path = KEPT / f"{name.replace(' ', '_')}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(make()))
        part.replace(path)
        print(name, time.strftime("%H:%M:%S"), flush=True)
    return json.loads(path.read_text())


def one_run(strategy: str, budget: int, made: Sequence[Problem], policy: LocalPolicy,
            verifier: PRM, settings: dict) -> dict:
    """The rows of one strategy at one budget; its losses too, for the beam looked into."""
    setting = BUDGETS[strategy][0]
    found, cpu = searched(strategy, made, policy, verifier, **{setting: budget}, **settings)
    again, _ = searched(strategy, made, Apart(policy), verifier, **{setting: budget}, **settings)
    apart = [r.cost.policy_tokens for r in again]
    if [r.answer for r in again] != [r.answer for r in found]:
        raise ValueError(f"{strategy} {budget}: the same search twice gave other answers")
    names = VOTES if strategy == "sampling" else [strategy]
    rows = [row(name, found, apart, made, cpu, setting=setting, budget=budget) for name in names]
    look_into = strategy == "beam" and budget == DEFAULT_WIDTH
    return {"rows": rows, "losses": losses(found, made) if look_into else []}


def main() -> None:
    """Choose on validation problems, record on test problems, write."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--validation", type=int, default=40)
    parser.add_argument("--scorers", nargs="+", default=["prm"])
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "runs" / "search.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    policy = LocalPolicy.load(MODELS / "policy", max_new_tokens=200)
    verifiers = {name: PRM.load(MODELS / name) for name in args.scorers}
    settings = kept(f"chosen {args.validation}", lambda: chosen(
        policy, verifiers[args.scorers[0]], args.validation))
    made = problems.mix(args.problems, seed=SEED, families=REWARDED, split="test")
    runs, lost = [], {scorer: [] for scorer in verifiers}
    units = [(k, scorer, strategy, budget) for scorer in verifiers
             for strategy, (_, budgets) in BUDGETS.items() for k, budget in enumerate(budgets)]
    found = {}
    for k, scorer, strategy, budget in sorted(units, key=lambda unit: unit[0]):  # small ones first
        own = dict(FIXED.get(strategy, {}))
        if strategy in settings:
            own[settings[strategy]["setting"]] = settings[strategy]["value"]
        found[k, scorer, strategy, budget] = kept(
            f"{scorer} {args.problems} {strategy} {budget}",
            partial(one_run, strategy, budget, made, policy, verifiers[scorer], own))
    for unit in units:
        runs += [{"scorer": unit[1], **row} for row in found[unit]["rows"]]
        lost[unit[1]] += found[unit]["losses"]
    result = {"command": "python " + " ".join(sys.argv), "seed": SEED, "split": "test",
              "families": REWARDED, "problems": [p.id for p in made], "chosen": settings,
              "fixed": "aggregate product, temperature 1, branching 4 where it is no budget",
              "runs": runs, "losses": {"strategy": "beam", "beam_width": DEFAULT_WIDTH,
                                       "branching": 4, "by scorer": lost}}
    args.out.write_text(json.dumps(result, separators=(",", ":")) + "\n", encoding="utf-8")
    print(args.out, args.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
