"""BIG-Bench-Mistake: PaLM 2's chains of thought, the first mistake marked by people; read only.

`mistake_index` is the 0-based first wrong step, null if there is none. Steps before it are
labelled +1, it -1, those after it are not labelled. The problem's answer is `target`; the
answer that the trace gives is in `facts`. Apache-2.0.

Source: Tyen et al. 2023, arXiv:2311.08516.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prmlab.datasets import rows
from prmlab.traces import Trace

FAMILY = "bigbench-mistake"


def read(path: str | os.PathLike[str], *, strict: bool = True,
         on_finding: Callable[[rows.Finding], object] | None = None) -> rows.Reading:
    """The traces of one task's file.

    Args:
        strict, on_finding: as in `rows.Reading`, which names the errors.
    """
    return rows.Reading(path, _parse, strict=strict, on_finding=on_finding)


def _parse(row: Mapping[str, Any], _: rows.Reading) -> Iterable[Trace]:
    steps = rows.texts(row, "steps")
    if "mistake_index" not in row or row["mistake_index"] is not None:
        rows.need(row, "mistake_index", int)
    text, target = rows.need(row, "input", str), rows.need(row, "target", str)
    problem = rows.problem_of(text, target, FAMILY, rows.plain(row, "answer"))
    yield Trace(problem, steps, True, rows.labels_to(row["mistake_index"], len(steps)), FAMILY)
