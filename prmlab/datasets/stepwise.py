"""TRL's stepwise supervision: a prompt, its steps and whether each is right; read and write.

A row is `{"prompt": text, "completions": [text], "labels": [true or false]}`. Labels may also be
numbers in [0, 1]: 0 and 1 are taken as false and true, anything between makes the row's labels
soft. TRL's own trainer would cut those to 0, so `write` refuses them unless given a threshold.
Does not know who labelled, nor the right answer: the format has no place for either.

Source: TRL's documentation, "Dataset formats and types", and `trl.experimental.prm`.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prmlab import answers
from prmlab.datasets import rows
from prmlab.traces import Trace

FAMILY = "stepwise"


def read(path: str | os.PathLike[str], *, strict: bool = True,
         on_finding: Callable[[rows.Finding], object] | None = None) -> rows.Reading:
    """The traces of a stepwise file, labelled +1 and -1, or softly (`source` says "soft").

    A trace counts as finished if its last step states an answer.

    Args:
        strict, on_finding: as in `rows.Reading`, which names the errors.
    """
    return rows.Reading(path, _parse, strict=strict, on_finding=on_finding)


def _parse(row: Mapping[str, Any], _: rows.Reading) -> Iterable[Trace]:
    steps, labels = rows.texts(row, "completions"), rows.need(row, "labels", list)
    problem = rows.problem_of(rows.need(row, "prompt", str), None, FAMILY, {})
    for i, label in enumerate(labels):
        if not isinstance(label, int | float) or not 0 <= label <= 1:
            raise ValueError(f"label {i} must be true, false or a number from 0 to 1, "
                             f"got {rows.shown(label)}")
    soft = any(0 < label < 1 for label in labels)
    values = [float(x) if soft else (1 if x else -1) for x in labels]
    yield Trace(problem, steps, answers.extract(steps[-1]) is not None, tuple(values),
                f"{FAMILY} soft" if soft else FAMILY)


def record(trace: Trace, *, neutral: str, threshold: float | None = None) -> dict[str, Any]:
    """One row of TRL's format, up to the first step without a label.

    Args:
        neutral: what a step labelled 0 becomes: "right", "wrong", or "cut" to end before it.
        threshold: if given, labels are soft: right are those of at least this.

    Raises:
        ValueError: if no step is left, a label does not fit, or `neutral` is none of these.

    Example:
        >>> trace = Trace(rows.problem_of("1 + 1?", "2", "x", {}), ("1 + 1 = 2", "2"), True, (1, 0))
        >>> record(trace, neutral="right")["labels"], record(trace, neutral="wrong")["labels"]
        ([True, True], [True, False])
    """
    if neutral not in ("right", "wrong", "cut"):
        raise ValueError(f"neutral must be right, wrong or cut, got {neutral!r}")
    meaning = {1: True, -1: False, 0: {"right": True, "wrong": False, "cut": None}[neutral]}
    labels: list[bool] = []
    for i, label in enumerate(trace.labels or ()):
        if label is not None and (label not in meaning if threshold is None
                                  else not 0 <= label <= 1):
            raise ValueError(f"step {i} of a trace of {trace.problem.id!r} has the label "
                             f"{label!r}: TRL's format holds true and false; give a threshold "
                             "for soft labels, and none for hard ones")
        value = (None if label is None else meaning[label] if threshold is None
                 else label >= threshold)
        if value is None:
            break
        labels.append(value)
    if not labels:
        raise ValueError(f"a trace of {trace.problem.id!r} has no label at its first step; leave "
                         "such traces out")
    return {"prompt": trace.problem.text, "completions": list(trace.steps[:len(labels)]),
            "labels": labels}


def write(path: str | os.PathLike[str], traces: Iterable[Trace], *, neutral: str,
          threshold: float | None = None) -> int:
    """Write labelled traces as TRL stepwise rows, in flat memory; returns how many.

    Args:
        neutral, threshold: as in `record`, which names the errors; after one the file is as it
            was before.
    """
    def made() -> Iterator[dict[str, Any]]:
        for trace in traces:
            yield record(trace, neutral=neutral, threshold=threshold)

    return rows.write_rows(path, made())
