"""A batch as one row of its distinct tokens under a block mask: FlexAttention, for GPUs.

`packing` numbers the nodes of a forest so that all that follows a node stands right behind it. So a
mask needs one number a node, where that stretch ends, and a block of 128 by 128 is empty, full or
in between by the largest and the smallest of them: nothing is gathered, and no mask of tokens by
tokens is ever made. Without compilation FlexAttention makes all scores at once, which a test can
afford and a GPU cannot: `compiled` is its other half. On a CPU it has no backward, so gradients go
through a dense mask there: right, and slow. Does not know what is learned at a token.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch.nn.attention.flex_attention import BlockMask, create_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel

from prmlab import last_layer, packing

NAME = "prmlab_masked"  # in transformers' table of attention functions
BLOCK = 128  # FlexAttention's own block, and what a row is filled up to


class Masked:
    """A batch's distinct tokens as one row, filled up to whole blocks.

    Arguments and fields as of `packing.Packed`.
    """

    def __init__(self, sequences: Sequence[Sequence[int]], at: Sequence[Sequence[int]], *,
                 device: torch.device | str = "cpu"):
        found = packing.forest(sequences)
        self.padding = -len(found.ids) % BLOCK
        self.computed = len(found.ids) + self.padding
        wanted = np.concatenate([path[list(a)] for path, a in zip(found.paths, at, strict=True)])
        ends = np.concatenate([ends_of(found), np.arange(len(found.ids), self.computed) + 1])
        self.ids, self.positions = (packing.moved(np.pad(x, (0, self.padding)), device)
                                    for x in (found.ids, found.positions))
        self.wanted = packing.moved(wanted, device)
        self.mask = block_mask(ends, device)

    @contextmanager
    def hidden(self, body: PreTrainedModel, *, under: AbstractContextManager | None = None
               ) -> Iterator[torch.Tensor]:
        """As of `packing.Packed`."""
        with packing.plugged(body, NAME, attention):
            with under or nullcontext():
                states = body(input_ids=self.ids[None], position_ids=self.positions[None],
                              attention_mask=self.mask, use_cache=False).last_hidden_state
            yield states[0].index_select(0, self.wanted)


def ends_of(found: packing.Forest) -> np.ndarray:
    """For each node one past the last that has it on its path, [N].

    Example:
        >>> ends_of(packing.forest([(7, 8, 5), (7, 8, 9, 5), (6,)])).tolist()
        [1, 6, 6, 4, 6, 6]
    """
    ends = np.zeros(len(found.ids), dtype=np.int64)
    for path in found.paths:
        ends[path] = np.maximum(ends[path], path[-1] + 1)
    return ends


def block_mask(ends: np.ndarray, device: torch.device | str = "cpu") -> BlockMask:
    """The mask in which node q sees node k if `k <= q < ends[k]`; as many nodes as fill blocks."""
    by_block = ends.reshape(-1, BLOCK)
    first = np.arange(len(by_block)) * BLOCK
    before = first[:, None] > first  # [queries, keys], in blocks
    full = before & (by_block.min(axis=1) >= first[:, None] + BLOCK)
    some = np.eye(len(first), dtype=bool) | before & (by_block.max(axis=1) > first[:, None])
    end = packing.moved(ends, device)

    def sees(_batch: torch.Tensor, _head: torch.Tensor, q: torch.Tensor, k: torch.Tensor
             ) -> torch.Tensor:
        return (k <= q) & (q < end[k])

    return BlockMask.from_kv_blocks(*_listed(some & ~full, device), *_listed(full, device),
                                    BLOCK_SIZE=BLOCK, mask_mod=sees,
                                    seq_lengths=(len(ends), len(ends)))


def _listed(blocks: np.ndarray, device: torch.device | str) -> tuple[torch.Tensor, torch.Tensor]:
    """How many blocks of keys each block of queries has, [1, 1, B], and which first, [1, 1, B, B]."""
    count, which = blocks.sum(axis=1), np.argsort(~blocks, axis=1, kind="stable")
    return tuple(packing.moved(x.astype(np.int32)[None, None], device) for x in (count, which))


def attention(module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor,
              value: torch.Tensor, attention_mask: BlockMask, *, scaling: float | None = None,
              dropout: float = 0.0, **_: Any) -> tuple[torch.Tensor, None]:
    """An attention function for transformers: FlexAttention under a block mask."""
    if dropout:
        raise ValueError("FlexAttention has no dropout; set it to 0 in the model's config, or "
                         "leave packed at True")
    query, key = query.to(value.dtype), key.to(value.dtype)  # rotations are float32
    options = {"scale": scaling, "enable_gqa": query.shape[1] != key.shape[1]}
    if query.device.type == "cpu" and torch.is_grad_enabled():
        dense = create_mask(attention_mask.mask_mod, 1, 1, query.shape[2], key.shape[2], "cpu")
        seen = scaled_dot_product_attention(query, key, value, attn_mask=dense, **options)
    else:
        seen = flex_attention(query, key, value, block_mask=attention_mask, **options)
    return seen.transpose(1, 2).contiguous(), None


def compiled(body: PreTrainedModel, **options: Any) -> Callable[[], AbstractContextManager]:
    """Makes contexts within which each layer of the model runs compiled; outside, as ever.

    One graph serves all layers and all sizes, so it is made once, at the first run.

    Args:
        options: of `torch.compile`.

    Raises:
        ValueError: if the model does not keep its layers in `layers` or `h`.
    """
    layers = last_layer.layers_of(body)
    if layers is None:
        raise ValueError(f"{type(body).__name__} has no list of layers to compile; leave compiled "
                         "at False")
    made = [torch.compile(layer.forward, **{"dynamic": True} | options) for layer in layers]

    @contextmanager
    def within() -> Iterator[None]:
        for layer, forward in zip(layers, made, strict=True):
            layer.forward = forward
        try:
            yield
        finally:
            for layer in layers:
                del layer.forward

    return within
