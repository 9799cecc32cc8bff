"""What the commands are given: files of traces, checked before the work with file and trace named.

Traces are counted from 1 here, as a reader of the file counts them. Does not know what is done with
them. Nothing here loads torch by itself: the doctor must start where it is missing.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from prmlab import traces
from prmlab.traces import Trace


def read(path: Path, *, steps: bool = True) -> list[Trace]:
    """The traces of a file.

    Args:
        steps: whether each must have some.

    Raises:
        ValueError: as `traces.read_jsonl`; if there are none, or one has no steps.
    """
    data = traces.read_jsonl(path)
    if not data:
        raise ValueError(f"{path} holds no traces: it is empty")
    for i, trace in enumerate(data, start=1):
        if steps and not trace.steps:
            raise ValueError(f"{_where(path, i, trace)} has no steps, so there is nothing to score; "
                             "leave it out")
    return data


def begun(path: Path) -> Iterator[Trace]:
    """The traces of a file, one at a time; ValueError at one that has no steps to label."""
    for i, trace in enumerate(traces.iter_jsonl(path), start=1):
        if not trace.steps:
            raise ValueError(f"{_where(path, i, trace)} has no steps to label; leave it out")
        yield trace


def labelled(path: Path, *, kind: str | None = None, steps: bool = True) -> list[Trace]:
    """The traces of a file, which must have labels, of that kind if one is given (`step_targets`)."""
    data = read(path, steps=steps)
    for i, trace in enumerate(data, start=1):
        if trace.labels is None:
            raise ValueError(f"{_where(path, i, trace)} has no labels; label it first, with: prmlab "
                             "label")
    if kind:
        from prmlab.targets import step_targets

        for i, trace in enumerate(data, start=1):
            try:
                step_targets(trace.labels, label_kind=kind)
            except ValueError as error:
                raise ValueError(f"{_where(path, i, trace)}: {error}") from None
    return data


def hard(path: Path) -> list[Trace]:
    """The traces of a file with hard labels, to compare a PRM with."""
    data = labelled(path)
    if any(y is not None and 0 < y < 1 for t in data for y in t.labels):
        raise ValueError(f"{path} has soft labels; evaluate compares with hard ones, +1, 0, -1 "
                         "(prmlab label --kind hard)")
    return data


def both_kinds(path: Path, data: Sequence[Trace], errors: Sequence[int | None]) -> None:
    """ValueError unless some of a file's traces, whose first errors are known, have one, and some none.

    Args:
        data: all that were scored.
        errors: first errors of those where it is known.
    """
    wrong = len(errors) - list(errors).count(None)
    if 0 < wrong < len(errors):
        return
    labels = {y for t in data for y in t.labels}
    hint = "; a label 0 is neutral here: where it means wrong, write -1" if (
        0 in labels and -1 not in labels) else ""
    raise ValueError(f"{path}: of its {len(data):,} traces the first error is known of "
                     f"{len(errors):,}, and {wrong:,} of these have one; first-error F1 needs traces "
                     f"with an error and traces without, so add the other kind{hint}")


def all_fit(path: Path, data: Sequence[Trace], model: Any) -> None:
    """ValueError naming the first trace that is too long for the model."""
    fits = getattr(model, "fits", lambda trace: True)
    for i, trace in enumerate(data, start=1):
        if not fits(trace):
            raise ValueError(f"{_where(path, i, trace)} is longer than the model's limit of "
                             f"{model.max_length} ids; leave it out, or pass --on-long skip "
                             "(nothing is ever cut off)")


def problem(trace: Trace) -> str:
    """Names the problem: ids alone may be missing, or repeat from file to file."""
    return f"{trace.problem.id}\n{trace.problem.text}"


def first_error(trace: Trace) -> int | None:
    """The first step labelled wrong; None where there is none."""
    return next((i for i, y in enumerate(trace.labels) if y is not None and y < 0), None)


def known(data: Sequence[Trace], scores: Sequence[Any]) -> list[tuple[Trace, Any]]:
    """Traces and their scores where the first error is known: no label is missing before it."""
    return [(t, s) for t, s in zip(data, scores, strict=True)
            if None not in t.labels[:first_error(t)]]


def told_unknown(data: Sequence[Trace], model: Any) -> float:
    """Share of tokens that the model's tokenizer reads as its unknown one, in some 200 traces.

    A word-level tokenizer, as the built-in models have, knows the words of its world alone; from
    1 % on that is told on standard error. 0 where it cannot be asked.
    """
    tokenizer = getattr(model, "tokenizer", None)
    if getattr(tokenizer, "unk_token_id", None) is None:
        return 0.0
    from prmlab.tokens import plain_ids

    some = [text for trace in data[::max(1, len(data) // 200)]
            for text in (trace.problem.text, *trace.steps)]
    ids = [one for row in plain_ids(tokenizer, some) for one in row]
    share = ids.count(tokenizer.unk_token_id) / max(1, len(ids))
    if share >= 0.01 and os.environ.get("RANK", "0") == "0":
        print(f"prmlab: {share:.0%} of the tokens of these traces are unknown to the model's "
              "tokenizer, which reads all of them as one; take a model whose tokenizer knows this "
              "text", file=sys.stderr)
    return share


def count(text: str) -> int:
    """An option's whole number of 1 or more, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, got {text!r}")
    return int(text)


def weights(text: str) -> str | tuple[float, ...]:
    """"balanced", or numbers between commas, for argparse."""
    try:
        return text if text == "balanced" else tuple(float(x) for x in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError('must be balanced, or two numbers for wrong and right steps '
                                         f"such as 3,1; got {text!r}") from None


def _where(path: Path, i: int, trace: Trace) -> str:
    return f"{path}: trace {i} (problem {trace.problem.id!r})"
