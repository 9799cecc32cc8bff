"""Sampling continuations of traces from a causal language model on this machine.

A sample depends on (seed, the prefix, the sample's index) and on nothing else: not on the other
prefixes of the call, their order, or how many run together; equal prefixes in one call get
different samples. Only rounding differs with a batch's shape (about 1e-6 of a probability), and
moves a token about once in a million. How tokens are drawn is `decoding`'s; how a step looks
in ids is `tokens`'s. Does not know what a right step is.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from os import PathLike, fspath
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from prmlab import pretrained, tokens
from prmlab.attention import check, free_bytes, plugged, position_bytes
from prmlab.bars import bar
from prmlab.decoding import Rows, Slots
from prmlab.protocols import check_request
from prmlab.traces import Trace
from prmlab.usage import Sendable, Usage

LEAST_BYTES = 2**26  # for keys and values, however little seems to be free


class LocalPolicy(Sendable):
    """A causal language model on this machine that continues traces; a `protocols.Policy`.

    `usage` holds what it has cost since it was made. Calls from several threads take turns.

    Args:
        model: a transformers causal LM whose layers all attend to everything before.
        tokenizer: its tokenizer; the end of a trace is its eos.
        separator: the text between steps, as in training.
        max_new_tokens: most tokens drawn for one sample.
        batch_tokens: positions held at once, prompts' and drawn, which bounds the memory of a
            call; by default a quarter of what is free then. What is drawn does not depend on it.
        source: what the traces say wrote them.

    Raises:
        ValueError: if the model or the tokenizer cannot be used so, with the reason.
    """

    repeats_differ = True

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *,
                 separator: str = tokens.SEPARATOR, max_new_tokens: int = 256,
                 batch_tokens: int | None = None, source: str = "policy"):
        check(model)
        if tokenizer.eos_token_id is None:
            raise ValueError("the tokenizer must have an eos token, which ends a trace; set "
                             "tokenizer.eos_token")
        if min(max_new_tokens, 1 if batch_tokens is None else batch_tokens) < 1:
            raise ValueError(f"max_new_tokens and batch_tokens must be at least 1, got "
                             f"{max_new_tokens} and {batch_tokens}")
        self.model, self.tokenizer, self.separator = model.eval(), tokenizer, separator
        self.max_new_tokens, self.batch_tokens = max_new_tokens, batch_tokens
        self.source = source
        self.max_length = pretrained.longest(model.config) or 2**31
        self.usage = Usage()
        self._lock = Lock()
        self._marks: _Marks | None = None
        self._position_bytes: int | None = None

    @classmethod
    def load(cls, name: str | PathLike[str], *, device: str | None = None,
             dtype: str | None = None, **options: Any) -> Self:
        """The policy of that name: the catalogue's, a folder, or a hub id (owner/name).

        Args:
            device: where to run; a GPU if there is one by default.
            dtype: of the weights, such as "bfloat16"; "auto" takes that where the device
                multiplies it itself (GPUs, processors with AMX), else float32. By default as
                stored. In bfloat16 rounding is coarse: what is drawn depends on the batch.
            options: as for the constructor.

        Raises:
            ValueError: if there is no such model, or it is damaged or no causal LM.
        """
        model, tokenizer = pretrained.load(AutoModelForCausalLM, "ForCausalLM", name,
                                           device=device)
        if dtype is not None:
            model.to(_dtype(dtype, model.device))
        return cls(model, tokenizer, **{"source": Path(fspath(name)).name, **options})

    def __repr__(self) -> str:
        millions = self.model.num_parameters() / 1e6
        return (f"LocalPolicy({self.source!r}, {self.model.config.model_type}, {millions:.2f} M "
                f"parameters, device={self.model.device})")

    @cached_property
    def fingerprint(self) -> str:
        """Names all that decides the samples: weights, architecture, tokenizer, settings.

        Where the files lie, the device and the batch's size do not count. Computed once, on
        first use: weights that are changed later keep the old name.
        """
        return pretrained.fingerprint(self.model, self.tokenizer, self.separator,
                                      self.max_new_tokens)

    def complete(self, prefixes: Sequence[Trace], n: int, *, seed: int,
                 temperature: float = 1.0) -> list[list[Trace]]:
        """`n` continuations of each prefix to the end, in the prefixes' order.

        A continuation that meets a length limit first comes back with `finished=False`, and is
        counted in `usage.cut`. A prefix that is finished comes back as it is, `n` times.

        Args:
            prefixes: traces to go on from; one without steps is a problem nobody has begun.
            n: samples for each prefix, >= 1.
            seed: with the prefix and the sample's index it decides what is drawn.
            temperature: divides the logits; 0 takes the likeliest token every time.

        Raises:
            ValueError: naming the problem, if a prefix leaves no room below the model's limit.
        """
        open_ = [prefix for prefix in prefixes if not prefix.finished]
        sampled = iter(self._sample(open_, n, seed, temperature, one_step=False))
        return [[prefix] * n if prefix.finished else next(sampled) for prefix in prefixes]

    def propose(self, prefixes: Sequence[Trace], n: int, *, seed: int,
                temperature: float = 1.0) -> list[list[Trace]]:
        """`n` continuations of each prefix by one step; arguments and errors as for `complete`.

        After a step one more token is drawn: if it is the end the trace is `finished`, else it
        is thrown away. A step cannot begin with the end, which was not drawn after the step
        before: so going on step by step has the same distribution as `complete`.

        Raises:
            ValueError: if a prefix is finished, and as for `complete`.
        """
        return self._sample(prefixes, n, seed, temperature, one_step=True)

    def fits(self, prefix: Trace) -> bool:
        """Whether the prefix leaves room for a token more below the model's limit."""
        return tokens.fits(self.tokenizer, prefix, self.max_length - 1, separator=self.separator)

    def _sample(self, prefixes: Sequence[Trace], n: int, seed: int, temperature: float,
                one_step: bool) -> list[list[Trace]]:
        check_request(prefixes, n, temperature, one_step=one_step)
        began = time.perf_counter()
        encoded = [e.ids for e in tokens.encode_many(self.tokenizer, prefixes,
                                                     separator=self.separator)]
        for prefix, ids in zip(prefixes, encoded, strict=True):
            self._check(prefix, ids)
        with self._lock, torch.inference_mode(), plugged(self.model):
            drawn, used = self._decode(Rows(encoded, n, seed), temperature, one_step)
            split = cache(partial(tokens.split_ids, self.tokenizer, separator=self.separator))
            made = [self._trace(prefixes[i // n], *split(tuple(new)), one_step)
                    for i, new in enumerate(drawn)]
            self.usage += replace(used, calls=1, samples=len(made),
                                  seconds=time.perf_counter() - began)
        return [made[i:i + n] for i in range(0, len(made), n)]

    def _check(self, prefix: Trace, ids: Sequence[int]) -> None:
        if not ids:
            raise ValueError(f"problem {prefix.problem.id!r} has no ids to go on from; its text "
                             "is empty and the tokenizer has no bos")
        if len(ids) >= self.max_length:
            raise ValueError(f"the prefix of problem {prefix.problem.id!r} has {len(ids)} ids, "
                             f"the model's limit is {self.max_length}; no room is left for a "
                             "step, so leave it out")

    def _trace(self, prefix: Trace, steps: tuple[str, ...], finished: bool, one_step: bool
               ) -> Trace:
        return Trace(prefix.problem, (*prefix.steps, *(steps[:1] if one_step else steps)),
                     finished, source=self.source)

    def _decode(self, rows: Rows, temperature: float, one_step: bool
                ) -> tuple[list[list[int]], Usage]:
        drawn: list[list[int]] = [[] for _ in rows.keys]
        slots = Slots(self.model, rows, max_new=self.max_new_tokens, max_length=self.max_length,
                      batch_tokens=self.batch_tokens or self._fitting())
        marks = self._step_marks() if one_step else None
        n_new = n_cut = 0
        with bar(len(drawn), "trace") as shown:
            while slots.refill():
                n_new += slots.n
                new = slots.draw(temperature, marks.barred if marks else None)
                ended = new == self.tokenizer.eos_token_id
                if marks:
                    ended |= slots.active["stepped"]
                    slots.active["stepped"] |= marks.closes(slots.last(len(marks.between)))
                full = slots.active["count"] == slots.active["limit"]
                n_cut += int((full & ~ended & ~slots.active["stepped"]).sum())
                for row, ids in slots.release(ended | full):
                    drawn[row] = ids
                    shown.update()
        return drawn, Usage(cut=n_cut, prompt_tokens=slots.prompt_tokens, new_tokens=n_new,
                            merged=slots.merged)

    def _fitting(self) -> int:
        """How many positions' keys and values a quarter of the free memory holds."""
        if self._position_bytes is None:
            self._position_bytes = position_bytes(self.model)
        return max(LEAST_BYTES, free_bytes(self.model.device) // 4) // self._position_bytes

    def _step_marks(self) -> "_Marks":
        if self._marks is None:
            texts = self.tokenizer.batch_decode([[i] for i in range(len(self.tokenizer))])
            holds = np.zeros(max(len(texts), self.model.config.vocab_size), dtype=bool)
            holds[:len(texts)] = [self.separator in text for text in texts]
            between = tokens.plain_ids(self.tokenizer, self.separator)
            blank = {i for i in (*between, *np.flatnonzero(holds)) if not texts[i].strip()}
            barred = torch.tensor([self.tokenizer.eos_token_id, *sorted(blank)])
            self._marks = _Marks(np.array(between), holds, barred.to(self.model.device))
        return self._marks


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        fast = (torch.cuda.is_bf16_supported(including_emulation=False) if device.type == "cuda"
                else torch.cpu._is_amx_tile_supported())
        return torch.bfloat16 if fast else torch.float32
    if name not in ("float32", "bfloat16", "float16", "float64"):
        raise ValueError(f"dtype must be auto, float32, bfloat16, float16 or float64, got {name!r}")
    return getattr(torch, name)


@dataclass(frozen=True)
class _Marks:
    """What ends a step: the separator's ids, or one id whose text holds it ([V] of bool).

    `barred` are the ids with which no step begins: the end, and separators alone.
    """

    between: np.ndarray
    holds: np.ndarray
    barred: torch.Tensor

    def closes(self, last: np.ndarray) -> np.ndarray:
        """Whether rows whose last ids are these, [n, k], have just ended a step, [n]."""
        return self.holds[last[:, -1]] | (last == self.between).all(1)
