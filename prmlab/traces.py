"""Problems and traces as frozen data, and their JSONL form.

Owns the convention that a trace is a problem plus steps, one line of text each. Does not know what
is right: labels, where there are any, came from elsewhere and `source` says from where.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prmlab import answers
from prmlab.markup import TraceView

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Problem:
    """A question, its answer where known, and the facts its checker needs (plain JSON)."""

    id: str
    text: str
    answer: str | None
    family: str
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The problem as plain JSON."""
        return {"id": self.id, "text": self.text, "answer": self.answer, "family": self.family,
                "facts": dict(self.facts)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Problem":
        """The problem in a record written by `to_dict`. ValueError names what is missing."""
        text = _need(record, "text", str, "problem")
        answer = record.get("answer")
        if answer is not None and not isinstance(answer, str):
            raise ValueError(f"problem.answer must be text or null, got {answer!r}")
        facts = record.get("facts") or {}
        if not isinstance(facts, Mapping):
            raise ValueError(f"problem.facts must be an object, got {type(facts).__name__}")
        return cls(str(record.get("id", "")), text, answer, str(record.get("family", "")), facts)


@dataclass(frozen=True)
class Trace:
    """A problem and the steps taken on it so far.

    Args:
        steps: the steps' texts, in order; empty for a problem nobody has begun.
        finished: True if its author ended it, False for a prefix or a trace cut at a limit.
        labels: one a step, or None: +1 right, 0 neutral, -1 wrong, None not labelled; for soft
            labels a probability in [0, 1] (the `source` says which kind).
        source: who wrote it or labelled it.

    Raises:
        ValueError: if the steps are not texts, or labels do not match steps in number.
    """

    problem: Problem
    steps: tuple[str, ...]
    finished: bool = False
    labels: tuple[float | None, ...] | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.steps, str):
            raise ValueError("steps must be a sequence of texts, got one text; "
                             "split it first, for example with traces.split_steps")
        object.__setattr__(self, "steps", tuple(self.steps))
        for i, step in enumerate(self.steps):
            if not isinstance(step, str):
                raise ValueError(f"step {i} must be text, got {type(step).__name__}")
        if self.labels is not None:
            object.__setattr__(self, "labels", tuple(self.labels))
            if len(self.labels) != len(self.steps):
                raise ValueError(f"one label per step: got {len(self.steps)} steps, "
                                 f"{len(self.labels)} labels (problem {self.problem.id!r})")

    @property
    def answer(self) -> str | None:
        """The final answer that the last step states; None if unfinished or none is stated."""
        return answers.extract(self.steps[-1]) if self.finished and self.steps else None

    @property
    def text(self) -> str:
        """The steps, one a line."""
        return "\n".join(self.steps)

    def prefix(self, n_steps: int) -> "Trace":
        """The first `n_steps` steps, as an unfinished trace without labels.

        Raises:
            ValueError: unless `0 <= n_steps <= len(steps)`.
        """
        if not 0 <= n_steps <= len(self.steps):
            raise ValueError(f"n_steps must be 0 to {len(self.steps)}, got {n_steps!r}")
        return replace(self, steps=self.steps[:n_steps], finished=False, labels=None)

    def with_labels(self, labels: Sequence[float | None], source: str) -> "Trace":
        """The same trace with these labels, one a step, and where they came from."""
        return replace(self, labels=tuple(labels), source=source)

    def to_dict(self) -> dict[str, Any]:
        """The trace as plain JSON."""
        return {"problem": self.problem.to_dict(), "steps": list(self.steps),
                "finished": self.finished, "source": self.source,
                "labels": None if self.labels is None else list(self.labels)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Trace":
        """The trace in a record written by `to_dict`. ValueError names what is wrong."""
        if not isinstance(record, Mapping):
            raise ValueError(f"a trace must be a JSON object, got {type(record).__name__}")
        problem = Problem.from_dict(_need(record, "problem", Mapping, "trace"))
        steps = _need(record, "steps", list, "trace")
        labels = record.get("labels")
        if labels is not None and not isinstance(labels, list):
            raise ValueError(f"labels must be a list or null, got {type(labels).__name__}")
        for i, label in enumerate(labels or ()):
            if label is not None and (isinstance(label, bool) or not isinstance(label, int | float)
                                      or not -1 <= label <= 1):
                raise ValueError(f"label of step {i} must be null or a number from -1 to 1, "
                                 f"got {label!r}")
        "".join([problem.text, *(s for s in steps if isinstance(s, str))]).encode()  # half a pair
        return cls(problem, tuple(steps), bool(record.get("finished", False)),
                   None if labels is None else tuple(labels), str(record.get("source", "")))

    def _repr_html_(self) -> str:
        return TraceView.of(self)._repr_html_()


def split_steps(text: str) -> tuple[str, ...]:
    """The steps of a text, one a non-empty line.

    Example:
        >>> split_steps("2x = 10\\n\\nx = 5\\n")
        ('2x = 10', 'x = 5')
    """
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def read_jsonl(path: str | Path) -> list[Trace]:
    """The traces of a JSONL file, one a line; empty lines are skipped.

    Raises:
        ValueError: naming the file, the line and what is wrong with it.
    """
    return list(iter_jsonl(path))


def iter_jsonl(path: str | Path) -> Iterator[Trace]:
    """The traces of a JSONL file one at a time, in flat memory. Errors as `read_jsonl`."""
    path = Path(path)
    if path.is_dir() or not path.exists():
        raise ValueError(f"no such file: {path}; give the path of a JSONL file of traces")
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    yield Trace.from_dict(json.loads(line))
                except (ValueError, RecursionError) as error:
                    why = (f"{error.msg} at its character {error.pos + 1}"
                           if isinstance(error, json.JSONDecodeError) else error)
                    raise ValueError(f"{path}, line {number}: not a trace: {why}. "
                                     f"{_mend(path, number, line)}") from None


def _mend(path: Path, number: int, line: bytes) -> str:
    """What to do about a line that is no trace: what the file is instead, where that can be told."""
    if number == 1:
        for start, mend in _NO_LINES.items():
            if line.startswith(start):
                return mend
        if module := _format_of(line):
            options = ", neutral='keep'" if module == "prm800k" else ""
            return (f"It is a row as prmlab.datasets.{module} reads them; make traces of them with "
                    f"traces.write_jsonl('traces.jsonl', {module}.read({str(path)!r}{options}))")
    return ("Mend or remove that line; each line must be one JSON object as written by "
            "traces.write_jsonl")


_NO_LINES = {b"\x1f\x8b": "The file is gzipped: unpack it first, with gunzip",
             b"PK\x03\x04": "The file is a zip archive: unpack it first",
             b"\xff\xfe": "The file is text in UTF-16: save it as UTF-8",
             b"\xfe\xff": "The file is text in UTF-16: save it as UTF-8",
             b"version https://git-lfs": "The file is a pointer of Git LFS: run git lfs pull there",
             b"[": "The file is one JSON array: write its elements one a line, with jq -c '.[]'"}
_FORMATS = {"prm800k": {"question", "label"}, "math_shepherd": {"input", "label"},
            "stepwise": {"prompt", "completions"}, "prmbench": {"modified_process"},
            "bigbench_mistake": {"mistake_index"}, "omegaprm": {"reasoning_steps"},
            "gsm8k_solutions": {"ground_truth", "question"}, "processbench": {"steps", "label"}}


def _format_of(line: bytes) -> str:
    """The module of `datasets` whose keys a line has; empty for none."""
    try:
        keys = set(json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return ""
    return next((name for name, wanted in _FORMATS.items() if wanted <= keys), "")


def write_jsonl(path: str | Path, traces: Iterable[Trace]) -> int:
    """Write traces, one a line, keys sorted; returns how many. Else as `write_lines`."""
    return write_lines(path, (json.dumps(trace.to_dict(), sort_keys=True, ensure_ascii=False)
                              for trace in traces))


def write_lines(path: str | os.PathLike[str], lines: Iterable[str]) -> int:
    """Write lines; returns how many. The file is replaced as a whole, or not at all.

    A pipe or a device, such as /dev/null, is written into: to replace it would destroy it.

    Raises:
        ValueError: if `path` is a folder or is in none, before the first line is asked for.
    """
    path, n = Path(os.path.realpath(path) if os.path.isfile(path) else path), 0
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the name of a file to write")
    if not path.parent.is_dir():
        raise ValueError(f"no such folder: {path.parent}; make it, or give another path")
    plain = path.is_file() or not path.exists()
    target = path.with_name(path.name + ".part") if plain else path
    try:
        with target.open("w", encoding="utf-8") as out:
            for n, line in enumerate(lines, start=1):
                out.write(line + "\n")
            if plain:
                out.flush()
                os.fsync(out.fileno())
        if plain:
            target.replace(path)
    finally:
        if plain:
            target.unlink(missing_ok=True)
    return n


def to_frame(traces: Iterable[Trace]) -> "DataFrame":
    """One row a step: trace, problem id, family, step index, text, label, finished, source."""
    import pandas as pd  # optional: only the `pictures` extra brings it

    rows = [{"trace": i, "problem": t.problem.id, "family": t.problem.family, "step": s,
             "text": step, "label": None if t.labels is None else t.labels[s],
             "finished": t.finished, "source": t.source}
            for i, t in enumerate(traces) for s, step in enumerate(t.steps)]
    return pd.DataFrame(rows, columns=["trace", "problem", "family", "step", "text", "label",
                                       "finished", "source"])


def _need(record: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    if not isinstance(record, Mapping) or key not in record:
        raise ValueError(f"{where} has no {key!r}")
    if not isinstance(record[key], kind):
        raise ValueError(f"{where}.{key} must be {kind.__name__}, got {type(record[key]).__name__}")
    return record[key]
