"""Models in GGUF files, llama.cpp's format, read through transformers into plain torch models.

Weights are unpacked from their quantised form to float32, so that what was rounded away stays
away; the model can then be sampled, trained and saved as any other. Reading takes some twenty
seconds for 135 M parameters: save the model to a folder for the next time. Needs the package
`gguf`. Does not know what a model is for.
"""

import struct
from importlib.util import find_spec
from os import PathLike
from pathlib import Path

from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase
from transformers import AutoTokenizer as Tokenizers


def is_gguf(where: str | PathLike[str]) -> bool:
    """Whether a path is a file whose name says GGUF."""
    return isinstance(where, Path) and where.suffix == ".gguf" and where.is_file()


def load(file: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The causal LM in a GGUF file, in float32, and its tokenizer.

    Raises:
        ValueError: if the package `gguf` is missing, the file is damaged, or transformers cannot
            read its architecture; with the mend.
    """
    if find_spec("gguf") is None:
        raise ValueError(f"reading {file.name} needs the package gguf: pip install gguf, or "
                         'install this package with its extra: pip install "prmlab[real]"')
    with file.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise ValueError(f"{file} is no GGUF file, it does not begin with GGUF; download or "
                             "install it again")
    where = {"gguf_file": file.name, "local_files_only": True}
    try:
        tokenizer = Tokenizers.from_pretrained(file.parent, **where)
        model = AutoModelForCausalLM.from_pretrained(file.parent, **where)
    except (OSError, RuntimeError, KeyError, IndexError, TypeError, ValueError, ImportError,
            struct.error) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ValueError(f"{file} ({file.stat().st_size:,} bytes) cannot be read: {said}. It may be "
                         "cut off, or of an architecture that transformers does not read; "
                         "download or install it again") from error
    # What is left of the quantised form, which would keep the model from being saved.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer, model.is_quantized = None, False
    model.config.architectures = [type(model).__name__]
    return model, tokenizer
