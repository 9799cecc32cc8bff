"""Progress bars: they show nothing of short work, share one line, and need no tqdm."""

import sys

import pytest

from prmlab import bars, training
from prmlab.bars import bar
from prmlab.rewards import PRM
from prmlab.traces import Problem, Trace


@pytest.fixture
def at_once(monkeypatch):
    """Bars that show every count as soon as it comes."""
    monkeypatch.setattr(bars, "DELAY", 0)
    monkeypatch.setattr(bars, "EVERY", 0)


def test_short_work_shows_nothing(capfd):
    with bar(3, "trace") as outer, bar(None, "step") as inner:
        outer.update()
        inner.update(2)
    assert capfd.readouterr() == ("", "")


def test_a_bar_in_another_takes_its_line_and_is_gone(capfd, at_once):
    with bar(3, "step") as outer:
        for _ in range(3):
            with bar(2, "trace") as inner:
                inner.update(2)
            outer.update()
    said = capfd.readouterr().err
    assert "2/2" in said
    assert said.count("\n") == 1  # a notebook would keep every further line
    assert "\x1b" not in said  # nor can it move a cursor
    *before, last = said.rstrip("\n").split("\r")
    assert last.startswith("100%|██████████| 3/3 [")
    assert {len(turn) for turn in before if turn} == {bars.WIDE}  # nothing shows from under it
    assert not bars._OPEN


def test_a_training_that_validates_leaves_one_line(capfd, at_once):
    one = Trace(Problem("", "1 + 1?", "2", ""), ("1 + 1 = 2", "Answer: 3"), True, (1, -1))
    for _ in training.fit_prm([one] * 4, base=PRM.from_backbone("verifier-base"), batch_size=2,
                              validate=lambda prm: {"n": len(prm.score([one]))},
                              validate_every=1, device="cpu"):
        pass
    said = capfd.readouterr().err
    assert "trace/s" in said
    assert (said.count("\n"), said.count("\x1b")) == (1, 0)


def test_what_is_printed_afterwards_comes_after_the_line(monkeypatch, at_once):
    order = []
    monkeypatch.setattr(sys.stderr, "flush", lambda: order.append("flushed"))
    with bar(1, "trace") as shown:
        shown.update()
        order.clear()
    assert order[-1] == "flushed"


def test_a_hidden_bar_is_none(capfd, at_once):
    with bar(3, "step", done=1, hidden=True) as shown:
        shown.update()
        assert not bars._OPEN
    assert capfd.readouterr().err == ""


def test_without_tqdm_there_is_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with bar(3, "trace") as shown:
        shown.update()
        shown.update(2)
