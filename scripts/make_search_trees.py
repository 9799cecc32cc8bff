"""Write the golden search trees, tests/data/trees/*.json: every strategy on toys, seed 3.

Run it after a strategy changed on purpose, and read the difference before committing it:
`python scripts/make_search_trees.py`
"""

import argparse
import json
from pathlib import Path

from prmlab import search, toys

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "data" / "trees"
SIZES = {
    search.best_of_n: {"n_samples": 5}, search.majority_vote: {"n_samples": 5},
    search.weighted_vote: {"n_samples": 5}, search.tie_break_vote: {"n_samples": 5},
    search.beam: {"beam_width": 2, "branching": 3},
    search.lookahead: {"beam_width": 2, "branching": 3, "ahead": 2},
    search.dvts: {"n_trees": 2, "branching": 3},
    search.tree_of_thoughts: {"branching": 3, "threshold": 0.3},
    search.mcts: {"n_simulations": 5, "branching": 3},
}


def grown() -> dict[str, dict]:
    """By strategy the tree, the answer, and the limits it met."""
    policy, [problem] = toys.ToyPolicy(0.6, 0.4), toys.make(1, length=4)
    found = {}
    for strategy, sizes in SIZES.items():
        [result] = strategy(problem, policy, toys.Values(policy), seed=3, **sizes)
        found[strategy.__name__] = {"answer": result.answer, "limits": dict(result.limits),
                                    "sizes": sizes, "tree": result.tree.to_dict()}
    return found


def main() -> None:
    """Write one file a strategy, one node a line."""
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, record in grown().items():
        nodes = record["tree"].pop("nodes")
        text = json.dumps(record, indent=1)
        lines = ",\n  ".join(json.dumps(node) for node in nodes)
        text = text.replace('"tree": {', f'"tree": {{\n  "nodes": [\n  {lines}\n  ],')
        (FOLDER / f"{name}.json").write_text(text + "\n", "utf-8")
    print(f"{len(SIZES)} trees")


if __name__ == "__main__":
    main()
