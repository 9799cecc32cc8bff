"""The script that measures SmolLM2, with a tiny model in its place."""

import importlib.util
from pathlib import Path

import public_layouts
import pytest
import tiny

from prmlab import problems
from prmlab.sampling import LocalPolicy

pytestmark = pytest.mark.torch
PATH = Path(__file__).resolve().parent.parent / "scripts" / "measure_smollm2.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("measure_smollm2", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def policy():
    tokenizer = public_layouts.byte_level("qwen")
    return LocalPolicy(tiny.tiny("Qwen2", len(tokenizer), max_position_embeddings=2000), tokenizer,
                       max_new_tokens=6)


def test_every_stage_runs_and_counts(script, policy):
    drawn = problems.make("stories", 4, seed=0, difficulty=1)
    asked = [script.in_chat(policy, p, [problems.solve(drawn[0])]) for p in drawn[1:]]
    assert asked[0].text.startswith("<|im_start|>system\nSolve")
    assert asked[0].text.endswith(f"{drawn[1].text}<|im_end|>\n<|im_start|>assistant\n")
    assert asked[0].facts == drawn[1].facts
    found = script.sampled(policy, asked, 2, seed=0)
    assert found["pass@1"]["of"] == found["ended"]["of"] == 6
    made = script.labelled(policy, found["rows"], 2, seed=0)
    assert made["steps"] == sum(map(len, made["values"]))
    trained = script.trained(policy, 3, seed=0)  # the first 4 traces have no wrong step
    assert len(trained["losses"]) == 3
    assert 0 <= trained["AUROC before"] <= 1
    pytest.importorskip("peft", reason="the package peft is not installed")
    adapted = script.adapted(policy, 2, drawn[1:], 2, seed=0)
    assert adapted["trained weights"] < policy.model.num_parameters() / 2
    assert len(adapted["losses"]) == 2
