"""Attention in two parts: equal to one softmax over all that a row sees, worked out row by row."""

from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny import tiny

from prmlab.attention import (
    Layout,
    Lot,
    Runs,
    attention,
    free_bytes,
    hiding,
    partial_attention,
    plugged,
    position_bytes,
)

pytestmark = pytest.mark.torch

HEADS, KEY_HEADS, SIZE = 6, 2, 8


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plain(query, keys, values, scale):
    """One query [heads, C] and all that it sees [key heads, T, C]."""
    per_key = query.shape[0] // keys.shape[0]
    keys, values = (x.repeat_interleave(per_key, 0).double() for x in (keys, values))
    weights = (torch.einsum("hc,htc->ht", query.double(), keys) * scale).softmax(-1)
    return torch.einsum("ht,htc->hc", weights, values).float()


@pytest.mark.parametrize("width", [SIZE, 5])  # equal to that of queries: the CPU's own kernel
def test_parts_join_to_the_whole(width):
    query, keys = random(2, 3, 4, SIZE), random(2, 3, 7, SIZE, seed=1)
    values = random(2, 3, 7, width, seed=2)
    mask = hiding(np.array([3, 1]), 4, query)[:, None, None]
    assert (mask == 0).sum(-1).flatten().tolist() == [3, 1]
    shared, shared_sum = partial_attention(query, keys[:, :, :4], values[:, :, :4], mask, 0.3)
    own, own_sum = partial_attention(query, keys[:, :, 4:], values[:, :, 4:], None, 0.3)
    joined = torch.lerp(own, shared, torch.sigmoid(shared_sum - own_sum)[..., None])
    for b, seen in enumerate((3, 1)):
        some = [*range(seen), 4, 5, 6]
        for position in range(4):
            expected = plain(query[b, :, position], keys[b][:, some], values[b][:, some], 0.3)
            torch.testing.assert_close(joined[b, :, position], expected)


def test_every_row_sees_its_prompt_and_its_own_tokens():
    """Two lots over two stores; a prompt of one id sees nothing of its run; branches part."""
    stores = [SimpleNamespace(layers=[(random(n, KEY_HEADS, width, SIZE, seed=n),
                                       random(n, KEY_HEADS, width, SIZE, seed=n + 9))])
              for n, width in ((3, 6), (2, 4))]
    lots = [Lot(stores[0], np.array([2, 0, 2, 1]), np.array([6, 4, 1, 2]),
                np.array([0, 0, 1, 2, 3, 2, 0]), 20),
            Lot(stores[1], np.array([1]), np.array([3]), np.array([0, 0]), 20)]
    rng = np.random.default_rng(0)
    texts = [[[] for _ in lot.branch_of] for lot in lots]  # each row's keys and values so far
    for step in range(12):  # the second lot begins two steps later
        active = lots[:1] if step < 2 else lots
        for lot in active:
            lot.branch(rng.integers(2, size=len(lot.branch_of)) if lot.n_own else
                       np.zeros(len(lot.branch_of), dtype=np.int64))
        n = sum(lot.n for lot in active)
        query = random(n, HEADS, 1, SIZE, seed=100 + step)
        keys, values = (random(n, KEY_HEADS, 1, SIZE, seed=s + step) for s in (200, 300))
        out = Layout(active, query).attend(0, query, keys, values, 0.4)
        first = 0
        for lot, rows in zip(active, texts):
            for row, branch in enumerate(lot.branch_of):
                at = first + branch
                rows[row].append((keys[at, :, 0], values[at, :, 0]))
                run, seen = lot.run[branch], lot.seen[branch]
                known = [store[run, :, :seen] for store in lot.runs.layers[0]]
                own = [torch.stack(part, 1) for part in zip(*rows[row])]
                expected = plain(query[at, :, 0], *(torch.cat(pair, 1)
                                                    for pair in zip(known, own)), 0.4)
                torch.testing.assert_close(out[at, :, 0], expected)
            first += lot.n
            lot.n_own += 1
        if step == 7:  # four rows leave
            stay = np.array([True, False, False, True, False, True, False])
            lots[0].keep(stay)
            texts[0] = [rows for rows, kept in zip(texts[0], stay) if kept]
    assert lots[0].n <= 3 and lots[0].seats <= 7


def test_rows_that_draw_the_same_are_one_branch():
    lot = Lot(None, np.array([4, 7]), np.array([3, 5]), np.array([0, 0, 0, 1, 1]), 9)
    assert not lot.branch(np.array([8, 8, 8, 6, 6]))  # prompts' last ids: a branch each
    assert (lot.n, lot.branch_of.tolist(), lot.token.tolist()) == (2, [0, 0, 0, 1, 1], [8, 6])
    assert lot.branch(np.array([5, 9, 5, 1, 1]))
    # What parts from branch 0 goes behind; the others stay.
    assert (lot.branch_of.tolist(), lot.token.tolist()) == ([0, 2, 0, 1, 1], [5, 1, 9])
    assert (lot.run.tolist(), lot.seen.tolist()) == ([4, 7, 4], [2, 4, 2])
    lot.keep(np.array([False, True, False, True, False]))
    assert lot.branch(np.array([3, 3]))  # branch 2 takes the place of 0
    assert (lot.n, lot.branch_of.tolist(), lot.run.tolist()) == (2, [0, 1], [4, 7])
    assert not lot.branch(np.array([3, 4]))


def test_a_run_is_what_the_model_keeps():
    model = tiny("Llama", 20)
    prompts = [(2, 5, 6, 7, 8), (2, 9, 4), (2, 7)]
    with torch.inference_mode():
        runs = Runs(model, prompts)
        for i, prompt in enumerate(prompts):
            cache = model(torch.tensor([prompt]), use_cache=True).past_key_values
            for layer, pair in zip(cache.layers, runs.layers, strict=True):
                for expected, store in zip((layer.keys, layer.values), pair, strict=True):
                    torch.testing.assert_close(store[i, :, :len(prompt)], expected[0])
    assert runs.positions == 15 and [len(pair) for pair in runs.layers] == [2, 2, 2]


def test_a_model_is_given_back_even_after_an_error():
    model = tiny("Llama", 20)
    before = model.config._attn_implementation
    with suppress(KeyError), plugged(model):
        assert model.config._attn_implementation != before
        raise KeyError
    assert model.config._attn_implementation == before


@pytest.mark.parametrize("name", ["softcap", "s_aux", "position_bias", "sliding_window"])
def test_attention_of_another_kind_is_refused(name):
    key = random(1, 2, 1, 8)
    key.two_parts = lambda *states: states[0]
    with pytest.raises(ValueError, match=f"attention with {name} cannot be decoded here; sample"):
        attention(None, key, key, key, None, **{name: 4})
    assert attention(None, key, key, key, None, **{name: None})[0].shape == (1, 1, 2, 8)


def test_what_a_position_takes():
    # 3 layers, keys and values, 2 heads of 4 numbers, 4 bytes each.
    assert position_bytes(tiny("Llama", 20)) == 3 * 2 * 2 * 4 * 4
    assert 2**20 < free_bytes(torch.device("cpu")) < 2**50
