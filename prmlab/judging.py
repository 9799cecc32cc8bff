"""Critics: language models that are asked where a solution first goes wrong.

Owns the question, in ProcessBench's form: paragraphs in numbered tags, counted from 0, the index
of the first wrong one in \\boxed{}, -1 for none; and reading it back. -1 exists only there: here
"no error" is `None`. Does not vote (`labels.judge` does), nor know the truth, nor how a server is
spoken to (`endpoints` does).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any, Protocol, runtime_checkable

from prmlab.endpoints import Server, in_parallel, reported
from prmlab.traces import Trace
from prmlab.usage import Sendable, Usage

_BOXED = re.compile(r"\\boxed\s*\{\s*(?:\\text\{)?\s*(-?\d{1,6})\s*\}")


@runtime_checkable
class Critic(Protocol):
    """Something that writes critiques of traces."""

    def critique(self, traces: Sequence[Trace], n: int, *, seed: int) -> list[list[str]]:
        """`n` critiques of each of B traces, `[B][n]` texts that `read_vote` can read."""
        ...


def question(trace: Trace) -> str:
    """What a critic is asked: the problem, the steps in numbered tags, and how to answer.

    Source: the layout of Zheng et al. 2024, ProcessBench, arXiv:2412.06559; our words.
    """
    paragraphs = "\n\n".join(f"<paragraph_{s}>\n{step}\n</paragraph_{s}>"
                             for s, step in enumerate(trace.steps))
    return (f"Below are a problem and a solution in tagged paragraphs, numbered from 0.\n\n"
            f"[Problem]\n\n{trace.problem.text}\n\n[Solution]\n\n{paragraphs}\n\n"
            "Check the paragraphs one by one. Find the first paragraph that contains an error, "
            "and give its number in \\boxed{}. If no paragraph contains one, give \\boxed{-1}.")


def read_vote(text: str, n_steps: int) -> int | None:
    """The first error that a critique names, 0-based; None if it finds none.

    The last boxed whole number counts.

    Raises:
        ValueError: if the critique names no paragraph that exists.

    Example:
        >>> read_vote("So paragraph 2 is wrong: \\\\boxed{2}", n_steps=4), read_vote("\\\\boxed{-1}", 4)
        (2, None)
    """
    found = _BOXED.findall(text)
    index = int(found[-1]) if found else None
    if index is None or not -1 <= index < n_steps:
        raise ValueError(f"a critique must name a paragraph from 0 to {n_steps - 1}, or -1, in "
                         f"\\boxed{{}}, got {text[-80:]!r}")
    return None if index == -1 else index


class Endpoint(Sendable):
    """A critic behind an OpenAI-compatible server (vLLM, SGLang, llama.cpp, and others).

    Every critique is a request of its own, with the seed `seed + i` for the i-th of a trace, so
    that servers which ignore `n` work too. `usage` sums what the server says it has cost.

    Args:
        url: the server's base, such as "http://localhost:8000/v1".
        model: the name by which the server knows it.
        temperature: of the sampling, >= 0.
        max_tokens: most tokens of one critique.
        parallel: requests at a time.
        extra: more fields of each request, such as `{"top_p": 0.95}`.
        options: as for `endpoints.Server`.

    Raises:
        ValueError: as `endpoints.Server`, and if a number is out of its range.
    """

    def __init__(self, url: str, model: str, *, temperature: float = 1.0, max_tokens: int = 4096,
                 parallel: int = 8, extra: Mapping[str, Any] | None = None, **options: Any):
        if min(parallel, max_tokens) < 1 or not temperature >= 0:
            raise ValueError(f"parallel and max_tokens must be at least 1 and temperature at "
                             f"least 0, got {parallel}, {max_tokens} and {temperature}")
        self.server, self.model, self.temperature = Server(url, **options), model, temperature
        self.max_tokens, self.parallel, self.extra = max_tokens, parallel, dict(extra or {})
        self.usage = Usage()
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"Endpoint({self.model!r} at {self.server.url!r}, {self._settings})"

    @property
    def fingerprint(self) -> str:
        """Names what decides the critiques; where the server is does not count."""
        return f"Endpoint({self.model!r}, {self._settings})"

    @property
    def _settings(self) -> str:
        return (f"temperature={self.temperature}, max_tokens={self.max_tokens}, "
                f"extra={json.dumps(self.extra, sort_keys=True)}")

    def critique(self, traces: Sequence[Trace], n: int, *, seed: int) -> list[list[str]]:
        """`n` critiques of each trace, `[B][n]`, in order.

        Raises:
            ValueError: if the server refuses a request, with what it says.
            OSError: if it cannot be reached, or fails in every try.
        """
        asked = [(question(trace), seed + i) for trace in traces for i in range(n)]
        texts = in_parallel(self._ask, asked, self.parallel)
        return [texts[i:i + n] for i in range(0, len(texts), n)]

    def _ask(self, asked: tuple[str, int]) -> str:
        text, seed = asked
        body = {"model": self.model, "messages": [{"role": "user", "content": text}],
                "temperature": self.temperature, "max_tokens": self.max_tokens, "seed": seed}
        reply = self.server.post("chat/completions", {**body, **self.extra})
        try:
            said = (reply["choices"][0]["message"]["content"] or "").strip()
        except (AttributeError, KeyError, IndexError, TypeError):
            raise ValueError(f"{self.server.url}/chat/completions must answer with "
                             f"choices[0].message.content, got {str(reply)[:200]!r}; is it an "
                             "OpenAI-compatible server?") from None
        with self._lock:
            self.usage += replace(reported(reply), calls=1, samples=1)
        return said
