"""Reward models: P(right) for each step (`PRM`) or for the answer (`ORM`), one pass a trace.

A PRM is a transformers token classifier with two labels, index 1 = right; an ORM a sequence
classifier with one label. Scores are read by position, at `tokens.Encoded.step_ends`, never by
value. The backbone is causal, so the score at a step's end has seen that step and those before
it, and one pass over a trace scores all its prefixes; logits become probabilities in float64.
Does not know how the models were trained, nor other conventions than this (`public_prms`).
"""

import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from threading import RLock
from typing import ClassVar, Self

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from prmlab import pretrained, tokens
from prmlab.bars import bar
from prmlab.traces import Trace
from prmlab.usage import Sums


@dataclass(frozen=True)
class Usage(Sums):
    """What scoring has cost; subtract an earlier one for the cost of what lay between.

    Args:
        calls: calls of `score`.
        traces: traces scored; equal ones run through the model once a call.
        skipped: traces left out because they are longer than the model's limit.
        scorer_tokens: tokens run through the model, padding not counted.
        seconds: time spent.
    """

    calls: int = 0
    traces: int = 0
    skipped: int = 0
    scorer_tokens: int = 0
    seconds: float = 0.0


class _Verifier:
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
        limit = getattr(model.config, "max_position_embeddings", None)
        self.model, self.tokenizer = model, tokenizer
        if separator is None:
            separator = stored.get("separator", tokens.SEPARATOR)
        self.separator: str = separator
        self.max_length: int | None = max_length or stored.get("max_length") or limit
        # On a CPU activations should fit in the cache: 2**15 ran at a fifth of the speed of 2**12.
        self.batch_tokens = batch_tokens or (2**12 if model.device.type == "cpu" else 2**16)
        self.usage = Usage()
        self._lock = RLock()

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
                      separator: str = tokens.SEPARATOR, device: str | None = None) -> Self:
        """A model to train: a causal LM's weights under a new head, which follows from `seed`.

        A folder that already holds a model of this kind is loaded as it is.

        Args:
            base: a causal LM (with its `tokenizer`), or the name or folder of one.
        """
        if isinstance(base, PreTrainedModel):
            lm = base
            if tokenizer is None:
                raise ValueError("a model given as an object needs its tokenizer too: "
                                 "from_backbone(model, tokenizer=...)")
        else:
            if any(a.endswith(cls._kind)
                   for a in pretrained.architectures(pretrained.locate(base))):
                return cls.load(base, device=device)
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
            model = cls._auto.from_config(config, dtype=lm.dtype)
        model.base_model.load_state_dict(lm.base_model.state_dict())
        return cls(model.to(lm.device).eval(), tokenizer, separator=separator)

    def save(self, folder: str | PathLike[str]) -> None:
        """Write config.json, model.safetensors and the tokenizer; `load` takes the folder.

        Separator and length limit are stored in the config under `prmlab`.
        """
        self.model.config.prmlab = {"separator": self.separator, "max_length": self.max_length}
        Path(folder).mkdir(parents=True, exist_ok=True)
        with pretrained.no_bars():
            self.model.save_pretrained(fspath(folder))
        self.tokenizer.save_pretrained(fspath(folder))

    def __repr__(self) -> str:
        millions = self.model.num_parameters() / 1e6
        return (f"{type(self).__name__}({self.model.config.model_type}, {millions:.2f} M "
                f"parameters, separator={self.separator!r}, device={self.model.device})")

    @property
    def head(self) -> torch.nn.Linear:
        """What turns a hidden state into logits; transformers has two names for it."""
        return self.model.score if hasattr(self.model, "score") else self.model.classifier

    @cached_property
    def fingerprint(self) -> str:
        """Names all that decides the scores; as `LocalPolicy.fingerprint`."""
        return pretrained.fingerprint(self.model, self.tokenizer, self.separator)

    def _logits(self, traces: Sequence[Trace], on_long: str) -> list[np.ndarray | None]:
        """The head's outputs at each trace's step ends, [S, labels]; None for one skipped."""
        if on_long not in ("error", "skip"):
            raise ValueError(f'on_long must be "error" or "skip", got {on_long!r}')
        began = time.perf_counter()
        for i, trace in enumerate(traces):
            if not trace.steps:
                raise ValueError(f"trace {i} (problem {trace.problem.id!r}) has no steps, so "
                                 "there is nothing to score; leave it out")
        encoded = tokens.encode_many(self.tokenizer, traces, separator=self.separator)
        limit = self.max_length or float("inf")
        for i, e in enumerate(encoded):
            if len(e.ids) > limit and on_long == "error":
                raise ValueError(f"trace {i} (problem {traces[i].problem.id!r}) has "
                                 f"{len(e.ids)} ids, the limit is {limit}; leave it out, or "
                                 'pass on_long="skip" (nothing is ever cut off)')
        fits = {(e.ids, e.step_ends): None for e in encoded if len(e.ids) <= limit}
        with self._lock:
            found = self._run(list(fits))
            self.usage += Usage(1, len(traces), sum(len(e.ids) > limit for e in encoded),
                                sum(len(ids) for ids, _ in fits), time.perf_counter() - began)
        return [found.get((e.ids, e.step_ends)) for e in encoded]

    def _run(self, items: list[tuple[tuple[int, ...], tuple[int, ...]]]
             ) -> dict[tuple, np.ndarray]:
        found: dict[tuple, np.ndarray] = {}
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode(), bar(len(items), "trace") as shown:
                for batch in _batches(items, self.batch_tokens):
                    found.update(zip(batch, self._forward(batch), strict=True))
                    shown.update(len(batch))
        finally:
            self.model.train(was_training)
        return found

    def _forward(self, batch: list[tuple[tuple[int, ...], tuple[int, ...]]]
                 ) -> list[np.ndarray]:
        device = self.model.device
        ids = torch.zeros(len(batch), len(batch[0][0]), dtype=torch.long)
        for i, (row, _) in enumerate(batch):
            ids[i, :len(row)] = torch.tensor(row)
        # Padding is on the right and attention causal: no mask is needed.
        hidden = self.model.base_model(input_ids=ids.to(device), use_cache=False)[0]  # [B, T, C]
        rows = torch.tensor([i for i, (_, ends) in enumerate(batch) for _ in ends])
        at = torch.tensor([end for _, ends in batch for end in ends])
        logits = self.head(hidden[rows.to(device), at.to(device)]).float().cpu().numpy()
        return np.split(logits, np.cumsum([len(ends) for _, ends in batch])[:-1])


class PRM(_Verifier):
    """A process reward model: P(step is right | the steps up to it); a `protocols.StepScorer`.

    `usage` holds what it has cost. Calls from several threads take turns.
    """

    _auto, _kind = AutoModelForTokenClassification, "ForTokenClassification"
    _labels = ("wrong", "right")

    def score(self, traces: Sequence[Trace], *, on_long: str = "error"
              ) -> list[np.ndarray | None]:
        """P(right) of every step, [S] for each trace, in the traces' order.

        Args:
            on_long: what to do with a trace longer than the model's limit: "error", or "skip",
                which gives None for it and counts it in `usage.skipped`.

        Raises:
            ValueError: naming the trace, if one has no steps or is too long.
        """
        return [None if logits is None else _softmax_right(logits)
                for logits in self._logits(traces, on_long)]


class ORM(_Verifier):
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
        return [None if logits is None else 1 / (1 + np.exp(-logits[:, 0].astype(np.float64)))
                for logits in self._logits(traces, on_long)]


@dataclass(frozen=True)
class OutcomeSteps:
    """An ORM read at every step's end, as a `protocols.StepScorer`."""

    orm: ORM

    @property
    def fingerprint(self) -> str:
        """Names all that decides the scores; as `LocalPolicy.fingerprint`."""
        return self.orm.fingerprint

    def score(self, traces: Sequence[Trace], *, on_long: str = "error"
              ) -> list[np.ndarray | None]:
        """P(answer will be right) after each step, [S] a trace. Arguments as `PRM.score`."""
        return self.orm._at_steps(traces, on_long)


def _batches(items: list[tuple], batch_tokens: int) -> Iterator[list[tuple]]:
    """The items, longest first, in lots of at most `batch_tokens` padded (or one item)."""
    order = sorted(items, key=lambda item: -len(item[0]))
    while order:
        n = max(1, batch_tokens // len(order[0][0]))
        yield order[:n]
        order = order[n:]


def _softmax_right(logits: np.ndarray) -> np.ndarray:
    """Index 1 of the two-way softmax, [S, 2] -> [S]: the sigmoid of the difference."""
    return 1 / (1 + np.exp((logits[:, 0] - logits[:, 1]).astype(np.float64)))


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "AEIOU" else f"a {name}"
