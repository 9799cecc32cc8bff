"""ProcessBench: the first wrong step, marked by people (Qwen/ProcessBench); read only.

`label` is the 0-based index of the earliest wrong step, -1 if all are right. Steps before it are
labelled +1, it -1, those after it are not labelled. `facts` holds `generator`, `subset` (the id up
to its last hyphen) and `final_answer_correct`.

Source: Zheng et al. 2024, arXiv:2412.06559.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prmlab.datasets import rows
from prmlab.traces import Trace

FAMILY = "processbench"


def read(path: str | os.PathLike[str], *, strict: bool = True,
         on_finding: Callable[[rows.Finding], object] | None = None) -> rows.Reading:
    """The traces of one subset's file, JSON lines or one JSON array.

    Args:
        strict, on_finding: as in `rows.Reading`, which names the errors.
    """
    return rows.Reading(path, _parse, strict=strict, on_finding=on_finding)


def _parse(row: Mapping[str, Any], _: rows.Reading) -> Iterable[Trace]:
    name, steps, label = rows.need(row, "id", str), rows.texts(row, "steps"), rows.need(
        row, "label", int)
    facts = rows.plain(row, "generator", "final_answer_correct")
    facts["subset"] = name.rpartition("-")[0]
    problem = rows.problem_of(rows.need(row, "problem", str), None, FAMILY, facts, name)
    labels = rows.labels_to(None if label == -1 else label, len(steps))
    yield Trace(problem, steps, True, labels, FAMILY)
