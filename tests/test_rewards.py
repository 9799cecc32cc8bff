"""PRM and ORM: plain transformers agrees, batching changes nothing, and what bad folders say."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from tiny import LIKE_LLAMA, SHAPES, tiny
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    BertForTokenClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForTokenClassification,
)

from prmlab import journal, tokens
from prmlab.protocols import StepScorer, scored
from prmlab.rewards import ORM, PRM
from prmlab.traces import Problem, Trace
from prmlab.verifiers import Usage

pytestmark = pytest.mark.torch


def trace(text, *steps):
    return Trace(Problem(text, text, None, "test"), steps, finished=True)


TRACES = [  # N=5, steps 3, 1, 4, 2, 1
    trace("a ?", "a b", "c", "b b a"), trace("b a c ?", "c 1 2 3 a b c a"),
    trace("c ?", "a", "b", "c", "1 + 1 = 2"), trace("a 1 2 ?", "b = 1", "a"), trace("b ?", "a"),
]
SHAPE = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3,
         "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.4,
         "max_position_embeddings": 60, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}


@pytest.fixture(scope="module")
def tokenizer():
    return tokens.build(("a", "b", "c"))


@pytest.fixture(scope="module")
def policy(tokenizer):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **SHAPE)).eval()


@pytest.fixture
def prm(policy, tokenizer):
    return PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)


@pytest.fixture
def orm(policy, tokenizer):
    return ORM.from_backbone(policy, tokenizer=tokenizer, seed=1)


def close(ours, theirs):
    return all(np.allclose(a, b, rtol=0, atol=1e-5)
               for a, b in zip(ours, theirs, strict=True))


def trl_row(tokenizer, trace, separator="\n"):
    """TRL 1.13's layout in its own few lines: all ids, and where each step's label sits."""
    ids = [tokenizer.bos_token_id, *tokenizer(trace.problem.text)["input_ids"]]
    labelled = []
    for step in trace.steps:
        ids += tokenizer(step)["input_ids"] + tokenizer(separator)["input_ids"]
        labelled.append(len(ids) - 1)
    return ids, labelled


def plain_prm_scores(folder, traces, separator="\n"):
    """The step probabilities of a PRM by transformers alone, one trace at a time."""
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for t in traces:
        ids, labelled = trl_row(tokenizer, t, separator)
        with torch.no_grad():
            p = model(input_ids=torch.tensor([ids])).logits[0].softmax(-1)
        found.append(p[labelled, 1].numpy())
    return found


def test_a_prm_saved_here_is_read_by_plain_transformers(prm, tmp_path):
    prm.save(tmp_path)
    ours = prm.score(TRACES)
    assert [len(s) for s in ours] == [3, 1, 4, 2, 1]
    assert np.std(np.concatenate(ours)) > 0.05
    assert close(ours, plain_prm_scores(tmp_path, TRACES))
    again = PRM.load(tmp_path, device="cpu")
    assert close(ours, again.score(TRACES))
    assert (again.separator, again.max_length) == ("\n", 60)
    assert again.model.config.id2label == {0: "wrong", 1: "right"}
    assert sorted(f.name for f in tmp_path.glob("*.safetensors")) == ["model.safetensors"]


def test_a_prm_saved_as_trl_does_loads_here(tokenizer, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(6)
        theirs = LlamaForTokenClassification(
            LlamaConfig(vocab_size=len(tokenizer), num_labels=2, **SHAPE))
    assert theirs.config.id2label == {0: "LABEL_0", 1: "LABEL_1"}
    theirs.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    prm = PRM.load(tmp_path, device="cpu")
    assert prm.separator == "\n"
    assert close(prm.score(TRACES), plain_prm_scores(tmp_path, TRACES))
    other = PRM.load(tmp_path, device="cpu", separator="\n\n")
    assert close(other.score(TRACES), plain_prm_scores(tmp_path, TRACES, "\n\n"))
    assert not close(other.score(TRACES), prm.score(TRACES))


def test_an_orm_is_read_at_the_last_separator(orm, tmp_path):
    orm.save(tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    rows = [trl_row(orm.tokenizer, t)[0] for t in TRACES]
    padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(r) for r in rows], True, 0)
    with torch.no_grad():
        expected = torch.sigmoid(model(input_ids=padded).logits[:, 0]).numpy()
    scores = orm.score(TRACES)
    assert scores.shape == (5,)
    assert close([scores], [expected])
    assert close([scores], [ORM.load(tmp_path, device="cpu").score(TRACES)])


def test_an_orm_as_step_scorer_scores_every_prefix(orm):
    scorer = orm.as_step_scorer()
    assert isinstance(scorer, StepScorer)
    steps = scored(scorer, TRACES)
    assert close([[s[-1] for s in steps]], [orm.score(TRACES)])
    prefixes = [TRACES[2].prefix(n) for n in (1, 2, 3, 4)]
    assert close([steps[2]], [orm.score(prefixes)])


def test_a_score_depends_on_nothing_after_its_step(prm):
    [whole, part, other] = scored(prm, [TRACES[2], TRACES[2].prefix(2),
                                        trace("c ?", "a", "b", "2", "b b")])
    assert close([whole[:2]], [part])
    assert close([whole[:2]], [other[:2]])
    assert not np.allclose(whole[2:], other[2:], atol=1e-3)


@pytest.mark.parametrize("batch_tokens", [1, 33, 10_000])
def test_batching_and_order_change_nothing(policy, tokenizer, prm, batch_tokens):
    other = PRM.from_backbone(policy, tokenizer=tokenizer, seed=1)
    other.batch_tokens = batch_tokens
    assert close(other.score(TRACES[::-1])[::-1], prm.score(TRACES))
    doubled = other.score([t for t in TRACES for _ in range(2)])
    assert close(doubled[::2], prm.score(TRACES))
    assert close(doubled[1::2], prm.score(TRACES))


def test_usage_counts_equal_traces_once(prm):
    n_ids = sum(len(tokens.encode(prm.tokenizer, t).ids) for t in TRACES)
    prm.score(TRACES + TRACES[:2])
    assert prm.usage.calls == 1
    assert prm.usage.traces == 7
    assert prm.usage.scorer_tokens == n_ids
    before = prm.usage
    assert prm.score([]) == []
    assert (prm.usage - before).scorer_tokens == 0


def test_a_long_trace_is_an_error_or_counted_never_cut(prm, orm):
    long = trace("c ?", *["a b c"] * 20)  # <s> c ? and 20 times four
    with pytest.raises(ValueError, match=r"trace 1 \(problem 'c \?'\) has 83 ids, the limit is "
                                         r'60; leave it out, or pass on_long="skip"'):
        prm.score([TRACES[0], long])
    scores = prm.score([TRACES[0], long, TRACES[4]], on_long="skip")
    assert [None if s is None else len(s) for s in scores] == [3, None, 1]
    assert prm.usage == Usage(1, 3, 1, prm.usage.scorer_tokens, prm.usage.seconds)
    assert np.isnan(orm.score([long, TRACES[0]], on_long="skip")).tolist() == [True, False]
    with pytest.raises(ValueError, match='on_long must be "error" or "skip", got "?\'?cut'):
        prm.score(TRACES, on_long="cut")


def test_a_trace_without_steps_is_an_error(prm, orm):
    for model in (prm, orm, orm.as_step_scorer()):
        with pytest.raises(ValueError, match=r"trace 1 \(problem 'a \?'\) has no steps, so"):
            model.score([TRACES[0], trace("a ?")])


def test_from_backbone_keeps_the_weights_and_seeds_the_head(policy, tokenizer, tmp_path):
    state = torch.random.get_rng_state()
    a, b, c = (PRM.from_backbone(policy, tokenizer=tokenizer, seed=s) for s in (1, 1, 2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(a.model.score.weight, b.model.score.weight)
    assert not torch.equal(a.model.score.weight, c.model.score.weight)
    own = policy.model.state_dict()
    assert all(torch.equal(own[k], v) for k, v in a.model.model.state_dict().items())
    with torch.no_grad():
        a.model.model.norm.weight.zero_()
    assert policy.model.norm.weight.abs().sum() > 0  # a copy
    policy.save_pretrained(tmp_path / "lm")
    tokenizer.save_pretrained(tmp_path / "lm")
    assert close(PRM.from_backbone(tmp_path / "lm", seed=1).score(TRACES), b.score(TRACES))
    b.save(tmp_path / "prm")  # a folder that is a PRM already goes on as it is
    assert close(PRM.from_backbone(tmp_path / "prm", seed=7).score(TRACES), b.score(TRACES))
    with pytest.raises(ValueError, match="needs its tokenizer too"):
        PRM.from_backbone(policy)


def test_separator_and_limit_are_stored(policy, tokenizer, tmp_path):
    prm = PRM.from_backbone(policy, tokenizer=tokenizer, separator=";")
    prm.max_length = 44
    prm.save(tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text())["prmlab"]
    assert stored == {"separator": ";", "max_length": 44}
    again = PRM.load(tmp_path)
    assert (again.separator, again.max_length) == (";", 44)
    assert PRM.load(tmp_path, separator="\n").separator == "\n"


def test_threads_take_turns_and_training_mode_comes_back(prm):
    expected = prm.score(TRACES)
    prm.model.train()
    with ThreadPoolExecutor(3) as pool:
        for scores in pool.map(lambda _: prm.score(TRACES), range(6)):
            assert close(scores, expected)
    assert prm.model.training
    assert "PRM(llama, 0.01 M float32 parameters" in repr(prm)


def test_what_is_missing_is_said_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    began = time.perf_counter()
    for name, message in (("nowhere", "no model 'nowhere'"), (tmp_path / "prm", "no model"),
                          ("runs/prm", "the folder runs exists but holds no prm")):
        with pytest.raises(ValueError, match=message):
            PRM.load(name)
    assert time.perf_counter() - began < 2  # the hub is not asked


def saved(prm, folder):
    prm.save(folder)
    return folder


def no_tokenizer(folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()


def truncated(folder):
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.truncate(3000)


def as_pickle(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def edited(**changes):
    def edit(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return edit


@pytest.mark.parametrize(("damage", "message"), [
    (no_tokenizer, r"has no tokenizer \(tokenizer.json\); save the one"),
    (truncated, r"model.safetensors \(3,000 bytes\) is damaged: .*; restore it"),
    (lambda f: (f / "model.safetensors").write_bytes(b"x"), "model.safetensors .* is damaged"),
    (as_pickle, "weights are read from safetensors only"),
    (lambda f: (f / "config.json").unlink(), "it has no config.json; give the folder that"),
    (lambda f: (f / "config.json").write_text("{"), "config.json is not JSON .*; restore it"),
    (edited(num_hidden_layers=4), r"the weights in .* lack model.layers.3"),
    (edited(architectures=["LlamaForCausalLM"]), "must be a ...ForTokenClassification, its "
                                                 "config.json says LlamaForCausalLM"),
    (edited(architectures=None), "config.json says nothing"),
    (edited(intermediate_size=25), "cannot be loaded: .*restore the folder"),
    (edited(model_type="no-such"), "the config of .* cannot be read"),
])
def test_a_damaged_folder(prm, tmp_path, damage, message):
    damage(saved(prm, tmp_path / "prm"))
    with pytest.raises(ValueError, match=message):
        PRM.load(tmp_path / "prm")


def test_a_model_of_another_kind(prm, orm, tokenizer, tmp_path):
    with pytest.raises(ValueError, match="must be a ...ForSequenceClassification"):
        ORM.load(saved(prm, tmp_path / "prm"))
    with pytest.raises(ValueError, match="a model is a folder or a GGUF file, got the file"):
        PRM.load(tmp_path / "prm" / "config.json")
    three = LlamaForTokenClassification(
        LlamaConfig(vocab_size=len(tokenizer), num_labels=3, **SHAPE))
    three.save_pretrained(tmp_path / "three")
    shutil.copytree(tmp_path / "prm", tmp_path / "three", dirs_exist_ok=True,
                    ignore=lambda _, names: [n for n in names if not n.startswith("tok")])
    with pytest.raises(ValueError, match=r"a PRM must have 2 label\(s\), this model has 3"):
        PRM.load(tmp_path / "three")


def test_the_fingerprint_names_what_decides_the_scores(policy, prm, orm, tokenizer, tmp_path):
    prm.save(tmp_path)
    assert PRM.load(tmp_path, device="cpu").fingerprint == prm.fingerprint
    others = [PRM.from_backbone(policy, tokenizer=tokenizer, seed=2), orm,
              PRM(prm.model, tokenizer, separator=" ;")]
    assert len({prm.fingerprint, *(other.fingerprint for other in others)}) == 4
    assert PRM(prm.model, tokenizer, batch_tokens=9).fingerprint == prm.fingerprint
    assert orm.as_step_scorer().fingerprint == orm.fingerprint
    assert journal.identity(prm) == prm.fingerprint


def test_what_many_traces_begin_with_is_run_once(prm, monkeypatch):
    problem = "a b c ? " * 12  # 48 ids and bos
    siblings = [trace(problem, "a b", *rest) for rest in (
        ("c",), ("c", "b"), ("b b a",), ("1 2",), ("a",), ("2",), ("3 c",), ("b", "c"), ("c a",),
        ("c c",), ("a 1",), ("a 2",))]
    alone = [prm.score([t])[0] for t in siblings]
    before = prm.usage
    assert close(prm.score([*siblings, TRACES[0], siblings[0].prefix(1)]),
                 [*alone, prm.score(TRACES[:1])[0], alone[0][:1]])
    spent = prm.usage - before
    n_ids = [len(tokens.encode(prm.tokenizer, t).ids) for t in siblings]
    first = len(tokens.encode(prm.tokenizer, TRACES[0]).ids)
    shared = len(tokens.encode(prm.tokenizer, siblings[0].prefix(1)).ids)
    covered = n_ids[0]  # it begins the second one
    assert spent.scorer_tokens == sum(n_ids) - covered - 10 * shared + 2 * first


def test_a_model_that_reads_both_ways_is_no_reward_model(tokenizer, tmp_path):
    """Padding is not masked: a score of it depended on what else was in the batch, by up to 0.9."""
    config = BertConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2,
                        num_attention_heads=2, intermediate_size=24, num_labels=2)
    BertForTokenClassification(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="must read from left to right, .*; "
                                         "BertForTokenClassification reads both ways"):
        PRM.load(tmp_path, device="cpu")


LINEAR = {**LIKE_LLAMA, "head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2,
          "moe_intermediate_size": 8, "shared_expert_intermediate_size": 8,
          "linear_num_value_heads": 2, "linear_num_key_heads": 2, "linear_key_head_dim": 8,
          "linear_value_head_dim": 8,
          "layer_types": ["linear_attention", "full_attention", "linear_attention"]}


def test_a_model_whose_past_is_more_than_keys_and_values_reads_every_trace_whole(
        tokenizer, monkeypatch):
    """Where many traces began alike, scoring a hybrid model was an AttributeError."""
    monkeypatch.setitem(SHAPES, "Qwen3Next", LINEAR)
    prm = PRM.from_backbone(tiny("Qwen3Next", len(tokenizer)), tokenizer=tokenizer)
    siblings = [trace("a b c ? " * 12, "a b", step) for step in (
        "c", "b b a", "1 2", "a", "2", "3 c", "b c", "c a", "c c", "a 1 1", "a 2", "c 3 1")]
    alone = [prm.score([one])[0] for one in siblings]
    before = prm.usage.scorer_tokens
    assert close(prm.score(siblings), alone)
    assert prm.usage.scorer_tokens - before == sum(len(e.ids) for e in prm.encode(siblings))


def test_long_rope_ends_where_its_frequencies_change(tokenizer):
    """Beyond, other frequencies hold for the whole batch: scores of short traces changed too."""
    rope = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 2,
            "long_factor": [9.0] * 2, "original_max_position_embeddings": 20}
    model = tiny("Llama", len(tokenizer), rope_parameters=rope)
    prm = PRM.from_backbone(model, tokenizer=tokenizer)
    assert prm.max_length == PRM(prm.model, tokenizer, max_length=80).max_length == 20
    long = trace("a ?", "a b c a b c a b c a b c a b c a b c a b c")
    assert close(prm.score([*TRACES, long], on_long="skip")[:-1], prm.score(TRACES))
    with pytest.raises(ValueError, match="trace 5 .* the limit is 20"):
        prm.score([*TRACES, long])
