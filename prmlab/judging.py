"""Critics: language models that are asked where a solution first goes wrong.

Owns the question, in ProcessBench's form: paragraphs in numbered tags, counted from 0, the index
of the first wrong one in \\boxed{}, -1 for none; and reading it back. -1 exists only there: here
"no error" is `None`. Speaks to any server with OpenAI's chat completions, by the standard library
alone. Does not vote (`labels.judge` does) nor know the truth.
"""

import json
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from prmlab.traces import Trace

_BOXED = re.compile(r"\\boxed\s*\{\s*(?:\\text\{)?\s*(-?\d{1,6})\s*\}")
_WORTH_ANOTHER_TRY = {408, 429, 500, 502, 503, 504}


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


@dataclass(frozen=True)
class EndpointUsage:
    """What a server has reported so far: `policy_tokens` counts prompts and answers."""

    calls: int = 0
    policy_tokens: int = 0


class Endpoint:
    """A critic behind an OpenAI-compatible server (vLLM, SGLang, llama.cpp, and others).

    Every critique is a request of its own, with the seed `seed + i` for the i-th of a trace, so
    that servers which ignore `n` work too. Requests that fail for the moment (a timeout, too many
    requests, a server error) are repeated, after 1, 2, 4 ... times `pause`.

    Args:
        url: the server's base, such as "http://localhost:8000/v1".
        model: the name the server knows it by.
        api_key: sent as a bearer token; it is not shown in the repr.
        temperature: of the sampling, >= 0.
        max_tokens: most tokens of one critique.
        timeout: seconds for one request.
        parallel: requests at a time.
        tries: requests for one critique before giving up, >= 1.
        pause: seconds before the second try.

    Raises:
        ValueError: if the url is not http(s), or a number is out of its range.
    """

    def __init__(self, url: str, model: str, *, api_key: str | None = None,
                 temperature: float = 1.0, max_tokens: int = 4096, timeout: float = 300.0,
                 parallel: int = 8, tries: int = 4, pause: float = 1.0):
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"url must begin with http:// or https://, got {url!r}; give the "
                             "server's base, such as http://localhost:8000/v1")
        if min(parallel, tries, max_tokens) < 1 or temperature < 0:
            raise ValueError(f"parallel, tries and max_tokens must be at least 1 and temperature "
                             f"at least 0, got {parallel}, {tries}, {max_tokens}, {temperature}")
        self.url, self.model, self._api_key = url.rstrip("/"), model, api_key
        self.temperature, self.max_tokens, self.timeout = temperature, max_tokens, timeout
        self.parallel, self.tries, self.pause = parallel, tries, pause
        self.usage = EndpointUsage()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return (f"Endpoint({self.model!r}, temperature={self.temperature}, "
                f"max_tokens={self.max_tokens})")

    def critique(self, traces: Sequence[Trace], n: int, *, seed: int) -> list[list[str]]:
        """`n` critiques of each trace, `[B][n]`, in order.

        Raises:
            ValueError: if the server refuses a request, with what it says.
            OSError: if it cannot be reached, or fails in every try.
        """
        from concurrent.futures import ThreadPoolExecutor  # slow to import, and rarely needed

        asked = [(question(trace), seed + i) for trace in traces for i in range(n)]
        with ThreadPoolExecutor(self.parallel) as pool:
            texts = list(pool.map(lambda pair: self._ask(*pair), asked))
        return [texts[i:i + n] for i in range(0, len(texts), n)]

    def _ask(self, text: str, seed: int) -> str:
        body = {"model": self.model, "messages": [{"role": "user", "content": text}],
                "temperature": self.temperature, "max_tokens": self.max_tokens, "seed": seed}
        reply = self._post(json.dumps(body).encode())
        try:
            said = reply["choices"][0]["message"]["content"] or ""
            tokens = int((reply.get("usage") or {}).get("total_tokens", 0))
        except (KeyError, IndexError, TypeError, AttributeError):
            raise ValueError(f"{self.url} must answer with choices[0].message.content, got "
                             f"{str(reply)[:200]!r}; is it an OpenAI-compatible server?") from None
        with self._lock:
            self.usage = EndpointUsage(self.usage.calls + 1, self.usage.policy_tokens + tokens)
        return said

    def _post(self, body: bytes) -> Any:
        import urllib.error  # as above
        import urllib.request

        headers = {"Content-Type": "application/json"}
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        request = urllib.request.Request(f"{self.url}/chat/completions", body, headers)
        for attempt in range(self.tries):
            if attempt:
                time.sleep(self.pause * 2**(attempt - 1))
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as reply:
                    return json.loads(reply.read())
            except urllib.error.HTTPError as error:
                said = f"{error.code} {error.read(300).decode(errors='replace')!r}"
                if error.code not in _WORTH_ANOTHER_TRY:
                    raise ValueError(f"{self.url} refused the request: {said}; check the url, the "
                                     "model's name and the api_key") from None
            except json.JSONDecodeError as error:
                said = f"an answer that is no JSON ({error})"
            except OSError as error:  # refused, reset, timed out
                said = str(error)
        raise OSError(f"{self.url} did not answer in {self.tries} tries, the last time: {said}. Is "
                      "the server running? Run the same call again with a journal, it goes on "
                      "from there")
