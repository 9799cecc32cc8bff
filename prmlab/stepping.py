"""One optimizer step: a batch in parts that fit, its gradient on every process, the update.

The loss is a weighted mean over the whole batch's targets, so neither the parts it is run in
(`tokens_at_once`) nor the number of processes change it. Does not know where batches come from.
"""

import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator

from prmlab import packing, sharding
from prmlab.targets import Example

CHUNK = 2**24  # gradients summed over processes in one message
# (hidden [M, C], targets [M], heads [M]) -> a loss for each target, [M]
LossOf = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
Made = TypeVar("Made")


class NoRoom(ValueError):
    """The device's memory is full; the weights are as they were before the step."""


@dataclass(frozen=True)
class Ready:
    """This process's share of a batch, packed and on its device, in parts that fit.

    Args:
        number: the step it is for.
        size: how many traces the whole batch has.
        parts: rows to run, and of each of their targets: the target, its weight, its head.
    """

    number: int
    size: int
    parts: tuple[tuple[Any, torch.Tensor, torch.Tensor, torch.Tensor], ...]


@dataclass(frozen=True)
class Done:
    """What a step found: the batch's loss, and positions run, of which `padding` are nobody's."""

    loss: float
    computed: int
    padding: int


@dataclass(frozen=True)
class Stepper:
    """How a batch becomes an update.

    Args:
        body: the model without its heads.
        loss_of: the loss of each target.
        scales: how much the mean loss of each head counts.
        tokens_at_once: about how many distinct tokens are run at once; a trace is never cut.
        rows: how ids become rows: `packing.pack`, `packing.Rows` or `block_masks.Masked`.
        rounded: what the body's products are rounded to, such as bfloat16; None for not at all.
        running: makes a context in which the body runs, such as `block_masks.compiled`'s.
        sharded: whether the model is in pieces (`sharding`): each process then runs as many parts
            as the others, some of them idle, and gradients come back as sums.
    """

    accelerator: Accelerator
    body: torch.nn.Module
    optimizer: torch.optim.Optimizer
    loss_of: LossOf
    scales: Sequence[float]
    tokens_at_once: int
    rows: Callable
    rounded: torch.dtype | None = None
    running: Callable[[], AbstractContextManager] = nullcontext
    sharded: bool = False

    def prepare(self, batch: Sequence[Example], number: int) -> Ready:
        """Pack the batch of step `number`; nothing of the model is touched, so that this may run
        while the step before does. ValueError if it has no target."""
        totals = _totals(batch, len(self.scales))
        if not any(totals):
            raise ValueError(f"none of the {len(batch)} traces of step {number} has a target to "
                             "learn from; leave them out, or look at the function that makes them")
        shares = split(batch, self.accelerator.num_processes, packed=self._packed)
        own = self._parts(shares[self.accelerator.process_index])
        scales = np.array([scale / total if total else 0.0 for scale, total in
                           zip(self.scales, totals, strict=True)], dtype=np.float32)
        parts = [self._ready(part, scales) for part in own]
        if self.sharded:
            n_idle = max(len(self._parts(share)) for share in shares) - len(own)
            parts += [self._idle(batch[0])] * n_idle
        return Ready(number, len(batch), tuple(parts))

    @property
    def _packed(self) -> bool:
        return self.rows is not packing.Rows

    def _parts(self, share: Sequence[Example]) -> list[list[Example]]:
        """A process's share in parts that fit; none of them is empty."""
        n = math.ceil(_size(share, self._packed) / self.tokens_at_once) if share else 0
        return [part for part in split(share, n, packed=self._packed) if part]

    def _idle(self, some: Example) -> tuple:
        """A part of one token that teaches nothing, for a process that waits for the others."""
        rows, *rest = self._ready([Example(some.ids[:1], (0,), (0.0,), (0.0,))],
                                  np.zeros(len(self.scales), dtype=np.float32))
        rows.padding = rows.computed
        return rows, *rest

    def _ready(self, part: Sequence[Example], scales: np.ndarray) -> tuple:
        where = self.accelerator.device
        targets, weights, heads = _flat(part)
        rows = self.rows([e.ids for e in part], [e.at for e in part], device=where)
        return rows, *(packing.moved(x, where) for x in (targets, weights * scales[heads], heads))

    def step(self, ready: Ready, rate: float) -> Done:
        """Run what is ready and move the weights. ValueError if the loss is not a number."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("share", 1.0)
        found = torch.zeros(3, dtype=torch.float64, device=self.accelerator.device)
        try:
            for part in ready.parts:
                found[0] += self._backward(*part)
        except torch.OutOfMemoryError as error:
            self.optimizer.zero_grad(set_to_none=True)
            raise NoRoom(f"the device has no room for step {ready.number} with tokens_at_once="
                         f"{self.tokens_at_once}; pass a smaller one (train-prm: --tokens-at-once), "
                         "or let layers run again (prm.model.gradient_checkpointing_enable()). A "
                         f"run with a checkpoint goes on from here ({error})") from error
        for i, name in ((1, "computed"), (2, "padding")):  # a number is no copy to wait for
            found[i] += sum(getattr(rows, name) for rows, *_ in ready.parts)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        if self.accelerator.num_processes > 1:
            gradients = _gradients(parameters)
            _sum_over_processes([found] if self.sharded else [found, *gradients])
        loss, computed, padding = found.tolist()
        if not math.isfinite(loss):
            self.optimizer.zero_grad(set_to_none=True)
            raise ValueError(f"the loss of step {ready.number} is {loss}; lower lr, or look at the "
                             f"{ready.size} traces of that batch")
        norms = [self.accelerator.clip_grad_norm_(group["params"], 1.0)
                 for group in self.optimizer.param_groups if not group.get("muon")]
        if not all(math.isfinite(sharding.whole(norm)) for norm in norms):  # the weights stay good
            self.optimizer.zero_grad(set_to_none=True)
            raise ValueError(f"the loss of step {ready.number} is {loss}, and its gradient is no "
                             f"number; lower lr, or look at the {ready.size} traces of that batch")
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return Done(loss, int(computed), int(padding))

    def _backward(self, rows: Any, targets: torch.Tensor, weights: torch.Tensor,
                  heads: torch.Tensor) -> torch.Tensor:
        where = self.accelerator.device
        rounding = torch.autocast(where.type, dtype=self.rounded, enabled=self.rounded is not None,
                                  cache_enabled=not self.sharded)  # it would keep whole weights
        with self.running(), rows.hidden(self.body, under=rounding) as hidden:
            loss = (weights * self.loss_of(hidden, targets, heads)).sum()
            self.accelerator.backward(loss)
        return loss.detach().double()


def ahead(items: Iterator[Made], make: Callable[[Made], Any], *, background: bool
          ) -> Iterator[tuple[Made, Any]]:
    """Each item with what `make` makes of it; in the background, the next while one is used.

    Example:
        >>> list(ahead(iter("ab"), str.upper, background=True))
        [('a', 'A'), ('b', 'B')]
    """
    if not background:
        yield from ((item, make(item)) for item in items)
        return

    def following() -> tuple[Made, Any] | None:
        return next(((item, make(item)) for item in items), None)

    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(following)
        while (found := waiting.result()) is not None:
            waiting = thread.submit(following)
            yield found


def split(batch: Sequence[Example], n: int, *, packed: bool = True) -> list[list[Example]]:
    """The batch in `n` parts with about as many tokens to run each; neighbours share the most.

    Example:
        >>> rows = [Example(ids, (), ()) for ids in ((1, 2, 3), (5, 6), (1, 2, 4), (5, 7))]
        >>> [[e.ids for e in part] for part in split(rows, 2)]
        [[(1, 2, 3), (1, 2, 4)], [(5, 6), (5, 7)]]
    """
    if n <= 1 or not batch:
        return [list(batch)] + [[] for _ in range(n - 1)]
    ordered, sizes = _sizes(batch, packed)
    before = np.cumsum(sizes) - sizes
    part_of = np.minimum(n - 1, before * n // max(1, int(sizes.sum())))
    return [[ordered[i] for i in np.flatnonzero(part_of == part)] for part in range(n)]


def _sizes(batch: Sequence[Example], packed: bool) -> tuple[list[Example], np.ndarray]:
    """The examples in the order in which to split them, and how many tokens each adds, [n]."""
    if not packed:
        ordered = sorted(batch, key=lambda e: len(e.ids))
        return ordered, np.array([len(e.ids) for e in ordered])
    ordered = sorted(batch, key=lambda e: e.ids)
    return ordered, packing.added([e.ids for e in ordered])


def _size(batch: Sequence[Example], packed: bool) -> int:
    return int(_sizes(batch, packed)[1].sum())


def _flat(batch: Sequence[Example]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets, weights and heads of all examples in a row, [M] each."""
    return (np.array([y for e in batch for y in e.targets], dtype=np.float32),
            np.array([w for e in batch for w in e.weights or [1.0] * len(e.at)], dtype=np.float32),
            np.array([h for e in batch for h in e.heads or [0] * len(e.at)], dtype=np.int64))


def _totals(batch: Sequence[Example], n_heads: int) -> list[float]:
    _, weights, heads = _flat(batch)
    return [float(weights[heads == head].sum(dtype=np.float64)) for head in range(n_heads)]


def _gradients(parameters: Sequence[torch.nn.Parameter]) -> list[torch.Tensor]:
    for p in parameters:
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    return [p.grad for p in parameters]


def _sum_over_processes(tensors: Sequence[torch.Tensor]) -> None:
    """Add up in place over all processes, small ones in one message."""
    chunk: list[torch.Tensor] = []
    for i, tensor in enumerate(tensors):
        chunk.append(tensor)
        following = tensors[i + 1] if i + 1 < len(tensors) else None
        if following is None or following.dtype != tensor.dtype or (
                sum(t.numel() for t in chunk) + following.numel() > CHUNK):
            flat = torch.cat([t.reshape(-1) for t in chunk])
            torch.distributed.all_reduce(flat)
            for t, new in zip(chunk, flat.split([t.numel() for t in chunk]), strict=True):
                t.copy_(new.view_as(t))
            chunk = []


@contextmanager
def seeded(device: torch.device, *numbers: int) -> Iterator[None]:
    """Dropout within follows from these numbers alone; what is drawn elsewhere is not touched."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(state))
        yield


@contextmanager
def held_interrupt() -> Iterator[threading.Event]:
    """Within, the first Ctrl-C only sets the event, so that no update is cut in two.

    A handler that is there already is asked: what it would not end for, this does not either.
    """
    asked, before = threading.Event(), signal.getsignal(signal.SIGINT)
    elsewhere = threading.current_thread() is not threading.main_thread()
    if elsewhere or before in (None, signal.SIG_IGN):
        yield asked
        return

    def hold(*given: Any) -> None:
        try:
            if callable(before):
                before(*given)
                return
        except KeyboardInterrupt:
            pass
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, hold)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
