"""Progress bars: they show nothing of short work, and need no tqdm."""

import sys

from prmlab.bars import bar


def test_short_work_shows_nothing(capfd):
    with bar(3, "trace") as outer, bar(None, "step") as inner:
        outer.update()
        inner.update(2)
    assert capfd.readouterr() == ("", "")


def test_without_tqdm_there_is_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with bar(3, "trace") as shown:
        shown.update()
        shown.update(2)
