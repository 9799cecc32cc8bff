"""The rows of a file of JSON, one at a time in flat memory, and what is wrong with some of them.

Owned here: a row is a line, or in a file named .json that begins with a bracket an element of
that array; it is at most `MAX_ROW` bytes long; a bad row is reported with file, line and reason,
and either ends the reading (`strict`) or is skipped and counted. What a trace's row says beyond
problem, steps and labels is in `trace.problem.facts`. Hard labels are the integers +1, 0, -1,
soft labels floats.
Does not know any format: those modules hand in a function from a row to its traces.
"""

import codecs
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from prmlab.traces import Problem, Trace, write_lines

MAX_ROW = 8 * 2**20  # bytes; the longest row of the public sets is under one MiB
MAX_CELLS = 1_000_000  # steps of all traces of one row
KEPT = 1000  # findings of each kind that a Reading remembers; `on_finding` is told of all
_CHUNK = 1 << 16
_LFS = b"version https://git-lfs"


@dataclass(frozen=True)
class Finding:
    """Something wrong with a row: where, what, and whether the row was skipped for it."""

    file: str
    line: int
    reason: str
    skipped: bool = True

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


class Reading(Iterator[Trace]):
    """The traces of a file, one at a time; the counts grow while it is iterated, once.

    Args:
        path: the file.
        parse: from a row, and this reading to note things in, to its traces; ValueError if the
            row is bad.
        strict: raise at the first bad row; else skip and count it.
        on_finding: told of every finding, also of those past the first `KEPT`.
        array: the key whose array holds the rows, in a file that is one JSON object.

    Attributes:
        n_rows: rows read so far; `n_traces`: traces yielded; `n_skipped`: bad rows.
        bad_rows: the first `KEPT` of them, with line and reason.
        notes: how often each kind of oddity was met in rows that were kept; `noted` the first
            `KEPT`, with their lines.
        left_out: rows left out by an option, by kind.

    Raises:
        ValueError: at once, if there is no such file; while iterating, if `strict`, for the
            first bad row.
    """

    def __init__(self, path: str | os.PathLike[str],
                 parse: Callable[[Mapping[str, Any], "Reading"], Iterable[Trace]], *,
                 strict: bool = True, on_finding: Callable[[Finding], object] | None = None,
                 array: str | None = None):
        self.path = Path(path)
        if not self.path.is_file():
            raise ValueError(f"no such file: {self.path}; give the path of a file on this "
                             "machine, or fetch one with prmlab.datasets.public.fetch")
        self.strict, self.on_finding = strict, on_finding
        self.n_rows = self.n_traces = self.n_skipped = self.line = 0
        self.bad_rows: list[Finding] = []
        self.noted: list[Finding] = []
        self.notes: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self._pending: list[tuple[str, Finding]] = []  # of the present row
        self._traces = self._read(parse, array)

    def __next__(self) -> Trace:
        return next(self._traces)

    def __repr__(self) -> str:
        parts = [f"{self.n_rows:,} rows", f"{self.n_traces:,} traces",
                 f"{self.n_skipped:,} bad rows skipped"]
        parts += [f"{n:,} left out: {kind}" for kind, n in self.left_out.items()]
        parts += [f"{kind}: {n:,}" for kind, n in self.notes.items()]
        return f"Reading({self.path.name}: {'; '.join(parts)})"

    def note(self, kind: str, detail: str = "") -> None:
        """Count an oddity of the present row, if it is kept in the end."""
        finding = Finding(str(self.path), self.line, f"{kind}{detail}", skipped=False)
        self._pending.append((kind, finding))

    def _read(self, parse: Callable, array: str | None) -> Iterator[Trace]:
        with self.path.open("rb") as stream:
            for self.line, row in _rows(stream, array):
                self.n_rows += 1
                self._pending.clear()
                try:
                    if isinstance(row, ValueError):
                        raise row
                    if not isinstance(row, dict):
                        raise ValueError(f"a row must be a JSON object, got {kind_of(row)}")
                    traces = list(parse(row, self))
                except (ValueError, RecursionError) as error:
                    self._skip(str(error))
                    continue
                for kind, finding in self._pending:
                    self.notes[kind] += 1
                    self._report(finding)
                for trace in traces:
                    self.n_traces += 1
                    yield trace

    def _skip(self, reason: str) -> None:
        finding = Finding(str(self.path), self.line, reason)
        if self.strict:
            raise ValueError(f"{finding}. Mend or remove that row, or pass strict=False to skip "
                             "bad rows and count them")
        self.n_skipped += 1
        self._report(finding)

    def _report(self, finding: Finding) -> None:
        kept = self.bad_rows if finding.skipped else self.noted
        if len(kept) < KEPT:
            kept.append(finding)
        if self.on_finding is not None:
            self.on_finding(finding)


def _rows(stream: BinaryIO, array: str | None) -> Iterator[tuple[int, Any]]:
    """Each row's first line and its JSON, or the ValueError that says why it has none."""
    head = stream.read(_CHUNK)
    if head.startswith(_LFS):
        yield 1, ValueError("this is a pointer of Git LFS, not the data: run git lfs pull there")
        return
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if array is not None:
        start = re.search(rb'"%s"\s*:\s*\[' % array.encode(), head)
        if not start:
            yield 1, ValueError(f"the file must be a JSON object with an array {array!r} within "
                                f"its first {_CHUNK} bytes")
            return
        stream.seek(start.end())
        yield from _elements(stream, head[:start.end()].count(b"\n") + 1, array)
    elif text.startswith(b"[") and stream.name.endswith(".json"):
        stream.seek(head.index(b"[") + 1)
        yield from _elements(stream, head[:head.index(b"[")].count(b"\n") + 1)
    else:
        stream.seek(0)
        yield from _lines(stream)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, Any]]:
    number = 0
    while line := stream.readline(MAX_ROW + 1):
        number += 1
        if len(line) > MAX_ROW:
            while line and not line.endswith(b"\n"):
                line = stream.readline(_CHUNK)
            yield number, ValueError(f"longer than {MAX_ROW:,} bytes, which no row of a set is")
        elif line.strip():
            try:
                yield number, _DECODER.decode(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except (ValueError, RecursionError) as error:
                yield number, _not_json(error)


def _elements(stream: BinaryIO, line: int, array: str | None = None) -> Iterator[tuple[int, Any]]:
    """The elements of a JSON array whose bracket has just been read."""
    decoder, text, ended = codecs.getincrementaldecoder("utf-8")(), "", False
    while True:
        start = re.match(r"[\s,]*", text).end()
        line, text = line + text.count("\n", 0, start), text[start:]
        if text.startswith("]"):
            if array is None and (text[1:] + decoder.decode(stream.read(_CHUNK))).strip():
                yield line, ValueError("text after the end of the array, which is not read")
            return
        try:
            row, end = _DECODER.raw_decode(text)
        except (ValueError, RecursionError) as error:
            more = b"" if ended or len(text) > MAX_ROW else stream.read(max(_CHUNK, len(text)))
            ended = not more
            why = _not_json(error)
            try:
                text += decoder.decode(more, final=ended)
            except UnicodeDecodeError as bad:
                ended, why = True, _not_json(bad)
            if ended:
                yield line, ValueError(f"{why}; what follows it in the array cannot be read")
                return
        else:
            yield line, row
            line, text = line + text.count("\n", 0, end), text[end:]


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def _not_json(error: Exception) -> ValueError:
    why = "too deeply nested" if isinstance(error, RecursionError) else str(error)[:200]
    return ValueError(f"not JSON in UTF-8: {why}")


def kind_of(value: object) -> str:
    """What JSON calls a value's type.

    Example:
        >>> kind_of(None), kind_of([1]), kind_of(2.5)
        ('null', 'array', 'number')
    """
    names = {bool: "true or false", dict: "object", list: "array", str: "text",
             int: "number", float: "number", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def shown(value: object) -> str:
    """A value in a few characters that any terminal can print."""
    return kind_of(value) if isinstance(value, list | dict) else ascii(value)[:40]


def need(row: Mapping[str, Any], key: str, kind: type, where: str = "the row") -> Any:
    """The value of a key, which must be there and of this type; `float` is any number.

    Raises:
        ValueError: saying what is missing, or what was got; text must be as in `clean`.

    Example:
        >>> need({"label": 3}, "label", int)
        3
    """
    if key not in row:
        raise ValueError(f"{where} has no {key!r}; it has {str(list(row)[:8])[:200]}")
    value = row[key]
    allowed = int | float if kind is float else kind
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{key!r} must be {kind_of(kind())}, got {kind_of(value)}")
    return clean(value, f"{key!r}") if kind is str else value


def clean(text: object, where: str) -> str:
    """`text` itself, once it is known to be text that any file can hold.

    Raises:
        ValueError: if it is none, or holds NUL or half a surrogate pair.
    """
    if not isinstance(text, str):
        raise ValueError(f"{where} must be text, got {kind_of(text)}")
    if "\0" in text:
        raise ValueError(f"{where} holds a NUL character")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{where} holds half a surrogate pair") from None
    return text


def texts(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The steps under a key: a non-empty array of texts. Errors as `need`."""
    steps = need(row, key, list)
    if not steps:
        raise ValueError(f"{key!r} must hold at least one step, got an empty array")
    return tuple(clean(step, f"step {i} of {key!r}") for i, step in enumerate(steps))


def plain(row: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Those of the keys that hold text, a number, true, false or null, for `problem.facts`.

    Raises:
        ValueError: if one holds something else, or text that is not `clean`.
    """
    found = {key: row[key] for key in keys if key in row}
    for key, value in found.items():
        if isinstance(value, str):
            clean(value, f"{key!r}")
        elif isinstance(value, list | dict):
            raise ValueError(f"{key!r} must be a single value, got {kind_of(value)}")
    return found


def problem_of(text: str, answer: str | None, family: str, facts: Mapping[str, Any],
               name: str | None = None) -> Problem:
    """The problem, with an id made from its text where the set gives none.

    Example:
        >>> problem_of("1 + 1?", "2", "prm800k", {}).id
        'prm800k-c97c3a9c9b'
    """
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return Problem(name or f"{family}-{digest}", text, answer, family, facts)


def bounded(n_cells: int) -> None:
    """ValueError if the traces of one row have more than `MAX_CELLS` steps together."""
    if n_cells > MAX_CELLS:
        raise ValueError(f"the traces of one row may have {MAX_CELLS:,} steps together, "
                         f"got {n_cells:,}")


def labels_to(first_error: int | None, n_steps: int) -> tuple[int | None, ...]:
    """Labels where only the first error is known: right before it, nothing after it.

    Raises:
        ValueError: if the index is negative or beyond the trace.

    Example:
        >>> labels_to(1, 4), labels_to(None, 2)
        ((1, -1, None, None), (1, 1))
    """
    if first_error is None:
        return (1,) * n_steps
    if not 0 <= first_error < n_steps:
        raise ValueError(f"the first error must be one of the steps 0 to {n_steps - 1}, "
                         f"got {first_error}")
    return (1,) * first_error + (-1,) + (None,) * (n_steps - first_error - 1)


def first_error(trace: Trace) -> int | None:
    """The 0-based index of the first step labelled -1; None if there is none.

    Raises:
        ValueError: if the trace has no labels, or a step before its first error has none, so
            that it is not known.

    Example:
        >>> first_error(Trace(problem_of("?", None, "x", {}), ("a", "b"), labels=(1, -1)))
        1
    """
    for i, label in enumerate(trace.labels or (None,)):
        if label is None:
            raise ValueError(f"the first error of a trace of {trace.problem.id!r} is not known: "
                             f"step {i} has no label")
        if label == -1:
            return i
    return None


def write_rows(path: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows, one a line; returns how many. Else as `traces.write_lines`."""
    return write_lines(path, (json.dumps(row, ensure_ascii=False, allow_nan=False)
                              for row in rows))
