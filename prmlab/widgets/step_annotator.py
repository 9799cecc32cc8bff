"""Labelling the steps of traces by hand, saved in PRM800K's format as one goes.

Owns the file: one record a line for each trace with a label, in the schema of OpenAI's
PRM800K, rewritten as a whole and swapped in at once, so that it is never half written. Does
not judge the labels, and does not read files written by other tools: `datasets` does.
"""

import json
import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from prmlab import scoring
from prmlab.datasets import prm800k, stepwise
from prmlab.markup import TraceView, printable
from prmlab.traces import Trace
from prmlab.widgets import twin

STATIC = Path(__file__).parent / "static"
MAX_TWIN = 24_000
Labels = list[list[int | None]]


class StepAnnotator(anywidget.AnyWidget):
    """Label each step +1 right, 0 neutral or -1 wrong; the labels are saved at once.

    Python -> browser: `traces`, `records` (empty but in a static twin), `saved`, `error`.
    Both ways: `labels`, one list a trace, None where there is no label; `current`, the trace
    shown.

    Args:
        traces: what is to be labelled, from any source.
        path: the JSONL file; labels in it are taken up again, its other records kept.
        labels: labels to begin with, one list a trace, where the file has none.
        labeler: the name written into the records.
        scores: a PRM's score of every step, one list a trace: traces then come in the order of
            `scoring.uncertainty`, the most uncertain first. The scores are not shown: a labeller
            who sees them agrees with them.

    Raises:
        ValueError: if there is no trace, or labels or scores do not match traces and steps in
            number.
    """

    _esm = STATIC / "step_annotator.js"
    _css = STATIC / "step_annotator.css"

    traces = traitlets.List(traitlets.Dict()).tag(sync=True)
    records = traitlets.List(traitlets.Dict()).tag(sync=True)
    labels = traitlets.List(traitlets.List()).tag(sync=True)
    current = traitlets.Int(0).tag(sync=True)
    saved = traitlets.Unicode("").tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)

    def __init__(self, traces: Sequence[Trace], path: str | Path, *,
                 labels: Sequence[Sequence[int | None]] | None = None,
                 labeler: str = "reader", scores: Sequence[Sequence[float]] | None = None):
        if not traces:
            raise ValueError("nothing to label: `traces` is empty")
        rows = [[None] * len(trace.steps) for trace in traces] if labels is None else labels
        rows = [[_plain(label) for label in row] for row in rows]
        _check(traces, rows)
        order = range(len(traces)) if scores is None else _uncertain_first(traces, scores)
        self._traces, rows = tuple(traces[i] for i in order), [rows[i] for i in order]
        self._file = _LabelFile(Path(path), self._traces, labeler)
        self._lock = threading.Lock()
        damage = ""
        try:
            rows = self._file.resume(rows)
        except (OSError, ValueError) as error:
            damage = _words(error)
        unfinished = (i for i, row in enumerate(rows) if None in row)
        super().__init__(
            traces=[_shown(trace) for trace in self._traces],
            labels=rows,
            current=next(unfinished, 0),
            error=damage,
        )
        self.observe(self._on_labels, names=["labels"])

    def labelled_traces(self) -> list[Trace]:
        """The traces with at least one label, as `Trace`s that carry the labels."""
        return [
            trace.with_labels(row, source=self._file.labeler)
            for trace, row in zip(self._traces, self.labels, strict=True)
            if any(label is not None for label in row)
        ]

    def export(self, path: str | Path, *, form: str, neutral: str | None = None) -> int:
        """Write the labelled traces for other tools; returns how many.

        Args:
            form: "prm800k", or "trl" for TRL's stepwise supervision. The annotator's own file is
                PRM800K, too; an export holds nothing but these labels.
            neutral: what a 0 becomes in TRL's format, which has no place for it: "right",
                "wrong", or "cut" to end a trace before it. PRM800K's authors took it as right.

        Raises:
            ValueError: if nothing is labelled, `form` is neither, "trl" lacks `neutral`, or as
                `datasets.stepwise.record`. A file that was there is then left as it was.
        """
        done = self.labelled_traces()
        if not done:
            raise ValueError("nothing to export: no step has a label yet")
        if form == "prm800k":
            return prm800k.write(path, done)
        if form != "trl" or neutral is None:
            raise ValueError('form must be "prm800k", or "trl" with neutral="right", "wrong" or '
                             f'"cut"; got form={form!r}, neutral={neutral!r}')
        return stepwise.write(path, done, neutral=neutral)

    def to_html(self) -> str:
        """A static twin: labels are kept in the page, and downloaded in the same format.

        Holds the first traces, as many as make a small page, and says how many it leaves out.
        """
        size, count = 0, 0
        for trace in self._traces:
            size += len(trace.problem.text) + 2 * sum(map(len, trace.steps)) + 500
            if size > MAX_TWIN and count:
                break
            count += 1
        left_out = len(self._traces) - count
        state = {
            "traces": self.traces[:count],
            "labels": self.labels[:count],
            "records": [
                self._file.record(trace, [None] * len(trace.steps), stamp=None)
                for trace in self._traces[:count]
            ],
            "current": min(self.current, count - 1),
            "saved": f"{left_out:,} more traces in the notebook." if left_out else "",
            "error": "",
        }
        return twin.fragment(STATIC / "step_annotator.js", STATIC / "step_annotator.css", state)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**kwargs)
        done = sum(label is not None for row in self.labels for label in row)
        total = sum(map(len, self.labels))
        count = f"{len(self._traces)} trace{'s' * (len(self._traces) != 1)}"
        plain = f"Step annotator: {done} of {total} steps labelled, {count}."
        view = TraceView.of(self._traces[self.current], truth=self.labels[self.current])
        page = f"<p>{plain} Run this cell to label.</p>{view._repr_html_()}"
        return {**data, "text/plain": plain, "text/html": page}, metadata

    def _on_labels(self, _: Any) -> None:
        # JupyterLab calls this on a thread of its own, beside a running cell.
        with self._lock:
            try:
                _check(self._traces, self.labels)
                count = self._file.save(self.labels)
                self.saved, self.error = f"{count} saved in {self._file.path}", ""
            except (OSError, ValueError) as error:
                self.saved, self.error = "", _words(error)


class _LabelFile:
    """The JSONL file: takes up its labels, keeps its other records, is swapped in at once."""

    def __init__(self, path: Path, traces: tuple[Trace, ...], labeler: str):
        self.path = path
        self.labeler = labeler
        self._traces = traces
        self._kept: list[dict[str, Any]] = []
        self._rows: dict[int, tuple[list[int | None], str]] = {}  # labels and their time
        self._damage = ""

    def resume(self, rows: Labels) -> Labels:
        """`rows`, with the file's labels where it has any for a trace."""
        if not self.path.exists():
            return rows
        places: dict[Any, list[int]] = {}  # equal traces take their records in order
        for i, trace in enumerate(self._traces):
            places.setdefault(_key(trace), []).append(i)
        try:
            records = _read(self.path)
        except (OSError, ValueError) as error:
            self._damage = _words(error)
            raise
        for key, labels, record in records:
            if key in places:
                place = places[key].pop(0) if len(places[key]) > 1 else places[key][0]
                self._rows[place] = labels, record.get("timestamp")
            else:
                self._kept.append(record)
        return [self._rows[i][0] if i in self._rows else row for i, row in enumerate(rows)]

    def save(self, rows: Labels) -> int:
        """Write every trace with a label; returns how many labels are in the file by now."""
        if self._damage:
            raise ValueError(self._damage)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        lines = list(self._kept)
        for i, (trace, row) in enumerate(zip(self._traces, rows, strict=True)):
            if i not in self._rows or self._rows[i][0] != row:
                self._rows[i] = list(row), now
            if any(label is not None for label in row):
                lines.append(self.record(trace, row, stamp=self._rows[i][1]))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        with part.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, sort_keys=True) + "\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)
        return sum(label is not None for row in rows for label in row)

    def record(self, trace: Trace, row: Sequence[int | None], *,
               stamp: str | None) -> dict[str, Any]:
        """One record of PRM800K: each step with one completion and its rating."""
        return {
            "labeler": self.labeler,
            "timestamp": stamp,
            "generation": None,
            "is_quality_control_question": False,
            "is_initial_screening_question": False,
            "question": {
                "problem": trace.problem.text,
                "ground_truth_solution": None,
                "ground_truth_answer": trace.problem.answer,
                "pre_generated_steps": list(trace.steps),
            },
            "label": {
                "steps": [
                    {
                        "completions": [{"text": text, "rating": rating, "flagged": False}],
                        "human_completion": None,
                        "chosen_completion": 0,
                    }
                    for text, rating in zip(trace.steps, row, strict=True)
                ],
                "total_time": None,
                "finish_reason": _finish(row),
            },
        }


def _read(path: Path) -> list[tuple[Any, list[int | None], dict[str, Any]]]:
    """The records of a file, each with the trace it labels and the labels."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            steps = [step["completions"][0] for step in record["label"]["steps"]]
            key = (record["question"]["problem"], tuple(step["text"] for step in steps))
            labels = [step["rating"] for step in steps]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ValueError(
                f"{path}, line {number} is not a PRM800K record ({type(error).__name__}: "
                f"{error}). Nothing is saved, so that nothing is lost: mend or remove the "
                "line, or give another path, then run the cell again."
            ) from error
        found.append((key, labels, record))
    return found


def _check(traces: Sequence[Trace], rows: Sequence[Sequence[Any]]) -> None:
    if len(rows) != len(traces):
        raise ValueError(f"one list of labels per trace: got {len(traces)} and {len(rows)}")
    for i, (trace, row) in enumerate(zip(traces, rows, strict=True)):
        if len(row) != len(trace.steps):
            raise ValueError(
                f"one label per step: trace {i} has {len(trace.steps)} steps, {len(row)} labels"
            )
        for label in row:
            if label is not None and (isinstance(label, bool) or label not in (-1, 0, 1)):
                raise ValueError(f"a label is +1, 0, -1 or None; trace {i} has {label!r}")


def _uncertain_first(traces: Sequence[Trace], scores: Sequence[Sequence[float]]) -> list[int]:
    """The places of the traces, those first of which the scorer is least sure."""
    if [len(row) for row in scores] != [len(trace.steps) for trace in traces]:
        raise ValueError(f"scores must have one number per step of each trace, got lists of "
                         f"{[len(row) for row in scores][:9]} for traces of "
                         f"{[len(trace.steps) for trace in traces][:9]} steps")
    unsure = [scoring.uncertainty(row) if len(row) else 0.0 for row in scores]
    return sorted(range(len(traces)), key=lambda i: -unsure[i])


def _finish(row: Sequence[int | None]) -> str | None:
    if -1 in row:
        return "found_error"
    return None if None in row else "solution"


def _key(trace: Trace) -> tuple[str, tuple[str, ...]]:
    return trace.problem.text, trace.steps


def _plain(label: Any) -> Any:
    """A float that is whole becomes an int; anything else is left for `_check`."""
    return int(label) if isinstance(label, float) and label.is_integer() else label


def _shown(trace: Trace) -> dict[str, Any]:
    return {
        "problem": printable(trace.problem.text),
        "steps": [printable(step) for step in trace.steps],
    }


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return (
            f"The labels cannot be saved: {error}. They are kept here while the kernel runs; "
            "give a path in a folder you may write to."
        )
    return str(error)
