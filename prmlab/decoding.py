"""Decoding many rows of token ids at once: continuous batching over any causal LM.

Owns how tokens are drawn. A row (one sample of one prompt) has its own stream of uniform
numbers, a function of (seed, the prompt's ids, the sample's index) and of the position, and each
token is the inverse of the cumulative distribution at the next one. So what a row draws does not
depend on the other rows. Where keys and values lie is `attention`'s. Does not know what a trace
or a step is (`sampling` does).
"""

from collections.abc import Sequence
from functools import partial
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import torch
from transformers import Cache, PreTrainedModel

from prmlab.attention import Layout, Lot, Runs

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, the step of SplitMix64
MAX_ROWS = 2048  # decoded at once: enough to spread what a step costs besides arithmetic
LOGITS = 2**27  # held at once, at most
CHANCES = 2**22  # probabilities worked on at once when tokens are drawn
ACTIVE = np.dtype([
    ("row", "i8"),       # its number in the call
    ("key", "u8"),       # the start of its stream
    ("count", "i8"),     # tokens drawn
    ("limit", "i8"),     # at which count it must be released
    ("token", "i8"),     # the one to run next
    ("place", "i8"),     # its row in `drawn`
    ("stepped", "?"),    # the caller's
])


Held = list[tuple[tuple[int, ...], np.ndarray]]  # prompts of a run, each with its row numbers


class Rows:
    """The samples that a call asks for, by distinct prompt, prompts by the run that holds them.

    A prompt that begins another one is held by the other's run. The k-th repeat of a prompt
    counts its samples on from `k * n`: repeats differ, and it does not matter where in the call
    they stand.

    Args:
        encoded: the ids of each prefix; `n` rows are made of each, numbered in this order.
        seed: decides the streams, with the ids and the sample's index.

    Fields: `runs`, the ids that must be run, longest first; `prompts`, for each of them the
    prompts that it holds, each with its row numbers; `keys` [N], the start of each row's stream.

    Example: (1, 2) begins (1, 2, 3), so only that one is run.
        >>> rows = Rows([(1, 2), (5,), (1, 2, 3)], n=2, seed=0)
        >>> rows.runs, [[ids for ids, numbers in held] for held in rows.prompts]
        ([(1, 2, 3), (5,)], [[(1, 2, 3), (1, 2)], [(5,)]])
    """

    def __init__(self, encoded: Sequence[tuple[int, ...]], n: int, seed: int):
        owners: dict[tuple[int, ...], list[int]] = {}
        for i, ids in enumerate(encoded):
            owners.setdefault(ids, []).append(i)
        self.keys = np.zeros(len(encoded) * n, dtype=np.uint64)
        held: dict[tuple[int, ...], Held] = {}
        run: tuple[int, ...] = ()
        for ids in sorted(owners, reverse=True):  # what an id tuple begins comes just before it
            rows = (np.array(owners[ids])[:, None] * n + np.arange(n)).ravel()
            content = np.array(ids, dtype=np.int64).tobytes() + str(seed).encode()
            key = np.frombuffer(blake2b(content, digest_size=8).digest(), dtype=np.uint64)
            self.keys[rows] = mix(key + GOLDEN * np.arange(1, len(rows) + 1, dtype=np.uint64))
            if run[:len(ids)] != ids:
                run = ids
            held.setdefault(run, []).append((ids, rows))
        self.runs = sorted(held, key=lambda ids: (-len(ids), ids))
        self.prompts = [held[ids] for ids in self.runs]


class Slots(Cache):
    """The rows being decoded: their lots, positions and drawn tokens.

    Rows are admitted in lots, and the rows of a lot stay together; `active` has the columns of
    `ACTIVE`, one row each, lot by lot. A row whose `count` is its `limit` must be released. Rows
    of a prompt that have drawn the same so far are run as one: `merged` counts what that saved.

    Args:
        model: within `attention.plugged`.
        max_new: most tokens drawn for a row.
        max_length: most ids of a prompt and its drawn tokens together.
        batch_tokens: positions held at once, prompts' and own, counted as if every row drew as
            many tokens as it may; one row is held in any case.
    """

    def __init__(self, model: PreTrainedModel, rows: Rows, *, max_new: int, max_length: int,
                 batch_tokens: int):
        super().__init__(layers=[])
        self.model, self.rows, self.max_new, self.max_length = model, rows, max_new, max_length
        self._own = min(max_new, max_length)
        longest = len(rows.runs[0]) if rows.runs else 0
        self.size = max(1, min(MAX_ROWS, LOGITS // model.config.vocab_size, len(rows.keys),
                               batch_tokens // (self._own + longest)))
        self.active, self.lots = np.zeros(0, dtype=ACTIVE), list[Lot]()
        self.drawn = np.zeros((self.size, max_new), dtype=np.int64)
        self.batch_tokens = batch_tokens
        self.prompt_tokens = self.merged = 0
        self._places = list(range(self.size))
        self._next = 0  # the first run not yet run
        self._ready: _Ready | None = None
        self._layout: Layout | None = None  # of the rows as they are now

    @property
    def n(self) -> int:
        """Rows active now."""
        return len(self.active)

    def refill(self) -> int:
        """Put waiting rows into free slots, in lots so that prompts run as batches too; `n`."""
        while self.n == 0 or self.size - self.n >= max(1, self.size // 4):
            if self._ready is None and not self._prefill():
                break
            room = (self.batch_tokens - self._held()) // self._own
            if self.n and room < min(self.size - self.n, len(self._ready.waiting)):
                break
            self._admit(max(1, min(self.size - self.n, room)))
        return self.n

    def draw(self, temperature: float, barred_first: torch.Tensor | None = None) -> np.ndarray:
        """Run every active row one token further and draw its next one, [n].

        Args:
            barred_first: ids that may not be a row's first token.
        """
        changed = [lot.branch(self.active["token"][rows])
                   for lot, rows in zip(self.lots, self._blocks(), strict=True)]
        if any(changed):
            self._layout = None
        begun = np.cumsum([0, *(lot.n for lot in self.lots)])
        of_row = np.concatenate([at + lot.branch_of for at, lot in zip(begun, self.lots)])
        logits = self._forward(np.concatenate([lot.token for lot in self.lots]),
                               np.concatenate([lot.seen + lot.n_own for lot in self.lots]))
        logits = logits.index_select(0, self._tensor(of_row))
        self.merged += self.n - int(begun[-1])
        for lot in self.lots:
            lot.n_own += 1
        active, first = self.active, np.flatnonzero(self.active["count"] == 0)
        if barred_first is not None and len(first):
            logits[self._tensor(first)[:, None], barred_first] = -torch.inf
        new = self._choose(logits, temperature)
        active["token"] = self.drawn[active["place"], active["count"]] = new
        active["count"] += 1
        return new

    def last(self, k: int) -> np.ndarray:
        """The last `k` tokens drawn in each active row, [n, k]; -1 before the first."""
        at = self.active["count"][:, None] + np.arange(-k, 0)
        return np.where(at < 0, -1, self.drawn[self.active["place"][:, None], at])

    def release(self, ended: np.ndarray) -> list[tuple[int, list[int]]]:
        """Row number and drawn tokens of the active rows that ended; the others close ranks."""
        result = []
        for i in np.flatnonzero(ended):
            row, place, count = (int(self.active[name][i]) for name in ("row", "place", "count"))
            result.append((row, self.drawn[place, :count].tolist()))
            self._places.append(place)
        if result:
            for lot, rows in zip(self.lots, self._blocks(), strict=True):
                lot.keep(~ended[rows])
            left = [lot for lot in self.lots if len(lot.branch_of)]
            if len(left) < len(self.lots):
                self.lots, self._layout = left, None
            self.active = self.active[~ended]
        return result

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int,
               *args, **kwargs) -> tuple[torch.Tensor, torch.Tensor]:
        """Called by the model just before a layer attends: what it is to attend to."""
        key_states.two_parts = partial(self._attend, layer_idx)
        return key_states, value_states

    def _attend(self, layer: int, *states: torch.Tensor) -> torch.Tensor:
        if self._layout is None:
            self._layout = Layout(self.lots, states[0])
        self._attended += 1
        return self._layout.attend(layer, *states)

    def _forward(self, token: np.ndarray, position: np.ndarray) -> torch.Tensor:
        # The mask is not looked at; that there is one keeps the model from making one.
        mask, self._attended = torch.zeros(1, 1, 1, 1, device=self.model.device), 0
        logits = self.model(input_ids=self._tensor(token)[:, None], attention_mask=mask,
                            position_ids=self._tensor(position)[:, None],
                            past_key_values=self, use_cache=True).logits[:, -1]
        if self._attended != len(self.lots[0].runs.layers):
            raise ValueError(f"{type(self.model).__name__} must attend to its keys as its cache "
                             f"gives them, {self._attended} layers did; sample it through a "
                             "server with EndpointPolicy")
        return logits

    def _choose(self, logits: torch.Tensor, temperature: float) -> np.ndarray:
        if temperature == 0:
            return logits.argmax(-1).cpu().numpy()
        counter = self.active["key"] + GOLDEN * (self.active["count"] + 1).astype(np.uint64)
        uniform = self._tensor((mix(counter) >> np.uint64(11)) * 2.0**-53)  # [0, 1)
        new, at_once = [], max(1, CHANCES // logits.shape[1])
        for first in range(0, len(logits), at_once):
            rows = slice(first, first + at_once)
            mass = torch.softmax(logits[rows].float() / temperature, -1).cumsum(
                -1, dtype=torch.float64)
            # The first id whose cumulative mass exceeds the level: never one of mass zero.
            new.append((mass <= uniform[rows, None] * mass[:, -1:]).sum(-1))
        return torch.cat(new).cpu().numpy()

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.model.device)

    def _blocks(self) -> list[slice]:
        """Where in `active` each lot's rows are."""
        ends = np.cumsum([0, *(len(lot.branch_of) for lot in self.lots)])
        return [slice(first, end) for first, end in pairwise(ends)]

    def _held(self) -> int:
        """Positions held, or to be held if every active row draws as many as it may."""
        ready = [self._ready.runs] if self._ready else []
        stores = {id(runs): runs for runs in (*ready, *(lot.runs for lot in self.lots))}
        return (sum(runs.positions for runs in stores.values())
                + sum(lot.seats for lot in self.lots) * self._own)

    def _prefill(self) -> bool:
        """Run the next prompts, as many as fill the free slots; False if none or no room."""
        first, n_rows, room = self._next, 0, self.batch_tokens - self._held()
        for prompts in self.rows.prompts[first:]:
            free = self.size - self.n - n_rows
            positions = (self._next + 1 - first) * len(self.rows.runs[first])
            n_new = sum(len(rows) for _, rows in prompts)
            if free <= 0 or (positions + (n_rows + min(free, n_new)) * self._own > room
                             and (self.n or n_rows)):
                break
            n_rows, self._next = n_rows + n_new, self._next + 1
        if not n_rows:
            return False
        runs = self.rows.runs[first:self._next]
        self.prompt_tokens += sum(map(len, runs))
        self._ready = _Ready(Runs(self.model, runs), self.rows.prompts[first:self._next])
        return True

    def _admit(self, most: int) -> None:
        ready = self._ready
        (prompt, row), ready.waiting = ready.waiting[:most].T, ready.waiting[most:]
        if not len(ready.waiting):
            self._ready = None
        used, prompt = np.unique(prompt, return_inverse=True)
        lot = Lot(ready.runs, ready.run[used], ready.length[used], prompt, self._own)
        new = np.zeros(len(row), dtype=ACTIVE)
        new["row"], new["key"] = row, self.rows.keys[row]
        new["token"] = ready.last[used][prompt]
        new["limit"] = np.minimum(self.max_new, self.max_length - ready.length[used][prompt])
        new["place"] = [self._places.pop() for _ in row]
        self.active = np.concatenate([self.active, new])
        self.lots, self._layout = [*self.lots, lot], None


class _Ready:
    """Prompts that have been run, and the rows of theirs that wait for a slot.

    Fields: for each prompt its `run`, its `length` and its `last` id, [P]; `waiting`, the prompt
    and the number of each row, [n, 2].
    """

    def __init__(self, runs: Runs, prompts: Sequence[Held]):
        self.runs = runs
        flat = [(i, ids, rows) for i, held in enumerate(prompts) for ids, rows in held]
        self.run = np.array([i for i, _, _ in flat])
        self.length = np.array([len(ids) for _, ids, _ in flat])
        self.last = np.array([ids[-1] for _, ids, _ in flat])
        self.waiting = np.concatenate([
            np.stack([np.full(len(rows), p), rows], 1) for p, (_, _, rows) in enumerate(flat)])


def mix(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64, a bijection of 64-bit integers that scatters their bits.

    Source: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
    """
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
