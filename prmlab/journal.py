"""A crash-safe journal: an append-only JSONL file, one header line, then one record a line.

Owns that what `append` has returned for is on disk, that a line is whole or not there, that one
process writes at a time, and that a journal goes on only with the settings that it began with.
A torn last line, left by a crash, is cut off on opening. Does not know what a record means, only
its number, the integer under "trace".

Not covered: a file system that loses what fsync confirmed, or that ignores locks (some network
drives), and a file edited by hand while it is open.
"""

import json
import os
import re
from array import array
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prmlab import __version__

FORMAT = 1


def identity(model: Any) -> str:
    """What names a policy or scorer in a header: its `fingerprint`, else its repr.

    A model whose repr does not change with its weights should have a `fingerprint` that does.

    Raises:
        ValueError: if it has no fingerprint, and its repr says where in memory it lies instead of
            what it is, or of what it holds.
    """
    if (named := getattr(model, "fingerprint", None)) is not None:
        return str(named)
    if re.search(r" at 0x[0-9a-fA-F]+", said := repr(model)):
        raise ValueError(f"{type(model).__name__} must have a `fingerprint`, a text that changes "
                         "with whatever decides its results, or another model's results could be "
                         f"taken for its own; its repr does not tell models apart: {said[:200]}")
    return said


class Journal:
    """The journal in a file, which is made if it is not there; use it in a `with` block.

    Args:
        path: the file.
        settings: plain JSON that decides what the records will be. A file begun with others is
            refused.

    Raises (on entering):
        ValueError: if another writer holds the file, it is no journal, a line before the last is
            damaged, or its settings are others; the message names them.
        OSError: if the disk is full, or the file cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], settings: Mapping[str, Any]):
        self.path = Path(path)
        self.header = json.loads(_line({"journal": FORMAT, "prmlab": __version__, **settings}))
        self._offsets = array("q")  # of each record's line; 0, the header's, for none
        self._n = self._end = 0
        self._file: int | None = None

    def __enter__(self) -> Self:
        if not self.path.parent.is_dir():
            raise ValueError(f"no such folder: {self.path.parent}; make it, or give another "
                             "path for the journal")
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self._lock()
            self._scan()
            if not self._end:
                self._write(_line(self.header))
                _sync_folder(self.path.parent)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 where: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; another writer may open it. Twice is no error."""
        if self._file is not None:
            os.close(self._file)
        self._file = None

    def __len__(self) -> int:
        return self._n

    def __contains__(self, number: int) -> bool:
        return number < len(self._offsets) and self._offsets[number] > 0

    def read(self, number: int) -> dict[str, Any]:
        """The record of that number. KeyError if it is not there."""
        if number not in self:
            raise KeyError(number)
        with open(self._file, "rb", closefd=False) as lines:
            lines.seek(self._offsets[number])
            return json.loads(lines.readline())

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write records and wait until they are on disk.

        Raises:
            ValueError: if the number of one is taken; none is written.
            OSError: if the disk is full or fails; what was written before is safe. The journal
                is closed then, as after an interrupt: opening it again finds what is whole.
        """
        lines, ends, numbers = [], self._end, []
        for record in records:
            number = record["trace"]
            if number in self or number in numbers:
                raise ValueError(f"journal {self.path} already has trace {number}; a record is "
                                 "written once")
            numbers.append(number)
            lines.append(_line(record))
        try:
            self._write(b"".join(lines))
            for number, line in zip(numbers, lines, strict=True):
                self._keep(number, ends)
                ends += len(line)
        except BaseException:  # not known any more what is in the file: only reading it can tell
            self.close()
            raise

    def _keep(self, number: int, offset: int) -> None:
        self._offsets.extend([0] * (number + 1 - len(self._offsets)))
        self._offsets[number] = offset
        self._n += 1

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest):]
            os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):  # else the next opening cuts the torn line off
                os.ftruncate(self._file, self._end)
            raise OSError(error.errno, f"journal {self.path}: cannot write: {error.strerror}. The "
                          f"{self._n} records written before are safe; mend that and run the same "
                          "call again, it goes on from there") from error
        self._end += len(data)

    def _lock(self) -> None:
        """Be the only writer; the kernel ends this when the file is closed or we die."""
        import fcntl  # not on Windows, where everything but journals works

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"journal {self.path} must have one writer at a time, and another "
                             f"run has it open (this is process {os.getpid()}); wait for it or "
                             "end it, or give another file") from None

    def _scan(self) -> None:
        """Index the records, and cut off a last line that a crash has torn."""
        size = os.fstat(self._file).st_size
        with open(self._file, "rb", closefd=False) as lines:
            for number, line in enumerate(lines if size else (), start=1):
                record = _parsed(line)
                if record is None:
                    self._check_torn(number, line, last=not lines.read(1))
                    break
                if number == 1:
                    self._check(record)
                else:
                    self._index(number, record)
                self._end += len(line)
        if self._end < size:
            os.ftruncate(self._file, self._end)
            os.fsync(self._file)

    def _index(self, number: int, record: Mapping[str, Any]) -> None:
        trace = record.get("trace")
        if not isinstance(trace, int) or trace < 0 or trace in self:
            raise ValueError(f"{self.path}, line {number}: a record must have a number under "
                             f"'trace' that no line before has, got {trace!r}; remove that line")
        self._keep(trace, self._end)

    def _check_torn(self, number: int, line: bytes, *, last: bool) -> None:
        if number == 1 and not _line(self.header).startswith(line):
            raise ValueError(f"{self.path} is no journal, its first line is {line[:60]!r}; give "
                             "the path of a new file")
        if not last:
            raise ValueError(f"{self.path}, line {number} is damaged, and lines follow it: "
                             f"{line[:60]!r}; remove that line, and its trace is labelled again")

    def _check(self, header: Mapping[str, Any]) -> None:
        if header.get("journal") != FORMAT:
            raise ValueError(f"{self.path} is no journal of format {FORMAT}, its first line says "
                             f"{header.get('journal')!r}; give the path of a new file")
        names = [name for name in (*self.header, *(header.keys() - self.header.keys()))
                 if name != "prmlab" and header.get(name) != self.header.get(name)]
        if names:
            said = "; ".join(f"{name} was {header.get(name)!r}, is {self.header.get(name)!r}"
                             for name in names)
            raise ValueError(f"journal {self.path} was begun with other settings: {said}. Give "
                             "the same again, or the path of a new file")


def _line(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The object on a whole line; None for anything else."""
    try:
        record = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
