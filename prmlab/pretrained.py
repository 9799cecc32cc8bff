"""Opening a model's folder, with errors that say which file is wrong and how to mend it.

Owns what must hold before a model is used: safetensors weights that fit the architecture with
none missing, a tokenizer beside them, no remote code. A folder is never looked for on the hub;
only a name of the form owner/name that the caller gave is. Does not know what models are for.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import cached_file, logging

from prmlab import catalog, gguf_files, sharding

KINDS = ("ForTokenClassification", "ForSequenceClassification", "ForCausalLM")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


def load(auto_class: Any, kind: str, name: str | PathLike[str], *, device: str | None = None
         ) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model of a folder (or a name, a GGUF file, a hub id) and its tokenizer, ready to use.

    Args:
        auto_class: the transformers class to open it with, such as `AutoModelForCausalLM`.
        kind: how its architecture's name must end, one of `KINDS`.
        name: as for `catalog.resolve_model`.
        device: where to put it; a GPU if there is one by default.

    Raises:
        ValueError: if there is no such folder, or a file in it is missing, damaged or of
            another kind; the message names the file and the mend.
    """
    where = locate(name)
    if gguf_files.is_gguf(where):
        return _opened_gguf(where, kind, device)
    if isinstance(where, Path):
        check_folder(where)
    found = architectures(where)
    if not any(a.endswith(kind) for a in found):
        raise ValueError(f"the model in {where} must be a ...{kind}, its config.json says "
                         f"{', '.join(found) or 'nothing'}; give the folder of another model, "
                         "to start a reward model from a causal LM use from_backbone, and "
                         "open a public PRM by its class in prmlab.public_prms")
    model, tokenizer, _ = _opened(auto_class, where)
    return model.to(_device(device)).eval(), tokenizer


def load_headed(name: str | PathLike[str], head: Iterable[str], *, device: str | None = None
                ) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, dict[str, torch.Tensor]]:
    """A backbone, its tokenizer, and the tensors of a head that transformers has no class for.

    What the config says of code on the hub is not followed: the backbone is transformers' own of
    that type, and the caller makes the head.

    Args:
        head: how the names of the head's tensors begin, such as ["v_head"].

    Raises:
        ValueError: as `load`, and if the weights hold anything else that the backbone has not.
    """
    where, begin = locate(name), tuple(f"{prefix}." for prefix in head)
    if isinstance(where, Path):
        check_folder(where)
    model, tokenizer, unused = _opened(AutoModel, where)
    if other := sorted(n for n in unused if not n.startswith((*begin, "lm_head."))):
        raise ValueError(f"the weights in {where} hold {', '.join(other[:3])} ({len(other)} in "
                         "all), which is neither of the backbone nor of the head "
                         f"{', '.join(begin)}*; load the model with the class it was made for")
    tensors = {}
    for file in _weight_files(where):
        with safe_open(file, "pt") as weights:
            held = list(weights.keys())
            tensors |= {n: weights.get_tensor(n) for n in held if n.startswith(begin)}
    return model.to(_device(device)).eval(), tokenizer, tensors


def tensor_names(folder: Path) -> set[str]:
    """The names of the tensors in a folder's safetensors files; damaged files count as empty."""
    names: set[str] = set()
    for file in folder.glob("*.safetensors"):
        try:
            with safe_open(file, "pt") as weights:
                names.update(weights.keys())
        except (SafetensorError, OSError):
            continue  # `load` says so
    return names


def _opened(auto_class: Any, where: Path | str
            ) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, set[str]]:
    """Model, tokenizer, and the names of tensors that the model has no place for."""
    local = isinstance(where, Path)
    try:
        with no_bars():
            model, report = auto_class.from_pretrained(
                where, local_files_only=local, use_safetensors=True, trust_remote_code=False,
                output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(where, local_files_only=local,
                                                  trust_remote_code=False)
    except (OSError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise ValueError(f"the model in {where} cannot be loaded: {_first_line(error)}. Its "
                         "files must be those of one transformers model; restore the folder"
                         ) from error
    if missing := sorted(report["missing_keys"]):
        raise ValueError(f"the weights in {where} lack {', '.join(missing[:3])} ({len(missing)} in "
                         "all), which config.json asks for; restore both from one model")
    return model, tokenizer, set(report["unexpected_keys"])


def _opened_gguf(file: Path, kind: str, device: str | None
                 ) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    if kind != "ForCausalLM":
        raise ValueError(f"{file.name} holds a causal LM, as GGUF files do, no ...{kind}; to make "
                         "a reward model of it use from_backbone")
    with no_bars():
        model, tokenizer = gguf_files.load(file)
    return model.to(_device(device)).eval(), tokenizer


def _device(name: str | None) -> torch.device:
    try:
        found = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError:
        raise ValueError(f'device must be "cpu" or "cuda", got {name!r}') from None
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f'device {name!r} is not at hand here; leave it out, or pass "cpu"')
    return found


def _weight_files(where: Path | str) -> list[str]:
    """The safetensors files of a folder, or of a hub id after it has been loaded."""
    if isinstance(where, Path):
        return sorted(map(str, where.glob("*.safetensors")))
    found = partial(cached_file, where, _raise_exceptions_for_missing_entries=False)
    if index := found("model.safetensors.index.json"):
        names = set(json.loads(Path(index).read_text("utf-8"))["weight_map"].values())
        return [found(name) for name in sorted(names)]
    return [found("model.safetensors")]


def locate(name: str | PathLike[str]) -> Path | str:
    """`catalog.resolve_model`, but `folder/name` is no hub id where `folder` exists here."""
    where = catalog.resolve_model(name)
    if isinstance(where, str) and Path(where).parent.is_dir():
        raise ValueError(f"no model in {where}: the folder {Path(where).parent} exists but "
                         f"holds no {Path(where).name}; correct the path")
    return where


def architectures(where: Path | str) -> list[str]:
    """The architectures that a model's config names, such as ["LlamaForCausalLM"]."""
    if gguf_files.is_gguf(where):
        return ["ForCausalLM"]
    try:
        config = AutoConfig.from_pretrained(where, local_files_only=isinstance(where, Path),
                                            trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"the config of {where} cannot be read: {_first_line(error)}. It must "
                         "be the config.json of a transformers model; restore it") from error
    return list(config.architectures or ())


def longest(config: PreTrainedConfig) -> int | None:
    """Most ids of a row; None for no limit."""
    limit = getattr(config, "max_position_embeddings", None)
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") == "longrope":  # further on, rows would depend on the longest one
        limit = min(limit, rope["original_max_position_embeddings"])
    return limit


def fingerprint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *settings: Any) -> str:
    """A name of the weights, the architecture, the tokenizer and the settings (plain JSON).

    Where the files lie and the device do not count.
    """
    config = model.config.to_diff_dict()
    for name in ("_name_or_path", "architectures", "dtype", "prmlab", "transformers_version"):
        config.pop(name, None)
    named = blake2b(digest_size=16)
    named.update(json.dumps([config, sorted(tokenizer.get_vocab().items()),
                             tokenizer.eos_token_id, *settings],
                            sort_keys=True, default=str).encode())
    for name, weights in sorted(model.state_dict().items()):
        named.update(f"{name} {weights.dtype} {tuple(weights.shape)}".encode())
        named.update(sharding.whole(weights).flatten().view(torch.uint8).numpy())
    return f"{type(model).__name__} {named.hexdigest()}"


@contextmanager
def no_bars() -> Iterator[None]:
    """No progress bars of transformers' own within: reading a small model takes no time."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def check_folder(folder: Path) -> None:
    """That a folder holds a model: config, safetensors weights and a tokenizer, none damaged.

    Raises:
        ValueError: naming the file that is missing or damaged, and the mend.
    """
    if not folder.is_dir():
        raise ValueError(f"a model is a folder or a GGUF file, got the file {folder}; give the "
                         "folder it is in")
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder} is no model: it has no config.json; give the folder that "
                         "save() or save_pretrained() wrote")
    try:
        json.loads((folder / "config.json").read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{folder / 'config.json'} is not JSON ({error}); restore it, for "
                         "example with git") from None
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ValueError(f"{folder} has no *.safetensors file; weights are read from "
                         "safetensors only: save the model again with save_pretrained")
    for file in weights:
        try:
            with safe_open(file, "pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{file} ({file.stat().st_size:,} bytes) is damaged: {error}; "
                             "restore it, for example with git, or train the model again"
                             ) from None
    if not any((folder / file).is_file() for file in TOKENIZERS):
        raise ValueError(f"{folder} has no tokenizer (tokenizer.json); save the one the model "
                         "was trained with into it: tokenizer.save_pretrained(folder)")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
