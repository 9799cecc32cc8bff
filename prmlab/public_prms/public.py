"""What public PRMs share: how they are opened, and scores made of what is read at step ends.

Does not know any layout or head; the classes in `tagged`, `headed` and `implicit` do.
"""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, Self

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from prmlab import pretrained, tokens
from prmlab.tokens import Encoded, Piece
from prmlab.traces import Trace
from prmlab.verifiers import Verifier


class PublicPRM(Verifier):
    """A public PRM: a `protocols.StepScorer` whose `pieces` lay out a trace.

    A subclass says what a trace looks like, `pieces`, and what makes probabilities, [S], of the
    numbers read at the step ends, [S, K]: `_chances`.
    """

    pieces: Callable[[Trace], list[Piece]]
    _chances: Callable[[np.ndarray], np.ndarray]
    _bos = False  # whether the beginning-of-text id stands first

    @classmethod
    def load(cls, name: str | PathLike[str], *, device: str | None = None, **options: Any) -> Self:
        """The model in a folder, or of a hub id (owner/name).

        Args:
            device: where to run; a GPU if there is one by default.
            options: as for the constructor.

        Raises:
            ValueError: if there is no such model, or it is damaged or of another kind.
        """
        model, tokenizer = pretrained.load(AutoModelForCausalLM, "ForCausalLM", name, device=device)
        return cls(model, tokenizer, **options)

    def encode(self, traces: Sequence[Trace]) -> list[Encoded]:
        """The traces as the model reads them, with the positions at which steps are scored."""
        return [tokens.encode_pieces(self.tokenizer, self.pieces(trace), bos=self._bos)
                for trace in traces]

    def score(self, traces: Sequence[Trace], *, on_long: str = "error"
              ) -> list[np.ndarray | None]:
        """P(right) of every step, [S] for each trace, in the traces' order.

        Args:
            on_long: what to do with a trace longer than the model's limit: "error", or "skip",
                which gives None for it and counts it in `usage.skipped`.

        Raises:
            ValueError: naming the trace, if one has no steps or is too long; or if the tokenizer
                leaves no place to read a score.
        """
        return [None if read is None else self._chances(read)
                for read in self._logits(traces, on_long)]

    @property
    def settings(self) -> list[Any]:
        """The convention's name, which decides the scores along with weights and tokenizer."""
        return [type(self).__name__]


def numbered(step: str, index: int) -> str:
    """The step behind "Step i: ", counted from 1, unless it begins so already.

    Example:
        >>> numbered("x = 5", 1), numbered("Step 2: x = 5", 1)
        ('Step 2: x = 5', 'Step 2: x = 5')
    """
    head, colon, _ = step.strip().partition(":")
    word, _, number = head.partition(" ")
    told = bool(colon) and word.lower() == "step" and number.strip().isdigit()
    return step.strip() if told else f"Step {index + 1}: {step.strip()}"


def rows_of(model: torch.nn.Module, columns: Sequence[int]) -> Callable[[torch.Tensor],
                                                                         torch.Tensor]:
    """The logits of a causal LM for these ids alone: hidden states [n, C] -> [n, K]."""
    output = model.get_output_embeddings()
    return lambda hidden: torch.nn.functional.linear(
        hidden, output.weight[list(columns)],
        None if getattr(output, "bias", None) is None else output.bias[list(columns)]).float()
