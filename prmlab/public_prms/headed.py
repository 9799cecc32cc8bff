"""Backbones with a small head: Qwen's PRMs, Skywork's, ReasonEval, PURE.

The heads are known small modules: they are built here from the tensors in the weights, and no code
from the hub is run. A PRM with a plain two-label head in TRL's layout is `rewards.PRM` itself.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import nn
from transformers import (
    AutoModelForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from prmlab import pretrained, tokens
from prmlab.public_prms.public import PublicPRM
from prmlab.tokens import Encoded, Piece
from prmlab.traces import Trace
from prmlab.verifiers import Verifier, right_of_two, sigmoid


class _Headed(PublicPRM):
    """A backbone and a head of one or more layers, with a ReLU between any two."""

    layers: ClassVar[tuple[str, ...]]  # of the head: the beginnings of their tensors' names
    n_labels: ClassVar[int]

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
                 head: Mapping[str, torch.Tensor], **options: Any):
        super().__init__(model, tokenizer, **options)
        self.stack = _stack(head, self.layers).to(model.device).eval()
        got = self.stack[-1].out_features
        if got != self.n_labels:
            raise ValueError(f"the head of {type(self).__name__} must give {self.n_labels} "
                             f"numbers, this one gives {got}; load the model with the class it "
                             "was made for")

    @classmethod
    def load(cls, name: str | PathLike[str], *, device: str | None = None, **options: Any) -> Self:
        """The model in a folder, or of a hub id (owner/name). Arguments as `PublicPRM.load`.

        Raises:
            ValueError: if there is no such model, it is damaged, or it has not this head.
        """
        model, tokenizer, head = pretrained.load_headed(
            name, [layer.partition(".")[0] for layer in cls.layers], device=device)
        return cls(model, tokenizer, head, **options)

    @property
    def head(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """From hidden states to the numbers that are read."""
        return lambda hidden: self.stack(hidden.to(self.stack[-1].weight.dtype))

    @cached_property
    def fingerprint(self) -> str:
        """Names all that decides the scores, the head included; as `LocalPolicy.fingerprint`."""
        named = blake2b(digest_size=8)
        for tensor in self.stack.state_dict().values():
            named.update(str((tensor.dtype, tuple(tensor.shape))).encode())
            named.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy())
        return f"{super().fingerprint} {named.hexdigest()}"


class QwenPRM(_Headed):
    """Qwen/Qwen2.5-Math-PRM-7B, -72B and Qwen2.5-Math-7B-PRM800K.

    A dialogue with a system prompt; in the answer `<extra_0>` stands behind every step, also the
    last. Read there; index 1 of the two-way softmax means right. The head is linear, ReLU, linear.

    Source: Zhang et al. 2025, arXiv:2501.07301, and the models' cards.
    """

    layers = ("score.0", "score.2")
    n_labels = 2
    system = "Please reason step by step, and put your final answer within \\boxed{}."
    tag = "<extra_0>"

    def pieces(self, trace: Trace) -> list[Piece]:
        """The trace as a dialogue."""
        answer = [piece for step in trace.steps
                  for piece in (Piece(step), Piece(self.tag, markup=True, ends_step=True))]
        return tokens.chat_pieces(self.tokenizer, [
            ("system", [Piece(self.system)]), ("user", [Piece(trace.problem.text)]),
            ("assistant", [Piece("", of_prompt=True), *answer])])

    def encode(self, traces: Sequence[Trace]) -> list[Encoded]:
        """The traces as the model reads them; the tag must be one id."""
        tag = tokens.plain_ids(self.tokenizer, self.tag)
        if len(tag) != 1 or tag[0] == self.tokenizer.unk_token_id:
            raise ValueError(f"{self.tag!r} must be one token, this tokenizer makes {tag} of it; "
                             "load the tokenizer of the model")
        return super().encode(traces)

    def _chances(self, read: np.ndarray) -> np.ndarray:
        return right_of_two(read)


class SkyworkPRM(_Headed):
    """Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B and -7B: a value head, read at newlines.

    bos, the problem and a newline; then each step and a newline, where the sigmoid of the head is
    the score. Steps are this package's: text within a step is never split again at its newlines,
    which would give more scores than steps.

    Source: SkyworkAI/skywork-o1-prm-inference, model_utils/io_utils.py and prm_model.py.
    """

    layers = ("v_head.summary",)
    n_labels = 1
    _bos = True

    def pieces(self, trace: Trace) -> list[Piece]:
        """The trace, a step a line."""
        return [Piece(f"{trace.problem.text}\n", of_prompt=True),
                *(piece for step in trace.steps
                  for piece in (Piece(step), Piece("\n", ends_step=True)))]

    def _chances(self, read: np.ndarray) -> np.ndarray:
        return sigmoid(read[:, 0])


class ReasonEval(_Headed):
    """GAIR/ReasonEval-7B and -34B: three classes, wrong, neutral and right, read at a step's end.

    The score is P(neutral) + P(right), the paper's validity; `redundancy` is P(neutral). Nothing
    stands between steps. In the published code the positions of the 7B, whose padding token is its
    bos, come out one id **before** each step's last; the published scores were read there, and so
    are ours (`back`). A step of one id is then read at the end of the step before it.

    Source: Xia et al. 2024, arXiv:2404.05692; GAIR-NLP/ReasonEval, codes/examples.py.
    """

    layers = ("score_head",)
    n_labels = 3
    _bos = True

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
                 head: Mapping[str, torch.Tensor], **options: Any):
        super().__init__(model, tokenizer, head, **options)
        self.back = int(tokenizer.bos_token_id is not None
                        and tokenizer.pad_token_id == tokenizer.bos_token_id)

    def pieces(self, trace: Trace) -> list[Piece]:
        """The prompt, then the steps one after the other."""
        prompt = f"Question:\n{trace.problem.text}\nAnswer:\nLet's think step by step.\n"
        return [Piece(prompt, of_prompt=True),
                *(Piece(step, ends_step=True, back=self.back) for step in trace.steps)]

    def _chances(self, read: np.ndarray) -> np.ndarray:
        return _softmax(read)[:, 1:].sum(1)

    def redundancy(self, traces: Sequence[Trace], *, on_long: str = "error"
                   ) -> list[np.ndarray | None]:
        """P(neutral) of every step, [S] for each trace: right, but of no use. As `score`."""
        return [None if read is None else _softmax(read)[:, 1]
                for read in self._logits(traces, on_long)]


class PurePRM(Verifier):
    """jinachris/PURE-PRM-7B: TRL's layout without bos, the separator "\\n", two labels.

    The authors' reward is P(right) - P(wrong) with the threshold 0; the score is P(right), with
    the threshold 1/2, and the reward is 2 score - 1. The card names the separator "\\n"; PRMBench's
    adapter puts "\\n\\n": give `separator` to compare.

    Source: Cheng et al. 2025, PURE, arXiv:2504.15275, and the model's card.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *,
                 separator: str = "\n", **options: Any):
        super().__init__(model, tokenizer, **options)
        self.separator = separator

    @classmethod
    def load(cls, name: str | PathLike[str], *, device: str | None = None, **options: Any) -> Self:
        """The model in a folder, or of a hub id. Arguments and errors as `PublicPRM.load`."""
        model, tokenizer = pretrained.load(AutoModelForTokenClassification,
                                           "ForTokenClassification", name, device=device)
        return cls(model, tokenizer, **options)

    @property
    def settings(self) -> list[Any]:
        """The convention's name and the separator."""
        return [type(self).__name__, self.separator]

    def encode(self, traces: Sequence[Trace]) -> list[Encoded]:
        """The traces in TRL's layout, without bos."""
        return [tokens.encode_pieces(self.tokenizer, [
            Piece(trace.problem.text, of_prompt=True),
            *(piece for step in trace.steps
              for piece in (Piece(step), Piece(self.separator, ends_step=True)))])
            for trace in traces]

    @property
    def head(self) -> nn.Module:
        """From hidden states to logits."""
        return self.model.score

    def score(self, traces: Sequence[Trace], *, on_long: str = "error"
              ) -> list[np.ndarray | None]:
        """P(right) of every step, [S] for each trace. Arguments and errors as `PublicPRM.score`."""
        return [None if read is None else right_of_two(read)
                for read in self._logits(traces, on_long)]


def _stack(tensors: Mapping[str, torch.Tensor], layers: Sequence[str]) -> nn.Sequential:
    """The linear layers that these tensors are, with a ReLU between any two."""
    stack: list[nn.Module] = []
    for layer in layers:
        if f"{layer}.weight" not in tensors:
            raise ValueError(f"the weights must hold a head {layer}.weight, they hold "
                             f"{', '.join(sorted(tensors)) or 'no head'}; load the model with the "
                             "class it was made for")
        weight, bias = tensors[f"{layer}.weight"], tensors.get(f"{layer}.bias")
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None,
                           dtype=weight.dtype)
        linear.load_state_dict({"weight": weight} | ({} if bias is None else {"bias": bias}))
        stack += [nn.ReLU(), linear] if stack else [linear]
    return nn.Sequential(*stack)


def _softmax(read: np.ndarray) -> np.ndarray:
    """[S, K] -> [S, K], in float64."""
    powers = np.exp(read.astype(np.float64) - read.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)
