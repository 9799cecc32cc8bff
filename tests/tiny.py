"""Tiny causal LMs of several architectures, random, far from uniform, the same every time."""

import torch
import transformers

from prmlab import checker, problems
from prmlab.traces import Trace

COMMON = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "initializer_range": 0.4,
          "max_position_embeddings": 90}
LIKE_LLAMA = {**COMMON, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3,
              "num_attention_heads": 4, "num_key_value_heads": 2}
SHAPES = {
    "Llama": LIKE_LLAMA,  # grouped queries
    "Qwen3": {**LIKE_LLAMA, "head_dim": 8},  # the course's policy: norms of queries and keys
    "Qwen2": LIKE_LLAMA,
    "Granite": LIKE_LLAMA,
    "Gemma": {**LIKE_LLAMA, "head_dim": 8, "num_key_value_heads": 1},  # one key head for all
    "GPT2": {**COMMON, "n_embd": 16, "n_layer": 2, "n_head": 2},  # learned positions
    "OPT": {**COMMON, "hidden_size": 16, "ffn_dim": 24, "num_hidden_layers": 2, "init_std": 0.4,
            "num_attention_heads": 4, "word_embed_proj_dim": 16},  # positions that begin at 2
    "GPTNeoX": {**COMMON, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 2,
                "num_attention_heads": 4},  # rotates a quarter of each head
    "Mistral": {**LIKE_LLAMA, "sliding_window": 4},
    "Gemma2": {**LIKE_LLAMA, "head_dim": 8},  # every second layer slides
    "Mamba": {**COMMON, "hidden_size": 16, "num_hidden_layers": 2},  # no attention
    "Bloom": {**COMMON, "hidden_size": 16, "n_layer": 2, "n_head": 2},  # its own attention
}


def tiny(kind, vocab_size, **changed):
    """A model of a few thousand parameters."""
    config = getattr(transformers, f"{kind}Config")(
        **{"vocab_size": vocab_size, **SHAPES[kind], **changed})
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = transformers.AutoModelForCausalLM.from_config(config).eval()
    model.generation_config = transformers.GenerationConfig(
        pad_token_id=0, bos_token_id=2, eos_token_id=3)
    return model


def equations(n_problems, n_each):
    """Labelled traces of equations, `n_each` a problem, all but the first with a wrong last step."""
    solved = [problems.solve(p) for p in problems.make("equations", n_problems, seed=5)]
    return checker.labelled(Trace(t.problem, (*t.steps[:-1], t.steps[-1] + "7" * i), True)
                            for t in solved for i in range(n_each))
