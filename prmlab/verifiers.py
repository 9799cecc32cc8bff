"""One pass of a model over each trace, read at the ends of its steps.

What all reward models share, those trained here (`rewards`) and public ones (`public_prms`):
limits, batches, threads, what it cost. Traces that are equal, or the beginning of another of the
same call, take no pass of their own, and what many of them begin with is run once. The attention
is causal: the model's state at a step's end has seen that step and those before it, padding on the
right is never seen, and ids behind the last step end would change nothing. Does not know layouts
(`tokens` does) nor what the numbers that are read mean.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from os.path import commonprefix
from threading import RLock
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, __version__

from prmlab import pretrained, sharding
from prmlab.bars import bar
from prmlab.tokens import Encoded
from prmlab.traces import Trace
from prmlab.usage import Sums

SHARED = 32  # ids that a group must have in common
SAVED = 512  # and tokens that running them once must save, which costs a pass more


@dataclass(frozen=True)
class Usage(Sums):
    """What scoring has cost; subtract an earlier one for the cost of what lay between.

    Args:
        calls: calls of `score`.
        traces: traces scored; equal ones run through the model once a call.
        skipped: traces left out because they are longer than the model's limit.
        scorer_tokens: tokens run through the model, padding not counted.
        seconds: time spent.
    """

    calls: int = 0
    traces: int = 0
    skipped: int = 0
    scorer_tokens: int = 0
    seconds: float = 0.0


class Verifier:
    """A transformers model, its tokenizer, and what is read at step ends.

    A subclass says how traces are laid out, `encode`, and what makes of hidden states at step ends,
    [n, C], the numbers that are read there, [n, K]: `head`.

    Raises:
        ValueError: if the model's state at a step's end depends on what comes after it.
    """

    encode: Callable[[Sequence[Trace]], list[Encoded]]
    head: Callable[[torch.Tensor], torch.Tensor]
    _named: tuple[list[int], str] | None = None  # versions of the weights, and their fingerprint

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *,
                 max_length: int | None = None, batch_tokens: int | None = None):
        limits = filter(None, (max_length, pretrained.longest(model.config)))
        self.model, self.tokenizer = model, tokenizer
        self.max_length: int | None = min(limits, default=None)
        self._shares = _tried(model)
        self._batch_tokens = batch_tokens
        self.usage = Usage()
        self._lock = RLock()

    @property
    def batch_tokens(self) -> int:
        """Most tokens run at once, padded; if not given, by where the model lies now."""
        # On a CPU activations should fit in the cache: 2**15 ran at a fifth of the speed of 2**12.
        return self._batch_tokens or (2**12 if self.model.device.type == "cpu" else 2**16)

    @batch_tokens.setter
    def batch_tokens(self, most: int | None) -> None:
        """None for what suits the device."""
        self._batch_tokens = most

    @property
    def settings(self) -> list[Any]:
        """What besides weights, architecture and tokenizer decides the scores; plain JSON."""
        return []

    def __repr__(self) -> str:
        millions = self.model.num_parameters() / 1e6
        return (f"{type(self).__name__}({self.model.config.model_type}, {millions:.2f} M "
                f"parameters, {', '.join(map(repr, self.settings))}, {self.model.dtype}, device="
                f"{self.model.device})")

    @property
    def fingerprint(self) -> str:
        """Names all that decides the scores; as `LocalPolicy.fingerprint`. Training changes it."""
        versions = [p._version for p in self.model.parameters()]
        if self._named is None or self._named[0] != versions:
            self._named = versions, pretrained.fingerprint(self.model, self.tokenizer,
                                                           *self.settings)
        return self._named[1]

    @property
    def provenance(self) -> dict[str, Any]:
        """What to keep beside recorded scores: who made them, in which precision, by what."""
        return {"fingerprint": self.fingerprint, "scorer": type(self).__name__,
                "settings": self.settings, "dtype": str(self.model.dtype).removeprefix("torch."),
                "device": self.model.device.type, "backend": f"transformers {__version__}"}

    def fits(self, trace: Trace) -> bool:
        """Whether the trace is within the model's limit."""
        return len(self.encode([trace])[0].ids) <= (self.max_length or float("inf"))

    def encoded(self, traces: Sequence[Trace], *, on_long: str = "error") -> list[Encoded]:
        """The traces as the model reads them, if all can be scored.

        Raises:
            ValueError: naming the trace, if one has no steps, or is too long and not skipped.
        """
        if on_long not in ("error", "skip"):
            raise ValueError(f'on_long must be "error" or "skip", got {on_long!r}')
        for i, trace in enumerate(traces):
            if not trace.steps:
                raise ValueError(f"trace {i} (problem {trace.problem.id!r}) has no steps, so "
                                 "there is nothing to score; leave it out")
        encoded = self.encode(traces)
        for trace, e in zip(traces, encoded, strict=True):
            assert len(e.step_ends) == len(trace.steps), (len(e.step_ends), len(trace.steps))
        limit = self.max_length or float("inf")
        for i, e in enumerate(encoded):
            if len(e.ids) > limit and on_long == "error":
                raise ValueError(f"trace {i} (problem {traces[i].problem.id!r}) has "
                                 f"{len(e.ids)} ids, the limit is {limit}; leave it out, or "
                                 'pass on_long="skip" (nothing is ever cut off)')
        return encoded

    def _logits(self, traces: Sequence[Trace], on_long: str) -> list[np.ndarray | None]:
        """The head's outputs at each trace's step ends, [S, labels]; None for one skipped."""
        began = time.perf_counter()
        encoded = self.encoded(traces, on_long=on_long)
        limit = self.max_length or float("inf")
        with self._lock:
            found, n_run = self._run({e for e in encoded if len(e.ids) <= limit})
            self.usage += Usage(1, len(traces), sum(len(e.ids) > limit for e in encoded), n_run,
                                time.perf_counter() - began)
        return [found.get(e) for e in encoded]

    def _run(self, items: Iterable[Encoded]) -> tuple[dict[Encoded, np.ndarray], int]:
        """What is read of each item, and how many tokens were run for it."""
        whole, found, n_run = _covering(items), {}, 0
        distinct = sorted(set(whole.values()), key=_ids)
        was_training = self.model.training
        self.model.eval()
        # What a sharded model gathers it keeps for later passes, of a training too.
        quiet = torch.no_grad if sharding.is_sharded(self.model) else torch.inference_mode
        try:
            with quiet(), bar(len(distinct), "trace") as shown:
                for shared, group in _groups(distinct) if self._shares else [(0, distinct)]:
                    for batch in _batches(group, self.batch_tokens):
                        found.update(zip(batch, self._forward(batch, shared), strict=True))
                        n_run += sum(len(e.ids) for e in batch) - shared * (len(batch) - 1)
                        shown.update(len(batch))
        finally:
            self.model.train(was_training)
        return {item: found[whole[item]][:len(item.step_ends)] for item in whole}, n_run

    def _forward(self, batch: list[Encoded], shared: int) -> list[np.ndarray]:
        """What is read of each item of a batch, whose first `shared` ids are the same."""
        ids = torch.zeros(len(batch), len(batch[0].ids), dtype=torch.long)
        for i, item in enumerate(batch):
            ids[i, :len(item.ids)] = torch.tensor(item.ids)
        ids = ids.to(self.model.device)
        return self._read(self._hidden(ids, shared), ids, batch)

    def _read(self, hidden: torch.Tensor, ids: torch.Tensor, batch: list[Encoded]
              ) -> list[np.ndarray]:
        """What the head says at the step ends, [S, K] for each item; `hidden` is [B, T, C]."""
        rows = torch.tensor([i for i, item in enumerate(batch) for _ in item.step_ends])
        at = torch.tensor([end for item in batch for end in item.step_ends])
        numbers = self.head(hidden[rows.to(hidden.device), at.to(hidden.device)])
        return np.split(numbers.float().cpu().numpy(),
                        np.cumsum([len(item.step_ends) for item in batch])[:-1])

    def _hidden(self, ids: torch.Tensor, shared: int) -> torch.Tensor:
        # Padding is on the right and attention causal: no mask is needed.
        if not shared or len(ids) == 1:
            return self.model.base_model(input_ids=ids, use_cache=False)[0]
        first = self.model.base_model(input_ids=ids[:1, :shared], use_cache=True)
        first.past_key_values.batch_repeat_interleave(len(ids))
        rest = self.model.base_model(input_ids=ids[:, shared:], use_cache=True,
                                     past_key_values=first.past_key_values)
        return torch.cat([first[0].expand(len(ids), -1, -1), rest[0]], dim=1)


def right_of_two(logits: np.ndarray, *, right: int = 1) -> np.ndarray:
    """P(right) by the two-way softmax, [S, 2] -> [S]; `right` is the column that means it."""
    return sigmoid(logits[:, right].astype(np.float64) - logits[:, 1 - right])


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) in float64, without overflow."""
    return 1 / (1 + np.exp(-np.clip(x.astype(np.float64), -700, 700)))


def _tried(model: PreTrainedModel) -> bool:
    """Whether rows can share what they begin with: all that the model keeps is keys and values.

    Known from a pass over two short rows, the same in their first halves.

    Raises:
        ValueError: if states of the first halves differ.
    """
    rows = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 8, 9, 10, 11]])
    was_training = model.training
    model.eval()
    with torch.no_grad():
        made = model.base_model(input_ids=(rows % model.config.vocab_size).to(model.device),
                                use_cache=True)
    model.train(was_training)
    one, other = made[0][:, :4].float()
    if (one - other).norm() > torch.finfo(made[0].dtype).eps**0.5 * one.norm():
        raise ValueError(f"a reward model must read from left to right, so that a step's score "
                         f"depends on nothing after it; {type(model).__name__} reads both ways. "
                         "Make one from a causal LM: PRM.from_backbone")
    try:
        made.past_key_values.batch_repeat_interleave(1)
    except AttributeError:  # none, or of layers that keep a state
        return False
    return True


def _ids(item: Encoded) -> tuple[int, ...]:
    return item.ids


def _covering(items: Iterable[Encoded]) -> dict[Encoded, Encoded]:
    """For each item the one whose pass gives its scores: itself, or one that begins with it."""
    covering: dict[Encoded, Encoded] = {}
    last = Encoded((), (), 0)
    for item in sorted(items, key=_ids, reverse=True):  # what it begins came right before
        if not (last.ids[:len(item.ids)] == item.ids and last.n_prompt == item.n_prompt
                and last.step_ends[:len(item.step_ends)] == item.step_ends):
            last = item
        covering[item] = last
    return covering


def _groups(items: Sequence[Encoded]) -> list[tuple[int, list[Encoded]]]:
    """Items, sorted by their ids, in groups: how many ids a group shares, if that pays, else 0."""
    groups: list[tuple[int, list[Encoded]]] = []
    for item in items:
        if groups:
            shared, group = groups[-1]
            known = group[0].ids[:shared or len(group[0].ids) - 1]
            common = len(commonprefix([known, item.ids[:-1]]))
            if common >= SHARED and 2 * common >= shared:
                groups[-1] = (common, [*group, item])
                continue
        groups.append((0, [item]))
    pays = [shared * (len(group) - 1) >= SAVED for shared, group in groups]
    alone = [item for paid, (_, group) in zip(pays, groups, strict=True) if not paid
             for item in group]
    return ([group for paid, group in zip(pays, groups, strict=True) if paid]
            + ([(0, alone)] if alone else []))


def _batches(items: list[Encoded], batch_tokens: int) -> Iterator[list[Encoded]]:
    """The items, longest first, in lots of at most `batch_tokens` padded (or one item)."""
    order = sorted(items, key=lambda item: -len(item.ids))
    while order:
        n = max(1, batch_tokens // len(order[0].ids))
        yield order[:n]
        order = order[n:]
