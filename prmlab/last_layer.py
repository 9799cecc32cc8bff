"""The last layer, where it is read: what no layer follows is of use only at the tokens asked for.

All layers but the last feed the next one's keys and values, so each token needs them. The last one's
are needed too, but what it makes of them, its attention's output and its MLP, only where a state is
read: at step ends. Does not know which tokens those are.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel

LOCAL = ("self_attn.o_proj", "mlp")  # parts of a layer that look at one token at a time


def layers_of(body: torch.nn.Module) -> torch.nn.ModuleList | None:
    """The layers of a transformer without its heads; None where they are kept under other names."""
    return getattr(body, "layers", None) or getattr(body, "h", None)


@contextmanager
def narrowed(body: PreTrainedModel, rows: torch.Tensor) -> Iterator[None]:
    """Within, parts of the last layer run only on these rows of a batch of one; the rest gets 0.

    Gradients go through as well, so a backward pass in which layers run again belongs within. A
    model whose layers have other names runs as ever.

    Args:
        rows: positions, [R], each once.
    """
    layers = layers_of(body)
    with ExitStack() as hooks:
        for name, module in layers[-1].named_modules() if layers else ():
            if name in LOCAL:
                for hook in _hooks(module, rows):
                    hooks.callback(hook.remove)
        yield


def _hooks(module: torch.nn.Module, rows: torch.Tensor) -> Iterator[Any]:
    sizes: list[int] = []  # of the calls under way

    def narrow(_module: torch.nn.Module, given: tuple) -> tuple:
        sizes.append(given[0].shape[1])
        return given[0].index_select(1, rows), *given[1:]

    def widen(_module: torch.nn.Module, _given: tuple, made: torch.Tensor) -> torch.Tensor:
        whole = made.new_zeros(1, sizes.pop(), made.shape[-1])
        return whole.index_copy(1, rows, made)

    yield module.register_forward_pre_hook(narrow)
    yield module.register_forward_hook(widen)
