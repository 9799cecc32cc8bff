"""Labelling on many machines: an executor of Ray actors, each with a model of its own.

Needs the extra `prmlab[ray]`. Owns only the spreading: a worker that dies costs its open chunk,
which another one does again; the journal is written by the calling process alone.
"""

from collections.abc import Callable, Iterator
from typing import Any

from prmlab.evidence import Labelled
from prmlab.executors import Chunk, Work
from prmlab.journal import identity

_DEATHS = ("RayActorError", "WorkerCrashedError", "NodeDiedError", "ObjectLostError",
           "OutOfMemoryError")

class RayExecutor:
    """Actors on a Ray cluster, one chunk each at a time; an `executors.Executor`.

    Give it as `executor=` to any function of `labels`. If Ray is not connected yet, `ray.init`
    is called: on the cluster at `address`, or on one started on this machine. A cluster is made
    by `ray start --head` on one machine and `ray start --address=HEAD:6379` on the others, all
    with the same Python and prmlab.

    Args:
        n_workers: actors, >= 1; those for which the cluster has no room yet join when it has.
        make: makes the model inside each worker, such as `lambda: LocalPolicy.load("policy")`;
            by default the model given to `labels` is sent to each. What is given to `labels`
            then serves as its name in the journal: a model that `journal.identity` names the
            same, or a text where this process should not hold the model.
        address: of a cluster, "auto" for the one this machine belongs to.
        losses: dead workers that are replaced before giving up.
        resources: of each actor, as Ray names them, such as `{"num_gpus": 1}`.

    Raises:
        ValueError: if Ray is not installed, or `n_workers` is below 1.
    """

    def __init__(self, n_workers: int = 2, *, make: Callable[[], Any] | None = None,
                 address: str | None = None, losses: int = 20,
                 resources: dict[str, Any] | None = None):
        try:
            import ray  # optional: only the `ray` extra brings it
        except ImportError:
            raise ValueError("RayExecutor needs Ray, which is not installed: pip install "
                             "'prmlab[ray]', or leave executor out to run in this process"
                             ) from None
        if n_workers < 1:
            raise ValueError(f"n_workers must be at least 1, got {n_workers}")
        self._ray, self.n_workers, self.make = ray, n_workers, make
        self.address, self.losses, self.resources = address, losses, resources or {}

    def run(self, work: Work, model: Any, chunks: Iterator[Chunk]
            ) -> Iterator[tuple[Chunk, list[Labelled]]]:
        """`(chunk, work(model, chunk))` of every chunk, as they come.

        Raises:
            RuntimeError: if more than `losses` workers die; run again with the same journal.
            ValueError: if `make` makes another model than the one given to `labels`.
        """
        ray = self._ray
        if not ray.is_initialized():
            ray.init(address=self.address, log_to_driver=False)
        dead = tuple(getattr(ray.exceptions, name) for name in _DEATHS)
        kind = ray.remote(**{"num_cpus": 1, **self.resources})(_Worker)
        sent = self._sent(model)
        open_: dict[Any, tuple[Any, Chunk | None]] = {}  # by the future of what a worker does
        again: list[Chunk] = []  # lost with their workers

        def hire() -> None:
            worker = kind.remote(sent)
            open_[worker.ready.remote()] = worker, None

        lost, more = 0, True
        try:
            for _ in range(self.n_workers):
                hire()
            while more or again or any(chunk for _, chunk in open_.values()):
                (future,), _ = ray.wait(list(open_), num_returns=1)
                worker, chunk = open_.pop(future)
                try:
                    made = ray.get(future)
                except dead as error:
                    ray.kill(worker)  # it may only have seemed dead
                    again += [chunk] if chunk else []
                    lost += 1
                    if lost > self.losses:
                        raise RuntimeError(f"{lost} Ray workers died, allowed are {self.losses}; "
                                           "run the same call again with its journal, it goes "
                                           f"on from there. The last: {error}") from None
                    hire()
                    continue
                following = again.pop() if again else next(chunks, None)
                if following:
                    open_[worker.work.remote(work, following)] = worker, following
                else:
                    more = False
                    ray.kill(worker)
                if chunk:
                    yield chunk, made
        finally:
            for worker, _ in open_.values():
                ray.kill(worker)

    def _sent(self, model: Any) -> list[Any]:
        """What each worker gets: a reference to `make` and the model's name, or to the model."""
        named = identity(model) if self.make and not isinstance(model, str) else None
        try:  # in a list, so that Ray leaves the unpacking to us
            return [self._ray.put((self.make, named) if self.make else (None, model))]
        except TypeError as error:  # it holds a lock, a socket, a file
            raise ValueError(f"a model must be picklable to be sent to workers, and "
                             f"{type(model).__name__} is not ({str(error).splitlines()[0]}); give "
                             "make=, which makes one inside each worker") from None


class _Worker:
    """What runs in an actor: one chunk after the other, on a model that it makes once.

    What was sent is unpacked on first use: then its errors come back as those of the work, and
    do not look like a death.
    """

    def __init__(self, sent: list[Any]):
        self.sent, self.model = sent, None

    def ready(self) -> None:
        """Come back once the worker has a place to run."""

    def work(self, work: Work, chunk: Chunk) -> list[Labelled]:
        """`work(model, chunk)`."""
        if self.sent:
            import ray

            make, given = ray.get(self.sent)[0]
            self.model = make() if make else given
            if make and given is not None and given != identity(self.model):
                raise ValueError(f"make must return the model that was given to labels, {given}, "
                                 f"got {identity(self.model)}; give labels the same, or a text "
                                 "that names it")
            self.sent = []
        return work(self.model, chunk)
