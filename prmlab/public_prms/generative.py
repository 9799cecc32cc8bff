"""Verifiers that write before they judge: ThinkPRM and GenPRM.

What they write is kept as evidence and only read: code in it is never run, and a verdict that is
missing is an error or a counted skip, never a score of 0 or 1/2. Does not sample (`writing` does).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Self

import numpy as np
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from prmlab import pretrained, tokens
from prmlab.public_prms.writing import LocalWriter
from prmlab.tokens import Piece
from prmlab.traces import Trace
from prmlab.verifiers import Usage

_MARKS = re.compile(r"^\W*step\s+(\d{1,6})\b|\\boxed\s*\{\s*(?:\\text\{)?\s*(correct|incorrect)",
                    re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Verification:
    """One text that judges a trace, and what it says.

    Args:
        text: what the verifier wrote.
        verdicts: of each step whether it is right, [S]; None where nothing is said.
        p_right: the chance that the verifier then says yes: the solution is right.
        ended: False if the text was cut at a limit.
    """

    text: str
    verdicts: tuple[bool | None, ...]
    p_right: float
    ended: bool


def read_verdicts(text: str, n_steps: int) -> tuple[bool | None, ...]:
    """What a verification says of each step, [S]; None where it says nothing.

    A verdict `\\boxed{correct}` or `\\boxed{incorrect}` belongs to the step named last before it
    at the beginning of a line, by its number; where none has been named, to the next in order. The
    last verdict on a step counts. Steps behind the first wrong one are wrong unless it says more.

    Example:
        >>> read_verdicts("Step 1: fine \\\\boxed{correct}\\nStep 2: no \\\\boxed{incorrect}", 3)
        (True, False, False)
    """
    said: dict[int, bool] = {}
    named: int | None = None
    for number, verdict in _MARKS.findall(text):
        if number:
            named = int(number) - 1
        else:
            said[len(said) if named is None else named] = verdict.lower() == "correct"
    wrong = min((s for s, right in said.items() if not right), default=n_steps)
    return tuple(said.get(s, False if s > wrong else None) for s in range(n_steps))


class _Writing:
    """What ThinkPRM and GenPRM share."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *,
                 n_samples: int, temperature: float, max_new_tokens: int, seed: int,
                 batch_tokens: int | None):
        if n_samples < 1 or temperature < 0:
            raise ValueError(f"n_samples must be at least 1 and temperature at least 0, got "
                             f"{n_samples} and {temperature}")
        self.writer = LocalWriter(model, tokenizer, max_new_tokens=max_new_tokens,
                                  batch_tokens=batch_tokens)
        self.n_samples, self.temperature, self.seed = n_samples, temperature, seed

    @classmethod
    def load(cls, name: str | PathLike[str], *, device: str | None = None, **options: Any) -> Self:
        """The verifier in a folder, or of a hub id. Arguments and errors as `PublicPRM.load`."""
        model, tokenizer = pretrained.load(AutoModelForCausalLM, "ForCausalLM", name, device=device)
        return cls(model, tokenizer, **options)

    def __repr__(self) -> str:
        return (f"{type(self).__name__}({self.writer.model.config.model_type}, n_samples="
                f"{self.n_samples}, temperature={self.temperature}, seed={self.seed})")

    @property
    def usage(self) -> Usage:
        """What it has cost; the tokens are those of prompts and of what was written."""
        spent = self.writer.usage
        return Usage(spent.calls, spent.samples // self.n_samples, 0,
                     spent.prompt_tokens + spent.new_tokens, spent.seconds)

    @property
    def fingerprint(self) -> str:
        """Names all that decides the scores: the writer, how often and how it is asked."""
        return (f"{type(self).__name__} {self.writer.fingerprint} {self.n_samples} "
                f"{self.temperature} {self.seed}")

    def _ids(self, turns: list[tuple[str, list[Piece]]], begun: str) -> tuple[int, ...]:
        """A dialogue whose last turn, the verifier's, has begun so."""
        tokenizer = self.writer.tokenizer
        said = [Piece(begun), Piece("", ends_step=True)]
        return tokens.encode_pieces(
            tokenizer, tokens.chat_pieces(tokenizer, [*turns, ("assistant", said)])).ids

    def _on(self, text: str) -> tuple[int, ...]:
        return tuple(tokens.literal_ids(self.writer.tokenizer, text))


class ThinkPRM(_Writing):
    """launch/ThinkPRM-1.5B, -7B and -14B: a chain of thought that boxes a verdict on each step.

    `score` is the share of verifications that call a step correct, of those that say anything of
    it. A verification has read the whole trace: unlike other scorers' a score here also depends on
    what comes after its step. `score_prefixes` asks about every prefix by itself, which costs as
    many verifications as there are steps, and takes the chance of "yes".

    Args:
        n_samples: verifications of each trace.
        temperature, seed: of their sampling.
        max_new_tokens: most tokens of one.

    Source: Khalifa et al. 2025, ThinkPRM, arXiv:2504.16828; mukhal/ThinkPRM, utils/helper.py and
    prm/thinkprm_api.py.
    """

    request = ("Review and critique each step in the proposed solution to determine whether each "
               "step is correct. If the solution is incomplete, only verify the provided steps.")
    question = "\nIs the solution correct? "

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *,
                 n_samples: int = 4, temperature: float = 0.7, max_new_tokens: int = 4096,
                 seed: int = 0, batch_tokens: int | None = None):
        super().__init__(model, tokenizer, n_samples=n_samples, temperature=temperature,
                         max_new_tokens=max_new_tokens, seed=seed, batch_tokens=batch_tokens)

    def prompt(self, trace: Trace) -> tuple[int, ...]:
        """What the verifier is asked, as ids."""
        steps = "\n".join(f"Step {i + 1}: {_unnumbered(step)}" for i, step in enumerate(trace.steps))
        asked = ("You are given a math problem and a proposed step-by-step solution:\n\n"
                 f"[Math Problem]\n\n{trace.problem.text}\n\n[Solution]\n\n{steps}\n\n"
                 f"{self.request}")
        return self._ids([("user", [Piece(asked)])], "\nLet's verify step by step:")

    def verify(self, traces: Sequence[Trace]) -> list[list[Verification]]:
        """`n_samples` verifications of each trace, [B][n]: the evidence for `score`.

        Raises:
            ValueError: if a trace has no steps, or is too long for the model.
        """
        _need_steps(traces)
        prompts, writer = [self.prompt(trace) for trace in traces], self.writer
        made = writer.write(prompts, self.n_samples, seed=self.seed, temperature=self.temperature,
                            stop=[self.question.strip(), "</think>"])
        asked = [prompt + self._on(one.text + self.question)
                 for prompt, texts in zip(prompts, made, strict=True) for one in texts]
        chances = iter(writer.chance(asked, ("yes", "no")).tolist())
        return [[Verification(one.text, read_verdicts(one.text, len(trace.steps)), next(chances),
                              one.ended) for one in texts]
                for trace, texts in zip(traces, made, strict=True)]

    def score(self, traces: Sequence[Trace], *, on_missing: str = "error"
              ) -> list[np.ndarray | None]:
        """The share of verifications that call each step right, [S] for each trace.

        Args:
            on_missing: what to do with a trace of which no verification judges some step: "error",
                or "skip", which gives None for it.

        Raises:
            ValueError: naming the trace and the step that nothing is said of, and as `verify`.
        """
        if on_missing not in ("error", "skip"):
            raise ValueError(f'on_missing must be "error" or "skip", got {on_missing!r}')
        return [_share(trace, found, on_missing)
                for trace, found in zip(traces, self.verify(traces), strict=True)]

    def score_prefixes(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """The mean chance of "yes" for each prefix, [S] for each trace; nothing later is read."""
        prefixes = [trace.prefix(s + 1) for trace in traces for s in range(len(trace.steps))]
        chances = iter([np.mean([one.p_right for one in found])
                        for found in self.verify(prefixes)])
        return [np.array([next(chances) for _ in trace.steps]) for trace in traces]


class GenPRM(_Writing):
    """GenPRM/GenPRM-1.5B, -7B and -32B: an analysis of each paragraph, then Yes or No.

    The steps are asked about one after the other in one dialogue that keeps the first analysis of
    each. The score is the mean over `n_samples` analyses of P(Yes) against P(No) at the verdict,
    which is always read: none can be missing. The authors also let the model write Python and run
    it within their own process; here nothing a model wrote is run, which is their mode without
    verification.

    Args: as `ThinkPRM`; `max_new_tokens` counts for one analysis.

    Source: Zhao et al. 2025, GenPRM, arXiv:2504.00891; RyanLiu112/GenPRM, genprm_inference.py. The
    answer is begun behind the template's own opening of an assistant's turn.
    """

    system = ("You are a math teacher. Your task is to review and critique the paragraphs in "
              "solution step by step.")
    begun = "<analyze>\nLet's analyze the Paragraph {} step by step: "
    close = "</analyze>\n"
    judgement = "<output>\n**Judgement**: $\\boxed{"

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *,
                 n_samples: int = 1, temperature: float = 0.6, max_new_tokens: int = 2048,
                 seed: int = 0, batch_tokens: int | None = None):
        super().__init__(model, tokenizer, n_samples=n_samples, temperature=temperature,
                         max_new_tokens=max_new_tokens, seed=seed, batch_tokens=batch_tokens)

    def analyse(self, traces: Sequence[Trace]) -> list[list[list[tuple[str, float]]]]:
        """(analysis, P(Yes)) of each sample of each step of each trace, [B][S][n].

        Raises:
            ValueError: if a trace has no steps, or its dialogue outgrows the model's limit.
        """
        _need_steps(traces)
        found: list[list[list[tuple[str, float]]]] = [[] for _ in traces]
        for s in range(max((len(trace.steps) for trace in traces), default=0)):
            open_ = [i for i, trace in enumerate(traces) if s < len(trace.steps)]
            prompts = [self._prompt(traces[i], found[i]) for i in open_]
            made = self.writer.write(prompts, self.n_samples, seed=self.seed + s,
                                     temperature=self.temperature,
                                     stop=[self.close.strip(), "<output>"])
            asked = [prompt + self._on(one.text + self.close + self.judgement)
                     for prompt, texts in zip(prompts, made, strict=True) for one in texts]
            chances = iter(self.writer.chance(asked, ("Yes", "No")).tolist())
            for i, texts in zip(open_, made, strict=True):
                found[i].append([(one.text, next(chances)) for one in texts])
        return found

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """The mean P(Yes) of every step, [S] for each trace. Errors as `analyse`."""
        return [np.array([np.mean([p for _, p in samples]) for samples in steps])
                for steps in self.analyse(traces)]

    def _prompt(self, trace: Trace, found: list[list[tuple[str, float]]]) -> tuple[int, ...]:
        turns = [("system", [Piece(self.system)])]
        for s in range(len(found) + 1):
            step = trace.steps[s] if s else f"{trace.problem.text}\n{trace.steps[s]}"
            turns.append(("user", [Piece(step)]))
            if s < len(found):
                text, chance = found[s][0]
                said = "Yes" if chance >= 0.5 else "No"
                turns.append(("assistant", [Piece(
                    f"{self.begun.format(s + 1)}{text}{self.close}{self.judgement}{said}}}$\n"
                    "</output>\n")]))
        return self._ids(turns, self.begun.format(len(found) + 1))


def _share(trace: Trace, found: Sequence[Verification], on_missing: str) -> np.ndarray | None:
    shares = []
    for s in range(len(trace.steps)):
        said = [one.verdicts[s] for one in found if one.verdicts[s] is not None]
        if not said:
            if on_missing == "skip":
                return None
            raise ValueError(f"none of {len(found)} verifications judges step {s} of problem "
                             f"{trace.problem.id!r}; raise max_new_tokens or n_samples, or pass "
                             'on_missing="skip"')
        shares.append(np.mean(said))
    return np.array(shares)


def _unnumbered(step: str) -> str:
    return re.sub(r"^\s*Step \d+:", "", step).strip()


def _need_steps(traces: Sequence[Trace]) -> None:
    for i, trace in enumerate(traces):
        if not trace.steps:
            raise ValueError(f"trace {i} (problem {trace.problem.id!r}) has no steps, so there is "
                             "nothing to judge; leave it out")
