"""The catalogue finds data by name, knows damage, and never asks the hub by mistake."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prmlab import catalog

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder of two files with a true manifest."""
    (tmp_path / "models" / "prm").mkdir(parents=True)
    (tmp_path / "models" / "prm" / "config.json").write_text("{}")
    (tmp_path / "traces").mkdir()
    (tmp_path / "traces" / "train.jsonl").write_text('{"id": "p"}\n')
    files = [{"file": name, "bytes": (tmp_path / name).stat().st_size,
              "sha256": catalog.sha256(tmp_path / name), "command": "make data", "seed": 0}
             for name in ("models/prm/config.json", "traces/train.jsonl")]
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"files": files}))
    monkeypatch.setenv("PRMLAB_DATA", str(tmp_path))
    return tmp_path


def test_names_lead_to_files(data):
    assert catalog.path("traces/train.jsonl") == data / "traces" / "train.jsonl"
    assert [entry.file for entry in catalog.entries()] == ["models/prm/config.json",
                                                           "traces/train.jsonl"]
    assert catalog.entries()[1].command == "make data"


def test_an_unknown_name_is_answered_with_those_near_it(data):
    with pytest.raises(ValueError, match=r"no 'train.json'; it holds: traces/train\.jsonl$"):
        catalog.path("train.json")
    with pytest.raises(ValueError, match="holds no '../secret'"):
        catalog.path("../secret")


def test_verify_names_what_changed_and_what_is_missing(data):
    assert catalog.verify() == []
    (data / "traces" / "train.jsonl").write_text("torn")
    (data / "models" / "prm" / "config.json").unlink()
    assert catalog.verify() == [
        "models/prm/config.json is missing",
        "traces/train.jsonl has changed (4 bytes, recorded 12)",
    ]


@pytest.mark.parametrize("text", ["{", "[]", '{"files": [{"name": "x"}]}'])
def test_a_damaged_manifest_says_how_to_mend_it(data, text):
    (data / "MANIFEST.json").write_text(text)
    with pytest.raises(ValueError, match="MANIFEST.json is damaged.*make_manifest"):
        catalog.entries()


def test_a_data_folder_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PRMLAB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="PRMLAB_DATA names .*nowhere, which is not a folder"):
        catalog.data_folder()


def test_models_resolve_to_folders_files_and_hub_ids(data, tmp_path):
    assert catalog.resolve_model("prm") == data / "models" / "prm"
    assert catalog.resolve_model(str(data)) == data
    assert catalog.resolve_model(data) == data
    assert catalog.resolve_model("owner/name-1.5") == "owner/name-1.5"


@pytest.mark.parametrize("name", [
    "prmm", "./prm", "/no/such/folder", "runs/a/b", "../x", "~/model", "", "owner/",
    "owner/na me", Path("runs/mine"),
])
def test_a_model_that_is_nowhere_is_refused_at_once(data, name):
    began = time.perf_counter()
    with pytest.raises(ValueError, match="neither one of policy, .*hub id of the form"):
        catalog.resolve_model(name)
    assert time.perf_counter() - began < 0.5


def test_a_catalogue_model_that_was_never_trained(data):
    with pytest.raises(ValueError, match="the model 'orm' belongs in .*make models"):
        catalog.resolve_model("orm")


def test_the_manifest_script_records_commands_and_refuses_unknown_origin(data):
    (data / "models" / "prm" / "training.json").write_text('{"command": "train it", "seed": 7}')
    run = [sys.executable, str(ROOT / "scripts" / "make_manifest.py")]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(run, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = {entry.file: entry for entry in catalog.entries()}
    assert made["models/prm/config.json"].command == "train it"
    assert made["models/prm/config.json"].seed == 7
    assert made["traces/train.jsonl"].command == "python scripts/make_data.py"
    assert catalog.verify() == []
    (data / "runs").mkdir()
    for stray in ("stray.bin", "runs/nonsense.json"):
        (data / stray).write_bytes(b"?")
        done = subprocess.run(run, env=env, capture_output=True, text=True)
        assert done.returncode == 1
        assert f"{stray} is of unknown origin" in done.stderr
        (data / stray).unlink()


def test_the_data_shipped_here_is_whole(monkeypatch):
    monkeypatch.delenv("PRMLAB_DATA", raising=False)
    data = ROOT / "data"
    if not (data / "MANIFEST.json").exists():
        pytest.skip("data/ has no manifest yet: python scripts/make_manifest.py")
    assert catalog.verify() == []
    listed = {entry.file for entry in catalog.entries()}
    tracked = subprocess.run(["git", "ls-files", "data"], cwd=ROOT, capture_output=True,
                             text=True).stdout.splitlines()
    files = {Path(name).relative_to("data").as_posix() for name in tracked}
    assert files - listed <= {"MANIFEST.json", ".gitkeep"}
    assert all(entry.bytes <= 8_000_000 for entry in catalog.entries())
    assert sum(entry.bytes for entry in catalog.entries()) <= 40_000_000
