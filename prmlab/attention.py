"""Attention of many rows to prompts that they share and to tokens of their own.

Owns where keys and values lie while rows are decoded. A prompt that begins another one has no
store of its own: the longest is run once (`Runs`), and what the shorter need is its beginning. Rows
admitted together (`Lot`) attend in two parts, to their run's store and to their own tokens, and
the parts are joined by their log-sums. Does not know how tokens are drawn (`decoding` does).

Against a copy of its prompt for every row, the textbook's way, two parts are RATIO.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface, DynamicCache, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "prmlab_lots"  # in transformers' table of attention functions
FORWARD_TOKENS = 2**12  # of prompts run together: more gains nothing and holds more activations
GROW = 8  # positions added to the store of own tokens at a time, at least
SLACK = 1.25  # attention of padded runs over attention of rows that are there, at most


class Runs:
    """Prompts that begin no other one, after a forward pass over each: keys and values.

    Args:
        model: a causal LM whose attention is causal and whole.
        prompts: their ids, [G] of different lengths.

    Fields: `layers`, keys and values [G, heads, T, C] each; `positions`, how many they hold.
    """

    def __init__(self, model: PreTrainedModel, prompts: Sequence[tuple[int, ...]]):
        width = max(map(len, prompts))
        self.layers: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.positions = len(prompts) * width
        at_once = max(1, FORWARD_TOKENS // width)
        for first in range(0, len(prompts), at_once):
            some = slice(first, first + at_once)
            for layer, pair in enumerate(_run(model, prompts[some])):
                if layer == len(self.layers):
                    self.layers.append(tuple(
                        x.new_zeros(len(prompts), x.shape[1], width, x.shape[3]) for x in pair))
                for store, new in zip(self.layers[layer], pair, strict=True):
                    store[some, :, :new.shape[2]] = new


def _run(model: PreTrainedModel, prompts: Sequence[tuple[int, ...]]
         ) -> list[tuple[torch.Tensor, torch.Tensor]]:
    ids = torch.zeros(len(prompts), max(map(len, prompts)), dtype=torch.long)
    for i, prompt in enumerate(prompts):
        ids[i, :len(prompt)] = torch.tensor(prompt)
    cache = DynamicCache(config=model.config)
    # Padding is on the right and attention causal: no mask is needed.
    model.base_model(input_ids=ids.to(model.device), past_key_values=cache, use_cache=True)
    return [(layer.keys, layer.values) for layer in cache.layers]


class Lot:
    """Rows that were admitted together: all have run equally many tokens of their own.

    While the lot is `fresh` it runs one row for each prompt, the prompt's last id again for its
    logits; `advance` then puts the rows themselves in their place.

    Args:
        runs: the store that holds the prompts.
        run: for each prompt the run that begins with it, [P].
        length: of each prompt, [P].
        last: id of each prompt, [P].
        prompt: for each row its prompt, [n].

    Fields: `n`, the rows that it runs now.
    """

    def __init__(self, runs: Runs, run: np.ndarray, length: np.ndarray, last: np.ndarray,
                 prompt: np.ndarray):
        self.runs, self.run, self.length, self.last, self.prompt = runs, run, length, last, prompt
        self.fresh = True
        self._place(run, length - 1)

    def _place(self, run: np.ndarray, known: np.ndarray) -> None:
        """`n` rows of these runs, which see so many of their positions and nothing else."""
        self.n, self.seen_run, self.seen, self._n_own = len(run), run, known, 0
        self._own: list[tuple[torch.Tensor, torch.Tensor]] = []

    def advance(self) -> None:
        """After a forward pass: one own token more, or the rows in the place of the prompts."""
        if self.fresh:
            self.fresh = False
            self._place(self.run[self.prompt], self.length[self.prompt])
        else:
            self._n_own += 1

    def keep(self, source: np.ndarray, holes: np.ndarray, movers: np.ndarray) -> None:
        """Only the rows of `source` stay, in its order: those at `movers` fill the `holes`."""
        self.prompt, self.seen_run, self.seen = (
            column[source] for column in (self.prompt, self.seen_run, self.seen))
        self.n = len(source)
        if len(holes) and self._own:
            device = self._own[0][0].device
            to, of = torch.from_numpy(holes).to(device), torch.from_numpy(movers).to(device)
            for store in (s for pair in self._own for s in pair):
                used = store[:, :, :self._n_own]
                used.index_copy_(0, to, used.index_select(0, of))

    def append(self, layer: int, *new: torch.Tensor) -> list[torch.Tensor]:
        """Keep a layer's keys and values of the rows' new tokens; all their own so far."""
        if layer == len(self._own):
            self._own.append(tuple(x.new_empty(*x.shape[:2], GROW, x.shape[3]) for x in new))
        at, kept = self._n_own, []
        if at == self._own[layer][0].shape[2]:
            self._own[layer] = tuple(self._grown(store) for store in self._own[layer])
        for store, states in zip(self._own[layer], new, strict=True):
            store[:self.n, :, at] = states[:, :, 0]
            kept.append(store[:self.n, :, :at + 1])
        return kept

    def _grown(self, store: torch.Tensor) -> torch.Tensor:
        """A wider copy without the rows that left: stores half empty are slow to read."""
        _, heads, width, size = store.shape
        grown = store.new_empty(self.n, heads, width + max(GROW, width // 4), size)
        grown[:, :, :width] = store[:self.n]
        return grown

    def gather(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> list[torch.Tensor]:
        """All that each row sees as if it were its own; for models that attend by themselves."""
        run = torch.from_numpy(self.seen_run).to(keys.device)
        return [torch.cat([store.index_select(0, run), own], 2) for store, own in
                zip(self.runs.layers[layer], self.append(layer, keys, values), strict=True)]

    def gathered_mask(self) -> torch.Tensor:
        """What is added to the scores of what `gather` gives, [n, 1, 1, T + own]."""
        keys, _ = self.runs.layers[0]
        shared = hiding(self.seen, keys.shape[2], keys)
        return torch.nn.functional.pad(shared, (0, self._n_own + 1))[:, None, None]


@dataclass(frozen=True)
class _Band:
    """Neighbouring runs of a store whose rows are attended for together, padded to the fullest."""

    store: Runs
    runs: slice
    rows: slice  # of the padded rows
    shape: tuple[int, int]  # runs, rows of each
    mask: torch.Tensor  # [runs, 1, rows, T], what is added to the scores


class Layout:
    """The rows of all lots in order of their runs, so that a step reads each run once.

    Args:
        lots: what is decoded in this step; their rows follow each other in the batch.
        like: a tensor of the kind and on the device of the queries.
    """

    def __init__(self, lots: Sequence[Lot], like: torch.Tensor):
        self.lots: list[tuple[Lot, slice]] = []
        self._bands: list[_Band] = []
        self._repeated: dict[int, list[torch.Tensor]] = {}
        padded, back = [], np.zeros(sum(lot.n for lot in lots), dtype=np.int64)
        n_rows = n_seats = 0
        for lot in lots:
            order = np.argsort(lot.seen_run, kind="stable")
            run = lot.seen_run[order]
            sizes = np.bincount(run)
            rank = np.arange(lot.n) - (np.cumsum(sizes) - sizes)[run]
            for first, last in bands(sizes):
                some = slice(*np.searchsorted(run, (first, last)))
                shape = last - first, int(sizes[first:last].max())
                seat = (run[some] - first) * shape[1] + rank[some]
                of_seat = np.full(shape[0] * shape[1], order[some][0])
                of_seat[seat] = order[some]
                seen = lot.seen[of_seat]
                mask = hiding(seen, max(1, int(seen.max())), like).view(shape[0], 1, shape[1], -1)
                rows = slice(n_seats, n_seats + len(of_seat))
                self._bands.append(_Band(lot.runs, slice(first, last), rows, shape, mask))
                padded.append(n_rows + of_seat)
                back[n_rows + order[some]] = n_seats + seat
                n_seats = rows.stop
            self.lots.append((lot, slice(n_rows, n_rows + lot.n)))
            n_rows += lot.n
        self._padded, self._back = (torch.from_numpy(x).to(like.device)
                                    for x in (np.concatenate(padded), back))

    def attend(self, layer: int, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
               scale: float) -> torch.Tensor:
        """What the new tokens see, [N, heads, 1, C]: their prompts, and their own so far.

        Args:
            query: of the rows' new tokens, [N, heads, 1, C].
            keys: of the rows' new tokens, [N, key heads, 1, C]; `values` alike.
        """
        n, heads, _, size = query.shape
        per_key = heads // keys.shape[1]
        query = query.reshape(n, -1, per_key, size)
        own, own_sum = (torch.cat(parts) for parts in zip(*(
            partial_attention(query[rows], *lot.append(layer, keys[rows], values[rows]), None, scale)
            for lot, rows in self.lots), strict=True))
        shared, shared_sum = self._attend_to_runs(layer, query, scale)
        share = torch.sigmoid(shared_sum - own_sum).to(own.dtype)[..., None]
        return torch.lerp(own, shared, share).view(n, heads, 1, -1)

    def _attend_to_runs(self, layer: int, query: torch.Tensor, scale: float
                        ) -> tuple[torch.Tensor, torch.Tensor]:
        n, heads, per_key, size = query.shape
        if per_key not in self._repeated:
            self._repeated[per_key] = [band.mask.repeat_interleave(per_key, 2)
                                       for band in self._bands]
        query = query.view(n, -1).index_select(0, self._padded)
        outputs, sums = [], []
        for band, mask in zip(self._bands, self._repeated[per_key], strict=True):
            n_runs, n_rows = band.shape
            asked = query[band.rows].view(n_runs, n_rows, heads, per_key, size).transpose(1, 2)
            output, log_sum = partial_attention(
                asked.reshape(n_runs, heads, n_rows * per_key, size),
                *(x[band.runs, :, :mask.shape[-1]] for x in band.store.layers[layer]), mask, scale)
            shape = n_runs, heads, n_rows, per_key
            outputs.append(output.view(*shape, -1).transpose(1, 2).flatten(0, 1))
            sums.append(log_sum.reshape(shape).transpose(1, 2).flatten(0, 1))
        return (torch.cat(outputs).index_select(0, self._back),
                torch.cat(sums).index_select(0, self._back))


def bands(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbouring runs, first and one past the last, that little padding makes equally full.

    Runs without rows are left out where they stand at a band's edge.

    Example:
        >>> bands([0, 4, 4, 3, 1, 0])
        [(1, 4), (4, 5)]
    """
    found: list[tuple[int, int]] = []
    most = total = 0
    for i, size in enumerate(map(int, sizes)):
        if not size:
            continue
        if found:
            first = found[-1][0]
            wide = (i + 1 - first) * max(most, size)
            if wide <= SLACK * (total + size):
                found[-1], most, total = (first, i + 1), max(most, size), total + size
                continue
        found.append((i, i + 1))
        most = total = size
    return found


def hiding(known: np.ndarray, width: int, like: torch.Tensor) -> torch.Tensor:
    """A mask to add to scores, [n, width]: 0 for the first `known` of each row, else the least."""
    behind = torch.arange(width, device=like.device) >= torch.from_numpy(known).to(
        like.device)[:, None]
    return torch.zeros(behind.shape, dtype=like.dtype, device=like.device).masked_fill_(
        behind, torch.finfo(like.dtype).min)


def partial_attention(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
                      mask: torch.Tensor | None, scale: float
                      ) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention [B, heads, L, C] and the log of its weights' sum [B, heads, L], in float32.

    Two parts `a`, `b` of one softmax join as `lerp(a, b, sigmoid(sum_b - sum_a))`.
    """
    if query.device.type == "cpu" and query.shape[-1] == values.shape[-1]:
        # The kernel of scaled_dot_product_attention, which itself does not give the sums.
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, keys, values, attn_mask=mask, scale=scale)
    scores = (query * scale) @ keys.transpose(2, 3)
    scores = scores.float() if mask is None else scores.float() + mask
    log_sum = scores.logsumexp(-1, keepdim=True)
    return (scores - log_sum).exp_().to(values.dtype) @ values, log_sum[..., 0]


def attention(module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor,
              value: torch.Tensor, attention_mask: torch.Tensor | None, *,
              scaling: float | None = None, lots: Any = None, **rest: Any
              ) -> tuple[torch.Tensor, None]:
    """An attention function for transformers: in two parts where `lots` is given, else as ever."""
    if lots is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask,
                                      scaling=scaling, **rest)
    if odd := sorted(name for name in ("softcap", "s_aux", "position_bias", "sliding_window")
                     if rest.get(name) is not None):
        raise ValueError(f"attention with {', '.join(odd)} cannot be decoded here; sample this "
                         "model through a server with EndpointPolicy")
    scale = query.shape[-1]**-0.5 if scaling is None else scaling
    return lots.attend(query, key, value, scale).transpose(1, 2), None


def lets_plug(model: PreTrainedModel) -> bool:
    """Whether the model takes an attention function; if not, `Lot.gather` serves it."""
    return bool(model._supports_attention_backend)


@contextmanager
def plugged(model: PreTrainedModel) -> Iterator[None]:
    """The model attends by `attention` within, where it takes an attention function."""
    before = model.config._attn_implementation
    if lets_plug(model):
        AttentionInterface.register(NAME, attention)
        model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        if lets_plug(model):
            model.set_attn_implementation(before)


def positions_that_fit(model: PreTrainedModel) -> int:
    """How many positions' keys and values a quarter of the free memory holds."""
    each = sum(x.nbytes for pair in _run(model, [(0,)]) for x in pair)
    return max(1, free_bytes(model.device) // 4 // each)


def free_bytes(device: torch.device) -> int:
    """Memory that is free on a device; 2 GiB where the system does not say."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    free = [2**31]
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = [1024 * int(next(x for x in lines if x.startswith("MemAvailable")).split()[1])]
    with suppress(OSError, ValueError):  # "max" is no number: a container without a limit
        group = Path("/sys/fs/cgroup")
        free.append(int((group / "memory.max").read_text())
                    - int((group / "memory.current").read_text()))
    return max(0, min(free))
