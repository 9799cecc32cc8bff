"""A training run on disk: weights and optimizer as safetensors, position and settings as JSON.

Each save is a new folder that is renamed into place when complete, then the older one is removed:
a run killed at any instant leaves one whole checkpoint (or none). No pickles. A model in pieces
(`sharding`) is written whole, so a run may be resumed by another number of processes.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from prmlab import sharding

_SAID = {"examples": "examples, that is the traces or what their labels ask for"}


def save(folder: str | Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer,
         settings: Mapping[str, Any], position: Mapping[str, Any],
         best: Mapping[str, torch.Tensor] | None = None, *, writes: bool = True) -> None:
    """Write a checkpoint of this position, unless it is there, and remove the older ones.

    Args:
        position: plain JSON with a `step`.
        best: weights to keep beside the model's, such as those of the best validation.
        writes: False for a process that only lends its pieces of a sharded model.

    Raises:
        OSError: if it cannot be written, as on a full disk; an older checkpoint then stays.
    """
    files = _files(model, optimizer, best or {}, writes)
    if not writes:
        return
    folder = Path(folder)
    target = folder / f"step-{position['step']:08d}"
    part = folder / (target.name + ".part")
    if not target.exists():
        try:
            _write(part, files, settings, position)
            part.rename(target)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(part, ignore_errors=True)
            raise OSError(f"the checkpoint of step {position['step']} cannot be written to "
                          f"{folder} ({error}); make room there and run again: {_left(folder)}"
                          ) from error
    for old in folder.glob("step-*"):
        if old != target:
            shutil.rmtree(old, ignore_errors=True)


def _files(model, optimizer, best, keep: bool) -> dict[str, dict[str, torch.Tensor]]:
    state = optimizer.state_dict()["state"]
    return {name: sharding.gathered(tensors, keep=keep) for name, tensors in (
        ("model", dict(model.named_parameters())), ("best", best),
        ("optimizer", {f"{i}.{key}": torch.as_tensor(value)
                       for i, entry in state.items() for key, value in entry.items()}))}


def _write(part: Path, files, settings, position) -> None:
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name, tensors in files.items():
        save_file(tensors, part / f"{name}.safetensors")
    (part / "position.json").write_text(json.dumps(
        {"settings": dict(settings), "position": dict(position)}, sort_keys=True, indent=1))


def digest(model: torch.nn.Module) -> str:
    """Names the weights by a few hundred numbers of each; all processes call it if in pieces."""
    weights = dict(model.named_parameters())
    return _digest(sharding.gathered(weights) if sharding.is_sharded(model) else weights)


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    found = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        flat = tensor.detach().reshape(-1)
        some = flat[::max(1, len(flat) // 256)].float().cpu()
        found.update(name.encode() + some.numpy().tobytes())
    return found.hexdigest()[:16]


def _left(folder: Path) -> str:
    found = _found(folder)
    return f"it goes on from {found[-1].name}" if found else "it begins at the first step"


def _found(folder: str | Path) -> list[Path]:
    return [f for f in sorted(Path(folder).glob("step-*")) if f.suffix != ".part"]


def _writable(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"the checkpoint must be a folder, {folder} is a file")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(f"no checkpoint can be written to {folder} ({error}); give a folder that can "
                      "be written to") from error


def restore(folder: str | Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer,
            settings: Mapping[str, Any]
            ) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
    """Load the newest whole checkpoint into model and optimizer; None if there is none.

    Args:
        settings: of the run; "base" is the `digest` of the weights that it began with. A model
            that stands where the checkpoint does is taken as well.

    Returns:
        Its position, and the weights that were saved as `best`.

    Raises:
        ValueError: if the checkpoint was made with other settings (each is named) or for another
            model, or is damaged; if there is a file of that name.
        OSError: if nothing can be written there, which is told before the work.
    """
    _writable(Path(folder))
    found = _found(folder)
    if not found:
        return None
    newest = found[-1]
    try:
        saved = json.loads((newest / "position.json").read_text())
        weights = load_file(newest / "model.safetensors")
        flat = load_file(newest / "optimizer.safetensors")
        best = load_file(newest / "best.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise ValueError(f"the checkpoint {newest} is damaged ({error}); remove that folder to "
                         "start again") from None
    differ = [f"{_SAID.get(name, name)}: {saved['settings'].get(name)!r} there, "
              f"{settings.get(name)!r} now"
              for name in sorted({*saved["settings"], *settings} - {"base"})
              if saved["settings"].get(name) != settings.get(name)]
    if differ:
        raise ValueError(f"the checkpoint {newest} belongs to another run ({'; '.join(differ)}); "
                         "use the same settings to resume, or another folder")
    own = dict(model.named_parameters())
    other = [name for name in sorted({*own, *weights}) if name not in own or name not in weights
             or own[name].shape != weights[name].shape]
    if other:
        raise ValueError(f"the checkpoint {newest} is of another model ({len(other)} tensors "
                         f"differ, {other[0]} first); begin with the same base, or use another "
                         "folder")
    if settings.get("base") not in (saved["settings"].get("base"), _digest(weights)):
        raise ValueError(f"the checkpoint {newest} belongs to a run that began with other weights; "
                         "load the same base anew, or use another folder")
    model.load_state_dict({name: sharding.like(value, own[name])
                           for name, value in weights.items()}, strict=False)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in flat.items():
        index, key = name.split(".", 1)
        p = parameters[int(index)]
        state.setdefault(int(index), {})[key] = (
            sharding.like(value, p) if value.shape == p.shape else value)
    optimizer.load_state_dict({"state": state,
                               "param_groups": optimizer.state_dict()["param_groups"]})
    return saved["position"], {name: sharding.like(value, own[name])
                               for name, value in best.items()}
