"""The script that measures judges on human-marked traces, on the samples written by hand."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "tests" / "data" / "datasets"


def measured(folder: Path) -> dict:
    """What the script writes about a folder."""
    out = folder / "figures.json"
    subprocess.run([sys.executable, "scripts/measure_human_data.py", folder, "--json", out],
                   check=True, capture_output=True, cwd=ROOT)
    return json.loads(out.read_text("utf-8"))


def test_the_figures_of_the_samples(tmp_path):
    for name, copy in (("bigbench_mistake.jsonl", "multistep_arithmetic.jsonl"),
                       ("prmbench.jsonl", "prmbench.jsonl"), ("recorded.json", "crucible.json")):
        shutil.copy(SAMPLES / name, tmp_path / copy)
    figures = measured(tmp_path)
    checker = figures["bigbench_mistake"]["arithmetic checker"]["all"]
    assert (checker["f1"]["value"], checker["auroc"]["value"]) == (1.0, 1.0)
    assert figures["bigbench_mistake"]["always right"]["all"]["acc_correct"]["value"] == 1.0
    bench = figures["prmbench"]
    assert (bench["steps"], bench["wrong steps"], bench["controls"]) == (8, 3, 1)
    assert bench["error steps beyond their trace"] == 1
    # 5 right steps kept; 3 * 5 = 20 caught, two wrong steps without a false claim missed
    assert bench["arithmetic checker"]["prm_score"]["value"] == pytest.approx(
        (10 / 12 + 2 / 4) / 2, abs=1e-4)
    ahead = bench["ahead of"]["arithmetic checker"]
    assert set(ahead) == {"always right", "always step 0", "random place", "the later the worse"}
    for blind, gaps in ahead.items():
        assert gaps["prm_score"]["value"] == pytest.approx(
            bench["arithmetic checker"]["prm_score"]["value"] - bench[blind]["prm_score"]["value"],
            abs=2e-4)
        gap = figures["bigbench_mistake"]["ahead of"]["arithmetic checker"][blind]["f1"]
        blind_f1 = figures["bigbench_mistake"][blind]["all"]["f1"]["value"]
        assert gap["value"] == pytest.approx(1 - blind_f1, abs=2e-4)
        assert gap["low"] <= gap["value"] <= gap["high"]
    run = figures["recorded_run"]
    assert run["PRM minus majority, our grading"]["value"] == 0.25
    assert run["our grading"]["pass@1"]["value"] == pytest.approx((1 / 3 + 1) / 2, abs=1e-4)
    assert run["our grading"]["best by recorded PRM score"]["value"] == 1.0
    assert run["our grading"]["majority"]["value"] == 0.75  # two answers tie in the first
    assert run["differences"] == []


def test_what_is_not_there_is_left_out(tmp_path):
    figures = measured(tmp_path)
    assert all("left out" in figures[key]
               for key in ("bigbench_mistake", "prmbench", "recorded_run"))
