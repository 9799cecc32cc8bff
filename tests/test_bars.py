"""Progress bars: they show nothing of short work, and need no tqdm."""

import sys

import pytest

from prmlab import bars
from prmlab.bars import bar


def test_short_work_shows_nothing(capfd):
    with bar(3, "trace") as outer, bar(None, "step") as inner:
        outer.update()
        inner.update(2)
    assert capfd.readouterr() == ("", "")


def test_outside_a_terminal_bars_take_turns_in_one_line(capfd, monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(bars, "DELAY", 1e-9)
    monkeypatch.setattr(bars, "EVERY", 0)
    with bar(3, "trace") as outer:
        for _ in range(3):
            with bar(None, "step") as inner:
                for _ in range(5):
                    inner.update()
            outer.update()
    shown = capfd.readouterr().err
    assert "\x1b" not in shown  # no cursor goes up in a notebook
    assert "5step [" in shown and "2/3 [" in shown
    assert shown.count("\n") == 1  # the outer bar's own end: the inner ones are wiped out
    before, _, last = shown.rstrip("\n").rpartition("\r")
    assert "3/3 [" in last
    assert {len(turn.rstrip("\r")) for turn in before.split("\r") if turn} == {bars.WIDE}


def test_without_tqdm_there_is_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with bar(3, "trace") as shown:
        shown.update()
        shown.update(2)
