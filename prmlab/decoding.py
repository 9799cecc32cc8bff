"""Decoding many rows of token ids at once: continuous batching over any causal LM.

Owns how tokens are drawn. A row (one sample of one prompt) has its own stream of uniform
numbers, a function of (seed, the prompt's ids, the sample's index) and of the position, and each
token is the inverse of the cumulative distribution at the next one. So what a row draws does not
depend on the other rows. Does not know what a trace or a step is (`sampling` does).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from transformers import Cache, DynamicCache, PreTrainedModel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, the step of SplitMix64


class Rows:
    """The samples that a call asks for, by distinct prompt, longest prompt first.

    The k-th repeat of a prompt counts its samples on from `k * n`: repeats differ, and it does
    not matter where in the call they stand.

    Args:
        encoded: the ids of each prefix; `n` rows are made of each, numbered in this order.
        seed: decides the streams, with the ids and the sample's index.

    Fields: `prompts`, the distinct ids; `members`, the row numbers of each; `keys` [N], the
    start of each row's stream.
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
            self.keys[rows] = mix(key + GOLDEN * np.arange(1, len(rows) + 1, dtype=np.uint64))
            self.members.append(rows)


@dataclass
class Prompts:
    """Prompts that have been run: their keys and values, and the rows waiting for a slot.

    Args:
        layers: for each layer keys and values, [prompts, heads, T, C].
        rows: (which prompt, row number).
    """

    prompts: list[tuple[int, ...]]
    layers: list[tuple[torch.Tensor, torch.Tensor]]
    rows: list[tuple[int, int]]


class Slots(Cache):
    """The rows being decoded: their key-value cache, positions and drawn tokens.

    Slots 0..n-1 are active. When rows end, the last active ones move into their places, so the
    batch is always a slice and is never copied whole. Every row sits at its own position, and a
    mask hides what lies behind it. The fields `row`, `count` (tokens drawn), `limit` and
    `stepped` (the caller's) are arrays [size]; a row whose `count` reaches its `limit` must be
    released.
    """

    def __init__(self, model: PreTrainedModel, rows: Rows, *, max_new: int, max_length: int,
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
        self._ready = Prompts([], [], [])

    def refill(self) -> int:
        """Put waiting rows into free slots, in lots so that prompts run as batches too; `n`."""
        while self.n == 0 or self.size - self.n >= max(1, self.size // 8):
            if not self._ready.rows:
                if self._next == len(self.rows.prompts):
                    break
                self._ready = self._prefill()
            self._admit()
            if self.n == self.size:
                break
        return self.n

    def draw(self, temperature: float, barred_first: torch.Tensor | None = None) -> np.ndarray:
        """Run every active row one token further and draw its next one, [n].

        Args:
            barred_first: ids that may not be a row's first token.
        """
        n, device = self.n, self.model.device
        self._at = torch.from_numpy(self.position[:n]).to(device)
        self._slot = torch.arange(n, device=device)
        self._seen = int(self.position[:n].max()) + 1
        self.mask[self._slot, self._at] = 0
        logits = self.model(
            input_ids=torch.from_numpy(self.token[:n, None]).to(device),
            attention_mask=self.mask[:n, None, None, :self._seen],
            position_ids=self._at[:, None], past_key_values=self, use_cache=True).logits[:, -1]
        first = np.flatnonzero(self.count[:n] == 0)
        if barred_first is not None and len(first):
            logits = logits.clone()
            logits[torch.from_numpy(first).to(device)[:, None], barred_first] = -torch.inf
        new = self._choose(logits, temperature).cpu().numpy()
        self.drawn[np.arange(n), self.count[:n]] = self.token[:n] = new
        self.count[:n] += 1
        self.position[:n] += 1
        return new

    def _choose(self, logits: torch.Tensor, temperature: float) -> torch.Tensor:
        if temperature == 0:
            return logits.argmax(-1)
        n = self.n
        counter = self.key[:n] + GOLDEN * (self.count[:n] + 1).astype(np.uint64)
        uniform = (mix(counter) >> np.uint64(11)) * 2.0**-53  # [0, 1)
        mass = torch.softmax(logits.float() / temperature, -1).cumsum(-1, dtype=torch.float64)
        level = torch.from_numpy(uniform).to(logits.device)[:, None] * mass[:, -1:]
        # The first id whose cumulative mass exceeds the level: never one of mass zero.
        return (mass <= level).sum(-1)

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
        """Called by the model's attention: keep the new keys and values, give all so far."""
        self._allocate(layer_idx, key_states, value_states)
        keys, values = self.stores[layer_idx]
        keys[self._slot, :, self._at] = key_states[:, :, 0]
        values[self._slot, :, self._at] = value_states[:, :, 0]
        return keys[:self.n, :, :self._seen], values[:self.n, :, :self._seen]

    def _allocate(self, layer: int, *like: torch.Tensor) -> None:
        if layer == len(self.stores):
            self.stores.append(tuple(x.new_zeros(self.size, x.shape[1], self.width, x.shape[3])
                                     for x in like))

    def _prefill(self) -> Prompts:
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
        layers = [(layer.keys, layer.values) for layer in cache.layers
                  if layer.keys is not None]
        return Prompts(prompts, layers, [(i, row) for i in range(len(prompts))
                                         for row in self.rows.members[first + i]])

    def _admit(self) -> None:
        ready, free, device = self._ready, self.size - self.n, self.model.device
        taken, ready.rows = ready.rows[:free], ready.rows[free:]
        which, row = (np.array(column) for column in zip(*taken, strict=True))
        new = slice(self.n, self.n + len(taken))
        length = np.array([len(p) for p in ready.prompts])[which]
        self.row[new], self.key[new], self.position[new] = row, self.rows.keys[row], length - 1
        self.token[new] = np.array([p[-1] for p in ready.prompts])[which]
        self.count[new], self.stepped[new] = 0, False
        self.limit[new] = np.minimum(self.max_new, self.max_length - length)
        at = torch.from_numpy(which).to(device)
        for layer, pair in enumerate(ready.layers):
            self._allocate(layer, *pair)
            for store, states in zip(self.stores[layer], pair, strict=True):
                store[new, :, :states.shape[2]] = states[at]
        known = torch.from_numpy(length - 1).to(device)[:, None]
        self.mask[new] = torch.where(torch.arange(self.width, device=device) < known, 0.0,
                                     self.hidden)
        self.n += len(taken)


def mix(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64, a bijection of 64-bit integers that scatters their bits.

    Source: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
    """
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
