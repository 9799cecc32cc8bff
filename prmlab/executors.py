"""Running a job over many traces: in chunks, in any order, onto a journal, out in order.

Owns the chunk, the unit of work: so many consecutive traces, asked about together. An executor
may run chunks anywhere and in any order, and twice if it lost one: each result is kept once.
After two seconds a text progress bar shows how far it is. Does not know what the job does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import closing, nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, islice
from os import PathLike
from typing import Any, Protocol

from prmlab.bars import bar
from prmlab.evidence import Labelled
from prmlab.journal import Journal
from prmlab.traces import Trace


@dataclass(frozen=True)
class Chunk:
    """Consecutive traces; `start` is the number of the first one in the whole run."""

    number: int
    start: int
    traces: tuple[Trace, ...]


Work = Callable[[Any, Chunk], list[Labelled]]


class Executor(Protocol):
    """Where the work is done; any object with this method will do."""

    def run(self, work: Work, model: Any, chunks: Iterator[Chunk]
            ) -> Iterator[tuple[Chunk, list[Labelled]]]:
        """`(chunk, work(model, chunk))` of every chunk, in any order, each at least once.

        It takes chunks as it goes, a few ahead, so that memory stays flat. A chunk lost with its
        worker is done again, and errors of the work itself are raised.
        """
        ...


class InProcess:
    """The executor of one process: one chunk after the other."""

    def run(self, work: Work, model: Any, chunks: Iterator[Chunk]
            ) -> Iterator[tuple[Chunk, list[Labelled]]]:
        """`(chunk, work(model, chunk))` of every chunk, in order."""
        for chunk in chunks:
            yield chunk, work(model, chunk)


def label_all(
    work: Work,
    model: Any,
    traces: Iterable[Trace],
    *,
    chunk_size: int,
    settings: Mapping[str, Any],
    journal: str | PathLike[str] | None,
    executor: Executor | None,
) -> Iterator[Labelled]:
    """Labels of all traces, in their order; those in the journal are read, not made again.

    A chunk of which the journal has a part is done as a whole, and only what was missing is
    written: the model is asked exactly as if nothing had happened. Results that come early wait
    in memory for those before them. An interrupt (Ctrl-C, a closed iterator) costs the open chunk.

    Raises:
        ValueError, OSError: as `Journal`; and ValueError if the journal's labels are of other
            traces.
    """
    n_traces = len(traces) if isinstance(traces, Sized) else None
    chunks, executor = _chunks(traces, chunk_size), executor or InProcess()
    with (nullcontext() if journal is None else Journal(journal, settings) as book,
          closing(_in_order(work, model, chunks, book, executor)) as rows,
          bar(n_traces, "trace") as shown):
        for one in rows:
            yield one
            shown.update()


def _in_order(work: Work, model: Any, chunks: Iterator[Chunk], book: Journal | None,
              executor: Executor) -> Iterator[Labelled]:
    for first in chunks:  # what is complete from the start on is passed on, nothing is kept
        if book is None or not _has_all(book, first):
            break
        yield from _results(book, first, None)
    else:
        return
    ready: dict[int, tuple[Chunk, list[Labelled] | None]] = {}
    following = taken = first.number

    def open_chunks() -> Iterator[Chunk]:
        nonlocal taken
        for chunk in chain([first], chunks):
            taken = chunk.number + 1
            if book is not None and _has_all(book, chunk):
                ready[chunk.number] = (chunk, None)
            else:
                yield chunk

    for chunk, made in executor.run(work, model, open_chunks()):
        if chunk.number >= following and chunk.number not in ready:
            ready[chunk.number] = (chunk, _kept(book, chunk, made))
        while following in ready:
            yield from _results(book, *ready.pop(following))
            following += 1
    while following in ready:
        yield from _results(book, *ready.pop(following))
        following += 1
    if following < taken:
        raise RuntimeError(f"the executor must return every chunk, it lost {following}; "
                           "run the same call again with a journal, it goes on from there")


def _chunks(traces: Iterable[Trace], size: int) -> Iterator[Chunk]:
    rest, number = iter(traces), 0
    while block := tuple(islice(rest, size)):
        yield Chunk(number, number * size, block)
        number += 1


def _name(trace: Trace) -> str:
    """A short name of what is labelled: problem, answer, steps, and whether it is finished."""
    problem = trace.problem
    said = repr((problem.id, problem.text, problem.answer, trace.steps, trace.finished))
    return blake2b(said.encode(), digest_size=8).hexdigest()


def _has_all(book: Journal, chunk: Chunk) -> bool:
    return all(chunk.start + i in book for i in range(len(chunk.traces)))


def _results(book: Journal | None, chunk: Chunk, made: list[Labelled] | None
             ) -> Iterable[Labelled]:
    return made or (_read(book, chunk, i) for i in range(len(chunk.traces)))


def _kept(book: Journal | None, chunk: Chunk, made: list[Labelled]) -> list[Labelled]:
    """The chunk's labels, those that the journal had and those that it has now."""
    if book is None:
        return made
    had = [chunk.start + i in book for i in range(len(made))]
    book.append({"trace": chunk.start + i, "of": _name(one.trace), **one.to_dict()}
                for i, one in enumerate(made) if not had[i])
    return [_read(book, chunk, i) if old else one
            for i, (old, one) in enumerate(zip(had, made, strict=True))]


def _read(book: Journal, chunk: Chunk, i: int) -> Labelled:
    record, trace = book.read(chunk.start + i), chunk.traces[i]
    if record.get("of") != _name(trace):
        raise ValueError(f"journal {book.path} has labels of another trace under number "
                         f"{chunk.start + i} than the one given (problem {trace.problem.id!r}); "
                         "give the same traces in the same order, or the path of a new file")
    return Labelled.from_dict(trace, record)
