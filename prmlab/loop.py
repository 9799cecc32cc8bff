"""The training loop: batches in, one record a step out, a checkpoint now and then.

Accelerate places things: under `accelerate launch` every process takes its share of each batch and
gradients are added up, which is the whole batch's gradient whatever their number. A checkpoint is
safetensors and JSON, no pickles: model, optimizer, position. Resuming replays the order of batches,
which follows from the seed alone (and so does dropout), so an interrupted run ends at the same
weights (on one machine's CPU to the bit; a GPU adds up gradients in an order of its own). Ctrl-C
waits for the step to end and leaves a checkpoint; of a sharded model (`sharding`), which all
processes write together, only those due by then are left. So does an error that leaves the weights
whole: a device without room, a validation that fails. Does not know what is learned.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from prmlab import (
    block_masks,
    checkpoints,
    encoding,
    gauges,
    packing,
    pretrained,
    sharding,
    starting,
    tokens,
)
from prmlab.bars import bar
from prmlab.batches import batches
from prmlab.muon import Muon
from prmlab.stepping import LossOf, NoRoom, Stepper, ahead, held_interrupt, seeded
from prmlab.targets import Example, MakeExample
from prmlab.traces import Trace
from prmlab.validating import Validate, Watch


@dataclass(frozen=True)
class Record:
    """What one optimizer step saw: position, loss (mean over its targets), speed, memory.

    Args:
        tokens: trained on so far, padding not counted.
        tokens_per_s: of them, since this run began or was resumed.
        unique_tokens_per_s: of those that were run: equal beginnings once, padding not counted.
        padding: share of the positions run so far that were nobody's token.
        memory_mb: the device's peak, or the process's resident memory on a CPU.
        peak_share: of the device's bf16 peak (`gauges.share_of_peak`); None where unknown.
        n_skipped: traces left out because nothing is to be learned from them.
        n_too_long: traces left out because the model's limit is shorter.
        stopped: whether this is the last record because validation no longer got better.
        model: the model as it stands, usable at any time.
    """

    step: int
    n_steps: int
    n_traces: int
    tokens: int
    loss: float
    lr: float
    tokens_per_s: float
    memory_mb: float
    device: str
    n_skipped: int = 0
    validation: dict[str, float] | None = None
    unique_tokens_per_s: float = 0.0
    padding: float = 0.0
    peak_share: float | None = None
    n_too_long: int = 0
    stopped: bool = False
    model: Any = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The record as plain JSON, without the model."""
        return {name: value for name, value in vars(self).items() if name != "model"}


def learning_rate(step: int, n_steps: int, *, lr: float, warmup: int, decay: float) -> float:
    """Warm up linearly, hold, and fall linearly to zero over the last `decay` share of the steps.

    Example:
        >>> [learning_rate(s, 10, lr=1.0, warmup=2, decay=0.5) for s in (0, 1, 4, 9)]
        [0.5, 1.0, 1.0, 0.2]
    """
    rise = min(1.0, (step + 1) / max(1, warmup))
    fall = min(1.0, (n_steps - step) / max(1, math.ceil(decay * n_steps)))
    return lr * min(rise, fall)


def run(model: torch.nn.Module, body: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
        traces: Iterable[Trace], example: MakeExample, loss_of: LossOf, *, result: Any,
        epochs: int, seed: int, scales: Sequence[float] = (1.0,), n_traces: int | None = None,
        n_skipped: int = 0, lr: float | None = None, batch_size: int = 32, together: int = 1,
        warmup: int = 100, decay: float = 0.5, weight_decay: float = 0.01,
        optimizer: Callable[..., torch.optim.Optimizer] = Muon,
        tokens_at_once: int | None = None, packed: bool | str = True, compiled: bool = False,
        sharded: bool = False, precision: str | None = None, device: str | None = None,
        on_long: str = "error", checkpoint: Any = None, checkpoint_every: int = 500,
        validate: Validate | None = None, validate_every: int = 1000, patience: int | None = None,
        watch: str = "f1", separator: str = tokens.SEPARATOR) -> Iterator[Record]:
    """Train `model`, whose `body` gives hidden states; options as for `training.fit_prm`.

    Args:
        result: what a record carries as its model, and `validate` is asked about.
        scales: how much each head's mean loss counts.
    """
    sharded = sharded or sharding.is_sharded(model)
    starting.check(traces, packed, compiled, patience, validate, watch, epochs=epochs,
                   batch_size=batch_size, together=together, checkpoint_every=checkpoint_every,
                   validate_every=validate_every, tokens_at_once=tokens_at_once,
                   n_traces=n_traces, warmup=warmup, decay=decay)
    lr = starting.rate(lr, optimizer, sharded)
    limit = pretrained.longest(body.config) or math.inf
    encode = encoding.encoder(tokenizer, example, separator, body, limit)
    traces, n_long = encoding.fitting(traces, encode, on_long, tokenizer, separator, limit)
    count = len(traces) if n_traces is None else n_traces
    accelerator = starting.accelerator(device)
    rounded = starting.rounding(precision, accelerator.device)
    base = checkpoints.digest(model) if checkpoint else None
    rows = starting.place(model.train(), body, packed, sharded, accelerator.device)
    moved = accelerator.prepare(starting.optimizer(optimizer, model, lr, weight_decay))
    most = tokens_at_once or (2**12 if accelerator.device.type == "cpu" else 2**15)
    stepper = Stepper(accelerator, body, moved, loss_of, scales, most, rows, rounded,
                      block_masks.compiled(body) if compiled else nullcontext, sharded)
    n_steps = epochs * math.ceil(count / batch_size)
    by_length = rows is packing.Rows or rows is packing.pack and together == 1
    settings = {"n_steps": n_steps, "batch_size": batch_size, "seed": seed, "lr": lr,
                "warmup": warmup, "decay": decay, "weight_decay": weight_decay,
                "together": together, "by_length": by_length,
                "optimizer": starting.name_of(optimizer), "scales": list(scales),
                "separator": separator, "precision": str(rounded), "base": base,
                "examples": encoding.digest(traces, encode) if checkpoint else None} | (
        {"patience": patience, "watch": watch, "validate_every": validate_every}
        if patience else {})
    place = _Place(model, moved, settings, checkpoint, patience and Watch(watch, patience),
                   accelerator.is_main_process, sharded)
    record = _Recorder(n_steps, accelerator, gauges.matrix_parameters(model), place.seen,
                       n_skipped, n_long, result)
    if place.finished:
        model.eval()
        yield record(place.seen, rate=0.0)
        return
    ordered = islice(batches(
        traces, encode, n_traces=count, epochs=epochs, batch_size=batch_size, seed=seed,
        together=together, by_length=by_length), place.seen["step"], None)
    rate_of = partial(learning_rate, n_steps=n_steps, lr=lr, warmup=warmup, decay=decay)
    yield from _steps(ordered, stepper, place, record, rate_of, seed, checkpoint_every,
                      partial(_validated, model, result, validate, validate_every, n_steps))


def _steps(ordered, stepper, place, record, rate_of, seed, checkpoint_every, validated
           ) -> Iterator[Record]:
    accelerator = stepper.accelerator
    whole = False  # whether weights and position belong together
    with bar(record.n_steps, "step", done=place.seen["step"],
             hidden=not accelerator.is_main_process) as shown:
        try:
            if place.seen.get("owed"):  # a validation that failed when it was due
                figures = validated(place.seen["step"])
                last = place.judge(figures, last=place.seen["step"] == record.n_steps)
                yield record(place.seen, rate=rate_of(place.seen["step"] - 1), validation=figures)
                if last:
                    return
            for (step, batch), ready in ahead(
                    enumerate(ordered, start=place.seen["step"]),
                    lambda pair: stepper.prepare(pair[1], pair[0]),
                    background=accelerator.device.type == "cuda"):
                rate = rate_of(step)
                with held_interrupt() as asked:
                    whole = False
                    with seeded(accelerator.device, seed, step, accelerator.process_index):
                        done = stepper.step(ready, rate)
                    last = place.add(batch, done) == record.n_steps
                    with place.owing(not stepper.sharded):
                        figures = validated(step + 1)
                    if figures is not None:
                        last = place.judge(figures, last=last)
                    whole = True
                    if last or (step + 1) % checkpoint_every == 0:
                        place.save()
                if asked.is_set():
                    raise KeyboardInterrupt
                shown.update()
                yield record(place.seen, rate=rate, validation=figures)
                if last:
                    return
        except (KeyboardInterrupt, GeneratorExit, NoRoom) as error:  # or the caller has left its loop
            whole = whole or isinstance(error, NoRoom) and place.seen["step"] > 0
            if whole and not stepper.sharded:  # else the others would have to be here as well
                place.save()
            raise
    if whole:
        place.save()
    raise ValueError(f"the traces ended at step {place.seen['step']} of {record.n_steps}: pass "
                     "how many there are as n_traces")


class _Place:
    """Where a run stands, in memory and on disk."""

    def __init__(self, model, optimizer, settings, folder, watch: Watch | None, writes: bool,
                 sharded: bool):
        self._model, self._optimizer, self._settings = model, optimizer, settings
        self._folder, self._watch, self._writes, self._sharded = folder, watch, writes, sharded
        self.seen = {"step": 0, "tokens": 0, "traces": 0, "computed": 0, "padding": 0, "loss": 0.0,
                     "stopped": False}
        found = folder and checkpoints.restore(folder, model, optimizer, settings)
        if found:
            self.seen, best = found
            if watch and self.seen.get("watch"):
                watch.state, watch.weights = self.seen["watch"], best

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        done = self.seen["stopped"] or self.seen["step"] == self._settings["n_steps"]
        return done and not self.seen.get("owed")

    @contextmanager
    def owing(self, saves: bool) -> Iterator[None]:
        """Within, an error (or a second Ctrl-C) leaves a checkpoint of this step, whose validation is then due."""
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            self.seen = self.seen | {"owed": True}
            if self._folder and saves:
                self.save()
                error.add_note(f"Step {self.seen['step']} is kept in {self._folder}; the run goes on "
                               "from there with this validation.")
            raise

    def add(self, batch: Sequence[Example], done: Any) -> int:
        """One step more; how many there were now."""
        seen = self.seen
        self.seen = seen | {
            "step": seen["step"] + 1, "tokens": seen["tokens"] + sum(len(e.ids) for e in batch),
            "traces": seen["traces"] + len(batch), "computed": seen["computed"] + done.computed,
            "padding": seen["padding"] + done.padding, "loss": done.loss}
        return self.seen["step"]

    def judge(self, figures: dict[str, float], *, last: bool) -> bool:
        """Whether a validation ends the run; if it ends, the best weights are put back."""
        self.seen = {name: value for name, value in self.seen.items() if name != "owed"}
        if self._watch:
            stop = self._watch.see(self.seen["step"], figures, self._model)
            self.seen = self.seen | {"watch": self._watch.state, "stopped": stop and not last}
            last = last or stop
            if last:
                self._watch.restore(self._model)
                self._model.eval()
        return last

    def save(self) -> None:
        """Write a checkpoint if there is a folder for it; one process does, of a sharded model
        with the others' help."""
        if self._folder and (self._writes or self._sharded):
            checkpoints.save(self._folder, self._model, self._optimizer, self._settings, self.seen,
                             self._watch.weights if self._watch else {}, writes=self._writes)


class _Recorder:
    """Makes the records of a run that began, or was resumed, at `seen`."""

    def __init__(self, n_steps, accelerator, n_parameters, seen, n_skipped, n_too_long, result):
        self.n_steps, self._device, self._result = n_steps, accelerator.device, result
        self._processes, self._n_parameters = accelerator.num_processes, n_parameters
        self._left_out = {"n_skipped": n_skipped, "n_too_long": n_too_long}
        self._before, self._began = seen, time.perf_counter()
        gauges.begin(self._device)

    def __call__(self, seen: dict[str, Any], *, rate: float,
                 validation: dict[str, float] | None = None) -> Record:
        spent = time.perf_counter() - self._began
        own, before = (at["computed"] - at["padding"] for at in (seen, self._before))
        unique = (own - before) / spent
        return Record(
            seen["step"], self.n_steps, seen["traces"], seen["tokens"], seen["loss"], rate,
            (seen["tokens"] - self._before["tokens"]) / spent, gauges.memory_mb(self._device),
            str(self._device), validation=validation, unique_tokens_per_s=unique,
            padding=seen["padding"] / max(1, seen["computed"]), peak_share=gauges.share_of_peak(
                self._n_parameters, unique / self._processes, self._device),
            stopped=seen["stopped"], model=self._result, **self._left_out)


def _validated(model: torch.nn.Module, result: Any, validate: Validate | None, every: int,
               n_steps: int, step: int) -> dict[str, float] | None:
    """Figures after this step, None if it is not time for them; the last step leaves eval mode."""
    last = step == n_steps
    model.train(not last)
    if validate is None or not (last or step % every == 0):
        return None
    model.eval()
    found = validate(result)
    if not isinstance(found, Mapping):
        raise ValueError(f"validate must return figures by name, such as {{'f1': 0.9}}, got {found!r}")
    found = {name: x.item() if hasattr(x, "item") else x for name, x in found.items()}
    (figures,) = broadcast_object_list([found])  # so that all stop at the same step
    model.train(not last)
    return figures


