"""Labelling on many machines: an executor of Ray actors, each with a model of its own.

Needs the extra `prmlab[ray]`. Owns only the spreading: a worker that dies costs its open chunk,
which another one does again; the journal is written by the calling process alone.
"""

from collections.abc import Callable, Iterator
from typing import Any

from prmlab.evidence import Labelled
from prmlab.executors import Chunk, Work


class RayExecutor:
    """Actors on a Ray cluster, one chunk each at a time; an `executors.Executor`.

    Give it as `executor=` to any function of `labels`. If Ray is not connected yet, `ray.init`
    is called: on the cluster at `address`, or on one started on this machine.

    Args:
        n_workers: actors, >= 1.
        make: makes the model inside each worker, such as `lambda: LocalPolicy.load("policy")`;
            by default the model given to `labels` is sent to each.
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
        """
        ray = self._ray
        if not ray.is_initialized():
            ray.init(address=self.address, log_to_driver=False)
        sent = ray.put(None if self.make else model)
        actor = ray.remote(**{"num_cpus": 1, **self.resources})(_Worker)
        open_: dict[Any, tuple[Any, Chunk]] = {}  # the future of each busy worker
        lost = 0

        def give(worker: Any, chunk: Chunk | None) -> None:
            if chunk is None:
                ray.kill(worker)
            else:
                open_[worker.work.remote(work, chunk)] = (worker, chunk)

        try:
            for _, chunk in zip(range(self.n_workers), chunks):  # in this order: zip takes no more
                give(actor.remote(self.make, sent), chunk)
            while open_:
                (future,), _ = ray.wait(list(open_), num_returns=1)
                worker, chunk = open_.pop(future)
                try:
                    made = ray.get(future)
                except ray.exceptions.RayActorError as error:
                    lost += 1
                    if lost > self.losses:
                        raise RuntimeError(f"{lost} Ray workers died, allowed are {self.losses}; "
                                           "run the same call again with its journal, it goes "
                                           f"on from there. The last: {error}") from None
                    give(actor.remote(self.make, sent), chunk)
                    continue
                give(worker, next(chunks, None))
                yield chunk, made
        finally:
            for worker, _ in open_.values():
                ray.kill(worker)


class _Worker:
    """What runs in an actor: it holds a model and does one chunk after the other."""

    def __init__(self, make: Callable[[], Any] | None, model: Any):
        self.model = make() if make else model

    def work(self, work: Work, chunk: Chunk) -> list[Labelled]:
        return work(self.model, chunk)
