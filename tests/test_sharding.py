"""Sharded training: two processes, each with half of the model, end where one with all of it does."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import tiny
from transformers import AutoModelForCausalLM, AutoModelForTokenClassification
from two_processes import CASES, OPTIONS, TRACES

from prmlab import muon, sharding, tokens, training
from prmlab.rewards import PRM

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A function of a case's name: its folder, and what was seen there, by process."""
    folder = tmp_path_factory.mktemp("sharded")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = subprocess.run(
        [sys.executable, str(HERE / "two_processes.py"), str(folder), str(port)], text=True,
        capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1",
                                  "PYTHONPATH": f"{HERE.parent}:{HERE}"})
    assert done.returncode == 0, done.stderr

    def seen(name):
        return folder / name, *(json.loads((folder / name / f"{kind}.json").read_text())
                                for kind in ("whole-0", "sharded-0", "sharded-1"))

    return seen


@pytest.mark.parametrize("name", sorted({*CASES} - {"refused"}))
def test_two_sharded_processes_end_where_one_does(runs, name):
    folder, whole, first, second = runs(name)
    loose = 100 if name == "half" else 1  # products are rounded to three digits there
    assert first["losses"] == second["losses"] == pytest.approx(whole["losses"], rel=1e-5 * loose)
    a, b = (load_file(folder / kind / "model.safetensors") for kind in ("whole", "sharded"))
    assert a.keys() == b.keys()
    for weight in a:
        assert torch.allclose(a[weight], b[weight], rtol=0, atol=1e-5 * loose), weight


@pytest.mark.parametrize("name", sorted({*OPTIONS, "again", "twice", "resumed"}))
def test_each_process_holds_half(runs, name):
    _, whole, first, second = runs(name)
    assert first["held"] + second["held"] == whole["held"]
    assert abs(first["held"] - second["held"]) < 0.01 * whole["held"]


def test_a_process_without_traces_runs_a_token_that_is_nobodys(runs):
    _, whole, first, second = runs("one_trace")
    assert whole["padding"] == 0 and first["tokens"] == second["tokens"] == whole["tokens"]
    assert first["padding"] == second["padding"] == pytest.approx(30 / (whole["tokens"] + 30))


@pytest.mark.parametrize("name", ["parts", "flex", "twice", "resumed"])
def test_what_was_saved_scores_in_one_process_as_it_did_in_two(runs, name):
    folder, _, first, second = runs(name)
    prm = PRM.load(folder / "sharded", device="cpu")
    assert prm.fingerprint == first["fingerprint"] == second["fingerprint"]
    assert first["scores"] == second["scores"]
    for ours, theirs in zip(prm.score(TRACES[:5]), first["scores"], strict=True):
        assert ours.tolist() == pytest.approx(theirs, abs=1e-6)


def test_what_was_saved_is_plain_transformers(runs):
    for name, kind in (("parts", AutoModelForTokenClassification), ("policy", AutoModelForCausalLM)):
        folder = runs(name)[0]
        _, report = kind.from_pretrained(folder / "sharded", output_loading_info=True)
        assert not report["missing_keys"] and not report["unexpected_keys"]
        config, other = (json.loads((folder / made / "config.json").read_text())
                         for made in ("whole", "sharded"))
        assert config == other


def test_gradients_are_summed_and_clipped_by_the_norm_of_all_pieces(runs):
    """The length of a step at rate 1 is the gradient's, and 1 where that is longer."""
    _, *three = runs("clipped")
    assert [seen["moved"] for seen in three] == pytest.approx([1, 1, 1], abs=1e-4)
    _, whole, *both = runs("summed")
    assert 0.05 < whole["moved"] < 0.9
    assert [seen["moved"] for seen in both] == pytest.approx([whole["moved"]] * 2, rel=1e-4)


def test_a_resumed_run_is_the_undisturbed_one_and_any_number_of_processes_resumes_it(runs):
    folder, whole, first, second = runs("resumed")
    for seen in (whole, first, second):
        assert seen["equal"] and seen["rest"] == seen["losses"][-len(seen["rest"]):]
    assert whole["left"] == ["step-00000003"]  # left by leaving the loop
    assert first["left"] == ["step-00000002"]  # the last of its own: the others might be elsewhere
    for kind in ("whole", "sharded"):
        alone = json.loads((folder / f"alone-{kind}.json").read_text())
        assert alone["losses"][-3:] == pytest.approx(whole["losses"][-3:], rel=1e-5)


def test_a_checkpoint_is_the_same_on_disk(runs):
    folder, *_ = runs("resumed")
    whole, pieces = ({f.name: f for f in (folder / f"run-{kind}").glob("step-*/*")}
                     for kind in ("whole", "sharded"))
    assert whole.keys() == pieces.keys() and len(whole) == 4
    for name in ("model", "optimizer", "best"):
        a, b = (load_file(files[f"{name}.safetensors"]) for files in (whole, pieces))
        assert {k: (v.shape, v.dtype) for k, v in a.items()} == {
            k: (v.shape, v.dtype) for k, v in b.items()}
    a, b = (json.loads(files["position.json"].read_text()) for files in (whole, pieces))
    assert a["settings"] == b["settings"] and a["position"].keys() == b["position"].keys()


def test_what_cannot_be_sharded_says_so_and_stays_whole(runs):
    _, _, first, second = runs("refused")
    assert first == second and not first["touched"]
    assert "shares its weights with the embeddings" in first["said"][0]
    assert "OPTModel has no list of layers to shard" in first["said"][1]


def test_one_process_or_muon_is_an_error_that_names_the_mend():
    prm = PRM.from_backbone(tiny("Llama", 60, max_position_embeddings=600),
                            tokenizer=tokens.build(), seed=1)
    with pytest.raises(ValueError, match=r"only one; start it with accelerate launch --multi_gpu"):
        next(training.fit_prm(TRACES, base=prm, sharded=True, optimizer=muon.adamw, lr=1e-5,
                              device="cpu"))
    with pytest.raises(ValueError, match=r"Muon needs whole matrices.* optimizer=muon.adamw"):
        next(training.fit_prm(TRACES, base=prm, sharded=True, device="cpu"))
    assert not sharding.is_sharded(prm.model)
