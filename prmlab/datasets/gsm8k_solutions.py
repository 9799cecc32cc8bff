"""GSM8K model solutions: four models' answers to each problem (openai/grade-school-math).

A row holds the problem, its right solution, and for each model a solution and `is_correct`: the
final answer's correctness, not the steps'. The traces have no labels; `facts["is_correct"]`
says it, `source` names the model. Steps are lines, with their `<<a=b>>` marks. Read only. MIT.

Source: Cobbe et al. 2021, arXiv:2110.14168.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prmlab import answers
from prmlab.datasets import rows
from prmlab.traces import Trace, split_steps

FAMILY = "gsm8k"
_OWN = ("question", "ground_truth")


def read(path: str | os.PathLike[str], *, strict: bool = True,
         on_finding: Callable[[rows.Finding], object] | None = None) -> rows.Reading:
    """The traces of the file, one for each model and problem.

    A solution without words is noted, not given. A trace is finished if it states an answer.

    Args:
        strict, on_finding: as in `rows.Reading`, which names the errors.
    """
    return rows.Reading(path, _parse, strict=strict, on_finding=on_finding)


def _parse(row: Mapping[str, Any], reading: rows.Reading) -> Iterable[Trace]:
    question = rows.need(row, "question", str)
    answer = answers.extract(rows.need(row, "ground_truth", str))
    models = [key for key in row if key not in _OWN]
    if not models:
        raise ValueError("the row holds no model's solution")
    for model in models:
        rows.clean(model, "a model's name")
        solution = rows.need(row, model, dict)
        facts = {"is_correct": rows.need(solution, "is_correct", bool, repr(model))}
        steps = split_steps(rows.need(solution, "solution", str, repr(model)))
        if not steps:
            reading.note("solution without words", f" by {model}")
            continue
        yield Trace(rows.problem_of(question, answer, FAMILY, facts), steps,
                    answers.extract(steps[-1]) is not None, None, f"{FAMILY} {model}")
