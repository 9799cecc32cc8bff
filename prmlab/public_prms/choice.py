"""Which class scores with a model: by what its config and weights say, else by its name.

A head that is no plain two-label one shows in the config or in the weights' names. A causal LM does
not show that it is a PRM, nor a PRM its separator: there the name decides, a hub id's or a
folder's. Does not load any model.
"""

import re
from os import PathLike
from pathlib import Path
from typing import Any

from prmlab import gguf_files, pretrained
from prmlab.public_prms.generative import GenPRM, ThinkPRM
from prmlab.public_prms.headed import PurePRM, QwenPRM, ReasonEval, SkyworkPRM
from prmlab.public_prms.implicit import ImplicitPRM
from prmlab.public_prms.tagged import Llemma, MathShepherd, RLHFlow, TaggedQwen

ARCHITECTURES = {"Qwen2ForProcessRewardModel": QwenPRM, "Qwen2ForPrmModel": SkyworkPRM,
                 "ReasonEval_7B": ReasonEval, "ReasonEval_34B": ReasonEval}
TENSORS = {"v_head.summary.weight": SkyworkPRM, "score_head.weight": ReasonEval,
           "score.2.weight": QwenPRM}
NAMES: tuple[tuple[str, Any], ...] = (  # what a name holds, in small letters
    (r"math-shepherd.*prm", MathShepherd),
    (r"math-psa", TaggedQwen),
    (r"llama3\.1-8b-prm-(mistral|deepseek)-data", RLHFlow),
    (r"skywork-o1-open-prm", SkyworkPRM),
    (r"qwen2\.5-math-prm-\d+b|^qwen/qwen2\.5-math-7b-prm800k", QwenPRM),
    (r"pure-prm|^jinachris/qwen2\.5-math-7b-prm800k", PurePRM),
    (r"reasoneval", ReasonEval),
    (r"eurusprm|implicitprm", ImplicitPRM),
    (r"thinkprm", ThinkPRM),
    (r"genprm", GenPRM),
    (r"llemma.*prm", Llemma),
)
SEPARATORS = ((r"-instruct-prm-0\.2$", "\n\n"),)  # of plain PRMs that were not trained with "\n"


def adapter(name: str | PathLike[str]) -> Any:
    """The class for a public PRM; None for a PRM in TRL's layout, or what is no PRM at all.

    Args:
        name: as for `catalog.resolve_model`; of a hub id the config is fetched only where the name
            says nothing.

    Example:
        >>> adapter("Qwen/Qwen2.5-Math-PRM-7B").__name__
        'QwenPRM'
    """
    where = pretrained.locate(name)
    if isinstance(where, Path):
        held = pretrained.tensor_names(where) if where.is_dir() else set()
        for tensor, made in TENSORS.items():
            if tensor in held:
                return made
    if found := _named(where):
        return found
    if isinstance(where, Path):
        if gguf_files.is_gguf(where):
            return None
        pretrained.check_folder(where)
    return next((ARCHITECTURES[a] for a in pretrained.architectures(where)
                 if a in ARCHITECTURES), None)


def separator(name: str | PathLike[str]) -> str | None:
    """What stands behind each step of a PRM in TRL's layout, where its name tells; else None."""
    text = str(name).lower()
    return next((between for pattern, between in SEPARATORS if re.search(pattern, text)), None)


def _named(where: Path | str) -> Any:
    text = (where if isinstance(where, str) else where.name).lower()
    return next((made for pattern, made in NAMES if re.search(pattern, text)), None)
