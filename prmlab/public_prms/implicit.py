"""Implicit PRMs: what a language model has learnt over the one it was trained from.

The reward of a text is beta times log p - log p_ref, summed over its ids; that of a step is what
the sum grew by. Does not know how such a model is trained.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Self

import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from prmlab import pretrained, tokens
from prmlab.public_prms.public import numbered
from prmlab.tokens import Encoded, Piece
from prmlab.traces import Trace
from prmlab.verifiers import Usage, Verifier, sigmoid

REFERENCES = {"eurusprm": "Qwen/Qwen2.5-Math-7B-Instruct",
              "implicitprm": "meta-llama/Meta-Llama-3.1-8B-Instruct"}
AT_ONCE = 2**25  # logits held at a time


class _Likelihood(Verifier):
    """A causal LM read as log p(the steps up to each step's end | the problem), [S, 1]."""

    def encode(self, traces: Sequence[Trace]) -> list[Encoded]:
        """The trace as a dialogue: the problem, then the numbered steps, a blank line between.

        The blank line counts with the step after it, so that a score depends on nothing later.
        """
        encoded = []
        for trace in traces:
            answer = [piece for i, step in enumerate(trace.steps)
                      for piece in (Piece("\n\n" if i else ""),
                                    Piece(numbered(step, i), ends_step=True))]
            encoded.append(tokens.encode_pieces(self.tokenizer, tokens.chat_pieces(
                self.tokenizer, [("user", [Piece(trace.problem.text)]),
                                 ("assistant", [Piece("", of_prompt=True), *answer])])))
        return encoded

    def _read(self, hidden: torch.Tensor, ids: torch.Tensor, batch: list[Encoded]
              ) -> list[np.ndarray]:
        output, read = self.model.get_output_embeddings(), []
        for row, item in enumerate(batch):
            at, end = item.n_prompt, item.step_ends[-1] + 1
            told = []
            lot = max(1, AT_ONCE // output.weight.shape[0])
            for first in range(at, end, lot):
                last = min(first + lot, end)
                logits = output(hidden[row, first - 1:last - 1]).float()
                chosen = logits.gather(1, ids[row, first:last, None])[:, 0]
                told.append(chosen - logits.logsumexp(-1))
            sums = torch.cat(told).double().cumsum(0).cpu().numpy()
            read.append(sums[np.array(item.step_ends) - at][:, None])
        return read


class ImplicitPRM:
    """EurusPRM-Stage1 and -Stage2, and the ImplicitPRMs: a model against its reference.

    The score of step t is the sigmoid of q_t, beta times the log ratio of all ids up to the step's
    end, as in the loss the models were trained with; `rewards` are q_t - q_(t-1). With the
    authors' beta all scores are near 1/2 and only their order and a fitted threshold mean anything.
    For best-of-N the authors take the minimum of the rewards (Stage 1) or their sum (Stage 2).
    Their script for ProcessBench counts a step's q one id further than its end.

    Args:
        model: the trained model.
        reference: the one it was trained from, with the same tokens.
        tokenizer: with a chat template.
        beta: the authors' coefficient.
        options: as for `verifiers.Verifier`, of both.

    Source: Yuan et al. 2024, arXiv:2412.01981, proposition 3.1; PRIME-RL/ImplicitPRM, eval.
    """

    def __init__(self, model: PreTrainedModel, reference: PreTrainedModel,
                 tokenizer: PreTrainedTokenizerBase, *, beta: float = 0.001, **options: Any):
        if model.config.vocab_size != reference.config.vocab_size:
            raise ValueError(f"model and reference must have the same tokens, one has "
                             f"{model.config.vocab_size} and the other "
                             f"{reference.config.vocab_size}; give the reference it was trained "
                             "from")
        self._model = _Likelihood(model, tokenizer, **options)
        self._reference = _Likelihood(reference, tokenizer, **options)
        self.beta = beta

    @classmethod
    def load(cls, name: str | PathLike[str], *, reference: str | PathLike[str] | None = None,
             device: str | None = None, **options: Any) -> Self:
        """Model and reference, each from a folder or of a hub id.

        Args:
            reference: by default the one that the model's card names, where the name tells.

        Raises:
            ValueError: if there is no such model, or the reference is not known.
        """
        if reference is None:
            reference = next((ref for word, ref in REFERENCES.items() if word in str(name).lower()),
                             None)
        if reference is None:
            raise ValueError(f"an implicit PRM needs the model it was trained from: "
                             f"ImplicitPRM.load({str(name)!r}, reference=...)")
        models = [pretrained.load(AutoModelForCausalLM, "ForCausalLM", which, device=device)
                  for which in (name, reference)]
        return cls(models[0][0], models[1][0], models[0][1], **options)

    def __repr__(self) -> str:
        return f"ImplicitPRM({self._model!r} against its reference, beta={self.beta})"

    @property
    def usage(self) -> Usage:
        """What it has cost; the tokens of both models count."""
        one, other = self._model.usage, self._reference.usage
        return Usage(one.calls, one.traces, one.skipped, one.scorer_tokens + other.scorer_tokens,
                     one.seconds + other.seconds)

    @property
    def provenance(self) -> dict[str, Any]:
        """What to keep beside recorded scores; as `Verifier.provenance`."""
        return {**self._model.provenance, "fingerprint": self.fingerprint,
                "scorer": "ImplicitPRM", "settings": [self.beta]}

    @property
    def fingerprint(self) -> str:
        """Names all that decides the scores: both models, the tokenizer, beta."""
        return f"{self._model.fingerprint} / {self._reference.fingerprint} {self.beta}"

    def score(self, traces: Sequence[Trace], *, on_long: str = "error"
              ) -> list[np.ndarray | None]:
        """The sigmoid of q_t for every step, [S] for each trace; arguments as `PRM.score`."""
        return [None if q is None else sigmoid(q) for q in self._q(traces, on_long)]

    def rewards(self, traces: Sequence[Trace], *, on_long: str = "error"
                ) -> list[np.ndarray | None]:
        """What each step adds to q, [S] for each trace; any real number."""
        return [None if q is None else np.diff(q, prepend=0.0) for q in self._q(traces, on_long)]

    def _q(self, traces: Sequence[Trace], on_long: str) -> list[np.ndarray | None]:
        told = self._model._logits(traces, on_long)
        before = self._reference._logits(traces, on_long)
        return [None if a is None or b is None else self.beta * (a - b)[:, 0]
                for a, b in zip(told, before, strict=True)]
