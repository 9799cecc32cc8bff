"""A trained model inside a bigger one that computes the same: for trials at a real size, offline.

Random weights of 100 M parameters learn nothing in the minutes that a benchmark has, and no trained
ones lie here. `grown` puts a small model's heads, neurons and layers among new ones that write
nothing yet (their outputs' weights are 0, their inputs' are random), so that training goes on from
what the small one knows, at the big one's cost (function-preserving growth: Chen, Goodfellow and
Shlens, Net2Net, 2016). `make_models.grown`, which adds neurons and layers only, stays apart: from
its order of random numbers `prm-large` follows.
"""

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

SHAPE = {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30}  # SmolLM2-135M's
HEADS = 576, 192  # widths of its queries, and of its keys and values
SPREAD = 0.02  # of new weights


def grown(small: PreTrainedModel, *, seed: int) -> PreTrainedModel:
    """A Qwen3 model with the small one's head size in SmolLM2-135M's shape: 106 M in its matrices.

    Args:
        small: a causal LM of Qwen3's kind with as many heads for keys as for queries.
        seed: of the new weights.
    """
    config = type(small.config).from_dict(small.config.to_dict() | SHAPE | {"layer_types": None})
    size, old = small.config.head_dim, small.config
    config.num_attention_heads, config.num_key_value_heads = (width // size for width in HEADS)
    share = old.hidden_size / config.hidden_size
    config.rms_norm_eps = old.rms_norm_eps * share
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        big = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        _forget(big, share)
    every = config.num_hidden_layers / old.num_hidden_layers
    group = config.num_attention_heads // config.num_key_value_heads
    with torch.no_grad():
        for i, layer in enumerate(small.base_model.layers):
            _put(layer, big.base_model.layers[int(i * every)], size, group, share)
        _fill(big.base_model.embed_tokens.weight, small.base_model.embed_tokens.weight)
        _fill(big.base_model.norm.weight, small.base_model.norm.weight * share ** 0.5)
        _fill(big.lm_head.weight, small.lm_head.weight)
    return big


@torch.no_grad()
def _forget(big: PreTrainedModel, share: float) -> None:
    """New weights that write nothing: what adds to the stream is 0, what reads it is random."""
    for name, weight in big.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight", "embed_tokens.weight")):
            weight.zero_()
        elif weight.dim() == 2:
            weight.normal_(0.0, SPREAD)
        elif not name.endswith(("q_norm.weight", "k_norm.weight")):
            weight.fill_(share ** 0.5)


def _put(small: torch.nn.Module, big: torch.nn.Module, size: int, group: int, share: float
         ) -> None:
    """The small layer's heads and neurons among those of the big one."""
    ours, theirs = small.self_attn, big.self_attn
    n = len(ours.q_proj.weight)
    own = torch.arange(n).view(-1, size)
    asked = (own + torch.arange(len(own))[:, None] * size * (group - 1)).flatten()
    width = ours.q_proj.weight.shape[1]
    theirs.q_proj.weight[asked, :width] = ours.q_proj.weight
    theirs.o_proj.weight[:width, asked] = ours.o_proj.weight
    for name in ("k_proj", "v_proj"):
        _fill(getattr(theirs, name).weight, getattr(ours, name).weight)
    for name in ("q_norm", "k_norm"):
        getattr(theirs, name).weight.copy_(getattr(ours, name).weight)
    for name in ("gate_proj", "up_proj", "down_proj"):
        _fill(getattr(big.mlp, name).weight, getattr(small.mlp, name).weight)
    for name in ("input_layernorm", "post_attention_layernorm"):
        _fill(getattr(big, name).weight, getattr(small, name).weight * share ** 0.5)


def _fill(big: torch.Tensor, small: torch.Tensor) -> None:
    big[tuple(slice(n) for n in small.shape)] = small
