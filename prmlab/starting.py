"""What a run needs before its first step, from options that are checked here.

Device, precision, optimizer, and how a batch becomes rows. Does not know what is trained.
"""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from numbers import Integral

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import GradientAccumulationPlugin
from transformers import PreTrainedModel

from prmlab import block_masks, packing, sharding
from prmlab.muon import Muon
from prmlab.traces import Trace
from prmlab.validating import Validate, direction, measurable


def check(traces: Iterable[Trace], packed: bool | str, compiled: bool, patience: int | None,
          validate: Validate | None, watch: str, *, n_traces: int | None = None,
          warmup: int = 0, decay: float = 0.0, **counts: int | None) -> None:
    """ValueError for options that do not fit each other, or counts below 1."""
    for name, number in (counts | {"patience": patience or None, "n_traces": n_traces}).items():
        if number is not None and (not isinstance(number, Integral) or number < 1):
            raise ValueError(f"{name} must be a whole number of 1 or more, got {number!r}")
    if not 0 <= decay <= 1 or not warmup >= 0:
        raise ValueError("warmup must be a number of steps, 0 or more, and decay a share of them, "
                         f"from 0 to 1; got {warmup!r} and {decay!r}")
    if patience and validate is None:
        raise ValueError("patience needs validate, a function whose figures say when to stop; "
                         "pass for example validate=step_figures(held_out)")
    if patience:
        direction(watch)
        measurable(watch, getattr(validate, "never", ()))
    if compiled and packed is True:
        raise ValueError('compiled needs packed="flex" or packed=False: gathered tokens make '
                         "another graph for every batch")
    if counts["epochs"] > 1 and not isinstance(traces, Sequence):
        raise ValueError(f"{counts['epochs']} epochs need a sequence of traces: an iterable is "
                         "read once")
    if isinstance(traces, Sequence) and (n_traces or 0) > len(traces):
        raise ValueError(f"n_traces is {n_traces}, and there are {len(traces)} traces; leave it out "
                         "for a sequence")


def rate(lr: float | None, optimizer: Callable, sharded: bool) -> float:
    """The peak rate: the one given, or Muon's."""
    if sharded and optimizer is Muon:
        raise ValueError("Muon needs whole matrices, and a sharded model has only pieces of them; "
                         "pass optimizer=muon.adamw (train-prm: --optimizer adamw) and a rate that "
                         "suits it, such as lr=1e-5")
    if lr is None and optimizer is not Muon:
        raise ValueError(f"lr has a default for Muon only; pass one for {name_of(optimizer)}, such "
                         "as 1e-5 for AdamW on a large pretrained model")
    if lr is not None and not 0 <= lr < math.inf:
        raise ValueError(f"lr must be a number of 0 or more, got {lr!r}")
    return 0.01 if lr is None else lr


def place(model: torch.nn.Module, body: PreTrainedModel, packed: bool | str, sharded: bool,
          device: torch.device) -> Callable:
    """Put the model on the device, whole or this process's share; gives how ids become rows.

    Weights to be trained become float32: in half precision small updates would round away.
    """
    half = (torch.bfloat16, torch.float16)
    if any(p.requires_grad and p.dtype in half for p in model.parameters()):
        model.float()
    if not sharded:
        model.to(device)
        return rows(packed, body)
    found = rows(packed, body)  # whose trial may fail half-way, which sharded layers forbid
    sharding.shard(model, body, device)
    return found


def optimizer(make: Callable, model: torch.nn.Module, lr: float, weight_decay: float
              ) -> torch.optim.Optimizer:
    """The optimizer; a group that it gave another rate keeps that share of the schedule's."""
    try:
        made = make(model, lr=lr, weight_decay=weight_decay)
    except TypeError as error:
        raise ValueError("optimizer must be a function of a model, lr and weight_decay, such as "
                         f"muon.adamw or a lambda around torch's; {name_of(make)} said: {error}"
                         ) from error
    for group in made.param_groups:
        group.setdefault("share", group["lr"] / lr if lr else 1.0)
    return made


def name_of(optimizer: Callable) -> str:
    """A name that is the same in the next process."""
    if isinstance(optimizer, partial):
        return f"{name_of(optimizer.func)} {optimizer.args} {optimizer.keywords}"
    return getattr(optimizer, "__name__", type(optimizer).__name__)


def accelerator(device: str | None) -> Accelerator:
    """Accelerate on the device asked for; a GPU if there is one by default."""
    if device not in (None, "cpu", "cuda"):
        raise ValueError(f'device must be "cpu" or "cuda", got {device!r}; which GPU, '
                         "CUDA_VISIBLE_DEVICES says")
    on_gpu = torch.cuda.is_available() and device != "cpu"
    if device == "cuda" and not on_gpu:
        raise ValueError('device "cuda" is not at hand here; leave it out, or pass "cpu"')
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        # Accelerate keeps the first device for the whole process; a notebook may use two.
        AcceleratorState._reset_state(reset_partial_state=True)
    # Autocast and parts of a batch are the stepper's: what the environment says of them does not count.
    return Accelerator(cpu=not on_gpu, mixed_precision="no",
                       gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1))


def rounding(precision: str | None, device: torch.device) -> torch.dtype | None:
    """What products are rounded to; None for not at all."""
    if precision not in (None, "no", "bf16"):
        raise ValueError(f'precision must be "bf16" or "no", got {precision!r}')
    half = precision == "bf16" or precision is None and device.type == "cuda"
    return torch.bfloat16 if half else None


def rows(packed: bool | str, body: PreTrainedModel) -> Callable:
    """How ids become rows for this model; ValueError where it cannot be as asked."""
    if packed not in (True, False, "flex"):
        raise ValueError(f'packed must be True, False or "flex", got {packed!r}')
    if packed == "flex":
        try:
            packing.check(body, block_masks.Masked)
        except ValueError as error:
            raise ValueError(f'packed="flex": {error}; leave packed at True, which takes what the '
                             "model can do") from None
        return block_masks.Masked
    if not packed:
        return packing.Rows
    try:
        packing.check(body)
    except ValueError:
        return packing.Rows
    return packing.pack
