"""Slots and Rows: streams, prompts run once, rows run as one, memory that keeps to its bound."""

import numpy as np
import pytest
import torch
from tiny import tiny

from prmlab.attention import plugged
from prmlab.decoding import GOLDEN, Rows, Slots, mix

pytestmark = pytest.mark.torch

SIZE, END = 20, 3
# Three prompts on the way of one, and two others; 5 distinct.
PROMPTS = [(2, 9, 8), (2, 9, 8, 7, 5, 6), (2, 4), (2, 9, 8, 7), (2, 11, 12, 13, 14, 15, 16, 9)]


@pytest.fixture(scope="module")
def model():
    return tiny("Llama", SIZE)


def held(slots):
    """Positions for which there is memory: of the prompts run, and of the rows' own tokens."""
    ready = [slots._ready.runs] if slots._ready else []
    stores = {id(runs): runs for runs in [*ready, *(lot.runs for lot in slots.lots)]}
    prompts = sum(len(keys) * keys.shape[2] for runs in stores.values()
                  for keys, _ in runs.layers[:1])
    return prompts + sum(len(keys) * keys.shape[2] for lot in slots.lots
                         for keys, _ in lot._own[:1])


def decode(model, rows, *, batch_tokens, max_new=18, temperature=0.7):
    """The tokens of every row, the most positions held, and the rows in each step."""
    drawn, most, steps = {}, 0, []
    with torch.inference_mode(), plugged(model):
        slots = Slots(model, rows, max_new=max_new, max_length=90, batch_tokens=batch_tokens)
        while slots.refill():
            steps.append(slots.n)
            new = slots.draw(temperature)
            most = max(most, held(slots))
            ended = (new == END) | (slots.active["count"] == slots.active["limit"])
            drawn.update(slots.release(ended))
    return [drawn[i] for i in range(len(rows.keys))], most, steps, slots


def test_the_streams_are_splitmix64():
    """The generator's published first outputs for the seed 0."""
    counters = GOLDEN * np.arange(1, 4, dtype=np.uint64)
    assert [hex(x) for x in mix(counters)] == [
        "0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f"]
    keys = Rows([(1, 2), (3,), (1, 2)], 500, 0).keys
    assert len(set(keys.tolist())) == 1500
    assert keys[:500].tolist() == Rows([(1, 2)], 500, 0).keys.tolist()


def test_a_prompt_that_begins_another_is_not_run():
    rows = Rows([*PROMPTS, (2, 9, 8)], 4, 0)
    assert rows.runs == [PROMPTS[4], PROMPTS[1], PROMPTS[2]]
    assert [[ids for ids, _ in held] for held in rows.prompts] == [
        [PROMPTS[4]], [PROMPTS[1], PROMPTS[3], PROMPTS[0]], [PROMPTS[2]]]
    assert rows.prompts[1][2][1].tolist() == [0, 1, 2, 3, 20, 21, 22, 23]  # given twice
    numbers = [i for held in rows.prompts for _, some in held for i in some]
    assert sorted(numbers) == list(range(24))


@pytest.mark.parametrize("batch_tokens", [60, 150, 400, 1000])
def test_memory_keeps_to_its_bound_and_changes_nothing(model, batch_tokens):
    rows = Rows(PROMPTS, 9, seed=1)
    free, most_free, _, _ = decode(model, rows, batch_tokens=10**6)
    drawn, most, steps, _ = decode(model, rows, batch_tokens=batch_tokens)
    assert drawn == free
    assert most <= batch_tokens < 45 * 18 or batch_tokens == 1000
    assert most_free <= 45 * 18 + 3 * 8
    assert max(steps) <= batch_tokens // 18


def test_one_row_is_held_in_any_case(model):
    rows = Rows(PROMPTS, 2, seed=1)
    drawn, _, steps, _ = decode(model, rows, batch_tokens=1)
    assert set(steps) == {1} and sum(steps) == sum(map(len, drawn))


def test_rows_that_wait_take_the_places_of_those_that_ended(model):
    rows = Rows(PROMPTS, 40, seed=1)
    drawn, _, steps, _ = decode(model, rows, batch_tokens=26 * 24)
    assert max(steps) == 24 and np.std([len(row) for row in drawn]) > 3
    # A lot is admitted when a quarter is free: but for the end at least 3 / 4 are at work.
    until = np.flatnonzero(np.cumsum(steps) > sum(map(len, drawn)) - 24 * 18)[0]
    assert min(steps[:until]) > 0.7 * 24


def test_equal_rows_are_run_once(model):
    """Greedy rows of a prompt never part: of 9 tokens drawn 8 take no run of the model."""
    drawn, _, steps, slots = decode(model, Rows(PROMPTS, 9, seed=1), batch_tokens=10**6,
                                    temperature=0)
    n_new = sum(map(len, drawn))
    assert all(drawn[i] == drawn[i - i % 9] for i in range(45))
    assert slots.merged * 9 == n_new * 8 and sum(steps) == n_new
    assert slots.prompt_tokens == 8 + 6 + 2
    _, _, steps, slots = decode(model, Rows(PROMPTS, 9, seed=1), batch_tokens=10**6)
    assert 5 * 8 <= slots.merged < sum(steps) / 2  # the first step at the least


def test_rows_end_at_the_models_limit(model):
    with torch.inference_mode(), plugged(model):
        slots = Slots(model, Rows(PROMPTS, 1, 0), max_new=50, max_length=10, batch_tokens=999)
        slots.refill()
        limits = dict(zip(slots.active["row"].tolist(), slots.active["limit"].tolist()))
    assert limits == {0: 7, 1: 4, 2: 8, 3: 6, 4: 2}


def test_nothing_to_decode(model):
    assert Slots(model, Rows([], 3, 0), max_new=5, max_length=9, batch_tokens=99).refill() == 0
