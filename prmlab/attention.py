"""Attention of many rows to prompts that they share and to tokens of their own.

Owns where keys and values lie while rows are decoded. A prompt that begins another one has no
store of its own: the longest is run once (`Runs`), and what the shorter need is its beginning. Rows
admitted together (`Lot`) attend in two parts, to their run's store and to their own tokens, and
the parts are joined by their log-sums. Does not know how tokens are drawn (`decoding` does).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    DynamicCache,
    PreTrainedModel,
)
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "prmlab_lots"  # in transformers' table of attention functions
FORWARD_TOKENS = 2**12  # of prompts run together: more gains nothing and holds more activations
GROW = 8  # positions added to the store of own tokens at a time, at least
SLACK = 2.0  # seats of a band over branches in it, at most; from 1.1 to 3 no difference was seen


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
    """Rows that were admitted together: all have equally many tokens of their own.

    Rows of one prompt that have drawn the same so far are one branch, run once for all of them;
    `branch` parts those that then drew differently. The last id of a prompt is its rows' first own
    token.

    Args:
        runs: the store that holds the prompts.
        run: for each prompt the run that begins with it, [P].
        length: of each prompt, [P].
        prompt: for each row its prompt, [n].
        most: own tokens that will be run at most.

    Fields: `branch_of` [n], each row's branch; of each branch `run`, `seen` (how many positions of
    it), and the `token` to run next, [B]; `n_own`, own tokens that have been run.
    """

    def __init__(self, runs: Runs, run: np.ndarray, length: np.ndarray, prompt: np.ndarray,
                 most: int):
        self.runs, self.branch_of, self.run, self.seen = runs, prompt, run, length - 1
        self.token, self.n_own, self.most = np.zeros_like(run), 0, most
        self._own: list[tuple[torch.Tensor, torch.Tensor]] = []

    @property
    def n(self) -> int:
        """Branches now."""
        return len(self.run)

    @property
    def seats(self) -> int:
        """Branches for which there is, or may soon be, a place in the store of own tokens."""
        return max([len(self.branch_of), *(len(keys) for keys, _ in self._own[:1])])

    def keep(self, rows: np.ndarray) -> None:
        """Only these rows stay, [n] of bool; their branches as soon as `branch` is called."""
        self.branch_of = self.branch_of[rows]

    def branch(self, token: np.ndarray) -> bool:
        """One branch for the rows that have drawn the same; whether they are others than before.

        A branch stays where the one that it continues was, if no other child of that one does;
        the others are copied into the gaps.

        Args:
            token: the last one of each row, [n].
        """
        child, child_of = np.unique(self.branch_of << 32 | token, return_inverse=True)
        parent, n = child >> 32, len(child)
        stays = np.r_[True, parent[1:] != parent[:-1]] & (parent < n)
        place = np.where(stays, parent, -1)
        gaps = np.setdiff1d(np.arange(n), place)
        place[~stays] = gaps
        back = np.argsort(place)
        changed = n != self.n or len(gaps) > 0
        if changed:
            self._copy(parent[~stays], gaps, n)
            self.run, self.seen = self.run[parent][back], self.seen[parent][back]
        self.token, self.branch_of = (child & 0xFFFFFFFF)[back], place[child_of]
        return changed

    def _copy(self, source: np.ndarray, target: np.ndarray, n: int) -> None:
        for layer, pair in enumerate(self._own):
            if n > len(pair[0]):
                pair = self._own[layer] = tuple(
                    _resized(x, min(n + n // 4, len(self.branch_of)), x.shape[2]) for x in pair)
            of, to = (torch.from_numpy(x).to(pair[0].device) for x in (source, target))
            for used in (x[:, :, :self.n_own] for x in pair):
                used.index_copy_(0, to, used.index_select(0, of))

    def append(self, layer: int, *new: torch.Tensor) -> list[torch.Tensor]:
        """Keep a layer's keys and values of the branches' new tokens; all their own so far."""
        if layer == len(self._own):
            self._own.append(tuple(x.new_empty(*x.shape[:2], 0, x.shape[3]) for x in new))
        at, width = self.n_own, self._own[layer][0].shape[2]
        if at == width:  # closely fitting, and without what has left: gaps are slow to read
            wider = min(self.most, width + max(GROW, width // 4))
            self._own[layer] = tuple(_resized(x[:self.n], self.n, wider)
                                     for x in self._own[layer])
        for store, states in zip(self._own[layer], new, strict=True):
            store[:self.n, :, at] = states[:, :, 0]
        return [store[:self.n, :, :at + 1] for store in self._own[layer]]


@dataclass(frozen=True)
class _Band:
    """Neighbouring runs of a store whose rows are attended for together, padded to the fullest."""

    store: Runs
    runs: slice
    rows: slice  # of the padded rows
    shape: tuple[int, int]  # runs, rows of each
    mask: torch.Tensor  # [runs, 1, rows, T], what is added to the scores


def _resized(store: torch.Tensor, n: int, width: int) -> torch.Tensor:
    """A copy with another number of branches and of positions, the old ones first."""
    resized = store.new_empty(n, store.shape[1], width, store.shape[3])
    resized[:len(store), :, :store.shape[2]] = store
    return resized


class Layout:
    """The branches of all lots in order of their runs, so that a step reads each run once.

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
            order = np.argsort(lot.run, kind="stable")
            run = lot.run[order]
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
        >>> bands([0, 4, 4, 3, 0, 1, 9, 0])
        [(1, 6), (6, 7)]
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
              scaling: float | None = None, **rest: Any) -> tuple[torch.Tensor, None]:
    """An attention function for transformers: in two parts for keys with `two_parts`.

    That is a function of (query, key, value, scale), put on the keys by the cache; others attend as
    ever.
    """
    two_parts = getattr(key, "two_parts", None)
    if two_parts is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask,
                                      scaling=scaling, **rest)
    if odd := sorted(name for name in ("softcap", "s_aux", "position_bias", "sliding_window")
                     if rest.get(name) is not None):
        raise ValueError(f"attention with {', '.join(odd)} cannot be decoded here; sample this "
                         "model through a server with EndpointPolicy")
    scale = query.shape[-1]**-0.5 if scaling is None else scaling
    return two_parts(query, key, value, scale).transpose(1, 2), None


def check(model: PreTrainedModel) -> None:
    """That rows of this model can be decoded so.

    Raises:
        ValueError: if it takes no attention function, or has layers that do not attend to all
            that came before: sliding windows, states, keys shared between layers.
    """
    name, mend = type(model).__name__, "sample it through a server with EndpointPolicy"
    if not model._supports_attention_backend:
        raise ValueError(f"the model must take its attention function from transformers' table, "
                         f"{name} has its own; {mend}")
    kinds = {type(layer) for layer in DynamicCache(config=model.config).layers} - {DynamicLayer}
    if kinds:
        raise ValueError(f"every layer of the model must attend to everything before, {name} has "
                         f"others ({', '.join(sorted(k.__name__ for k in kinds))}); {mend}")


@contextmanager
def plugged(model: PreTrainedModel) -> Iterator[None]:
    """The model attends by `attention` within."""
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, AttentionMaskInterface()["sdpa"])
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def position_bytes(model: PreTrainedModel) -> int:
    """What the keys and values of one position take."""
    return sum(x.nbytes for pair in _run(model, [(0,)]) for x in pair)


def free_bytes(device: torch.device) -> int:
    """Memory that is free on a device; 2 GiB where the system does not say."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    free = [2**31]
    with suppress(OSError, StopIteration):
        free = [1024 * _figure(Path("/proc/meminfo"), "MemAvailable:")]
    with suppress(OSError, ValueError, StopIteration):  # a container's; "max" is no number
        group = Path("/sys/fs/cgroup")
        free.append(int((group / "memory.max").read_text())
                    - int((group / "memory.current").read_text())
                    + _figure(group / "memory.stat", "inactive_file"))
    return min(free)


def _figure(path: Path, name: str) -> int:
    """The number after a name, in a file with one on each line."""
    return next(int(line.split()[1]) for line in path.read_text().splitlines()
                if line.startswith(name + " "))
