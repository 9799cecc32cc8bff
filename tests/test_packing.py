"""Packing: the forest by hand, states and gradients equal to the padded loop's, no waste."""

from random import Random

import numpy as np
import pytest
import torch
from tiny import SHAPES, tiny

from prmlab import block_masks, packing, tokens, training
from prmlab.rewards import PRM
from prmlab.stepping import split
from prmlab.targets import Example
from prmlab.traces import Problem, Trace

PACKED = ("Llama", "Granite", "Qwen2", "Qwen3", "Gemma", "GPT2", "OPT", "GPTNeoX")


def sequences_of(rng, *, n_prompts=3, n_traces=4, n_ids=40):
    """Traces of several problems: shared prompts, some shared steps, and some twice."""
    found = []
    for _ in range(n_prompts):
        prompt = [rng.randrange(1, n_ids) for _ in range(rng.randrange(4, 11))]
        step = [rng.randrange(1, n_ids) for _ in range(5)]
        for i in range(n_traces):
            own = [rng.randrange(1, n_ids) for _ in range(rng.randrange(1, 14))]
            found.append((*prompt, *(step if i % 2 else ()), *own))
    found += [found[1], found[2][:-1]]
    rng.shuffle(found)
    return found


def test_forest_by_hand():
    found = packing.forest([(1, 2, 3), (1, 2, 4, 4), (5,), (1, 2, 3), (1, 2)])
    assert found.ids.tolist() == [1, 2, 3, 4, 4, 5]
    assert found.positions.tolist() == [0, 1, 2, 2, 3, 0]
    assert [p.tolist() for p in found.paths] == [[0, 1, 2], [0, 1, 3, 4], [5], [0, 1, 2], [0, 1]]
    assert sorted(found.shared.tolist()) == [0, 0, 2, 2, 3]


@pytest.mark.parametrize("seed", range(20))
def test_forest_holds_every_beginning_once(seed):
    sequences = sequences_of(Random(seed), n_ids=4)
    found = packing.forest(sequences)
    beginnings = {s[:i] for s in sequences for i in range(1, len(s) + 1)}
    assert len(found.ids) == len(beginnings)
    for sequence, path in zip(sequences, found.paths, strict=True):
        assert tuple(found.ids[path]) == sequence
        assert found.positions[path].tolist() == list(range(len(sequence)))
    added = [path[n:] for path, n in zip(found.paths, found.shared, strict=True)]
    assert packing.added(sequences).tolist() == [len(nodes) for nodes in added]
    assert sorted(np.concatenate(added)) == list(range(len(found.ids)))  # each by one sequence


@pytest.mark.parametrize("kind", PACKED)
def test_states_and_gradients_are_those_of_padded_rows(kind):
    """Over several traces of several problems, to 1e-5 (norms and rotations are float32)."""
    sequences = sequences_of(Random(7))
    at = [range(1, len(s), 3) for s in sequences]
    body = tiny(kind, 40).double().base_model
    found = []
    for rows in (packing.Rows, packing.Packed):
        body.zero_grad()
        with rows(sequences, at).hidden(body) as states:
            pull = torch.arange(states.numel(), dtype=states.dtype).view_as(states).cos()
            (states * pull).sum().backward()
        found.append([states.detach(), *(p.grad for p in body.parameters() if p.grad is not None)])
    for ours, theirs in zip(*found, strict=True):
        assert (ours - theirs).norm() <= 1e-5 * theirs.norm() + 1e-9  # a key's bias: 0


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("rows", [packing.Packed, block_masks.Masked, packing.Rows])
@pytest.mark.parametrize("kind", ["Llama", "Qwen3", "GPTNeoX"])
def test_layers_that_run_again_in_the_backward_pass_give_the_same_gradients(kind, rows):
    """Gradient checkpointing, which TRL turned on by default: what big models are trained with."""
    sequences = sequences_of(Random(8))
    at = [range(1, len(s), 3) for s in sequences]
    found = []
    for again in (False, True):
        body = tiny(kind, 40).base_model.train()
        if again:
            body.activation_checkpointing_enable()
        with rows(sequences, at).hidden(body) as states:
            states.square().sum().backward()
        found.append([p.grad for p in body.parameters() if p.grad is not None])
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)


def test_the_last_layer_runs_where_it_is_read_and_only_within():
    """Its MLP sees the nodes read, each once; the layer before sees all of them."""
    body, seen = tiny("Llama", 40).base_model, {}
    for i in (1, 2):
        body.layers[i].mlp.register_forward_hook(
            lambda _module, given, _made, i=i: seen.update({i: given[0].shape[1]}))
    sequences = [(1, 2, 3, 4), (1, 2, 3, 5), (1, 2, 3, 4, 6)]
    packed = packing.Packed(sequences, [(2, 3), (2, 3), (2, 3, 4)])
    with packed.hidden(body):
        pass
    assert seen == {1: 6, 2: 4}  # 1 2 3 4 6 5, of which 3, 4, 5 and 6 end a step
    with torch.no_grad():
        body(input_ids=torch.tensor([sequences[0]]))
    assert seen == {1: 4, 2: 4}


@pytest.mark.parametrize("kind", ["Llama", "Qwen3", "GPT2"])
def test_a_trainers_gradients_are_those_of_the_plain_padded_loop(kind):
    """A PRM's, float32, to 1e-5 of each gradient's size; the plain loop is written out here."""
    traces, tokenizer = labelled(Random(3), n_problems=3), tokens.build(WORDS)
    assert tokenizer.vocab_size < 60
    no_dropout = {"attn_pdrop": 0, "embd_pdrop": 0, "resid_pdrop": 0} if kind == "GPT2" else {}
    lm = tiny(kind, len(tokenizer), max_position_embeddings=600, initializer_range=0.1,
              **no_dropout)
    first, seen = [], {}

    class Stop(torch.optim.SGD):
        """Keeps the first step's gradients instead of moving."""

        def step(self, closure=None):
            """Keep them."""
            first.extend(p.grad.clone() for p in self.param_groups[0]["params"]
                         if p.grad is not None)

    for packed in (True, False):
        prm = PRM.from_backbone(lm, tokenizer=tokenizer, seed=1)
        first.clear()
        record = next(training.fit_prm(
            traces, base=prm, batch_size=len(traces), packed=packed, precision="no",
            tokens_at_once=10**6, lr=0.01, optimizer=lambda m, lr, weight_decay: Stop(
                [{"params": list(m.parameters()), "muon": True}], lr=lr)))
        seen[packed] = (record, list(first))
    prm = PRM.from_backbone(lm, tokenizer=tokenizer, seed=1)
    plain, loss = plain_loop(prm, traces)
    for record, gradients in seen.values():
        assert record.loss == pytest.approx(loss, rel=1e-5)
        for ours, theirs in zip(gradients, plain, strict=True):
            assert (ours - theirs).norm() <= 1e-5 * theirs.norm()
    assert seen[True][0].unique_tokens_per_s > 0 and seen[True][0].padding == 0


def plain_loop(prm, traces):
    """The padded batch, a mask, cross-entropy at step ends, backward: gradients and loss."""
    encoded = tokens.encode_many(prm.tokenizer, traces)
    ids = torch.zeros(len(traces), max(len(e.ids) for e in encoded), dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, (trace, e) in enumerate(zip(traces, encoded, strict=True)):
        ids[row, :len(e.ids)] = torch.tensor(e.ids)
        for end, y in zip(e.step_ends, trace.labels, strict=True):
            labels[row, end] = int(y > 0)
    mask = torch.arange(ids.shape[1]) < torch.tensor([[len(e.ids)] for e in encoded])
    out = prm.model(input_ids=ids, attention_mask=mask.long(), labels=labels)
    out.loss.backward()
    return [p.grad for p in prm.model.parameters() if p.grad is not None], out.loss.item()


WORDS = ("Ana", "Ben", "has", "pens", "more", "than", "so", "Answer")


def labelled(rng, *, n_problems, n_traces=4, n_steps=range(1, 9)):
    """Traces of 1 to 8 (or other) steps of random words, some steps shared, random labels."""
    found = []
    for number in range(n_problems):
        problem = Problem(f"p{number}", " ".join(rng.choices(WORDS, k=rng.randrange(5, 12))), "1",
                          "none")
        known = [" ".join(rng.choices(WORDS, k=4)) for _ in range(3)]
        for _ in range(n_traces):
            n = rng.choice(n_steps)
            steps = [rng.choice(known) if rng.random() < 0.4 else
                     " ".join(rng.choices(WORDS, k=rng.randrange(1, 7))) for _ in range(n)]
            labels = [rng.choice((1.0, -1.0)) for _ in steps]
            found.append(Trace(problem, tuple(steps), True).with_labels(labels, "chance"))
    return found


@pytest.mark.parametrize("together", [1, 4])
def test_no_label_is_dropped_and_little_is_padding_from_1_to_40_steps(together):
    traces, tokenizer = labelled(Random(5), n_problems=30, n_steps=range(1, 41)), tokens.build(WORDS)
    lm = tiny("Qwen3", len(tokenizer), max_position_embeddings=600)
    prm = PRM.from_backbone(lm, tokenizer=tokenizer, seed=1)
    taught = []

    def example(trace, encoded):
        taught.append(len(trace.labels))
        return Example(encoded.ids, encoded.step_ends, tuple(y / 2 + 0.5 for y in trace.labels))

    records = list(training.fit_prm(traces, base=prm, make_example=example, batch_size=8,
                                    together=together, warmup=1))
    assert sum(taught) == sum(len(t.steps) for t in traces)
    assert records[-1].n_traces == len(traces) and records[-1].padding <= 0.05
    assert records[-1].tokens == sum(len(e.ids) for e in tokens.encode_many(tokenizer, traces))


def test_a_batch_in_parts_has_the_same_gradient():
    traces, tokenizer = labelled(Random(4), n_problems=4), tokens.build(WORDS)
    lm = tiny("Llama", len(tokenizer), max_position_embeddings=600, initializer_range=0.1)
    weights = []
    for at_once in (60, 10**6):
        prm = PRM.from_backbone(lm, tokenizer=tokenizer, seed=1)
        for _ in training.fit_prm(traces, base=prm, batch_size=8, tokens_at_once=at_once, lr=1e-3,
                                  warmup=1):
            pass
        weights.append(torch.cat([p.detach().flatten() for p in prm.model.parameters()]))
    assert torch.allclose(*weights, rtol=1e-4, atol=1e-6)


def test_split_keeps_all_and_evens_out():
    examples = [Example(s, (), ()) for s in sequences_of(Random(2), n_prompts=5)]
    for n in (1, 2, 3, 40):
        parts = split(examples, n)
        assert len(parts) == n
        assert sorted(e.ids for part in parts for e in part) == sorted(e.ids for e in examples)
    sizes = [len(packing.forest([e.ids for e in part]).ids) for part in split(examples, 2)]
    assert max(sizes) < 1.5 * min(sizes)


@pytest.mark.parametrize("kind", sorted(set(SHAPES) - set(PACKED)))
def test_what_cannot_be_packed_is_told_and_trains_as_padded_rows(kind):
    tokenizer = tokens.build(WORDS)
    lm = tiny(kind, len(tokenizer), max_position_embeddings=600)
    with pytest.raises(ValueError, match=f"cannot be packed for {kind}Model"):
        packing.check(lm.base_model)
    if kind != "Mamba":  # it has no head for tokens
        prm = PRM.from_backbone(lm, tokenizer=tokenizer, seed=1)
        record = next(training.fit_prm(labelled(Random(1), n_problems=2), base=prm, warmup=1))
        assert np.isfinite(record.loss)


def test_the_trial_finds_a_model_that_goes_by_its_own_positions():
    body = tiny("Llama", 40).base_model
    run = body.forward
    body.forward = lambda position_ids=None, **rest: run(**rest)  # counts along the row instead
    with pytest.raises(ValueError, match="a trial gave other states than padded rows"):
        packing.check(body)


def test_on_a_gpu_few_calls_attend_for_all_and_find_the_same(monkeypatch):
    """There a call costs more than the rows that fill it up; "meta" stands for a GPU here."""
    sequences = sequences_of(Random(6), n_prompts=20)
    at = [range(len(s)) for s in sequences]
    calls = {device: len(packing.Packed(sequences, at, device=device).rounds)
             for device in ("cpu", "meta")}
    assert calls["meta"] < 0.5 * calls["cpu"]
    body, found = tiny("Llama", 40).base_model, []
    for close in (packing.CLOSE, packing.CLOSE_ON_GPU):
        monkeypatch.setattr(packing, "CLOSE", close)
        with packing.Packed(sequences, at).hidden(body) as states:
            found.append(states)
    assert (found[0] - found[1]).norm() <= 1e-5 * found[0].norm()


def test_attention_is_left_as_it_was():
    body = tiny("Llama", 40).base_model
    before = body.config._attn_implementation
    with packing.Packed([(1, 2, 3), (1, 2, 4)], [(2,), (2,)]).hidden(body):
        assert body.config._attn_implementation == packing.NAME
    assert body.config._attn_implementation == before
    with pytest.raises(IndexError), packing.Packed(
            [(1, 2, 3), (1, 2, 77)], [(2,), (2,)]).hidden(body):
        pass
    assert body.config._attn_implementation == before
