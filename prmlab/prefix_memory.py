"""A reward model that remembers: keys and values of every prefix it has read stay for the next call.

A search scores the children of what it scored a round before. Scored anew, a prefix is read again
each round; here each token of a search tree goes through the model once, whatever the round, and
equal beginnings of different traces count once, too. Traces are cut where `tokens` cuts them: the
problem, then each step with its separator. Stretches that lack are run together, children of one
prefix in one row that reads the prefix once. Scores are those of `PRM.score`, to rounding. Memory
is bounded: whole problems are forgotten, the longest unasked first, and read again if they return.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from threading import RLock

import numpy as np
import torch
from transformers import Cache, PreTrainedModel

from prmlab import tokens
from prmlab.attention import check, free_bytes, partial_attention, plugged, position_bytes
from prmlab.protocols import StepScorer
from prmlab.rewards import ORM, PRM, Usage
from prmlab.traces import Trace

SLACK = 1.5  # the work of attention with padding, over that without, at most
LEAST_POSITIONS = 2**14


@dataclass(eq=False)
class _Stretch:
    """A problem or a step as ids, after what stands before it.

    Fields: `begun`, ids before it; `places` [n], where its keys and values lie; `logits`
    [labels], the head's outputs at its end; both None until it has been run.
    """

    ids: tuple[int, ...]
    before: "_Stretch | None" = None
    begun: int = 0
    places: np.ndarray | None = None
    logits: np.ndarray | None = None
    after: dict[tuple[int, ...], "_Stretch"] = field(default_factory=dict)

    def places_before(self) -> np.ndarray:
        """Where all that stands before it lies, in order, [begun]."""
        found, stretch = [np.zeros(0, dtype=np.int64)], self.before
        while stretch is not None:
            found.append(stretch.places)
            stretch = stretch.before
        return np.concatenate(found[::-1])

    def all_places(self) -> Iterator[np.ndarray]:
        """The places of this stretch and of all that follow it."""
        waiting = [self]
        while waiting:
            stretch = waiting.pop()
            waiting += stretch.after.values()
            if stretch.places is not None:
                yield stretch.places


class PrefixMemory(StepScorer):
    """A PRM, or an ORM read at every step, as a `StepScorer` that reads no token twice.

    `usage` holds what it has cost, apart from the model's own. Calls from several threads take
    turns. Changing the model's weights makes what is remembered wrong: `forget` it then; and
    before measuring a search, whose tokens cost nothing where an earlier one has left them here.

    Args:
        verifier: a `PRM` or an `ORM`.
        positions: most tokens remembered; by default what a quarter of the free memory holds.

    Raises:
        ValueError: if the model does not attend to all that came before in every layer.
    """

    def __init__(self, verifier: PRM | ORM, *, positions: int | None = None):
        check(verifier.model)
        self.verifier, self.usage = verifier, Usage()
        if positions is None:
            positions = free_bytes(verifier.model.device) // 4 // position_bytes(verifier.model)
            positions = max(LEAST_POSITIONS, positions)
        self.positions = positions
        self._lock = RLock()
        self.forget()

    def __repr__(self) -> str:
        return f"PrefixMemory({self.verifier!r}, {self.held} of {self.positions} positions)"

    @property
    def held(self) -> int:
        """Tokens remembered now."""
        return self._used - len(self._free)

    def forget(self) -> None:
        """Forget every prefix."""
        with self._lock:
            self._problems: dict[tuple[int, ...], _Stretch] = {}  # the longest unasked first
            self._store: list[list[torch.Tensor]] = []  # a layer's keys, values: [places, H * C]
            self._free, self._used = np.zeros(0, dtype=np.int64), 0

    def fits(self, trace: Trace) -> bool:
        """Whether the trace is within the model's limit."""
        return self.verifier.fits(trace)

    def score(self, traces: Sequence[Trace]) -> list[np.ndarray]:
        """P(right) of every step, [S] for each trace, in the traces' order.

        Raises:
            ValueError: naming the trace, if one has no steps or is too long.
        """
        began = time.perf_counter()
        encoded = self.verifier.encoded(traces)
        with self._lock, torch.inference_mode():
            self._make_room({e.ids[:e.n_prompt] for e in encoded}, sum(len(e.ids) for e in encoded))
            waves: list[dict[_Stretch, None]] = []
            paths = [self._path(e, waves) for e in encoded]
            n_new = sum(len(stretch.ids) for wave in waves for stretch in wave)
            for wave in filter(None, waves):
                self._run(list(wave))
            self.usage += Usage(1, len(traces), 0, n_new, time.perf_counter() - began)
        return [self.verifier.probabilities(np.stack([step.logits for step in path]))
                for path in paths]

    def _path(self, encoded: tokens.Encoded, waves: list[dict[_Stretch, None]]
              ) -> list[_Stretch]:
        """A trace's stretches but the problem's; those to be run are put into waves by depth."""
        cuts = (0, encoded.n_prompt, *(end + 1 for end in encoded.step_ends))
        path: list[_Stretch] = []
        for depth, (first, last) in enumerate(pairwise(cuts)):
            siblings = path[-1].after if path else self._problems
            ids = encoded.ids[first:last]
            if ids not in siblings:
                siblings[ids] = _Stretch(ids, path[-1] if path else None, first)
            path.append(siblings[ids])
            if path[-1].places is None:
                waves += [{} for _ in range(depth + 1 - len(waves))]
                waves[depth][path[-1]] = None
        return path[1:]

    def _make_room(self, wanted: set[tuple[int, ...]], n_new: int) -> None:
        for ids in wanted & set(self._problems):  # the youngest stand last
            self._problems[ids] = self._problems.pop(ids)
        for ids in [ids for ids in self._problems if ids not in wanted]:
            if self.held + n_new <= self.positions:
                break
            gone = self._problems.pop(ids)
            self._free = np.concatenate([self._free, *gone.all_places()])

    def _run(self, wave: list[_Stretch]) -> None:
        """Run stretches whose predecessors have been run; siblings stand together."""
        some, n = [], 0
        for stretch in sorted(wave, key=lambda s: id(s.before)):
            if some and n + len(stretch.ids) > self.verifier.batch_tokens:
                self._forward(some)
                some, n = [], 0
            some.append(stretch)
            n += len(stretch.ids)
        self._forward(some)

    def _forward(self, stretches: list[_Stretch]) -> None:
        model = self.verifier.model
        ids = [i for stretch in stretches for i in stretch.ids]
        at = [stretch.begun + i for stretch in stretches for i in range(len(stretch.ids))]
        ends = np.cumsum([len(stretch.ids) for stretch in stretches])
        places = self._take(len(ids))
        reading = _Reading(stretches, places, self._store, model)
        # The mask is not looked at; that there is one keeps the model from making one.
        with plugged(model):
            hidden = model.base_model(
                input_ids=torch.tensor([ids], device=model.device),
                position_ids=torch.tensor([at], device=model.device),
                attention_mask=torch.zeros(1, 1, 1, 1, device=model.device),
                past_key_values=reading, use_cache=True)[0]
        logits = self.verifier.head(hidden[0, ends - 1]).float().cpu().numpy()
        for stretch, some, outputs in zip(stretches, np.split(places, ends[:-1]), logits,
                                          strict=True):
            stretch.places, stretch.logits = some, outputs

    def _take(self, n: int) -> np.ndarray:
        """`n` free places."""
        reused, self._free = self._free[:n], self._free[n:]
        fresh = np.arange(self._used, self._used + n - len(reused))
        self._used += len(fresh)
        return np.concatenate([reused, fresh])


class _Reading(Cache):
    """One run of new tokens, all in one row: what each attends to, and where its states go.

    A token attends to its own stretch so far, and to what stands before the stretch; both parts
    are worked out for stretches of like size together, and joined by their log-sums.

    Args:
        stretches: what is run, siblings together.
        places: where the states of their tokens go, [T].
        store: of each layer the keys and values so far, [places, H * C]; grown here.
    """

    def __init__(self, stretches: Sequence[_Stretch], places: np.ndarray,
                 store: list[list[torch.Tensor]], model: PreTrainedModel):
        super().__init__(layers=[])
        self.store, self.n, self.size = store, len(places), int(places.max()) + 1
        self._places = torch.from_numpy(places).to(model.device)
        first = np.cumsum([0, *(len(stretch.ids) for stretch in stretches)])
        own = [(np.arange(a, b), None) for a, b in pairwise(first)]
        families: dict[int, list[int]] = {}
        for i, stretch in enumerate(stretches):
            if stretch.begun:
                families.setdefault(id(stretch.before), []).append(i)
        before = [(np.concatenate([own[i][0] for i in family]),
                   stretches[family[0]].places_before()) for family in families.values()]
        self._own, self._before = (
            [_Block(parts, model) for parts in _alike(parts)] for parts in (own, before))

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int,
               *args, **kwargs) -> tuple[torch.Tensor, torch.Tensor]:
        """Called by the model just before a layer attends: what it is to attend to."""
        key_states.two_parts = partial(self._attend, layer_idx)
        return key_states, value_states

    def _attend(self, layer: int, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
                scale: float) -> torch.Tensor:
        _, heads, n, size = query.shape
        groups = keys.shape[1]
        # [T, key heads, queries of each, C], and [T, key heads, C]
        asked = query[0].transpose(0, 1).reshape(n, groups, -1, size)
        new = [x[0].transpose(0, 1) for x in (keys, values)]
        old = self._keep(layer, new)
        output, log_sum = self._part(self._own, asked, new, scale)
        if self._before:
            shared, shared_sum = self._part(self._before, asked, old, scale)
            share = torch.sigmoid(shared_sum - log_sum).to(output.dtype)[..., None]
            output = torch.lerp(output, shared, share)
        return output.reshape(1, n, heads, -1).transpose(1, 2)

    def _keep(self, layer: int, new: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Store a layer's new keys and values; all that are stored."""
        if layer == len(self.store):
            self.store.append([x.new_zeros(0, *x.shape[1:]) for x in new])
        stored = self.store[layer]
        for i, x in enumerate(new):
            if self.size > len(stored[i]):
                room = max(self.size, 2 * len(stored[i])) - len(stored[i])
                stored[i] = torch.cat([stored[i], x.new_zeros(room, *x.shape[1:])])
            stored[i].index_copy_(0, self._places, x)
        return stored

    def _part(self, blocks: Sequence["_Block"], asked: torch.Tensor,
              known: Sequence[torch.Tensor], scale: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Attention to one part, [T, H, q, C], and its log-sums; -inf where there is no part."""
        output = torch.zeros_like(asked)
        log_sum = asked.new_full(asked.shape[:3], -torch.inf, dtype=torch.float32)
        for block in blocks:
            output[block.real], log_sum[block.real] = block.attend(asked, known, scale)
        return output, log_sum


class _Block:
    """Groups of tokens of like size, each of which attends to positions of its own.

    Args:
        parts: for each group its tokens [n], and the places that they see [m]; or None for the
            tokens themselves, each as far as its own.
    """

    def __init__(self, parts: Sequence[tuple[np.ndarray, np.ndarray | None]],
                 model: PreTrainedModel):
        n = max(len(rows) for rows, _ in parts)
        seen = [rows if places is None else places for rows, places in parts]
        m = max(map(len, seen))
        filled = np.array([len(rows) for rows, _ in parts])[:, None] > np.arange(n)
        self.shape = len(parts), n, m
        self.real = self._tensor(np.concatenate([rows for rows, _ in parts]), model)
        self._real_seat = self._tensor(np.flatnonzero(filled), model)
        self._rows = self._tensor(_padded([rows for rows, _ in parts], n), model)
        self._seen = self._tensor(_padded(seen, m), model)
        shown = np.array([len(places) for places in seen])[:, None, None] > np.arange(m)
        if parts[0][1] is None:
            shown = np.tril(np.ones((n, m), dtype=bool))[None]
        shown = self._tensor(np.broadcast_to(shown, (len(parts), n, m)), model)[:, None]
        self._mask = torch.zeros(shown.shape, dtype=model.dtype, device=model.device
                                 ).masked_fill_(~shown, torch.finfo(model.dtype).min)

    def attend(self, asked: torch.Tensor, known: Sequence[torch.Tensor], scale: float
               ) -> tuple[torch.Tensor, torch.Tensor]:
        """Outputs [R, H, q, C] and log-sums [R, H, q] of the real tokens, in their order."""
        n_groups, n, m = self.shape
        heads, per_key, size = asked.shape[1:]
        query = asked.index_select(0, self._rows).view(n_groups, n, heads, per_key, size)
        query = query.permute(0, 2, 1, 3, 4).reshape(n_groups, heads, n * per_key, size)
        keys, values = (x.index_select(0, self._seen).view(n_groups, m, heads, -1).transpose(1, 2)
                        for x in known)
        mask = self._mask if per_key == 1 else self._mask.repeat_interleave(per_key, 2)
        output, log_sum = partial_attention(query, keys, values, mask, scale)
        output = output.view(n_groups, heads, n, per_key, -1).transpose(1, 2).flatten(0, 1)
        log_sum = log_sum.view(n_groups, heads, n, per_key).transpose(1, 2).flatten(0, 1)
        return output[self._real_seat], log_sum[self._real_seat]

    @staticmethod
    def _tensor(array: np.ndarray, model: PreTrainedModel) -> torch.Tensor:
        return torch.tensor(array, device=model.device)


def _padded(rows: Sequence[np.ndarray], n: int) -> np.ndarray:
    """The rows one after the other, each filled up to `n` with its first."""
    return np.concatenate([np.concatenate([row, np.full(n - len(row), row[0])]) for row in rows])


def _alike(parts: Sequence[tuple[np.ndarray, np.ndarray | None]]
           ) -> Iterator[list[tuple[np.ndarray, np.ndarray | None]]]:
    """The parts in lots of like size, so that padding adds little work."""
    sizes = [(len(rows), len(rows if places is None else places)) for rows, places in parts]
    lot: list[int] = []
    for i in sorted(range(len(parts)), key=lambda i: sizes[i], reverse=True):
        more = [*lot, i]
        n, m = (max(column) for column in zip(*(sizes[j] for j in more)))
        if len(more) * n * m > SLACK * sum(sizes[j][0] * sizes[j][1] for j in more):
            yield [parts[j] for j in lot]
            more = [i]
        lot = more
    if lot:
        yield [parts[j] for j in lot]
