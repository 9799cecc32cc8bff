"""Executors: any order, lost workers and doubled results leave the labels as they are."""

import json
from itertools import islice

import pytest

from prmlab import labels, toys
from prmlab.executors import InProcess
from prmlab.ray_executor import RayExecutor

POLICY = toys.ToyPolicy(0.8, 0.2)
TRACES = [toys.trace(problem, "+-") for problem in toys.make(23, length=4)]


class Shaky:
    """Takes five chunks ahead, returns them backwards, loses a worker's first try at every third
    chunk, and returns every fourth twice, as if its worker had only seemed dead."""

    def __init__(self):
        self.n_done = self.n_lost = self.ahead = 0

    def run(self, work, model, chunks):
        while batch := list(islice(chunks, 5)):
            self.ahead = max(self.ahead, len(batch))
            for chunk in reversed(batch):
                made = work(model, chunk)
                self.n_done += 1
                if chunk.number % 3 == 0:
                    self.n_lost += 1
                    made = work(model, chunk)
                for _ in range(1 + (chunk.number % 4 == 0)):
                    yield chunk, made


class Careless:
    """Forgets one chunk."""

    def __init__(self, number):
        self.number = number

    def run(self, work, model, chunks):
        for chunk in chunks:
            if chunk.number != self.number:
                yield chunk, work(model, chunk)


def run(executor, journal=None):
    made = labels.monte_carlo(TRACES, POLICY, n_rollouts=4, chunk_size=2, executor=executor,
                              journal=journal)
    return [(one.trace, one.steps) for one in made]


def test_shaky_workers_change_nothing(tmp_path):
    shaky = Shaky()
    assert run(shaky) == run(None) == run(InProcess())
    assert shaky.n_done == 12 and shaky.n_lost == 4
    assert run(Shaky(), tmp_path / "shaky") == run(None, tmp_path / "calm")
    lines = [sorted((tmp_path / name).read_text().splitlines()) for name in ("shaky", "calm")]
    assert lines[0] == lines[1]
    order = [json.loads(line).get("trace") for line in
             (tmp_path / "shaky").read_text().splitlines()]
    assert order[1:4] == [8, 9, 6]


def test_a_run_of_shaky_workers_goes_on_with_holes(tmp_path):
    running = labels.monte_carlo(TRACES, POLICY, n_rollouts=4, chunk_size=2, executor=Shaky(),
                                 journal=tmp_path / "a")
    next(running)
    running.close()
    assert run(Shaky(), tmp_path / "a") == run(None)


@pytest.mark.parametrize("number", [0, 1, 11])
def test_a_lost_chunk_is_noticed(number):
    with pytest.raises(RuntimeError, match=f"must return every chunk, it lost {number};"):
        run(Careless(number))


def test_errors_of_the_work_come_through(tmp_path):
    class Broken:
        fingerprint = "broken"

        def complete(self, prefixes, n, *, seed, temperature=1.0):
            raise ValueError("the model is broken")

    with pytest.raises(ValueError, match="the model is broken"):
        list(labels.monte_carlo(TRACES, Broken(), journal=tmp_path / "a"))


def test_without_ray_the_error_says_how_to_get_it():
    try:
        import ray  # noqa: F401
    except ImportError:
        with pytest.raises(ValueError, match="pip install 'prmlab.ray.'"):
            RayExecutor()
    else:
        with pytest.raises(ValueError, match="n_workers must be at least 1, got 0"):
            RayExecutor(0)


@pytest.mark.parametrize("given", [TRACES, iter(TRACES)])
def test_a_text_bar_counts_the_traces_of_long_work(given, monkeypatch, capsys):
    tqdm = pytest.importorskip("tqdm", reason="tqdm is not installed: pip install 'prmlab[learn]'")

    class Shown(tqdm.tqdm):
        def __init__(self, **options):
            assert (options.pop("delay"), options.pop("mininterval")) == (2, 1)
            super().__init__(mininterval=0, miniters=1, **options)

    monkeypatch.setattr(tqdm, "tqdm", Shown)
    list(labels.monte_carlo(given, POLICY, n_rollouts=1))
    assert ("23/23" if given is TRACES else "23trace") in capsys.readouterr().err


def test_short_work_shows_no_bar(capsys):
    run(None)
    assert capsys.readouterr().err == ""
