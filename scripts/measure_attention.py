"""How saturated the policies' attention is: python scripts/measure_attention.py.

For each layer, the largest attention weight of a position, averaged over heads, positions from the
fifth on, and the reference traces of 60 test problems. Near 1, softmax passes hardly any gradient.
"""

import argparse

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from prmlab import catalog, problems, tokens


def main() -> None:
    """One line a policy, one number a layer."""
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    solved = [problems.solve(p) for p in problems.mix(60, seed=4, split="test")]
    for name in ("policy-weak", "policy", "policy-strong"):
        folder = catalog.resolve_model(name)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager",
                                                     local_files_only=True)
        rows = []
        for trace in solved:
            ids = torch.tensor([tokens.encode(tokenizer, trace).ids])
            with torch.no_grad():
                layers = model(ids, output_attentions=True).attentions
            rows.append([a[0].max(-1).values[:, 5:].mean().item() for a in layers])
        print(f"{name:14}", " ".join(f"{x:.3f}" for x in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
