"""A recorded best-of-N run (satchmakua/crucible-ttc): sampled traces with scores; read only.

The file is one JSON object whose `records` hold a problem's id, its right answer and its sampled
traces. The problem's text is not in the file, so `problem.text` is empty. Steps are paragraphs;
`facts` holds what was recorded of the trace: `correct`, `prm_score`, `tokens`, `difficulty`. MIT.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prmlab import answers
from prmlab.datasets import rows
from prmlab.traces import Problem, Trace

FAMILY = "recorded"
_PARAGRAPHS = re.compile(r"\n[ \t\r]*\n\s*")


def read(path: str | os.PathLike[str], *, strict: bool = True,
         on_finding: Callable[[rows.Finding], object] | None = None) -> rows.Reading:
    """The traces of a run, those of one problem one after the other.

    A trace without words has no steps. A trace is finished if it states an answer anywhere.

    Args:
        strict, on_finding: as in `rows.Reading`, which names the errors.
    """
    return rows.Reading(path, _parse, strict=strict, on_finding=on_finding, array="records")


def _parse(row: Mapping[str, Any], _: rows.Reading) -> Iterable[Trace]:
    name, gold = rows.need(row, "problem_id", str), rows.need(row, "gold", str)
    if not name:
        raise ValueError("'problem_id' must not be empty: it says which traces belong together")
    for i, sampled in enumerate(rows.need(row, "traces", list)):
        if not isinstance(sampled, dict):
            raise ValueError(f"trace {i} must be an object, got {rows.kind_of(sampled)}")
        text = rows.need(sampled, "text", str, f"trace {i}")
        rows.need(sampled, "correct", bool, f"trace {i}")
        if not 0 <= rows.need(sampled, "prm_score", float, f"trace {i}") <= 1:
            raise ValueError(f"'prm_score' of trace {i} must be from 0 to 1, "
                             f"got {sampled['prm_score']!r}")
        facts = rows.plain(sampled, "correct", "prm_score", "tokens") | rows.plain(
            row, "difficulty")
        steps = tuple(part.strip() for part in _PARAGRAPHS.split(text) if part.strip())
        yield Trace(Problem(name, "", gold, FAMILY, facts), steps,
                    answers.extract(text) is not None, None, FAMILY)
