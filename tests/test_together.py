"""The script that measures what keeping a problem's traces together costs, and what is said of it."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import measure_together  # noqa: E402

from prmlab import catalog, traces  # noqa: E402

pytestmark = pytest.mark.torch


def test_problems_to_learn_from_and_to_measure_on_are_others():
    some = traces.read_jsonl(catalog.path("traces/validation.jsonl"))[:80]
    learned, held_out = measure_together.divided(some, 5)
    assert learned + held_out == some and learned and held_out
    ids = [{t.problem.id for t in part} for part in (learned, held_out)]
    assert len(ids[0]) == 5 and not ids[0] & ids[1]


def test_it_trains_each_setting_and_goes_on_from_what_a_run_cut_off_had_done(
        tmp_path, monkeypatch, capsys):
    some = traces.read_jsonl(catalog.path("traces/validation.jsonl"))[:64]
    monkeypatch.setattr(measure_together.bench, "sampled", lambda n: some)
    monkeypatch.setattr(measure_together, "SETTINGS", [(16, 1, 1e-3), (16, 8, 1e-3)])
    out = tmp_path / "together.json"
    sizes = {"problems": len({t.problem.id for t in some[:32]}), "held_out": 2}
    known = sizes | {"batch_size": 16, "together": 8, "lr": 1e-3, "seed": 0}
    out.with_suffix(".part").write_text(json.dumps(
        known | {"seconds": 1, "loss": 9.0, "auroc": 0.5, "f1": 0.1}) + "\n")
    monkeypatch.setattr(sys, "argv", [
        "measure_together.py", "--json", str(out), "--seeds", "1", "--problems",
        str(sizes["problems"]), "--held-out", "2"])
    assert measure_together.main() == 0
    found = json.loads(out.read_text())
    apart, kept = found["summary"]
    assert kept["loss"] == 9.0 and 0 < apart["loss"] < 9 and apart["seconds"] > 0
    assert kept["loss less apart"][0] == pytest.approx(9.0 - apart["loss"])
    assert found["traces"] + found["held out"] == 64 and len(found["trainings"]) == 2
    assert not out.with_suffix(".part").exists()
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_readmes_table_is_the_record():
    found = json.loads(catalog.path("runs/together.json").read_text())["summary"]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")]
            for line in (ROOT / "README.md").read_text().splitlines()
            if re.match(r"\| (32|128) \| [148] \|", line)]
    assert len(rows) == len(found)
    for row in found:
        (told,) = (r for r in rows if r[:3] == [str(row[n]) for n in measure_together.NAMES])
        assert abs(float(told[3]) - row["seconds"]) <= 0.5
        assert abs(float(told[4]) - row["loss"]) <= 0.00051
        numbers = [float(x) for x in re.findall(r"[+-]?\d\.\d+", told[5])] if len(told) > 5 else []
        apart = row["together"] == 1 and row["lr"] == measure_together.RATE
        assert len(numbers) == (0 if apart else 3)
        assert all(abs(a - b) <= 0.00051 for a, b in zip(numbers, row["loss less apart"]))
