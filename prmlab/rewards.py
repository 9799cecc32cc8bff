"""Reward models: P(right) for each step (`PRM`) or for the answer (`ORM`), one pass a trace.

A PRM is a transformers token classifier with two labels, index 1 = right; an ORM a sequence
classifier with one label. Scores are read by position, at `tokens.Encoded.step_ends`, never by
value; how a pass is run is `verifiers`'s. `PRM.load` also opens public PRMs, which have other
layouts and heads (`public_prms`). Does not know how the models were trained.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from prmlab import pretrained, sharding, tokens
from prmlab.protocols import StepScorer
from prmlab.public_prms import choice
from prmlab.public_prms.headed import PurePRM
from prmlab.traces import Trace
from prmlab.verifiers import Usage, Verifier, right_of_two, sigmoid


class _Trained(Verifier):
    """What a PRM and an ORM share: a classifier, its tokenizer, its logits at step ends."""

    _auto: ClassVar[type]
    _kind: ClassVar[str]
    _labels: ClassVar[tuple[str, ...]]

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *,
                 separator: str | None = None, max_length: int | None = None,
                 batch_tokens: int | None = None):
        if model.config.num_labels != len(self._labels):
            raise ValueError(f"{_article(type(self).__name__)} must have {len(self._labels)} "
                             f"label(s), this model has {model.config.num_labels}; load it "
                             "with the class it was trained as")
        stored = getattr(model.config, "prmlab", None) or {}
        super().__init__(model, tokenizer, max_length=max_length or stored.get("max_length"),
                         batch_tokens=batch_tokens)
        if separator is None:
            separator = stored.get("separator", tokens.SEPARATOR)
        self.separator: str = separator

    @classmethod
    def load(cls, name: str | PathLike[str], *, device: str | None = None,
             separator: str | None = None) -> Self:
        """The model of that name: the catalogue's, a folder, or a hub id (owner/name).

        Args:
            device: where to run; a GPU if there is one by default.
            separator: the text after every step; by default what the folder says, else TRL's.
                It must be the one of training: the score is read there.

        Raises:
            ValueError: if there is no such model, or it is damaged or of another kind.
        """
        model, tokenizer = pretrained.load(cls._auto, cls._kind, name, device=device)
        return cls(model, tokenizer, separator=separator)

    @classmethod
    def from_backbone(cls, base: PreTrainedModel | str | PathLike[str], *,
                      tokenizer: PreTrainedTokenizerBase | None = None, seed: int = 0,
                      separator: str | None = None, device: str | None = None) -> Self:
        """A model to train: a causal LM's weights under a new head, which follows from `seed`.

        A folder that already holds a model of this kind is loaded as it is.

        Args:
            base: a causal LM (with its `tokenizer`), or the name or folder of one.
            separator: as for `load`.

        Raises:
            ValueError: as `load`; or if transformers has no such head for this kind of model.
        """
        if isinstance(base, PreTrainedModel):
            lm = base
            if tokenizer is None:
                raise ValueError("a model given as an object needs its tokenizer too: "
                                 "from_backbone(model, tokenizer=...)")
        else:
            if any(a.endswith(cls._kind)
                   for a in pretrained.architectures(pretrained.locate(base))):
                return cls.load(base, device=device, separator=separator)
            lm, tokenizer = pretrained.load(AutoModelForCausalLM, "ForCausalLM", base,
                                            device=device)
        config = deepcopy(lm.config)
        config.id2label = dict(enumerate(cls._labels))  # sets num_labels too
        config.label2id = {label: i for i, label in config.id2label.items()}
        config.classifier_dropout = 0.0
        if config.pad_token_id is None:
            config.pad_token_id = tokenizer.pad_token_id
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = cls._headed(config, lm.dtype)
        model.base_model.load_state_dict(lm.base_model.state_dict())
        return cls(model.to(lm.device).eval(), tokenizer, separator=separator)

    @classmethod
    def _headed(cls, config: PretrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
        try:
            return cls._auto.from_config(config, dtype=dtype)
        except ValueError:
            raise ValueError(f"transformers has no {cls._auto.__name__} for the model type "
                             f"{config.model_type!r}, so nothing could load what is trained; take "
                             "another base, such as a Llama, Qwen3 or Mistral") from None

    def save(self, folder: str | PathLike[str]) -> None:
        """Write config.json, model.safetensors and the tokenizer; `load` takes the folder.

        Separator and length limit are stored in the config under `prmlab`. Of a sharded model, all
        processes call this and the first writes.

        Raises:
            OSError: if it cannot be written, as on a full disk.
        """
        self.model.config.prmlab = {"separator": self.separator, "max_length": self.max_length}
        Path(folder).mkdir(parents=True, exist_ok=True)
        try:
            with pretrained.no_bars():
                wrote = sharding.save(self.model, folder)
            if wrote:
                self.tokenizer.save_pretrained(fspath(folder))
        except (OSError, SafetensorError) as error:
            raise OSError(f"the model cannot be written to {folder} ({error}); make room there, or "
                          "save it elsewhere") from error

    def encode(self, traces: Sequence[Trace]) -> list[tokens.Encoded]:
        """The traces as the model reads them; the layout is `tokens.encode`'s."""
        return tokens.encode_many(self.tokenizer, traces, separator=self.separator)

    def __repr__(self) -> str:
        millions = self.model.num_parameters() / 1e6
        kind = str(self.model.dtype).removeprefix("torch.")
        return (f"{type(self).__name__}({self.model.config.model_type}, {millions:.2f} M {kind} "
                f"parameters, separator={self.separator!r}, device={self.model.device})")

    @property
    def settings(self) -> list[Any]:
        """The separator, which decides the scores along with weights and tokenizer."""
        return [self.separator]

    def fits(self, trace: Trace) -> bool:
        """Whether the trace is within the model's limit."""
        return tokens.fits(self.tokenizer, trace, self.max_length or float("inf"),
                           separator=self.separator)

    @property
    def head(self) -> torch.nn.Module:
        """From hidden states to logits."""
        return self.model.score if hasattr(self.model, "score") else self.model.classifier


class PRM(_Trained):
    """A process reward model: P(step is right | the steps up to it); a `protocols.StepScorer`.

    `usage` holds what it has cost. Calls from several threads take turns.
    """

    _auto, _kind = AutoModelForTokenClassification, "ForTokenClassification"
    _labels = ("wrong", "right")

    @classmethod
    def load(cls, name: str | PathLike[str], *, device: str | None = None,
             separator: str | None = None, **options: Any) -> StepScorer:
        """The PRM of that name: the catalogue's, a folder, or a hub id (owner/name).

        A public PRM with a layout or head of its own comes back as its class of `public_prms`;
        every other as a `PRM`.

        Args:
            device: where to run; a GPU if there is one by default.
            separator: the text after every step; by default what the folder or the name says,
                else TRL's. It must be the one of training: the score is read there.
            options: as for the constructor of the class.

        Raises:
            ValueError: if there is no such model, or it is damaged or of another kind, or has no
                separator to choose.
        """
        if adapter := choice.adapter(name):
            if separator is not None and adapter is not PurePRM:
                raise ValueError(f"{adapter.__name__} has a layout of its own, so there is no "
                                 f"separator to choose, got {separator!r}; leave it out")
            chosen = {} if separator is None else {"separator": separator}
            return adapter.load(name, device=device, **chosen, **options)
        model, tokenizer = pretrained.load(cls._auto, cls._kind, name, device=device)
        known = separator if separator is not None else choice.separator(name)
        return cls(model, tokenizer, separator=known, **options)

    def score(self, traces: Sequence[Trace], *, on_long: str = "error"
              ) -> list[np.ndarray | None]:
        """P(right) of every step, [S] for each trace, in the traces' order.

        Args:
            on_long: what to do with a trace longer than the model's limit: "error", or "skip",
                which gives None for it and counts it in `usage.skipped`.

        Raises:
            ValueError: naming the trace, if one has no steps or is too long.
        """
        return [None if logits is None else self.probabilities(logits)
                for logits in self._logits(traces, on_long)]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """P(right) from the head's outputs, [S, 2] -> [S]: the softmax's second."""
        return right_of_two(logits)


class ORM(_Trained):
    """An outcome reward model: P(the final answer is right), read at the trace's last step end.

    `usage` holds what it has cost. Calls from several threads take turns.
    """

    _auto, _kind = AutoModelForSequenceClassification, "ForSequenceClassification"
    _labels = ("right",)

    def score(self, traces: Sequence[Trace], *, on_long: str = "error") -> np.ndarray:
        """P(answer right) of every trace, [N]; NaN for one skipped. Else as `PRM.score`."""
        return np.array([np.nan if scores is None else scores[-1]
                         for scores in self._at_steps(traces, on_long)])

    def as_step_scorer(self) -> "OutcomeSteps":
        """The same model asked after every step: P(answer will be right | the steps so far)."""
        return OutcomeSteps(self)

    def _at_steps(self, traces: Sequence[Trace], on_long: str) -> list[np.ndarray | None]:
        return [None if logits is None else self.probabilities(logits)
                for logits in self._logits(traces, on_long)]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """P(right) from the head's outputs, [S, 1] -> [S]."""
        return sigmoid(logits[:, 0])


@dataclass(frozen=True)
class OutcomeSteps:
    """An ORM read at every step's end, as a `protocols.StepScorer`."""

    orm: ORM

    @property
    def fingerprint(self) -> str:
        """Names all that decides the scores; as `LocalPolicy.fingerprint`."""
        return self.orm.fingerprint

    @property
    def usage(self) -> Usage:
        """What the ORM has cost."""
        return self.orm.usage

    def fits(self, trace: Trace) -> bool:
        """Whether the trace is within the model's limit."""
        return self.orm.fits(trace)

    def score(self, traces: Sequence[Trace], *, on_long: str = "error"
              ) -> list[np.ndarray | None]:
        """P(answer will be right) after each step, [S] a trace. Arguments as `PRM.score`."""
        return self.orm._at_steps(traces, on_long)


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "AEIOU" else f"a {name}"
