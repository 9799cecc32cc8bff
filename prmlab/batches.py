"""Which traces an optimizer step sees: an order that follows from the seed alone.

`together` traces of a problem stay neighbours, so that what they share is run once (`packing`). By
length, a pool of many batches is sorted and cut into batches, whose order is random: traces of a
batch are about as long, and little is padding. Where nothing is padded that only makes batches one
of a kind: on the data of `scripts/benchmark_training.py`, 8 traces of a problem together, five
trainings each, validation loss was 0.230 sorted and 0.222 unsorted (no record was kept).
Nor do batches teach more whose problems were made to differ, 4 in each, one of each quarter of all
problems by length (0.171 beside 0.174 unarranged; `scripts/measure_together.py`'s data, four trainings),
by share of right steps (0.183), by family and share (0.177; no record was kept).
Resuming replays the order. Does not know what is learned from a trace.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from random import Random
from typing import Any

from prmlab.targets import Example
from prmlab.traces import Trace

POOL = 64  # batches sorted by length together: they differ little inside, and the order stays random


def batches(traces: Iterable[Trace], encode: Callable[[list[Trace]], list[Example]], *,
            n_traces: int, epochs: int, batch_size: int, seed: int, together: int = 1,
            by_length: bool = True) -> Iterator[list[Example]]:
    """Every epoch's batches of `batch_size` examples; the last of an epoch may be smaller.

    Args:
        traces: a sequence, shuffled anew for each epoch, or an iterable in its own order.
        encode: makes an example of each trace.
        together: how many traces of a problem stay together, at most.
        by_length: whether traces of a batch are about as long.
    """
    for epoch in range(epochs):
        rng = Random(f"{seed}/{epoch}")
        source = _ordered(traces, n_traces, rng, together)
        while pool := list(islice(source, POOL * batch_size)):
            flat: list[Any] = pool  # without lengths, encoded one batch after the other
            if by_length:
                made = encode(pool)
                groups = [made[first:last] for first, last in _runs(pool, together)]
                groups.sort(key=lambda group: max(len(e.ids) for e in group))
                flat = [e for group in groups for e in group]
            cut = [flat[i:i + batch_size] for i in range(0, len(flat), batch_size)]
            rng.shuffle(cut)
            yield from cut if by_length else map(encode, cut)


def _ordered(traces, n_traces: int, rng: Random, together: int) -> Iterator[Trace]:
    if not isinstance(traces, Sequence):
        return islice(iter(traces), n_traces)
    order = list(range(n_traces))
    rng.shuffle(order)
    if together > 1:
        of: dict[tuple[str, str], list[int]] = {}
        for i in order:
            of.setdefault(_problem(traces[i]), []).append(i)
        groups = [some[i:i + together] for some in of.values()
                  for i in range(0, len(some), together)]
        rng.shuffle(groups)
        order = [i for group in groups for i in group]
    return (traces[i] for i in order)


def _runs(pool: list[Trace], together: int) -> Iterator[tuple[int, int]]:
    """First and one past the last of neighbours with one problem, at most `together` long."""
    first = 0
    for _, same in groupby(pool, key=_problem):
        end = first + sum(1 for _ in same)
        for i in range(first, end, together):
            yield i, min(i + together, end)
        first = end


def _problem(trace: Trace) -> tuple[str, str]:
    return trace.problem.id, trace.problem.text
