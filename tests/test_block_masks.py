"""Block masks: the mask by hand and by torch's own maker, states and gradients as of padded rows."""

from random import Random

import numpy as np
import pytest
import torch
from test_packing import WORDS, labelled, sequences_of
from tiny import tiny
from torch.nn.attention.flex_attention import create_block_mask

from prmlab import block_masks, packing, tokens, training
from prmlab.rewards import PRM


def many(seed, n_prompts=12, n_traces=8):
    return sequences_of(Random(seed), n_prompts=n_prompts, n_traces=n_traces)


@pytest.mark.parametrize("seed", range(5))
def test_a_stretch_behind_a_node_is_what_follows_it(seed):
    found = packing.forest(many(seed))
    ends = block_masks.ends_of(found)
    seen = np.zeros((len(ends), len(ends)), dtype=bool)
    for path in found.paths:
        for i, q in enumerate(path):
            seen[q, path[:i + 1]] = True
    q, k = np.indices(seen.shape)
    assert (seen == ((k <= q) & (q < ends[k]))).all()


@pytest.mark.parametrize("seed", range(5))
def test_blocks_are_those_that_torch_finds(seed):
    found = packing.forest(many(seed, n_prompts=5, n_traces=40))
    fill = -len(found.ids) % block_masks.BLOCK
    n = len(found.ids) + fill
    assert n >= 4 * block_masks.BLOCK
    ends = np.concatenate([block_masks.ends_of(found), np.arange(n - fill, n) + 1])
    if seed == 0:  # a prompt of several blocks: some are full
        ends[0] = n
        ends[:300] = n
    ours = block_masks.block_mask(ends)
    end = torch.from_numpy(ends)
    theirs = create_block_mask(lambda b, h, q, k: (k <= q) & (q < end[k]), None, None, n, n,
                               device="cpu")
    assert ours.shape == (1, 1, n, n)
    for name in ("kv_num_blocks", "full_kv_num_blocks", "q_num_blocks", "full_q_num_blocks"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    assert torch.equal(ours.to_dense(), theirs.to_dense())
    assert seed or ours.full_kv_num_blocks.sum() > 0


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("kind", ["Llama", "Qwen2", "Qwen3", "Gemma"])
def test_states_and_gradients_are_those_of_padded_rows(kind):
    sequences = many(7)
    at = [range(1, len(s), 3) for s in sequences]
    body = tiny(kind, 40).double().base_model
    found = []
    for rows in (packing.Rows, block_masks.Masked):
        body.zero_grad()
        with rows(sequences, at).hidden(body) as states:
            pull = torch.arange(states.numel(), dtype=states.dtype).view_as(states).cos()
            (states * pull).sum().backward()
        found.append([states.detach(), *(p.grad for p in body.parameters() if p.grad is not None)])
    for theirs, ours in zip(*found, strict=True):
        assert (ours - theirs).norm() <= 1e-5 * theirs.norm() + 1e-9
    with torch.no_grad(), block_masks.Masked(sequences, at).hidden(body.float()) as ours:
        pass  # FlexAttention itself: on a CPU it goes forward only
    assert (ours - found[0][0]).norm() <= 1e-5 * found[0][0].norm()


def test_compiled_layers_give_the_same_and_leave_nothing_behind():
    sequences = many(3, n_prompts=3)
    at = [range(len(s)) for s in sequences]
    body = tiny("Llama", 40).base_model
    rows = block_masks.Masked(sequences, at)
    with rows.hidden(body) as plain:
        pass
    within = block_masks.compiled(body, backend="aot_eager")
    with within(), rows.hidden(body) as found:
        found.sum().backward()
    assert (found - plain).abs().max() < 1e-4
    assert body.layers[0].self_attn.q_proj.weight.grad is not None
    assert not any("forward" in vars(layer) for layer in body.layers)
    with pytest.raises(ValueError, match="no list of layers to compile"):
        block_masks.compiled(torch.nn.Linear(1, 1))


def test_dropout_is_refused():
    body = tiny("Llama", 40, attention_dropout=0.1).base_model.train()
    with pytest.raises(ValueError, match="FlexAttention has no dropout"), block_masks.Masked(
            [(1, 2, 3)], [(2,)]).hidden(body):
        pass


def test_a_prm_trained_under_block_masks_is_the_packed_one():
    labelled_traces, tokenizer = labelled(Random(3), n_problems=6), tokens.build(WORDS)
    lm = tiny("Llama", len(tokenizer), max_position_embeddings=600)
    losses, weights = {}, {}
    for packed in (True, "flex"):
        prm = PRM.from_backbone(lm, tokenizer=tokenizer, seed=1)
        records = list(training.fit_prm(labelled_traces, base=prm, batch_size=16, together=4,
                                        lr=0.01, warmup=1, packed=packed, device="cpu"))
        losses[packed] = [r.loss for r in records]
        weights[packed] = prm.model.state_dict()
    assert losses["flex"] == pytest.approx(losses[True], rel=1e-4)
    for name, ours in weights["flex"].items():
        assert torch.allclose(ours, weights[True][name], atol=1e-3), name
    with pytest.raises(ValueError, match='True, False or "flex"'):
        next(training.fit_prm(labelled_traces, base=prm, packed="dense"))
    with pytest.raises(ValueError, match='compiled needs packed="flex"'):
        next(training.fit_prm(labelled_traces, base=prm, compiled=True))
