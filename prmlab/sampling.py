"""Sampling continuations of traces from any causal language model, many at a time.

Owns how a policy's tokens are drawn. A row (one sample of one prefix) has its own stream of uniform
numbers, a function of (seed, the prefix's ids, the sample's index) and the position; each token is
the inverse of the cumulative distribution at the next one. So a sample does not depend on what else
is in the batch, on the batch's size or on the order of the prefixes; the k-th repeat of a prefix
within a call counts its samples on from `k * n`. Only rounding differs with the shape of a batch
(about 1e-6 of a probability), which moves a token about once in a million.
Does not know what a right step is, nor where a scorer reads its scores.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from os import PathLike, fspath
from pathlib import Path
from threading import Lock
from typing import Self

import numpy as np
import torch
from tqdm import tqdm
from transformers import (
    AutoModelForCausalLM,
    Cache,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from prmlab import pretrained, tokens
from prmlab.traces import Trace

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Sums:
    """Records of counts that add and subtract field by field."""

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Usage(Sums):
    """What sampling has cost; subtract an earlier one for the cost of what lay between.

    Args:
        calls: calls of `propose` and `complete`.
        samples: traces returned.
        cut: those of them that met a length limit before their end; they are not `finished`.
        prompt_tokens: tokens run through the model as prompts, each distinct prefix once a call.
        new_tokens: tokens drawn, the end's and any thrown away after a step included.
        seconds: time spent.
    """

    calls: int = 0
    samples: int = 0
    cut: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    seconds: float = 0.0

    @property
    def policy_tokens(self) -> int:
        """All tokens run through the model."""
        return self.prompt_tokens + self.new_tokens


class LocalPolicy:
    """A causal language model on this machine that continues traces; a `protocols.Policy`.

    `usage` holds what it has cost since it was made. Calls from several threads take turns.

    Args:
        model: any transformers causal LM whose layers all attend to everything before.
        tokenizer: its tokenizer; the end of a trace is its eos.
        separator: the text between steps, as in training.
        max_new_tokens: most tokens drawn for one sample.
        batch_tokens: cache positions held at once, which bounds the memory and sets how many rows
            run together; on a CPU a cache that fits in L3 is fastest.
        source: what the traces say wrote them.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *,
                 separator: str = tokens.SEPARATOR, max_new_tokens: int = 256,
                 batch_tokens: int = 2**15, source: str = "policy"):
        kinds = set(getattr(model.config, "layer_types", None) or ()) - {"full_attention"}
        if kinds:
            raise ValueError(f"every layer must be full attention, this model has {sorted(kinds)}; "
                             "sample it through a server with EndpointPolicy")
        if tokenizer.eos_token_id is None:
            raise ValueError("the tokenizer must have an eos token, which ends a trace; set "
                             "tokenizer.eos_token")
        if min(max_new_tokens, batch_tokens) < 1:
            raise ValueError(f"max_new_tokens and batch_tokens must be at least 1, got "
                             f"{max_new_tokens} and {batch_tokens}")
        self.model, self.tokenizer, self.separator = model.eval(), tokenizer, separator
        self.max_new_tokens, self.batch_tokens, self.source = max_new_tokens, batch_tokens, source
        self.max_length = getattr(model.config, "max_position_embeddings", None) or 2**31
        self.usage = Usage()
        self._lock = Lock()
        self._closing: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def load(cls, name: str | PathLike[str], *, device: str | None = None,
             **options) -> "LocalPolicy":
        """The policy of that name: the catalogue's, a folder, or a hub id (owner/name).

        Args:
            device: where to run; a GPU if there is one by default.
            options: as for the constructor.

        Raises:
            ValueError: if there is no such model, or it is damaged or no causal LM.
        """
        model, tokenizer = pretrained.load(AutoModelForCausalLM, "ForCausalLM", name, device=device)
        return cls(model, tokenizer, **{"source": Path(fspath(name)).name, **options})

    def complete(self, prefixes: Sequence[Trace], n: int, *, seed: int,
                 temperature: float = 1.0) -> list[list[Trace]]:
        """`n` continuations of each prefix to the end, in the prefixes' order.

        A continuation that meets a length limit first comes back with `finished=False`, and is
        counted in `usage.cut`.

        Args:
            prefixes: traces to go on from; one without steps is a problem nobody has begun.
            n: samples for each prefix, >= 1.
            seed: with the prefix and the sample's index it decides what is drawn.
            temperature: divides the logits; 0 takes the likeliest token every time.

        Raises:
            ValueError: if a prefix is finished or leaves no room below the model's limit.
        """
        return self._sample(prefixes, n, seed, temperature, one_step=False)

    def propose(self, prefixes: Sequence[Trace], n: int, *, seed: int,
                temperature: float = 1.0) -> list[list[Trace]]:
        """`n` continuations of each prefix by one step; arguments and errors as for `complete`.

        After a step one more token is drawn: if it is the end the trace is `finished`, else it is
        thrown away. A prefix to which the model adds nothing but the end comes back finished,
        without a new step.
        """
        return self._sample(prefixes, n, seed, temperature, one_step=True)

    def _sample(self, prefixes: Sequence[Trace], n: int, seed: int, temperature: float,
                one_step: bool) -> list[list[Trace]]:
        if n < 1 or not temperature >= 0:
            raise ValueError(f"n must be at least 1 and temperature at least 0, got {n} and "
                             f"{temperature}")
        began = time.perf_counter()
        encoded = [e.ids for e in tokens.encode_many(self.tokenizer, prefixes,
                                                     separator=self.separator)]
        for prefix, ids in zip(prefixes, encoded, strict=True):
            self._check(prefix, ids)
        with self._lock, torch.inference_mode():
            drawn, used = self._decode(_Rows(encoded, n, seed), temperature, one_step)
            traces = [self._trace(prefixes[i // n], new, one_step) for i, new in enumerate(drawn)]
            self.usage += replace(used, calls=1, samples=len(traces),
                                  seconds=time.perf_counter() - began)
        return [traces[i:i + n] for i in range(0, len(traces), n)]

    def _check(self, prefix: Trace, ids: Sequence[int]) -> None:
        if prefix.finished:
            raise ValueError(f"a prefix must not be finished: problem {prefix.problem.id!r}; take "
                             "trace.prefix(n_steps) to go on from an earlier step")
        if not ids:
            raise ValueError(f"problem {prefix.problem.id!r} has no ids to go on from; its text is "
                             "empty and the tokenizer has no bos")
        if len(ids) >= self.max_length:
            raise ValueError(f"the prefix of problem {prefix.problem.id!r} has {len(ids)} ids, the "
                             f"model's limit is {self.max_length}; no room is left for a step")

    def _trace(self, prefix: Trace, new: Sequence[int], one_step: bool) -> Trace:
        steps, finished = tokens.split_ids(self.tokenizer, new, separator=self.separator)
        if one_step:
            steps = steps[:1]
        return Trace(prefix.problem, (*prefix.steps, *steps), finished, source=self.source)

    def _decode(self, rows: "_Rows", temperature: float, one_step: bool
                ) -> tuple[list[list[int]], Usage]:
        drawn: list[list[int]] = [[] for _ in rows.keys]
        slots = _Slots(self.model, rows, self.max_new_tokens, self.max_length, self.batch_tokens)
        bar = tqdm(total=len(drawn), delay=2, mininterval=1, unit="trace")
        n_new = n_cut = 0
        while slots.refill():
            n_new += slots.n
            new = slots.draw(temperature)
            ended = new == self.tokenizer.eos_token_id
            if one_step:
                ended |= slots.stepped[:slots.n]
                slots.stepped[:slots.n] |= self._closes_step(slots)
            full = slots.count[:slots.n] == slots.limit[:slots.n]
            n_cut += int((full & ~ended).sum())
            for row, ids in slots.release(ended | full):
                drawn[row] = ids
                bar.update()
        bar.close()
        return drawn, Usage(cut=n_cut, prompt_tokens=slots.prompt_tokens, new_tokens=n_new)

    def _closes_step(self, slots: "_Slots") -> np.ndarray:
        """Whether each row's last token ends a step: the separator's ids, or one that holds it."""
        if self._closing is None:
            texts = self.tokenizer.batch_decode([[i] for i in range(len(self.tokenizer))])
            holds = np.zeros(max(len(texts), self.model.config.vocab_size), dtype=bool)
            holds[:len(texts)] = [self.separator in text for text in texts]
            self._closing = np.array(tokens.plain_ids(self.tokenizer, self.separator)), holds
        between, holds = self._closing
        last, count = slots.last(len(between)), slots.count[:slots.n]
        # A separator before any word is an empty step, which is no step: the row goes on.
        return (holds[last[:, -1]] | (last == between).all(1)) & (count > len(between))


class _Rows:
    """The samples that a call asks for, by distinct prompt, longest prompt first.

    Fields: `prompts` (ids), `members` (each prompt's row numbers), `keys` [N] (each row's stream).
    """

    def __init__(self, encoded: Sequence[tuple[int, ...]], n: int, seed: int):
        owners: dict[tuple[int, ...], list[int]] = {}
        for i, ids in enumerate(encoded):
            owners.setdefault(ids, []).append(i)
        self.prompts = sorted(owners, key=lambda ids: (-len(ids), ids))
        self.members: list[np.ndarray] = []
        self.keys = np.zeros(len(encoded) * n, dtype=np.uint64)
        for ids in self.prompts:
            rows = (np.array(owners[ids])[:, None] * n + np.arange(n)).ravel()
            content = np.array(ids, dtype=np.int64).tobytes() + str(seed).encode()
            key = np.frombuffer(blake2b(content, digest_size=8).digest(), dtype=np.uint64)
            self.keys[rows] = _mix(key + GOLDEN * np.arange(1, len(rows) + 1, dtype=np.uint64))
            self.members.append(rows)


class _Slots(Cache):
    """The rows being decoded: their key-value cache, positions and drawn tokens.

    Slots 0..n-1 are active. When rows end, the last active ones move into their places, so the
    batch is always a slice and is never copied whole. Every row sits at its own position and a mask
    hides what lies behind it.
    """

    def __init__(self, model: PreTrainedModel, rows: _Rows, max_new: int, max_length: int,
                 batch_tokens: int):
        super().__init__(layers=[])
        longest = len(rows.prompts[0]) if rows.prompts else 0
        self.width = min(longest + max_new, max_length)
        self.size = size = max(1, min(batch_tokens // self.width, len(rows.keys)))
        self.model, self.rows, self.max_new, self.max_length = model, rows, max_new, max_length
        self.stores: list[tuple[torch.Tensor, torch.Tensor]] = []  # a layer: [size, heads, T, C]
        self.hidden = torch.finfo(model.dtype).min
        self.mask = torch.full((size, self.width), self.hidden, dtype=model.dtype,
                               device=model.device)
        self.row, self.position, self.count, self.limit, self.token = (
            np.zeros(size, dtype=np.int64) for _ in range(5))
        self.stepped = np.zeros(size, dtype=bool)
        self.key = np.zeros(size, dtype=np.uint64)
        self.drawn = np.zeros((size, max_new), dtype=np.int64)
        self.n = self.prompt_tokens = 0
        self._next = 0  # the first prompt not yet run
        self._ready = _Prompts([], [], [])

    def refill(self) -> int:
        """Put waiting rows into free slots, in lots so that prompts run as batches too."""
        while self.n == 0 or self.size - self.n >= max(1, self.size // 8):
            if not len(self._ready.rows):
                if self._next == len(self.rows.prompts):
                    break
                self._ready = self._prefill()
            self._admit()
            if self.n == self.size:
                break
        return self.n

    def draw(self, temperature: float) -> np.ndarray:
        """Run every active row one token further and draw its next one, [n]."""
        n, device = self.n, self.model.device
        self._at = torch.from_numpy(self.position[:n]).to(device)
        self._slot = torch.arange(n, device=device)
        self._seen = int(self.position[:n].max()) + 1
        self.mask[self._slot, self._at] = 0
        logits = self.model(
            input_ids=torch.from_numpy(self.token[:n, None]).to(device),
            attention_mask=self.mask[:n, None, None, :self._seen],
            position_ids=self._at[:, None], past_key_values=self, use_cache=True).logits[:, -1]
        if temperature == 0:
            new = logits.argmax(-1).cpu().numpy()
        else:
            counter = self.key[:n] + GOLDEN * (self.count[:n] + 1).astype(np.uint64)
            uniform = (_mix(counter) >> np.uint64(11)) * 2.0**-53
            mass = torch.softmax(logits.float() / temperature, -1).cumsum(-1, dtype=torch.float64)
            level = torch.from_numpy(uniform).to(device)[:, None] * mass[:, -1:]
            new = (mass <= level).sum(-1).cpu().numpy()
        self.drawn[np.arange(n), self.count[:n]] = self.token[:n] = new
        self.count[:n] += 1
        self.position[:n] += 1
        return new

    def last(self, k: int) -> np.ndarray:
        """The last `k` tokens drawn in each active row, [n, k]; -1 before the first."""
        at = self.count[:self.n, None] + np.arange(-k, 0)
        return np.where(at < 0, -1, self.drawn[np.arange(self.n)[:, None], at])

    def release(self, ended: np.ndarray) -> list[tuple[int, list[int]]]:
        """Row number and drawn tokens of the active rows that ended; the others close ranks."""
        gone = np.flatnonzero(ended)
        result = [(int(self.row[i]), self.drawn[i, :self.count[i]].tolist()) for i in gone]
        left = self.n - len(gone)
        holes, movers = gone[gone < left], left + np.flatnonzero(~ended[left:])
        if len(holes):
            for column in (self.row, self.position, self.count, self.limit, self.token,
                           self.stepped, self.key, self.drawn):
                column[holes] = column[movers]
            to, of = torch.from_numpy(holes), torch.from_numpy(movers)
            for store in (self.mask, *(s for pair in self.stores for s in pair)):
                store[to] = store[of]
        self.n = left
        return result

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int,
               *args, **kwargs) -> tuple[torch.Tensor, torch.Tensor]:
        """Called by the model's attention: keep the new keys and values, return all so far."""
        self._allocate(layer_idx, key_states, value_states)
        keys, values = self.stores[layer_idx]
        keys[self._slot, :, self._at] = key_states[:, :, 0]
        values[self._slot, :, self._at] = value_states[:, :, 0]
        return keys[:self.n, :, :self._seen], values[:self.n, :, :self._seen]

    def _allocate(self, layer: int, *like: torch.Tensor) -> None:
        if layer == len(self.stores):
            self.stores.append(tuple(x.new_zeros(self.size, x.shape[1], self.width, x.shape[3])
                                     for x in like))

    def _prefill(self) -> "_Prompts":
        """Run the next prompts, as many as fill the free slots, all but their last token."""
        first, n_rows = self._next, 0
        while n_rows < self.size - self.n and self._next < len(self.rows.prompts):
            n_rows += len(self.rows.members[self._next])
            self._next += 1
        prompts = self.rows.prompts[first:self._next]
        ids = torch.zeros(len(prompts), len(prompts[0]) - 1, dtype=torch.long)
        for i, prompt in enumerate(prompts):
            ids[i, :len(prompt) - 1] = torch.tensor(prompt[:-1])
        cache = DynamicCache(config=self.model.config)
        if ids.shape[1]:
            # Padding is on the right and attention causal: no mask is needed.
            self.model.base_model(input_ids=ids.to(self.model.device), past_key_values=cache,
                                  use_cache=True)
            self.prompt_tokens += sum(len(p) - 1 for p in prompts)
        layers = [(layer.keys, layer.values) for layer in cache.layers if layer.keys is not None]
        return _Prompts(prompts, layers, [(i, row) for i in range(len(prompts))
                                          for row in self.rows.members[first + i]])

    def _admit(self) -> None:
        ready = self._ready
        taken, ready.rows = ready.rows[:self.size - self.n], ready.rows[self.size - self.n:]
        which, row = (np.array(column) for column in zip(*taken, strict=True))
        new = slice(self.n, self.n + len(taken))
        length = np.array([len(p) for p in ready.prompts])[which]
        self.row[new], self.key[new], self.position[new] = row, self.rows.keys[row], length - 1
        self.token[new] = np.array([p[-1] for p in ready.prompts])[which]
        self.count[new], self.stepped[new] = 0, False
        self.limit[new] = np.minimum(self.max_new, self.max_length - length)
        at = torch.from_numpy(which).to(self.model.device)
        for layer, pair in enumerate(ready.layers):
            self._allocate(layer, *pair)
            for store, states in zip(self.stores[layer], pair, strict=True):
                store[new, :, :states.shape[2]] = states[at]
        known = torch.from_numpy(length - 1).to(self.model.device)[:, None]
        places = torch.arange(self.width, device=self.model.device)
        self.mask[new] = torch.where(places < known, 0.0, self.hidden)
        self.n += len(taken)


@dataclass
class _Prompts:
    """Prompts that have been run, and the rows (prompt, row number) waiting for a slot."""

    prompts: list[tuple[int, ...]]
    layers: list[tuple[torch.Tensor, torch.Tensor]]
    rows: list[tuple[int, int]]


def _mix(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele et al. 2014): a bijection that scatters the bits."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
