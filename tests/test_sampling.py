"""LocalPolicy: the textbook's loop on several architectures, HF's own greedy tokens, known chains.

The known chain is a Llama whose attention and MLP give zero and whose embedding is one-hot: its
logits are a table looked up by the last token, so every probability is known by hand.
"""

from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

import numpy as np
import pytest
import torch
from tiny import tiny
from transformers import LlamaForCausalLM

from prmlab import decoding, tokens
from prmlab.protocols import Policy
from prmlab.sampling import LocalPolicy, _Marks
from prmlab.traces import Problem, Trace

pytestmark = pytest.mark.torch

QUESTIONS = ("a ?", "b a c ?", "c c a b b ?", "a 1 2 ?", "b ?")  # N=5, four lengths
CHAIN = {"?": {"a": 0.7, "b": 0.3}, "a": {"\n": 1.0}, "b": {"b": 0.5, "\n": 0.5},
         "\n": {"</s>": 0.4, "a": 0.6}}


def prefix(text, *steps):
    return Trace(Problem(text, text, None, "test"), steps)


@pytest.fixture(scope="module")
def tokenizer():
    return tokens.build(("a", "b", "c"))


@pytest.fixture(scope="module")
def prefixes():
    return [prefix(text) for text in QUESTIONS]


def tiny_llama(tokenizer, **changed):
    return tiny("Llama", len(tokenizer), **changed)


@pytest.fixture(scope="module")
def chain(tokenizer):
    """The model of CHAIN: after a token that it does not name, every token is as likely."""
    size, width = len(tokenizer), 36
    model = tiny_llama(tokenizer, hidden_size=width, num_hidden_layers=1, num_attention_heads=2,
                       num_key_value_heads=1)
    table = torch.zeros(size, size)
    for token, row in CHAIN.items():
        table[tokenizer.convert_tokens_to_ids(token)] = -40.0
        for follower, p in row.items():
            table[tokenizer.convert_tokens_to_ids(token),
                  tokenizer.convert_tokens_to_ids(follower)] = float(np.log(p))
    with torch.no_grad():
        model.model.layers[0].self_attn.o_proj.weight.zero_()
        model.model.layers[0].mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(size, width))
        # RMSNorm makes a one-hot vector sqrt(width) long.
        model.lm_head.weight.copy_(torch.nn.functional.pad(table.T, (0, width - size))
                                   / width**0.5)
    return model


SHARED = (("b a c ?",), ("a ?",), ("b a c ?", "a b"), ("b a c ?", "a b", "c"), ("a 1 2 ?",),
          ("b a c ?", "a b"), ("c c a b b ?", "a"))  # N=7: prefixes of each other, and one twice


def split_mix(x):
    """SplitMix64's next number, on Python's own integers."""
    x %= 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def textbook(model, tokenizer, given, k, *, seed, temperature=0.8, most=10):
    """The k-th sample of a prefix, alone: all is read again for each token."""
    ids, new = tokens.encode(tokenizer, given).ids, []
    start = blake2b(np.array(ids).tobytes() + str(seed).encode(), digest_size=8).digest()
    key = split_mix(int.from_bytes(start, "little") + (k + 1) * 0x9E3779B97F4A7C15)
    while len(new) < most and tokenizer.eos_token_id not in new:
        with torch.no_grad():
            logits = model(torch.tensor([[*ids, *new]])).logits[0, -1].double()
        level = (split_mix(key + (len(new) + 1) * 0x9E3779B97F4A7C15) >> 11) * 2.0**-53
        mass = (logits / temperature).softmax(0).cumsum(0)
        new.append(int((mass <= level * mass[-1]).sum()))
    steps, finished = tokens.split_ids(tokenizer, new)
    return (*given.steps, *steps), finished


@pytest.mark.parametrize("kind", ["Llama", "Qwen3", "Gemma", "GPT2", "OPT", "GPTNeoX"])
def test_samples_are_the_textbooks(tokenizer, kind):
    """Prompts run once, rows merged, branched and refilled: the same as one at a time."""
    model, given = tiny(kind, len(tokenizer)), [prefix(*texts) for texts in SHARED]
    # The second of two equal prefixes counts its samples on, from 3.
    first = [3 if i == 5 else 0 for i in range(len(given))]
    expected = [[textbook(model, tokenizer, g, k + j, seed=5) for j in range(3)]
                for g, k in zip(given, first)]
    assert len({steps for row in expected for steps, _ in row}) >= 12
    for batch_tokens in (60, 5000):  # two rows at a time, and all
        policy = LocalPolicy(model, tokenizer, max_new_tokens=10, batch_tokens=batch_tokens)
        rows = policy.complete(given, 3, seed=5, temperature=0.8)
        assert [[(t.steps, t.finished) for t in row] for row in rows] == expected


def test_samples_are_the_textbooks_where_a_step_costs_many_chunks(tokenizer, monkeypatch):
    """As for a vocabulary of millions: chances of two rows at a time."""
    monkeypatch.setattr(decoding, "CHANCES", 2 * len(tokenizer))
    model, given = tiny("Llama", len(tokenizer)), prefix("b a c ?")
    [row] = LocalPolicy(model, tokenizer, max_new_tokens=10).complete([given], 5, seed=5)
    assert [(t.steps, t.finished) for t in row] == [
        textbook(model, tokenizer, given, k, seed=5, temperature=1.0) for k in range(5)]


@pytest.mark.parametrize("kind", ["Llama", "GPT2"])
def test_greedy_is_what_generate_writes(tokenizer, prefixes, kind):
    model = tiny(kind, len(tokenizer))
    policy = LocalPolicy(model, tokenizer, max_new_tokens=23)
    for given, row in zip(prefixes, policy.complete(prefixes, 1, seed=0, temperature=0)):
        ids = torch.tensor([tokens.prompt_ids(tokenizer, given.problem)])
        expected = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=23,
                                  do_sample=False)[0, ids.shape[1]:].tolist()
        steps, finished = tokens.split_ids(tokenizer, expected)
        assert (row[0].steps, row[0].finished) == (steps, finished)


@pytest.mark.parametrize(("kind", "changed", "message"), [
    ("Mistral", {}, "MistralForCausalLM has others .DynamicSlidingWindowLayer.; sample it thr"),
    ("Gemma2", {}, "every layer of the model must attend to everything before, Gemma2"),
    ("Llama", {"layer_types": ["full_attention"] * 2 + ["chunked_attention"],
               "attention_chunk_size": 8}, "LlamaForCausalLM has others"),
    ("Mamba", {}, "MambaForCausalLM has .*through a server with EndpointPolicy"),
    ("Bloom", {}, "must take its attention function from .* table, BloomForCausalLM has its own"),
])
def test_models_that_attend_otherwise_are_refused(tokenizer, kind, changed, message):
    with pytest.raises(ValueError, match=message):
        LocalPolicy(tiny(kind, len(tokenizer), **changed), tokenizer)


def test_a_window_that_is_switched_off_is_none(tokenizer, prefixes):
    model = tiny("Mistral", len(tokenizer), sliding_window=None)
    assert len(LocalPolicy(model, tokenizer).complete(prefixes, 2, seed=0)) == 5


def test_a_model_is_as_it_was_afterwards(tokenizer, prefixes):
    model = tiny("Llama", len(tokenizer))
    before = model.config._attn_implementation
    policy = LocalPolicy(model, tokenizer, max_new_tokens=9)
    policy.complete(prefixes, 2, seed=0)
    with pytest.raises(ValueError, match="the model's limit is 90"):
        policy.complete([prefix("a " * 90)], 1, seed=0)
    assert model.config._attn_implementation == before


def test_a_sample_does_not_depend_on_its_batch(tokenizer, prefixes):
    model = tiny_llama(tokenizer)
    big = LocalPolicy(model, tokenizer, max_new_tokens=16).complete(prefixes, 4, seed=7)
    small = LocalPolicy(model, tokenizer, max_new_tokens=16, batch_tokens=120)
    assert small.complete(prefixes[::-1], 4, seed=7)[::-1] == big
    assert small.complete(prefixes[2:3], 4, seed=7) == big[2:3]
    assert small.complete(prefixes, 3, seed=7) == [row[:3] for row in big]
    assert small.complete(prefixes, 4, seed=8) != big
    steps = LocalPolicy(model, tokenizer, max_new_tokens=16).propose(prefixes, 4, seed=7)
    assert small.propose(prefixes[::-1], 4, seed=7)[::-1] == steps
    assert len({t.text for t in big[0]}) == 4


def test_repeats_of_a_prefix_count_on(tokenizer, prefixes):
    policy = LocalPolicy(tiny_llama(tokenizer), tokenizer, max_new_tokens=20)
    first, other, second = policy.complete([prefixes[1], prefixes[0], prefixes[1]], 3, seed=2)
    assert policy.complete([prefixes[1]], 6, seed=2) == [first + second]
    assert other == policy.complete([prefixes[0]], 3, seed=2)[0]


def test_greedy_ignores_the_seed_and_cold_is_greedy(tokenizer, prefixes):
    policy = LocalPolicy(tiny_llama(tokenizer), tokenizer, max_new_tokens=12)
    greedy = policy.complete(prefixes, 2, seed=0, temperature=0)
    assert greedy == policy.complete(prefixes, 2, seed=9, temperature=0)
    assert greedy == policy.complete(prefixes, 2, seed=1, temperature=1e-4)


def test_frequencies_are_the_chains(tokenizer, chain):
    """4000 draws, five standard deviations: a false alarm once in 10^6 runs per figure."""
    policy = LocalPolicy(chain, tokenizer, max_new_tokens=60)
    [traces] = policy.complete([prefix("c ?")], 4000, seed=3)
    assert all(t.finished for t in traces)
    assert np.mean([t.steps[0] == "a" for t in traces]) == pytest.approx(0.7, abs=0.037)
    # A trace ends after each step with chance 0.4.
    assert np.mean([len(t.steps) == 1 for t in traces]) == pytest.approx(0.4, abs=0.039)
    assert np.mean([len(t.steps) == 2 for t in traces]) == pytest.approx(0.24, abs=0.034)
    # Temperature 1/2 squares the odds: 0.49 to 0.09.
    [cold] = policy.complete([prefix("c ?")], 4000, seed=3, temperature=0.5)
    assert np.mean([t.steps[0] == "a" for t in cold]) == pytest.approx(0.845, abs=0.029)


def test_going_step_by_step_has_the_distribution_of_complete(tokenizer, chain):
    policy = LocalPolicy(chain, tokenizer, max_new_tokens=60)
    [first] = policy.propose([prefix("c ?")], 4000, seed=3)
    assert {len(t.steps) for t in first} == {1}
    assert np.mean([t.finished for t in first]) == pytest.approx(0.4, abs=0.039)
    open_ = [t for t in first if not t.finished]
    second = [row[0] for row in policy.propose(open_, 1, seed=4)]
    assert {len(t.steps) for t in second} == {2}  # a step cannot begin with the end
    assert all(b.steps[:1] == a.steps for a, b in zip(open_, second))
    assert np.mean([t.finished for t in second]) == pytest.approx(0.4, abs=0.05)


def test_a_step_ends_at_the_separators_ids_or_at_an_id_that_holds_it():
    holds = np.zeros(9, dtype=bool)
    holds[8] = True
    marks = _Marks(np.array([5, 6]), holds, torch.tensor([3]))
    last = np.array([[5, 6], [6, 5], [1, 8], [-1, 6]])
    assert marks.closes(last).tolist() == [True, False, True, False]


def test_what_is_cut_at_the_limit_is_unfinished_and_counted(tokenizer, chain):
    policy = LocalPolicy(chain, tokenizer, max_new_tokens=3)
    [traces] = policy.complete([prefix("c ?")], 200, seed=0)
    n_cut = sum(not t.finished for t in traces)
    assert 0 < n_cut < 200
    assert policy.usage.cut == n_cut
    assert all(t.answer is None for t in traces if not t.finished)


def test_the_models_own_limit_counts_too(tokenizer):
    policy = LocalPolicy(tiny_llama(tokenizer, max_position_embeddings=11), tokenizer)
    [[trace]] = policy.complete([prefix("a b ?")], 1, seed=3)
    assert len(tokens.encode(tokenizer, trace).ids) <= 12
    with pytest.raises(ValueError, match="has 12 ids, the model's limit is 11"):
        policy.complete([prefix("a " * 11)], 1, seed=0)


def test_usage_counts_a_shared_prompt_once(tokenizer, chain):
    policy = LocalPolicy(chain, tokenizer, batch_tokens=700)
    policy.complete([prefix("c ?"), prefix("b c ?"), prefix("c ?")], 40, seed=0)
    before = policy.usage
    # 3 + 4 ids with <s>; neither begins the other.
    assert (before.prompt_tokens, before.samples, before.calls) == (7, 120, 1)
    policy.propose([prefix("c ?")], 7, seed=1)
    since = policy.usage - before
    assert (since.calls, since.samples, since.prompt_tokens) == (1, 7, 3)
    assert since.policy_tokens == since.new_tokens + 3 and since.new_tokens >= 21
    assert since + before == policy.usage and policy.complete([], 3, seed=0) == []


def test_finished_prefixes(tokenizer, chain):
    policy = LocalPolicy(chain, tokenizer)
    done = Trace(prefix("c ?").problem, ("a",), finished=True)
    rows = policy.complete([done, prefix("c ?")], 2, seed=0)
    assert rows[0] == [done, done]
    assert rows[1] == policy.complete([prefix("c ?")], 2, seed=0)[0]
    with pytest.raises(ValueError, match="is finished, no step can follow; take trace.prefix"):
        policy.propose([done], 1, seed=0)


def test_prefixes_with_steps_go_on_from_them(tokenizer, chain):
    policy = LocalPolicy(chain, tokenizer, source="chain")
    [traces] = policy.complete([prefix("c ?", "b b", "c")], 30, seed=0)
    assert {t.steps[:2] for t in traces} == {("b b", "c")}
    assert {t.source for t in traces} == {"chain"}
    assert any(len(t.steps) == 2 for t in traces)  # the end at once: nothing is added


def test_threads_take_turns(tokenizer, prefixes):
    policy = LocalPolicy(tiny_llama(tokenizer), tokenizer, max_new_tokens=15)
    alone = [policy.complete(prefixes, 2, seed=seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda s: policy.complete(prefixes, 2, seed=s), range(4))) == alone


def test_load_and_protocol(tokenizer, prefixes, tmp_path):
    model = tiny_llama(tokenizer)
    model.save_pretrained(tmp_path / "mine")
    tokenizer.save_pretrained(tmp_path / "mine")
    policy = LocalPolicy.load(tmp_path / "mine", max_new_tokens=9, device="cpu")
    assert isinstance(policy, Policy)
    assert policy.source == "mine" and "LocalPolicy('mine', llama, 0.01 M" in repr(policy)
    again = LocalPolicy(model, tokenizer, max_new_tokens=9, source="mine")
    assert policy.complete(prefixes, 2, seed=0) == again.complete(prefixes, 2, seed=0)


def test_bad_input(tokenizer, prefixes):
    model = tiny_llama(tokenizer)
    policy = LocalPolicy(model, tokenizer)
    with pytest.raises(ValueError, match="n must be at least 1 and temperature at least 0"):
        policy.complete(prefixes, 0, seed=0)
    with pytest.raises(ValueError, match="temperature at least 0, got 1 and -1"):
        policy.propose(prefixes, 1, seed=0, temperature=-1)
    with pytest.raises(ValueError, match="max_new_tokens and batch_tokens must be at least 1"):
        LocalPolicy(model, tokenizer, max_new_tokens=0)
    with pytest.raises(ValueError, match="no model 'nowhere'"):
        LocalPolicy.load("nowhere")
    with pytest.raises(ValueError, match="dtype must be auto, .* got 'int8'"):
        LocalPolicy.load("policy", dtype="int8", device="cpu")


def test_coarse_numbers_are_as_many(tokenizer, prefixes, tmp_path):
    tiny("Llama", len(tokenizer)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    policy = LocalPolicy.load(tmp_path, dtype="bfloat16", device="cpu", max_new_tokens=9)
    assert policy.model.dtype == torch.bfloat16
    assert [len(row) for row in policy.complete(prefixes, 3, seed=0)] == [3] * 5
    assert LocalPolicy.load(tmp_path, dtype="auto", device="cpu").model.dtype.is_floating_point


def test_long_rope_ends_where_its_frequencies_change(tokenizer):
    rope = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 2,
            "long_factor": [2.0] * 2, "original_max_position_embeddings": 20}
    policy = LocalPolicy(tiny("Llama", len(tokenizer), rope_parameters=rope), tokenizer)
    assert policy.max_length == 20


def test_the_fingerprint_names_what_decides_the_samples(tokenizer, tmp_path):
    def named(model=None, **settings):
        return LocalPolicy(model or tiny_llama(tokenizer), tokenizer, **settings).fingerprint

    moved = tiny_llama(tokenizer)
    with torch.no_grad():
        moved.model.layers[2].mlp.up_proj.weight[3, 5] += 1e-3
    tiny_llama(tokenizer).save_pretrained(tmp_path)
    assert named(batch_tokens=99, source="x") == named()
    assert named(LlamaForCausalLM.from_pretrained(tmp_path)) == named()
    others = [moved, tiny_llama(tokenizer, rope_theta=5.0), tiny_llama(tokenizer).bfloat16(),
              tiny("GPT2", len(tokenizer))]
    names = {named(), *map(named, others), named(separator=";"), named(max_new_tokens=9)}
    assert len(names) == 7 and all(len(name) < 60 for name in names)
