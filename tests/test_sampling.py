"""LocalPolicy: HF's own greedy tokens, known chains, and draws that do not depend on the batch.

The known chain is a Llama whose attention and MLP give zero and whose embedding is one-hot: its
logits are a table looked up by the last token, so every probability is known by hand.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from prmlab import tokens
from prmlab.decoding import GOLDEN, Rows, mix
from prmlab.protocols import Policy
from prmlab.sampling import LocalPolicy, Usage, _Marks
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
    """A few thousand random parameters, far from uniform; the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return LlamaForCausalLM(LlamaConfig(**{
            "vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 24,
            "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
            "max_position_embeddings": 90, "initializer_range": 0.4, "pad_token_id": 0,
            "bos_token_id": 2, "eos_token_id": 3, **changed})).eval()


def tiny_gpt2(tokenizer):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return GPT2LMHeadModel(GPT2Config(
            vocab_size=len(tokenizer), n_embd=16, n_layer=2, n_head=2, n_positions=90,
            initializer_range=0.4, pad_token_id=0, bos_token_id=2, eos_token_id=3)).eval()


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


@pytest.mark.parametrize("make", [tiny_llama, tiny_gpt2])
@pytest.mark.parametrize("batch_tokens", [1, 130, 5000])
def test_greedy_is_what_generate_writes(tokenizer, prefixes, make, batch_tokens):
    model = make(tokenizer)
    policy = LocalPolicy(model, tokenizer, max_new_tokens=23, batch_tokens=batch_tokens)
    for given, row in zip(prefixes, policy.complete(prefixes, 1, seed=0, temperature=0)):
        ids = torch.tensor([tokens.prompt_ids(tokenizer, given.problem)])
        expected = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=23,
                                  do_sample=False)[0, ids.shape[1]:].tolist()
        steps, finished = tokens.split_ids(tokenizer, expected)
        assert (row[0].steps, row[0].finished) == (steps, finished)


def test_a_sample_does_not_depend_on_its_batch(tokenizer, prefixes):
    model = tiny_llama(tokenizer)
    big = LocalPolicy(model, tokenizer, max_new_tokens=16).complete(prefixes, 4, seed=7)
    small = LocalPolicy(model, tokenizer, max_new_tokens=16, batch_tokens=120)
    assert small.complete(prefixes[::-1], 4, seed=7)[::-1] == big
    assert small.complete(prefixes[2:3], 4, seed=7) == big[2:3]
    assert small.complete(prefixes, 3, seed=7) == [row[:3] for row in big]
    assert small.complete(prefixes, 4, seed=8) != big
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


def test_the_streams_are_splitmix64():
    """The generator's published first outputs for the seed 0."""
    counters = GOLDEN * np.arange(1, 4, dtype=np.uint64)
    assert [hex(x) for x in mix(counters)] == [
        "0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f"]
    keys = Rows([(1, 2), (3,), (1, 2)], 500, 0).keys
    assert len(set(keys.tolist())) == 1500


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
    windowed = MistralForCausalLM(MistralConfig(
        vocab_size=30, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, sliding_window=4))
    windowed.config.layer_types = ["sliding_attention"]
    with pytest.raises(ValueError, match="full attention, this model has .'sliding_attention'"):
        LocalPolicy(windowed, tokenizer)


def test_usage_is_a_sum():
    assert Usage(1, 2, 3, 4, 5, 6.0) + Usage(1, 1, 1, 1, 1, 1.0) == Usage(2, 3, 4, 5, 6, 7.0)


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
              tiny_gpt2(tokenizer)]
    names = {named(), *map(named, others), named(separator=";"), named(max_new_tokens=9)}
    assert len(names) == 7 and all(len(name) < 60 for name in names)
