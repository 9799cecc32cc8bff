"""A training run on disk: weights and optimizer as safetensors, position and settings as JSON.

Each save is a new folder that is renamed into place when complete, then the older one is removed:
a run killed at any instant leaves one whole checkpoint (or none). No pickles.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file


def save(folder: str | Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer,
         settings: Mapping[str, Any], position: Mapping[str, int]) -> None:
    """Write a checkpoint of this position and remove the older ones."""
    folder = Path(folder)
    target = folder / f"step-{position['step']:08d}"
    part = folder / (target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    save_file({name: p.detach().contiguous() for name, p in model.named_parameters()},
              part / "model.safetensors")
    state = optimizer.state_dict()["state"]
    save_file({f"{i}.{key}": torch.as_tensor(value).contiguous().cpu()
               for i, entry in state.items() for key, value in entry.items()},
              part / "optimizer.safetensors")
    (part / "position.json").write_text(json.dumps(
        {"settings": dict(settings), "position": dict(position)}, sort_keys=True, indent=1))
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    for old in folder.glob("step-*"):
        if old != target:
            shutil.rmtree(old, ignore_errors=True)


def restore(folder: str | Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer,
            settings: Mapping[str, Any]) -> dict[str, int] | None:
    """Load the newest whole checkpoint into model and optimizer; its position, None if none.

    Raises:
        ValueError: if the checkpoint was made with other settings (each is named) or is damaged.
    """
    found = [f for f in sorted(Path(folder).glob("step-*")) if f.suffix != ".part"]
    if not found:
        return None
    newest = found[-1]
    try:
        saved = json.loads((newest / "position.json").read_text())
        weights = load_file(newest / "model.safetensors")
        flat = load_file(newest / "optimizer.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise ValueError(f"the checkpoint {newest} is damaged ({error}); remove that folder to "
                         "start again") from None
    differ = [f"{name}: {saved['settings'].get(name)!r} there, {settings.get(name)!r} now"
              for name in sorted({*saved["settings"], *settings})
              if saved["settings"].get(name) != settings.get(name)]
    if differ:
        raise ValueError(f"the checkpoint {newest} belongs to another run ({'; '.join(differ)}); "
                         "use the same settings to resume, or another folder")
    model.load_state_dict(weights, strict=False)
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in flat.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state,
                               "param_groups": optimizer.state_dict()["param_groups"]})
    return saved["position"]
