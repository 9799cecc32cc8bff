"""Training a policy, an ORM and a PRM: generators that yield one record a step.

One loop serves all three; what differs is the loss, and each loss is a function of hidden states
and targets. Accelerate places things: under `accelerate launch` every process takes its share of
each batch and gradients are added up, which is the whole batch's gradient whatever their number.
A checkpoint is safetensors and JSON, no pickles: model, optimizer, position. Resuming replays the
order of batches, which follows from the seed alone, so an interrupted run ends at the same weights.
Padding is on the right and attention causal, so no mask is needed: what is read never sees padding.
Does not know where scores live (`tokens` does) nor what is right (`checker` does).
"""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import torch
from accelerate import Accelerator
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen3Config, Qwen3ForCausalLM

from prmlab import answers, checkpoints, tokens
from prmlab.muon import Muon
from prmlab.rewards import ORM, PRM
from prmlab.traces import Trace

POOL = 64  # batches sorted by length together: little padding, and the order stays random
Validate = Callable[[Any], dict[str, float]]


@dataclass(frozen=True)
class Record:
    """What one optimizer step saw: position, loss (mean over its targets), speed, memory.

    `tokens` are those trained on so far (padding not counted), `memory_mb` is the device's peak, or
    the process's resident memory on a CPU. `n_skipped` traces had nothing to learn from and were
    left out. `model` is the model as it stands, usable at any time.
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
    model: Any = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The record as plain JSON, without the model."""
        return {name: value for name, value in vars(self).items() if name != "model"}


@dataclass(frozen=True)
class Example:
    """Ids, and at some positions a target: an id for a policy, P(right) for a reward model."""

    ids: tuple[int, ...]
    at: tuple[int, ...]
    targets: tuple[float, ...]


MakeExample = Callable[[Trace, tokens.Encoded], Example]


def new_policy(tokenizer: PreTrainedTokenizerBase, *, seed: int = 0, hidden: int = 128,
               layers: int = 4, heads: int = 4, kv_heads: int = 4, mlp: int = 384,
               max_length: int = 512) -> Qwen3ForCausalLM:
    """A Qwen3 with random weights, the same for the same seed: a Llama with normalised queries and
    keys, without which Muon saturates attention and names never bind to their numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(Qwen3Config(
            vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=mlp,
            num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads,
            head_dim=hidden // heads, max_position_embeddings=max_length,
            tie_word_embeddings=False, pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id))


def step_targets(labels: Sequence[float | None], *, label_kind: str = "hard",
                 neutral: float | None = 1.0) -> list[float | None]:
    """P(right) that a step's label asks for; None where there is nothing to learn, [S].

    Args:
        label_kind: "hard" for +1 / 0 / -1, "soft" for probabilities in [0, 1].
        neutral: the target of a neutral step under "hard": 1.0 is right (Let's Verify, Qwen),
            0.0 wrong (TRL's script), None leaves it out.

    Raises:
        ValueError: naming the step whose label does not fit the kind.

    Example:
        >>> step_targets([1, 0, None, -1], neutral=None)
        [1.0, None, None, 0.0]
    """
    if label_kind not in ("hard", "soft"):
        raise ValueError(f'label_kind must be "hard" or "soft", got {label_kind!r}')
    targets: list[float | None] = []
    for i, label in enumerate(labels):
        if label is not None and label_kind == "hard" and label not in (-1, 0, 1):
            raise ValueError(f"label of step {i} must be -1, 0, 1 or None, got {label!r}; for "
                             'probabilities pass label_kind="soft"')
        if label is not None and label_kind == "soft" and not 0 <= label <= 1:
            raise ValueError(f"label of step {i} must be a probability, got {label!r}; for "
                             '+1 / 0 / -1 pass label_kind="hard"')
        if label is None:
            targets.append(None)
        elif label_kind == "soft":
            targets.append(float(label))
        else:
            targets.append({1: 1.0, 0: neutral, -1: 0.0}[int(label)])
    return targets


def fit_policy(traces: Iterable[Trace], *, base: PreTrainedModel,
               tokenizer: PreTrainedTokenizerBase, n_traces: int | None = None,
               epochs: int = 1, seed: int = 0, **options: Any) -> Iterator[Record]:
    """Train a causal LM to write the steps after the problem; the loss is on the solution alone.

    Args:
        traces: a sequence, or with `n_traces` any iterable (then one epoch, in its own order).
        options: as for `fit_prm`.
    """
    end = tokenizer.eos_token_id

    def example(trace: Trace, encoded: tokens.Encoded) -> Example:
        ids = (*encoded.ids, end)
        at = tuple(range(encoded.n_prompt - 1, len(ids) - 1))
        return Example(ids, at, ids[encoded.n_prompt:])

    def loss(hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return cross_entropy(base.lm_head(hidden).float(), targets.long(), reduction="sum")

    yield from _fit(base, base.model, tokenizer, traces, example, loss, result=base,
                    n_traces=n_traces, epochs=epochs, seed=seed, **options)


def fit_prm(traces: Sequence[Trace], *, base: PRM | str | Path, epochs: int = 1, seed: int = 0,
            label_kind: str = "hard", neutral: float | None = 1.0,
            make_example: MakeExample | None = None, **options: Any) -> Iterator[Record]:
    """Train a PRM on labelled traces; cross-entropy at each labelled step's end, soft or hard.

    `-y log p - (1 - y) log(1 - p)`, averaged over a batch's labelled steps; a step whose label is
    None (or neutral with `neutral=None`) takes no part.

    Args:
        traces: traces with labels.
        base: a PRM to go on from (it is changed in place), or a name or folder: of a PRM, or of a
            causal LM, which then gets a new head.
        label_kind, neutral: see `step_targets`.
        make_example: instead of labels at step ends, ids and targets of your own for an encoded
            trace, at whichever positions you like; labels are not looked at.
        options: `lr`, `batch_size` (traces), `warmup` (steps), `decay` (last share of the steps
            over which lr falls to zero), `weight_decay`, `device`, `checkpoint` (a folder; resumes
            from it if it holds one), `checkpoint_every`, `validate` (a function of the model that
            returns figures) and `validate_every`, `separator`.

    Yields:
        A `Record` a step; `record.model` is the PRM.

    Raises:
        ValueError: if a trace has no labels, no step has a target, or the loss is not a number.

    Source: Lightman et al. 2023, arXiv:2305.20050, section 2.6; soft labels as in Wang et al. 2023
    (Math-Shepherd), arXiv:2312.08935, section 3.3.
    """
    prm = base if isinstance(base, PRM) else PRM.from_backbone(base, seed=seed)

    def targets_of(trace: Trace) -> list[float | None]:
        if trace.labels is None:
            raise ValueError(f"trace of problem {trace.problem.id!r} has no labels; label it, "
                             "for example with checker.labelled")
        return step_targets(trace.labels, label_kind=label_kind, neutral=neutral)

    def example(trace: Trace, encoded: tokens.Encoded) -> Example:
        kept = [(at, y) for at, y in zip(encoded.step_ends, targets_of(trace), strict=True)
                if y is not None]
        return Example(encoded.ids, tuple(at for at, _ in kept), tuple(y for _, y in kept))

    def loss(hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        log_p = torch.log_softmax(prm.model.score(hidden).float(), dim=-1)  # [n, 2], 1 = right
        return -(targets * log_p[:, 1] + (1 - targets) * log_p[:, 0]).sum()

    usable = list(traces) if make_example else [
        t for t in traces if any(y is not None for y in targets_of(t))]
    if traces and not usable:
        raise ValueError(f"none of the {len(traces)} traces has a labelled step to learn from")
    yield from _fit(prm.model, prm.model.base_model, prm.tokenizer, usable,
                    make_example or example, loss, result=prm, epochs=epochs, seed=seed,
                    separator=prm.separator, n_skipped=len(traces) - len(usable), **options)


def fit_orm(traces: Sequence[Trace], *, base: ORM | str | Path, epochs: int = 1, seed: int = 0,
            every_step: bool = True, **options: Any) -> Iterator[Record]:
    """Train an ORM on whether the final answer is right; no step label is used.

    Args:
        traces: traces whose problems have an answer; compared exactly with `answers.equal`.
        every_step: ask for the outcome at each step's end, as token-level verifiers do, rather than
            at the last one only. Scores are read at the last one either way.
        base, options: as for `fit_prm`.

    Source: Cobbe et al. 2021, arXiv:2110.14168, section 4.2 (token-level verifiers).
    """
    orm = base if isinstance(base, ORM) else ORM.from_backbone(base, seed=seed)

    def example(trace: Trace, encoded: tokens.Encoded) -> Example:
        y = float(outcome(trace))
        at = encoded.step_ends if every_step else encoded.step_ends[-1:]
        return Example(encoded.ids, at, (y,) * len(at))

    def loss(hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        logits = orm.model.score(hidden).float()[:, 0]
        return binary_cross_entropy_with_logits(logits, targets, reduction="sum")

    usable = [t for t in traces if t.steps]
    yield from _fit(orm.model, orm.model.base_model, orm.tokenizer, usable, example, loss,
                    result=orm, epochs=epochs, seed=seed, separator=orm.separator,
                    n_skipped=len(traces) - len(usable), **options)


def outcome(trace: Trace) -> bool:
    """Whether the trace's final answer equals the problem's. ValueError if that is not known."""
    if trace.problem.answer is None:
        raise ValueError(f"problem {trace.problem.id!r} has no known answer to compare with")
    return trace.answer is not None and answers.equal(trace.answer, trace.problem.answer)


def learning_rate(step: int, n_steps: int, *, lr: float, warmup: int, decay: float) -> float:
    """Warm up linearly, hold, and fall linearly to zero over the last `decay` share of the steps.

    Example:
        >>> [learning_rate(s, 10, lr=1.0, warmup=2, decay=0.5) for s in (0, 1, 4, 9)]
        [0.5, 1.0, 1.0, 0.2]
    """
    rise = min(1.0, (step + 1) / max(1, warmup))
    fall = min(1.0, (n_steps - step) / max(1, math.ceil(decay * n_steps)))
    return lr * min(rise, fall)


def _fit(model, body, tokenizer, traces, example, loss_of, *, result, epochs, seed,
         n_traces=None, n_skipped=0, lr=0.01, batch_size=32, warmup=100, decay=0.5,
         weight_decay=0.01, device=None, checkpoint=None, checkpoint_every=500,
         validate: Validate | None = None, validate_every=1000, separator=tokens.SEPARATOR
         ) -> Iterator[Record]:
    count = len(traces) if n_traces is None else n_traces
    if not count:
        raise ValueError("there are no traces to train on")
    accelerator = _accelerator(device)
    n_steps = epochs * math.ceil(count / batch_size)
    model.train()
    model.to(accelerator.device)
    optimizer = accelerator.prepare(Muon(model, lr=lr, weight_decay=weight_decay))
    settings = {"n_steps": n_steps, "batch_size": batch_size, "seed": seed, "lr": lr,
                "warmup": warmup, "decay": decay, "weight_decay": weight_decay}
    done = checkpoints.restore(checkpoint, model, optimizer, settings) if checkpoint else None
    seen = done or {"step": 0, "tokens": 0, "traces": 0}
    began, tokens_before = time.perf_counter(), seen["tokens"]
    bar = tqdm(total=n_steps, initial=seen["step"], delay=2, mininterval=1, unit="step", leave=None,
               disable=not accelerator.is_main_process)
    limit = getattr(model.config, "max_position_embeddings", None)
    batches = _batches(traces, example, tokenizer, count, epochs, batch_size, seed, separator,
                       limit)
    for step, batch in enumerate(islice(batches, seen["step"], None), start=seen["step"]):
        rate = learning_rate(step, n_steps, lr=lr, warmup=warmup, decay=decay)
        loss = _step(accelerator, body, optimizer, loss_of, batch, rate, step)
        seen = {"step": step + 1, "tokens": seen["tokens"] + sum(len(e.ids) for e in batch),
                "traces": seen["traces"] + len(batch)}
        last = step + 1 == n_steps
        model.train(not last)
        figures = _validated(model, result, validate) if validate and (
            last or (step + 1) % validate_every == 0) else None
        due = last or (step + 1) % checkpoint_every == 0
        if checkpoint and due and accelerator.is_main_process:
            checkpoints.save(checkpoint, model, optimizer, settings, seen)
        bar.update()
        yield Record(step + 1, n_steps, seen["traces"], seen["tokens"], loss, rate,
                     (seen["tokens"] - tokens_before) / (time.perf_counter() - began),
                     _memory_mb(accelerator.device), str(accelerator.device), n_skipped, figures,
                     result)
    bar.close()


def _accelerator(device: str | None) -> Accelerator:
    on_gpu = torch.cuda.is_available() and device != "cpu"
    if device is not None and device != "cpu" and not on_gpu:
        raise ValueError(f'device {device!r} is not at hand here; leave it out, or pass "cpu"')
    return Accelerator(cpu=not on_gpu, mixed_precision="bf16" if on_gpu else "no")


def _validated(model, result, validate: Validate) -> dict[str, float]:
    was_training = model.training
    model.eval()
    figures = validate(result)
    model.train(was_training)
    return figures


def _step(accelerator, body, optimizer, loss_of, batch, rate: float, step: int) -> float:
    n_targets = sum(len(e.at) for e in batch)
    own = batch[accelerator.process_index::accelerator.num_processes]
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
    loss = torch.zeros((), device=accelerator.device)
    if own:
        ids, rows, columns, targets = _tensors(own, accelerator.device)
        with accelerator.autocast():
            hidden = body(input_ids=ids, use_cache=False).last_hidden_state  # [B, T, C]
        loss = loss_of(hidden[rows, columns], targets) / n_targets
        accelerator.backward(loss)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    total = _sum_over_processes(accelerator, parameters, loss.detach())
    if not math.isfinite(total):
        raise ValueError(f"the loss of step {step} is {total}; lower lr, or look at the "
                         f"{len(batch)} traces of that batch")
    accelerator.clip_grad_norm_(optimizer.param_groups[1]["params"], 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return total


def _sum_over_processes(accelerator, parameters, loss: torch.Tensor) -> float:
    """Add up gradients and loss: with each process's share of a batch that is the whole batch's."""
    if accelerator.num_processes > 1:
        for p in parameters:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        flat = torch.cat([loss.reshape(1), *(p.grad.reshape(-1) for p in parameters)])
        torch.distributed.all_reduce(flat)
        loss, place = flat[0], 1
        for p in parameters:
            p.grad.copy_(flat[place:place + p.numel()].view_as(p))
            place += p.numel()
    return loss.item()


def _tensors(batch: Sequence[Example], device) -> tuple[torch.Tensor, ...]:
    ids = torch.zeros(len(batch), max(len(e.ids) for e in batch), dtype=torch.long)
    for row, e in enumerate(batch):
        ids[row, :len(e.ids)] = torch.tensor(e.ids)
    rows = torch.tensor([row for row, e in enumerate(batch) for _ in e.at], dtype=torch.long)
    columns = torch.tensor([at for e in batch for at in e.at], dtype=torch.long)
    targets = torch.tensor([y for e in batch for y in e.targets], dtype=torch.float32)
    return tuple(t.to(device) for t in (ids, rows, columns, targets))


def _batches(traces, example, tokenizer, count, epochs, batch_size, seed, separator,
             limit) -> Iterator[list[Example]]:
    for epoch in range(epochs):
        rng = Random(f"{seed}/{epoch}")
        source = _ordered(traces, count, rng)
        while pool := list(islice(source, POOL * batch_size)):
            pairs = zip(pool, tokens.encode_many(tokenizer, pool, separator=separator), strict=True)
            made = sorted((example(t, e) for t, e in pairs), key=lambda e: len(e.ids))
            if limit is not None and len(made[-1].ids) > limit:
                raise ValueError(f"a trace has {len(made[-1].ids)} ids, the model's limit is "
                                 f"{limit}; leave such traces out (nothing is cut silently)")
            batches = [made[i:i + batch_size] for i in range(0, len(made), batch_size)]
            rng.shuffle(batches)
            yield from batches


def _ordered(traces, count: int, rng: Random) -> Iterator[Trace]:
    if isinstance(traces, Sequence):
        order = list(range(count))
        rng.shuffle(order)
        return (traces[i] for i in order)
    return islice(iter(traces), count)


def _memory_mb(device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return float("nan")
