"""A causal LM on this machine that writes on from a prompt, and chooses between words.

What a generative verifier needs of its model. Texts are drawn as `decoding` draws them: a text
depends on (seed, prompt, its index) alone. Does not know what is asked; runs nothing it reads.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from prmlab import pretrained, tokens
from prmlab.attention import check, free_bytes, plugged, position_bytes
from prmlab.bars import bar
from prmlab.decoding import Rows, Slots
from prmlab.public_prms.public import rows_of
from prmlab.tokens import Encoded
from prmlab.usage import Sendable, Usage
from prmlab.verifiers import Verifier

TAIL = 24  # ids looked back over for a text at which to stop


@dataclass(frozen=True)
class Written:
    """What was written after a prompt.

    Args:
        text: up to the stop or the end, without either.
        ended: whether it came to one; False if it was cut at a limit.
    """

    text: str
    ended: bool


class _Choosing(Verifier):
    """The logits of some ids at the end of a text."""

    columns: tuple[int, ...] = ()

    @property
    def head(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """From hidden states to the logits of the tags."""
        return rows_of(self.model, self.columns)


class LocalWriter(Sendable):
    """A causal LM that writes and chooses. `usage` holds what it has cost.

    Args:
        max_new_tokens: most tokens of one text.
        batch_tokens: positions held at once; by default a quarter of what is free then.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *,
                 max_new_tokens: int = 4096, batch_tokens: int | None = None):
        check(model)
        if tokenizer.eos_token_id is None:
            raise ValueError("the tokenizer must have an eos token, which ends a text; set "
                             "tokenizer.eos_token")
        self.model, self.tokenizer = model.eval(), tokenizer
        self.max_new_tokens, self.batch_tokens = max_new_tokens, batch_tokens
        self.max_length = pretrained.longest(model.config) or 2**31
        self.usage = Usage()
        self._choosing = _Choosing(model, tokenizer, max_length=self.max_length)
        self._lock = Lock()

    @cached_property
    def fingerprint(self) -> str:
        """Names the model, the tokenizer and the limit; as `LocalPolicy.fingerprint`."""
        return pretrained.fingerprint(self.model, self.tokenizer, self.max_new_tokens)

    def write(self, prompts: Sequence[tuple[int, ...]], n: int, *, seed: int, temperature: float,
              stop: Sequence[str]) -> list[list[Written]]:
        """`n` texts after each prompt, [B][n], in order.

        Args:
            prompts: ids, [T] each.
            stop: texts at any of which to stop.

        Raises:
            ValueError: if a prompt leaves no room below the model's limit.
        """
        for i, ids in enumerate(prompts):
            if len(ids) >= self.max_length:
                raise ValueError(f"prompt {i} has {len(ids)} ids, the model's limit is "
                                 f"{self.max_length}; no room is left to write, so leave its trace "
                                 "out")
        if not prompts:
            return []
        began, drawn = time.perf_counter(), [list[int]() for _ in range(len(prompts) * n)]
        with self._lock, torch.inference_mode(), plugged(self.model):
            slots = Slots(self.model, Rows(list(prompts), n, seed), max_new=self.max_new_tokens,
                          max_length=self.max_length, batch_tokens=self._fitting())
            n_new = 0
            with bar(len(drawn), "text") as shown:
                while slots.refill():
                    n_new += slots.n
                    ended = slots.draw(temperature) == self.tokenizer.eos_token_id
                    ended |= self._stopped(slots.last(min(TAIL, self.max_new_tokens)), stop)
                    ended |= slots.active["count"] == slots.active["limit"]
                    for row, ids in slots.release(ended):
                        drawn[row] = ids
                        shown.update()
            written = [self._cut(ids, stop) for ids in drawn]
            self.usage += Usage(1, len(drawn), sum(not w.ended for w in written),
                                slots.prompt_tokens, n_new, time.perf_counter() - began,
                                slots.merged)
        return [written[i:i + n] for i in range(0, len(written), n)]

    def chance(self, texts: Sequence[tuple[int, ...]], options: tuple[str, str]) -> np.ndarray:
        """The chance of the first of two words at the end of each text, [B].

        Args:
            texts: ids, [T] each.
            options: two words of one token each; nothing else is allowed.

        Raises:
            ValueError: if an option is no single token, or a text is longer than the limit.
        """
        for i, ids in enumerate(texts):
            if len(ids) > self.max_length:
                raise ValueError(f"text {i} has {len(ids)} ids, the model's limit is "
                                 f"{self.max_length}; lower max_new_tokens")
        columns = tuple(tokens.column(self.tokenizer, option) for option in options)
        items = [Encoded(tuple(ids), (len(ids) - 1,), 0) for ids in texts]
        began = time.perf_counter()
        with self._lock:
            self._choosing.columns = columns
            found, n_run = self._choosing._run(items)
            self.usage += Usage(prompt_tokens=n_run, seconds=time.perf_counter() - began)
        logits = np.array([found[item][0] for item in items], dtype=np.float64).reshape(-1, 2)
        return 1 / (1 + np.exp(logits[:, 1] - logits[:, 0]))

    def _fitting(self) -> int:
        free = free_bytes(self.model.device) // 4
        return self.batch_tokens or max(2**26, free) // position_bytes(self.model)

    def _stopped(self, last: np.ndarray, stop: Sequence[str]) -> np.ndarray:
        texts = self.tokenizer.batch_decode([row[row >= 0].tolist() for row in last])
        return np.array([any(word in text for word in stop) for text in texts])

    def _cut(self, ids: list[int], stop: Sequence[str]) -> Written:
        ended = self.tokenizer.eos_token_id in ids
        if ended:
            ids = ids[:ids.index(self.tokenizer.eos_token_id)]
        text = self.tokenizer.decode(ids)
        at = min((text.index(word) for word in stop if word in text), default=None)
        return Written(text, ended) if at is None else Written(text[:at], True)
