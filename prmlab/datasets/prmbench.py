"""PRMBench: right processes, and the same with errors written into them; read only.

Their step numbers count from 1, the labels here stand at the 0-based step. Every step that is
not listed in `error_steps` is labelled right, as the benchmark does. Some rows list a step beyond
their end (151 of the 6,216 published): such a number is noted, kept in `facts`, and labels nothing.

Source: Song et al. 2025, arXiv:2501.03124.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prmlab.datasets import rows
from prmlab.traces import Trace

FAMILY = "prmbench"
OUT_OF_RANGE = "error step beyond the trace"


def read(path: str | os.PathLike[str], *, process: str = "modified", strict: bool = True,
         on_finding: Callable[[rows.Finding], object] | None = None) -> rows.Reading:
    """The traces of a PRMBench file, labelled +1 and -1; `facts` holds the classification.

    Args:
        process: "modified", with the errors, or "original", all right: the control.
        strict, on_finding: as in `rows.Reading`, which names the errors.

    Raises:
        ValueError: if `process` is neither.
    """
    if process not in ("modified", "original"):
        raise ValueError(f'process must be "modified" or "original", got {process!r}')

    def parse(row: Mapping[str, Any], reading: rows.Reading) -> Iterable[Trace]:
        steps = rows.texts(row, f"{process}_process")
        facts = rows.plain(row, "classification", "reason", "ground_truth")
        wrong = rows.need(row, "error_steps", list) if process == "modified" else []
        for number in wrong:
            if type(number) is not int or number < 1:
                raise ValueError("'error_steps' must hold numbers from 1 up, "
                                 f"got {rows.shown(number)}")
        if beyond := [number for number in wrong if number > len(steps)]:
            facts["out_of_range"] = beyond
        for number in beyond:
            reading.note(OUT_OF_RANGE, f": {rows.shown(number)} of {len(steps)} steps")
        problem = rows.problem_of(rows.need(row, f"{process}_question", str), None, FAMILY, facts,
                                  rows.need(row, "idx", str))
        numbers = set(wrong)
        labels = tuple(-1 if i + 1 in numbers else 1 for i in range(len(steps)))
        return [Trace(problem, steps, True, labels, f"{FAMILY} {process}")]

    return rows.Reading(path, parse, strict=strict, on_finding=on_finding)
