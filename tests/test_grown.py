"""The model that benchmarks at a real size begin with: a small one's function at a big one's cost."""

import importlib.util
from pathlib import Path

import pytest
import torch

from prmlab.sampling import LocalPolicy

pytestmark = pytest.mark.torch
PATH = Path(__file__).resolve().parent.parent / "scripts" / "grown.py"


def test_it_computes_what_the_small_one_does_and_can_learn_with_what_is_new():
    spec = importlib.util.spec_from_file_location("grown", PATH)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    small = LocalPolicy.load("verifier-base", device="cpu").model
    big = script.grown(small, seed=0)
    assert big.num_parameters() > 100e6
    ids = torch.randint(4, small.config.vocab_size, (1, 12), generator=torch.manual_seed(0))
    theirs, ours = small(ids).logits, big(ids).logits
    assert (ours - theirs).abs().max() < 1e-3 * theirs.abs().max()
    ours.square().mean().backward()
    new = big.base_model.layers[1]  # between the first and the second of the small one's
    for weight in (new.mlp.down_proj.weight, new.self_attn.o_proj.weight):
        assert not weight.any() and weight.grad.abs().max() > 0
