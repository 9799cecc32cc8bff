"""A model in pieces over the processes of a launch, each of which keeps its share of every tensor.

torch's FSDP2 (`fully_shard`, torch 2.9 or later): of every weight, gradient and moment of the
optimizer each process holds one slice. A layer's weights are gathered from all of them when it runs,
forward and again backward, and given up right after; gradients come back as slices of their sum. So
all processes must run the model equally often, and what needs whole tensors (`gathered`) is called by
all of them together. Names, shapes and order of parameters stay as they were, and so do files on
disk. Does not know what is learned.
"""

from collections.abc import Iterator, Mapping
from os import PathLike, fspath

import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel

from prmlab.last_layer import layers_of


def shard(model: torch.nn.Module, body: torch.nn.Module, device: torch.device) -> None:
    """Leave this process its share of the model, in place; what is in pieces already stays so.

    A layer is moved to the device when it is its turn, so a model that lies on the CPU is never
    whole there. Optimizers are made afterwards.

    Args:
        model: holds `body` and its heads; a head is called by itself, as the body is.

    Raises:
        ValueError: if there is one process only, the body keeps no list of layers in `layers` or
            `h`, or a head shares its weights with the body.
    """
    n = distributed.get_world_size() if distributed.is_initialized() else 1
    if n == 1:
        raise ValueError("sharded needs several processes to shard over, and this is the only one; "
                         "start it with accelerate launch --multi_gpu --num_processes 8 ..., or "
                         "leave sharded out")
    modules = list(_units(model, body))
    mesh = init_device_mesh(device.type, (n,))
    for module in modules:
        if not isinstance(module, FSDPModule):
            fully_shard(module, mesh=mesh, reshard_after_forward=True)
            module.set_gradient_divide_factor(1.0)  # a batch's loss is a sum over processes
            module.set_force_sum_reduction_for_comms(True)


def _units(model: torch.nn.Module, body: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """What is gathered at a time: each layer, the rest of the body, each head."""
    name = type(body).__name__
    layers = layers_of(body)
    if layers is None:
        raise ValueError(f"{name} has no list of layers to shard; leave sharded out")
    inside, own = set(body.modules()), {id(p) for p in body.parameters()}
    yield from layers
    yield body
    for head in model.modules():
        weights = list(head.parameters(recurse=False))
        if head not in inside and weights:
            if any(id(p) in own for p in weights):
                raise ValueError(f"a head of {name} shares its weights with the embeddings, and "
                                 "cannot be sharded apart from them; leave sharded out")
            yield head


def is_sharded(model: torch.nn.Module) -> bool:
    """Whether any of the model is in pieces."""
    return any(isinstance(p, DTensor) for p in model.parameters())


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def save(model: PreTrainedModel, folder: str | PathLike[str]) -> bool:
    """`model.save_pretrained`, whole; all processes call this for a sharded model, the first
    writes.

    Returns:
        Whether this process wrote.
    """
    if not is_sharded(model):
        model.save_pretrained(fspath(folder))
        return True
    weights = gathered(model.state_dict(), keep=is_first())
    if is_first():
        model.save_pretrained(fspath(folder), state_dict=weights)
    return is_first()


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor on the CPU; one in pieces is gathered, and then all processes call this."""
    return _joined(tensor).cpu().contiguous()


def gathered(tensors: Mapping[str, torch.Tensor], *, keep: bool = True) -> dict[str, torch.Tensor]:
    """Whole tensors on the CPU by name; all processes call this, with the same names in order.

    Args:
        keep: False for a process that only lends its pieces: it gets an empty dict.
    """
    found = {}
    for name, tensor in tensors.items():
        joined = _joined(tensor)
        if keep:
            found[name] = joined.cpu().contiguous()
    return found


def _joined(tensor: torch.Tensor) -> torch.Tensor:
    if not isinstance(tensor, DTensor):
        return tensor.detach()
    return tensor.detach().to(tensor.device_mesh.device_type).full_tensor()


def like(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """This process's piece of a whole tensor, cut as `other` is; the tensor, if `other` is whole."""
    if not isinstance(other, DTensor):
        return tensor
    cut = distribute_tensor(tensor.to(other.device), other.device_mesh, other.placements,
                            src_data_rank=None)
    return cut.clone()  # which lets go of the rest
