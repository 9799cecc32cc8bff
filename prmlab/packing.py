"""A batch as one row of its distinct tokens: what traces begin with in common is run once.

Traces of a problem share their prompt, and often their first steps. Behind equal beginnings a causal
model has equal states, so a batch is a forest of tokens: `Packed` holds each of its nodes once, with
no padding between them. Every layer but attention works on that row; attention asks for
each node once, with the keys and values of the trace that leads to it. Gradients come back to shared
nodes as sums. A model that cannot be packed (`check` tells) takes `Rows`, padded as usual.
Does not know what is learned at which token (`targets` does).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from prmlab import attention as decoding_attention
from prmlab import last_layer

NAME = "prmlab_packed"  # in transformers' table of attention functions
WORTH = 0.95  # packed from this share of a padded batch's positions on
# Of the longest: what is at least this long attends in one call. On a GPU a call costs more than what
# fills up its rows: 1,024 traces, 8 a problem, attend in 13 calls a layer, not in 192 (for 23,000
# tokens' queries 39,000 are asked).
CLOSE, CLOSE_ON_GPU = 0.8, 0.3


@dataclass(frozen=True)
class Forest:
    """Sequences as a forest in which each distinct beginning is one node.

    Nodes are numbered along the sorted sequences: those that a sequence adds follow each other.

    Args:
        ids: the token of each node, [N].
        positions: how many tokens stand before each, [N].
        paths: the nodes of each sequence, in the order given, [n] arrays.
        shared: how many nodes at the start of each path another sequence has already added, [n].
    """

    ids: np.ndarray
    positions: np.ndarray
    paths: list[np.ndarray]
    shared: np.ndarray


def forest(sequences: Sequence[Sequence[int]]) -> Forest:
    """The forest of these sequences.

    Example:
        >>> found = forest([(7, 8, 5), (7, 8, 9, 5), (6,)])
        >>> found.ids.tolist(), found.positions.tolist()
        ([6, 7, 8, 5, 9, 5], [0, 0, 1, 2, 2, 3])
        >>> [path.tolist() for path in found.paths], found.shared.tolist()
        ([[1, 2, 3], [1, 2, 4, 5], [0]], [0, 2, 0])
    """
    order, table, lengths, common = _sorted(sequences)
    column = np.arange(table.shape[1])
    new = (column >= common[:, None]) & (column < lengths[:, None])
    number = np.cumsum(new.reshape(-1)).reshape(new.shape) - 1
    row_of = np.maximum.accumulate(np.where(new, np.arange(len(order))[:, None], 0), axis=0)
    nodes = number[row_of, column]
    back = np.argsort(order)
    return Forest(table[new], np.broadcast_to(column, new.shape)[new],
                  [nodes[row, :lengths[row]] for row in back], common[back])


def added(sequences: Sequence[Sequence[int]]) -> np.ndarray:
    """How many nodes of their forest each sequence adds, [n], without making it.

    Example:
        >>> added([(7, 8, 5), (7, 8, 9, 5), (6,)]).tolist()
        [3, 2, 1]
    """
    order, _, lengths, common = _sorted(sequences)
    return (lengths - common)[np.argsort(order)]


def _sorted(sequences: Sequence[Sequence[int]]
            ) -> tuple[list[int], np.ndarray, np.ndarray, np.ndarray]:
    """The order in which they are sorted; so ordered, their table [n, T], which -1 fills up, their
    lengths [n], and how many ids each has in common with the one before [n]."""
    order = sorted(range(len(sequences)), key=sequences.__getitem__)
    lengths = np.fromiter((len(sequences[i]) for i in order), np.int64, len(order))
    table = np.full((len(order), lengths.max()), -1)
    table[np.arange(table.shape[1]) < lengths[:, None]] = np.fromiter(
        chain.from_iterable(sequences[i] for i in order), np.int64, lengths.sum())
    differ = table[1:] != table[:-1]
    common = np.zeros(len(order), dtype=np.int64)
    common[1:] = np.where(differ.any(axis=1), differ.argmax(axis=1), lengths[1:])
    return order, table, lengths, common


class Packed:
    """A batch's distinct tokens as one row.

    Args:
        sequences: the ids of each trace.
        at: the positions of each at which hidden states are wanted.
        found: the forest of the sequences, where it is known already.

    Fields: `computed`, positions that the model runs; `padding`, how many of them are nobody's.
    """

    def __init__(self, sequences: Sequence[Sequence[int]], at: Sequence[Sequence[int]], *,
                 device: torch.device | str = "cpu", found: Forest | None = None):
        found = found or forest(sequences)
        wanted = np.concatenate([path[list(a)] for path, a in zip(found.paths, at, strict=True)])
        self.computed, self.padding = len(found.ids), 0
        close = CLOSE if torch.device(device).type == "cpu" else CLOSE_ON_GPU
        self.rounds = [_Round([found.paths[i] for i in rows], found.shared[rows], device)
                       for rows in _alike(found, close)]
        asked = np.concatenate([one.asked for one in self.rounds])
        real = np.flatnonzero(np.concatenate([one.real for one in self.rounds]))
        home = np.empty(len(found.ids), dtype=np.int64)
        home[asked[real]] = real
        self.ids, self.positions, self.read, self.wanted, self.home, self._asked, self._keys = (
            moved(x, device) for x in (
                found.ids, found.positions, np.unique(wanted), wanted, home, asked,
                np.concatenate([one.keys for one in self.rounds])))

    @contextmanager
    def hidden(self, body: PreTrainedModel, *, under: AbstractContextManager | None = None
               ) -> Iterator[torch.Tensor]:
        """The body's last hidden states at the wanted positions, trace by trace, [M, C].

        A backward pass belongs within: layers that are checkpointed run again in it.

        Args:
            under: a context for the forward pass, such as `torch.autocast`.
        """
        with plugged(body, NAME, attention), last_layer.narrowed(body, self.read):
            with under or nullcontext():
                states = body(input_ids=self.ids[None], position_ids=self.positions[None],
                              use_cache=False, packed=self).last_hidden_state
            yield states[0].index_select(0, self.wanted)

    def attend(self, module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor,
               value: torch.Tensor, **rest: Any) -> torch.Tensor:
        """What each node sees along its trace, [1, N, heads, C]."""
        spread = (_spread(query, self._asked), _spread(key, self._keys), _spread(value, self._keys))
        parts = zip(self.rounds, *(x.split([getattr(one, size) for one in self.rounds])
                                   for x, size in zip(spread, ("n_asked", "n_keys", "n_keys"),
                                                      strict=True)), strict=True)
        seen = torch.cat([one.attend(module, q, k, v, **rest) for one, q, k, v in parts])
        return seen.index_select(0, self.home)[None]


class _Round:
    """Traces that attend in one call: queries of the nodes that each adds, keys of all it has.

    Fields: `asked`, the nodes whose queries are asked, in the order of `attend`'s rows, `real`,
    which of them are there to be asked and not to fill up, and `keys`, the nodes that they see.
    """

    def __init__(self, paths: Sequence[np.ndarray], shared: np.ndarray, device):
        queries, real = _table([path[n:] for path, n in zip(paths, shared, strict=True)])
        keys, _ = _table(paths)
        self.asked, self.real, self.keys = (x.reshape(-1) for x in (queries, real, keys))
        self.n_asked, self.n_keys = self.asked.size, self.keys.size
        self._n = len(paths)
        see = np.arange(keys.shape[1]) <= (shared[:, None] + np.arange(queries.shape[1]))[..., None]
        self._causal = not shared.any()
        self._see = None if self._causal else moved(see[:, None], device)
        self._masks: dict[torch.dtype, torch.Tensor] = {}

    def attend(self, module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor,
               value: torch.Tensor, **rest: Any) -> torch.Tensor:
        """Of the nodes asked, from states by node, [n * Q, heads, C] and [n * T, heads, C]."""
        rows = (x.view(self._n, -1, *x.shape[1:]).transpose(1, 2) for x in (query, key, value))
        seen, _ = sdpa_attention_forward(module, *rows, self._mask(query.dtype),
                                         is_causal=self._causal, **rest)
        return seen.flatten(0, 1)

    def _mask(self, dtype: torch.dtype) -> torch.Tensor | None:
        """What is added to the scores, [n, 1, Q, T]; None where it is the causal mask."""
        if self._causal:
            return None
        if dtype not in self._masks:  # float: from bool each call would make one again
            self._masks[dtype] = torch.zeros(
                self._see.shape, dtype=dtype, device=self._see.device
            ).masked_fill_(~self._see, float("-inf"))
        return self._masks[dtype]


class Rows:
    """A batch as padded rows. Padding is on the right and attention causal: no mask is needed.

    Arguments and fields as of `Packed`.
    """

    def __init__(self, sequences: Sequence[Sequence[int]], at: Sequence[Sequence[int]], *,
                 device: torch.device | str = "cpu"):
        ids, real = _table(sequences)
        wanted = [row * ids.shape[1] + i for row, a in enumerate(at) for i in a]
        self.ids = moved(ids, device)
        self.wanted = moved(np.array(wanted, dtype=np.int64), device)
        self.computed, self.padding = ids.size, int((~real).sum())

    @contextmanager
    def hidden(self, body: PreTrainedModel, *, under: AbstractContextManager | None = None
               ) -> Iterator[torch.Tensor]:
        """The body's last hidden states at the wanted positions, row by row, [M, C]."""
        with under or nullcontext():
            states = body(input_ids=self.ids, use_cache=False).last_hidden_state  # [B, T, C]
        yield states.flatten(0, 1).index_select(0, self.wanted)


def pack(sequences: Sequence[Sequence[int]], at: Sequence[Sequence[int]], *,
         device: torch.device | str = "cpu") -> Packed | Rows:
    """`Packed`, or `Rows` where that saves less than it costs. Arguments as of `Packed`."""
    found = forest(sequences)
    if len(found.ids) > WORTH * len(sequences) * max(map(len, sequences)):
        return Rows(sequences, at, device=device)
    return Packed(sequences, at, device=device, found=found)


class Gather(torch.autograd.Function):
    """Rows by index, [N, C] -> [R, C]; gradients of a row taken twice add in float32 or better."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """The rows at `index`."""
        ctx.save_for_backward(index)
        ctx.n = len(rows)
        return rows.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        """The sum over the places to which each row went."""
        wide = torch.promote_types(grad.dtype, torch.float32)
        total = torch.zeros(ctx.n, grad.shape[1], dtype=wide, device=grad.device)
        return total.index_add_(0, ctx.saved_tensors[0], grad.to(wide)).to(grad.dtype), None


def _spread(states: torch.Tensor, nodes: torch.Tensor) -> torch.Tensor:
    """The states of these nodes, [1, heads, N, C] and [R] -> [R, heads, C]."""
    flat = states[0].transpose(0, 1)
    return Gather.apply(flat.flatten(1), nodes).view(-1, *flat.shape[1:])


def _table(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Rows filled up with 0 to the longest, and which entries are theirs, both [n, T]."""
    lengths = np.array([len(row) for row in rows])
    real = np.arange(lengths.max()) < lengths[:, None]
    table = np.zeros(real.shape, dtype=np.int64)
    table[real] = np.concatenate(rows)
    return table, real


def _alike(found: Forest, close: float) -> Iterator[list[int]]:
    """Paths that attend together: about as long, and adding about as many nodes."""
    size = [(len(path) - n, len(path)) for path, n in zip(found.paths, found.shared, strict=True)]
    rows: list[int] = []
    for i in sorted((i for i, (own, _) in enumerate(size) if own), key=lambda i: size[i],
                    reverse=True):
        if rows and (size[i][0] < close * size[rows[0]][0]
                     or not close < size[i][1] / size[rows[0]][1] < 1 / close):
            yield rows
            rows = []
        rows.append(i)
    yield rows


def attention(module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor,
              value: torch.Tensor, attention_mask: torch.Tensor | None, *,
              packed: Packed | None = None, **rest: Any) -> tuple[torch.Tensor, None]:
    """An attention function for transformers: along the traces of `packed`, if that is given."""
    if packed is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **rest)
    return packed.attend(module, query, key, value, **rest), None


@contextmanager
def plugged(body: PreTrainedModel, name: str, function: Callable) -> Iterator[None]:
    """The model attends by this function, of that name in transformers' table, within."""
    before = body.config._attn_implementation
    AttentionInterface.register(name, function)
    body.set_attn_implementation(name)
    try:
        yield
    finally:
        body.set_attn_implementation(before)


def moved(array: np.ndarray, device: torch.device | str) -> torch.Tensor:
    """A tensor there; to a GPU through pinned memory, so that the copy is not waited for."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if torch.device(device).type != "cuda":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def check(body: PreTrainedModel, kind: type | None = None) -> None:
    """That packed traces give this model's states: by its kind, and by a trial on a few ids.

    Raises:
        ValueError: if its layers do not attend to all that came before (sliding windows, states),
            or a packed trial differs from a padded one.

    Args:
        kind: what packs, `Packed` if not given.
    """
    name = type(body).__name__
    try:
        decoding_attention.check(body)
    except ValueError as error:
        reason = str(error).split(";")[0]
        raise ValueError(f"traces cannot be packed for {name}: {reason}") from None
    ids = [i % body.config.vocab_size for i in range(5, 14)]
    sequences = [ids, [*ids[:5], *ids[2:6]], ids[3:8]]
    at = [range(len(s)) for s in sequences]
    was_training = body.training
    body.eval()
    try:
        with torch.no_grad():
            found, wanted = (_states(rows(sequences, at, device=body.device), body)
                             for rows in (kind or Packed, Rows))
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"traces cannot be packed for {name}: {error}") from None
    finally:
        body.train(was_training)
    loose = 1e-3 if body.dtype == torch.float32 else 0.05
    if (found - wanted).abs().max() > loose * wanted.abs().max():
        raise ValueError(f"traces cannot be packed for {name}: a trial gave other states than "
                         "padded rows")


def _states(rows: Any, body: PreTrainedModel) -> torch.Tensor:
    with rows.hidden(body) as states:
        return states.float()
