"""Causal LMs that say at a tag whether the step before it is right: + or -.

Math-Shepherd, the PSA model of OpenR, RLHFlow's two, and llemma's of easy-to-hard. The score is a
two-way softmax over the tag's columns (llemma: a sigmoid of the mean over all), in float64.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from prmlab import tokens
from prmlab.public_prms.public import PublicPRM, numbered, rows_of
from prmlab.tokens import Encoded, Piece
from prmlab.traces import Trace
from prmlab.verifiers import right_of_two, sigmoid


class _PlusMinus(PublicPRM):
    """Right and wrong are two tokens; column 0 of what is read means right."""

    _texts = ("+", "-")

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, **options: Any):
        super().__init__(model, tokenizer, **options)
        self.columns = tuple(tokens.column(tokenizer, text) for text in self._texts)

    @property
    def head(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """From hidden states to the logits of the tags."""
        return rows_of(self.model, self.columns)

    def _chances(self, read: np.ndarray) -> np.ndarray:
        return right_of_two(read, right=0)


class MathShepherd(_PlusMinus):
    """peiyi9979/math-shepherd-mistral-7b-prm: "{problem} Step 1: ... ки", a step a line.

    Read **at** the tag. The joined text is tokenised at once, as in training: Mistral's tokenizer
    puts a blank before every text, so that pieces by themselves would get ids of their own. In the
    joined text the tag is one id with the blank before it, 12902, and + and - are 648 and 387.

    Source: Wang et al. 2024, Math-Shepherd, arXiv:2312.08935; openr, prm/infer_fns.py.
    """

    tag = "ки"

    def pieces(self, trace: Trace) -> list[Piece]:
        """The trace as Math-Shepherd was trained to read it."""
        pieces = [Piece(f"{trace.problem.text} ", of_prompt=True)]
        for i, step in enumerate(trace.steps):
            pieces += [Piece(f"{numbered(step, i)} "), Piece(self.tag, ends_step=True), Piece("\n")]
        return pieces

    def encode(self, traces: Sequence[Trace]) -> list[Encoded]:
        """The traces as the model reads them; each tag is one id, or it is an error."""
        encoded = [tokens.encode_joined(self.tokenizer, self.pieces(trace)) for trace in traces]
        tag = tokens.column(self.tokenizer, self.tag)
        for trace, e in zip(traces, encoded, strict=True):
            for s, end in enumerate(e.step_ends):
                if e.ids[end] != tag:
                    raise ValueError(f"the tag behind step {s} of problem {trace.problem.id!r} must "
                                     f"be the id {tag}, it is {e.ids[end]}; the tokenizer must be "
                                     "Math-Shepherd's")
        return encoded


class TaggedQwen(_PlusMinus):
    """openreasoner/Math-psa and its kin on Qwen2.5: the tag is " " and five newlines, one id.

    The columns are " +" and " -". The tag closes a step; the next follows directly.

    Source: openr, prm/infer_fns.py; that nothing stands between a tag and the next step is our
    reading of it.
    """

    tag = " \n\n\n\n\n"
    _texts = (" +", " -")

    def pieces(self, trace: Trace) -> list[Piece]:
        """The trace as the PSA model was trained to read it."""
        pieces = [Piece(trace.problem.text, of_prompt=True)]
        for i, step in enumerate(trace.steps):
            pieces += [Piece(("" if i else " ") + numbered(step, i)),
                       Piece(self.tag, ends_step=True)]
        return pieces


class RLHFlow(_PlusMinus):
    """RLHFlow/Llama3.1-8B-PRM-Mistral-Data and -Deepseek-Data: a dialogue in which "+" answers.

    The user says the problem, a blank and step 1; each answer is "+"; then step 2, and so on. Read
    where the answer is about to be said, one id before "+". Every answer given is "+", also behind
    a step that is wrong: the whole trace takes one pass.

    Args:
        as_process_bench: as ProcessBench asks these models: a blank line between the problem and
            step 1, and of each answer only whether "+" is what the model would say first of all
            its words. Scores are 0 or 1; up to the first 0 they are those of its loop, which
            stops there.

    Source: Xiong et al. 2024, RLHFlow/RLHF-Reward-Modeling, math-rm/prm_evaluate.py; Zheng et al.
    2024, ProcessBench, arXiv:2412.06559, run_eval_prm_rlhflow.py.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *,
                 as_process_bench: bool = False, **options: Any):
        super().__init__(model, tokenizer, **options)
        self._hard = as_process_bench

    @property
    def head(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """From hidden states to the logits of the tags, or to whether "+" is the likeliest word."""
        if not self._hard:
            return super().head
        output, plus = self.model.get_output_embeddings(), self.columns[0]
        return lambda hidden: (output(hidden).argmax(-1, keepdim=True) == plus).float()

    def _chances(self, read: np.ndarray) -> np.ndarray:
        return read[:, 0].astype(float) if self._hard else super()._chances(read)

    @property
    def settings(self) -> list[Any]:
        """The convention's name, and whether it is ProcessBench's."""
        return [*super().settings, *(["ProcessBench"] if self._hard else [])]

    def pieces(self, trace: Trace) -> list[Piece]:
        """The trace as a dialogue."""
        turns, between = [], "\n\n" if self._hard else " "
        for i, step in enumerate(trace.steps):
            said = step.strip() if i else f"{trace.problem.text.strip()}{between}{step.strip()}"
            turns += [("user", [Piece(said.strip(), of_prompt=not i)]),
                      ("assistant", [Piece("", ends_step=True), Piece("+")])]
        return tokens.chat_pieces(self.tokenizer, turns)


class Llemma(PublicPRM):
    """llemma-7b PRM800K of easy-to-hard: "# Question ... # Solution ...", paragraphs.

    Read at the first newline behind each step; the score is the sigmoid of the mean of all logits.
    A blank line within a step is taken out: it would look like a step's end.

    Source: Sun et al. 2024, arXiv:2403.09472; PRMBench, mr_eval/models/llemma7b_prm.py.
    """

    def pieces(self, trace: Trace) -> list[Piece]:
        """The trace in its two headed parts."""
        pieces = [Piece(f"# Question\n\n{trace.problem.text}\n\n# Solution\n\n", of_prompt=True)]
        for step in trace.steps:
            pieces += [Piece(step.replace("\n\n", "").strip()), Piece("\n", ends_step=True),
                       Piece("\n")]
        return pieces

    def encode(self, traces: Sequence[Trace]) -> list[Encoded]:
        """The traces as the model reads them, each tokenised as one text."""
        return [tokens.encode_joined(self.tokenizer, self.pieces(trace)) for trace in traces]

    @property
    def head(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """From hidden states to the mean of all words' logits."""
        output = self.model.get_output_embeddings()
        return lambda hidden: output(hidden).float().mean(-1, keepdim=True)

    def _chances(self, read: np.ndarray) -> np.ndarray:
        return sigmoid(read[:, 0])
