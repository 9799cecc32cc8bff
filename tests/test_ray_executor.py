"""The Ray executor on a local cluster of two workers; skipped where Ray is not installed."""

import os
import sys
from threading import Lock

import pytest

from prmlab import labels, toys
from prmlab.ray_executor import RayExecutor

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'prmlab[ray]'")
TRACES = [toys.trace(problem, "+-") for problem in toys.make(40, length=4)]
POLICY = toys.ToyPolicy(0.8, 0.2)


class Deadly:
    """A toy policy that kills its own process until the folder holds enough graves."""

    def __init__(self, folder, n_deaths):
        self.folder, self.n_deaths = str(folder), n_deaths

    def __repr__(self):
        return repr(POLICY)

    def complete(self, prefixes, n, *, seed, temperature=1.0):
        if len(os.listdir(self.folder)) < self.n_deaths:
            open(os.path.join(self.folder, str(os.getpid())), "x").close()
            os._exit(1)
        return POLICY.complete(prefixes, n, seed=seed, temperature=temperature)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import it
    yield
    ray.shutdown()


def run(policy, journal, executor=None):
    made = labels.monte_carlo(TRACES, policy, n_rollouts=4, chunk_size=3, journal=journal,
                              executor=executor)
    return [one.steps for one in made]


def lines(path):
    return sorted(path.read_bytes().splitlines())


def test_two_workers_give_the_same_labels(tmp_path):
    calm = run(POLICY, tmp_path / "calm")
    assert run(POLICY, tmp_path / "ray", RayExecutor(2)) == calm
    assert lines(tmp_path / "ray") == lines(tmp_path / "calm")
    made = RayExecutor(2, make=lambda: toys.ToyPolicy(0.8, 0.2))
    assert run(POLICY, None, made) == calm


def test_five_dead_workers_lose_nothing(tmp_path):
    (tmp_path / "graves").mkdir()
    deadly = Deadly(tmp_path / "graves", 5)
    calm = run(POLICY, tmp_path / "calm")
    assert run(deadly, tmp_path / "ray", RayExecutor(2)) == calm
    assert len(os.listdir(tmp_path / "graves")) >= 5
    assert lines(tmp_path / "ray") == lines(tmp_path / "calm")


def test_too_many_deaths_are_an_error_and_the_journal_goes_on(tmp_path):
    (tmp_path / "graves").mkdir()
    deadly = Deadly(tmp_path / "graves", 9)
    with pytest.raises(RuntimeError, match="2 Ray workers died, allowed are 1; run the same"):
        run(deadly, tmp_path / "ray", RayExecutor(1, losses=1))
    assert run(POLICY, tmp_path / "ray") == run(POLICY, None)


def test_errors_of_the_model_are_raised_at_once():
    class Broken:
        def complete(self, prefixes, n, *, seed, temperature=1.0):
            raise ValueError("the model is broken")

    class Locked:
        def __init__(self):
            self.lock = Lock()

        complete = POLICY.complete

    def make():
        raise ValueError("no such model")

    with pytest.raises(ValueError, match="the model is broken"):
        run(Broken(), None, RayExecutor(1))
    with pytest.raises(ValueError, match="must be picklable .* Locked is not .*; give make="):
        run(Locked(), None, RayExecutor(1))
    with pytest.raises(ValueError, match="no such model"):
        run(POLICY, None, RayExecutor(1, make=make))


def test_workers_that_make_another_model_than_the_journal_names_are_refused(tmp_path):
    made = RayExecutor(1, make=lambda: POLICY)
    with pytest.raises(ValueError, match="make must return the model that was given to labels, "
                                         "ToyPolicy.keep=0.7.*, got ToyPolicy.keep=0.8"):
        run(toys.ToyPolicy(0.7, 0.2), None, made)
    assert run("a name", tmp_path / "a", made) == run(POLICY, None)
    with pytest.raises(ValueError, match="model was .*a name.*, is .*another"):
        run("another", tmp_path / "a", made)


def test_more_workers_than_there_is_room_for_or_work():
    assert run(POLICY, None, RayExecutor(4)) == run(POLICY, None)
    few = labels.monte_carlo(TRACES[:2], POLICY, executor=RayExecutor(3))
    assert [one.steps for one in few] == [
        one.steps for one in labels.monte_carlo(TRACES[:2], POLICY)]
