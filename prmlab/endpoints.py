"""Models behind an OpenAI-compatible server: vLLM, SGLang, llama.cpp, and others.

`Server` owns how such a server is spoken to: JSON over HTTP by the standard library, tries and
waits, errors that say what to mend. `EndpointPolicy` continues traces through `/completions`
(`judging.Endpoint` asks `/chat/completions`). Keys come from the environment alone. Knows no
token ids.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import urlsplit

from prmlab import answers
from prmlab.bars import bar
from prmlab.protocols import check_request
from prmlab.traces import Problem, Trace
from prmlab.usage import Sendable, Usage

WORTH_ANOTHER_TRY = {408, 409, 425, 429, 500, 502, 503, 504, 529}
LONGEST_WAIT = 60.0  # seconds between tries, whatever the server asks for
ROUNDS = 8  # of asking again for steps that came back empty
ENDED = {"stop", "eos", "eos_token", "stop_sequence"}  # finish reasons: not cut at a limit
HERE = {"localhost", "127.0.0.1", "::1"}
Item, Result = TypeVar("Item"), TypeVar("Result")


class Server:
    """Where requests go; they are repeated after 1, 2, 4 ... times `pause` where that may help.

    A timeout, a refused connection, too many requests, a server's error and an answer that is no
    JSON are worth another try; "Retry-After" is heeded. Redirections are not followed, so that
    the key goes nowhere else. May be used by many threads.

    Args:
        url: the server's base, such as "http://localhost:8000/v1".
        key_variable: the name of the environment variable that holds the key, sent as a bearer
            token; None sends none.
        timeout: seconds for one request.
        tries: requests before giving up, >= 1.
        pause: seconds before the second try.

    Raises:
        ValueError: if the url is not http(s) or holds a password, the variable is not set, or a
            number is out of its range.
    """

    def __init__(self, url: str, *, key_variable: str | None = None, timeout: float = 300.0,
                 tries: int = 5, pause: float = 1.0):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url must begin with http:// or https:// and name a host, got "
                             f"{url!r}; give the server's base, such as http://localhost:8000/v1")
        if parts.password:
            raise ValueError("url must not hold a password; put the key into an environment "
                             "variable and name that with key_variable")
        if tries < 1 or timeout <= 0 or pause < 0:
            raise ValueError(f"tries must be at least 1, timeout above 0 and pause at least 0, "
                             f"got {tries}, {timeout} and {pause}")
        if key_variable is not None and not os.environ.get(key_variable):
            raise ValueError(f"the environment variable {key_variable} must hold the key for "
                             f"{url}, it is not set; export {key_variable}=... first")
        self.url, self.key_variable = url.rstrip("/"), key_variable
        self.timeout, self.tries, self.pause = timeout, tries, pause
        self._direct = parts.hostname in HERE  # no proxy stands between this machine and itself

    def __repr__(self) -> str:
        return f"Server({self.url!r})"

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that the server answers to this one, posted to `url/path`.

        Raises:
            ValueError: if the server refuses the request, with what it says.
            OSError: if it cannot be reached or fails in every try.
        """
        where, data = f"{self.url}/{path}", json.dumps(body).encode()
        said, wait = "", 0.0
        for attempt in range(self.tries):
            if attempt:
                time.sleep(min(LONGEST_WAIT, max(wait, self.pause * 2**(attempt - 1))))
            try:
                status, reply, wait = self._send(where, data)
            except OSError as error:  # refused, reset, timed out, cut short
                said, wait = f"{type(error).__name__}: {error}", 0.0
                continue
            excerpt = repr(reply[:400].decode(errors="replace"))
            if status in WORTH_ANOTHER_TRY:
                said = f"{status} {excerpt}"
            elif status != 200:
                raise ValueError(f"{where} refused the request: {status} {excerpt}. "
                                 f"{self._mend(status)}")
            elif isinstance(made := _parsed(reply), dict):
                return made
            else:
                said = f"an answer that is no JSON object, {excerpt}"
        raise OSError(f"{where} gave no answer in {self.tries} tries, the last time: {said}. Is the "
                      "server running, and this its address? A journal keeps what was done: run "
                      "the same call again")

    def _send(self, where: str, data: bytes) -> tuple[int, bytes, float]:
        """Status, what is answered, and after how many seconds the server wants to be asked."""
        import urllib.request as web  # slow to import, and rarely needed
        from http.client import HTTPException

        headers = {"Content-Type": "application/json"}
        if self.key_variable is not None:
            headers["Authorization"] = f"Bearer {os.environ.get(self.key_variable, '')}"
        opener = web.OpenerDirector()  # without the handlers that raise, or follow redirections
        for handler in (web.ProxyHandler({} if self._direct else None), web.HTTPHandler(),
                        web.HTTPSHandler()):
            opener.add_handler(handler)
        try:
            with opener.open(web.Request(where, data, headers), timeout=self.timeout) as reply:
                return reply.status, reply.read(), _seconds(reply.headers.get("Retry-After"))
        except HTTPException as error:
            raise OSError(f"{type(error).__name__}: {error}") from error

    def _mend(self, status: int) -> str:
        if status in (401, 403):
            return (f"Is the key in {self.key_variable} right?" if self.key_variable else
                    "It wants a key: put it into an environment variable, and name that with "
                    "key_variable")
        if status == 404:
            return "Check the url (most servers' ends in /v1) and the model's name"
        if 300 <= status < 400:
            return "Redirections are not followed: give the url that it points to"
        return "Check the model's name, and that prompt and max_tokens fit its context"


def _parsed(reply: bytes) -> Any:
    try:
        return json.loads(reply)
    except (ValueError, RecursionError):
        return None


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, float(text or 0))
    except ValueError:  # a date
        return 0.0


def reported(reply: Mapping[str, Any]) -> Usage:
    """The tokens that a server says an answer took."""
    said = reply.get("usage")
    said = said if isinstance(said, dict) else {}
    known = [said.get(name) for name in ("prompt_tokens", "completion_tokens")]
    if all(isinstance(count, int) for count in known):
        return Usage(prompt_tokens=known[0], new_tokens=known[1])
    return Usage(uncounted=1)


def in_parallel(work: Callable[[Item], Result], items: Sequence[Item], n: int) -> list[Result]:
    """`work(item)` of each, in order, by `n` threads; once one has failed no more are begun."""
    from concurrent.futures import ThreadPoolExecutor  # slow to import, and rarely needed

    results = []
    with ThreadPoolExecutor(n) as pool, bar(len(items), "request") as shown:
        for result in pool.map(work, items):
            results.append(result)
            shown.update(1)
    return results


def states_answer(step: str) -> bool:
    """Whether a step says what the answer is."""
    return answers.extract(step) is not None


def plain_prompt(prefix: Trace, separator: str = "\n") -> str:
    """The problem's text and each step, every one followed by the separator."""
    return "".join(part + separator for part in (prefix.problem.text, *prefix.steps))


@dataclass(frozen=True)
class _Job:
    """One request: `n` samples of a prefix, after `before` others; `stream` names its seeds."""

    prompt: str
    stream: str
    prefix: int
    n: int
    before: int
    round: int


class EndpointPolicy(Sendable):
    """A model behind an OpenAI-compatible server that continues traces; a `protocols.Policy`.

    `usage` sums what the server says it has cost. Seeds are sent along, each a function of
    (seed, prompt, how many equal prompts came before); whether equal seeds give equal samples is
    up to the server. Servers that ignore `n` are asked once a sample. transformers' own server
    samples only if the model's generation_config.json says do_sample; else all are greedy.

    A trace is finished when the model ends it, or with the first step that `ends` it. Behind a
    stop string not every server can tell that the model ended: then `propose` knows by `ends`
    alone.

    Args:
        url: the server's base, such as "http://localhost:8000/v1".
        model: the name by which the server knows it.
        separator: the text between steps; `propose` stops there.
        prompt: what is sent for a prefix: a text that ends where the next step begins. For a
            chat model write its template into it.
        ends: whether a step is the last; by default one that states an answer is.
        max_tokens: most tokens drawn for one sample of `complete`.
        step_tokens: most tokens drawn for one step of `propose`.
        parallel: requests at a time.
        extra: more fields of each request, such as `{"top_p": 0.95}`.
        options: as for `Server`.

    Raises:
        ValueError: as `Server`, and if a number is out of its range.
    """

    repeats_differ = True

    def __init__(self, url: str, model: str, *, separator: str = "\n",
                 prompt: Callable[[Trace], str] | None = None,
                 ends: Callable[[str], bool] = states_answer, max_tokens: int = 1024,
                 step_tokens: int = 256, parallel: int = 16,
                 extra: Mapping[str, Any] | None = None, **options: Any):
        if min(max_tokens, step_tokens, parallel) < 1 or not separator:
            raise ValueError(f"max_tokens, step_tokens and parallel must be at least 1 and "
                             f"separator not empty, got {max_tokens}, {step_tokens}, {parallel} "
                             f"and {separator!r}")
        self.server, self.model, self.separator = Server(url, **options), model, separator
        self.prompt = prompt or partial(plain_prompt, separator=separator)
        self.ends = ends
        self.max_tokens, self.step_tokens, self.parallel = max_tokens, step_tokens, parallel
        self.extra = dict(extra or {})
        self.usage = Usage()
        self._heeds_n = True
        self._lock = Lock()

    def __repr__(self) -> str:
        return (f"EndpointPolicy({self.model!r} at {self.server.url!r}, max_tokens="
                f"{self.max_tokens}, step_tokens={self.step_tokens}, extra={self.extra})")

    @property
    def fingerprint(self) -> str:
        """Names what decides the samples: the model by its name, the prompt's form, settings.

        Where the server is does not count; what it runs under that name is not known here.
        """
        form = self.prompt(Trace(Problem("id", "text", None, "family"), ("step", "step")))
        ends = getattr(self.ends, "__qualname__", type(self.ends).__qualname__)
        said = json.dumps([form, self.separator, ends, self.max_tokens, self.step_tokens,
                           self.extra], sort_keys=True)
        return f"{self.model} {blake2b(said.encode(), digest_size=16).hexdigest()}"

    def complete(self, prefixes: Sequence[Trace], n: int, *, seed: int,
                 temperature: float = 1.0) -> list[list[Trace]]:
        """`n` continuations of each prefix to the end, in the prefixes' order.

        One that meets `max_tokens` first comes back with `finished=False` and is counted in
        `usage.cut`. A prefix that is finished comes back as it is, `n` times.

        Raises:
            ValueError: if n or temperature is out of its range, or as `Server.post`.
            OSError: as `Server.post`.
        """
        open_ = [prefix for prefix in prefixes if not prefix.finished]
        made = iter(self._sample(open_, n, seed, temperature, one_step=False))
        return [[prefix] * n if prefix.finished else next(made) for prefix in prefixes]

    def propose(self, prefixes: Sequence[Trace], n: int, *, seed: int,
                temperature: float = 1.0) -> list[list[Trace]]:
        """`n` continuations of each prefix by one step; errors as for `complete`.

        Where the server gave no step at all, an empty one, it is asked again.

        Raises:
            ValueError: if a prefix is finished, if steps stay empty, and as for `complete`.
            OSError: as `Server.post`.
        """
        return self._sample(prefixes, n, seed, temperature, one_step=True)

    def _sample(self, prefixes: Sequence[Trace], n: int, seed: int, temperature: float,
                one_step: bool) -> list[list[Trace]]:
        check_request(prefixes, n, temperature, one_step=one_step)
        began, different = time.perf_counter(), n if temperature else 1  # greedy: all are equal
        asks, seen = [], Counter[str]()
        for prompt in map(self.prompt, prefixes):
            asks.append((prompt, f"{seed} {seen[prompt] if temperature else 0}"))
            seen[prompt] += 1
        made: list[list[Trace]] = [[] for _ in prefixes]
        cut = 0
        for round in range(ROUNDS):
            jobs = [_Job(*asks[i], i, n_asked, len(row) + before, round)
                    for i, row in enumerate(made)
                    for n_asked, before in self._parts(different - len(row))]
            if not jobs:
                break
            replies = in_parallel(partial(self._ask, temperature, one_step), jobs, self.parallel)
            for job, choices in zip(jobs, replies, strict=True):
                self._heeds_n &= len(choices) == job.n
                for choice in choices:
                    trace, whole = self._trace(prefixes[job.prefix], choice, one_step)
                    if trace is not None:
                        made[job.prefix].append(trace)
                        cut += not whole
        for prefix, row in zip(prefixes, made, strict=True):
            if len(row) < different:
                raise ValueError(f"{self!r} began no step for problem {prefix.problem.id!r}, "
                                 f"{ROUNDS} times over; check separator and prompt: it is asked "
                                 f"to go on after {self.prompt(prefix)[-60:]!r}")
        with self._lock:
            self.usage += Usage(1, n * len(made), cut * n // different,
                                seconds=time.perf_counter() - began)
        return [row * (n // different) for row in made]

    def _parts(self, lacking: int) -> list[tuple[int, int]]:
        """How to ask for that many samples: of each request its `n`, and how many go before."""
        if self._heeds_n:
            return [(lacking, 0)] if lacking else []
        return [(1, k) for k in range(lacking)]

    def _ask(self, temperature: float, one_step: bool, job: "_Job") -> list[dict[str, Any]]:
        """The choices that the server gives."""
        name = f"{job.stream} {job.before} {job.round} {job.prompt}".encode()
        body = {"model": self.model, "prompt": job.prompt, "n": job.n, "temperature": temperature,
                "seed": int.from_bytes(blake2b(name, digest_size=4).digest()) >> 1,
                "max_tokens": self.step_tokens if one_step else self.max_tokens}
        if one_step:
            body["stop"] = [self.separator]
        return self._choices(self.server.post("completions", {**body, **self.extra}))[:job.n]

    def _choices(self, reply: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The choices of an answer, its tokens counted."""
        choices = reply.get("choices")
        if not (isinstance(choices, list) and choices
                and all(isinstance(c, dict) and isinstance(c.get("text"), str) for c in choices)):
            raise ValueError(f"{self.server.url}/completions must answer with choices that have a "
                             f"text, got {str(reply)[:200]!r}; is it an OpenAI-compatible server "
                             "with a completions endpoint?")
        with self._lock:
            self.usage += reported(reply)
        return choices

    def _trace(self, prefix: Trace, choice: Mapping[str, Any], one_step: bool
               ) -> tuple[Trace | None, bool]:
        """The prefix gone on with one choice, None without a step, and whether it is whole."""
        steps = [step for part in choice["text"].split(self.separator) if (step := part.strip())]
        reason = choice.get("finish_reason")
        ended = whole = reason in ENDED
        if one_step:
            # What stopped it: vLLM's stop_reason, SGLang's matched_stop; an id or null is the end.
            unsaid = self.separator if reason in ("stop", "stop_sequence") else None
            stop = choice.get("stop_reason", choice.get("matched_stop", unsaid))
            whole |= len(steps) > 1  # a server that ignores stop
            ended &= stop != self.separator and len(steps) < 2
            steps = steps[:1]
        last = next((s for s, step in enumerate(steps) if self.ends(step)), None)
        if last is not None:
            steps, ended, whole = steps[:last + 1], True, True
        if one_step and not steps:
            return None, True
        return Trace(prefix.problem, (*prefix.steps, *steps), ended, source=self.model), whole
