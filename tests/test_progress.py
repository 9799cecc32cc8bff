"""The reader's progress file: what it remembers, that it is never half written, its errors."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prmlab import progress


def test_where_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("PRMLAB_PROGRESS", str(tmp_path / "mine.json"))
    assert progress.where() == tmp_path / "mine.json"
    monkeypatch.delenv("PRMLAB_PROGRESS")
    assert progress.where() == Path.home() / ".prmlab" / "progress.json"


def test_what_was_right_stays_right(tmp_path):
    file = tmp_path / "p.json"
    for status in ("wrong", "right", "wrong"):
        assert progress.record("01", "aggregate", status=status, path=file) == ""
    progress.record("01", "aggregate", hints=2, path=file)
    progress.record("01", "aggregate", hints=1, path=file)
    entry = progress.read(file).entries["01/aggregate"]
    assert entry == {"kind": "exercise", "tries": 3, "status": "right", "hints": 2}


def test_reset_forgets_one_notebook_or_all(tmp_path):
    file = tmp_path / "p.json"
    for notebook in ("01", "02"):
        progress.record(notebook, "x", status="right", path=file)
    assert set(progress.reset("01", path=file).entries) == {"02/x"}
    assert progress.reset(path=file).entries == {}
    assert "nothing answered yet" in repr(progress.read(file))


def test_a_damaged_file_is_named_and_not_overwritten(tmp_path):
    file = tmp_path / "p.json"
    file.write_text("{")
    with pytest.raises(ValueError, match=r"p.json must be a progress file.*progress.reset\(\)"):
        progress.read(file)
    assert "not saved" in progress.record("01", "x", status="right", path=file)
    assert file.read_text() == "{"
    progress.reset(path=file)
    assert progress.read(file).entries == {}


@pytest.mark.parametrize("text", ['[]', '{"entries": 3}', '{"entries": {"01/x": 3}}', '{}'])
def test_foreign_json_is_refused(text, tmp_path):
    file = tmp_path / "p.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="must be a progress file"):
        progress.read(file)


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    file = tmp_path / "p.json"
    progress.record("01", "x", status="right", path=file)
    before = file.read_text()

    def fail(*args):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    assert "no space left" in progress.record("01", "y", status="right", path=file)
    assert file.read_text() == before
    assert os.listdir(tmp_path) == ["p.json"]


def test_many_threads_lose_nothing(tmp_path):
    file = tmp_path / "p.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: progress.record("01", f"q{i}", status="right", path=file),
                      range(40)))
    assert len(json.loads(file.read_text())["entries"]) == 40


def test_it_shows_itself(tmp_path):
    file = tmp_path / "p.json"
    progress.record("01", "<b>", status="wrong", hints=1, solution=True, path=file)
    shown = progress.read(file)
    assert "✗ 01/<b>" in repr(shown)
    assert "wrong, 1 try, 1 of 3 hints, solution read" in repr(shown)
    assert "<b>" not in shown._repr_html_()
    assert "nothing is sent anywhere" in shown._repr_html_()
