"""One piece of work at a time, the later in place of the earlier, and nothing killed."""

import threading

from prmlab.widgets.background import Background


def test_later_work_waits_for_the_earlier_to_stop_and_skips_what_was_replaced():
    said, started, background = [], threading.Event(), Background()

    def first(stopped):
        started.set()
        while not stopped():
            pass
        said.append("first stopped")

    background.start(first)
    assert started.wait(10)
    assert background.busy
    background.start(lambda stopped: said.append("second"))
    background.start(lambda stopped: said.append("third")).wait(10)
    assert said[0] == "first stopped"
    assert said[-1] == "third"
    assert not background.busy


def test_never_two_at_once():
    most, now, lock, background = [0], [0], threading.Lock(), Background()

    def work(stopped):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        while not stopped():
            pass
        with lock:
            now[0] -= 1

    done = [background.start(work) for _ in range(20)]
    background.stop()
    assert all(event.wait(10) for event in done)
    assert not background.busy
    assert most[0] <= 1


def test_work_that_raises_does_not_block_the_next(monkeypatch):
    said, background = [], Background()
    monkeypatch.setattr(threading, "excepthook", lambda args: said.append(args.exc_type))
    assert background.start(lambda stopped: 1 / 0).wait(10)
    assert background.start(lambda stopped: said.append("next")).wait(10)
    assert set(said) == {ZeroDivisionError, "next"}


def test_stop_without_work_is_nothing():
    background = Background()
    background.stop()
    assert not background.busy
