"""Planted answers: every wrong one must be found out by name, every right one must pass.

Besides the answers planted in the test modules, each mistake that a check knows is handed in as
an answer itself, recorded while the check compares: it must come back under its own name.
"""

import ast
import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from prmlab import banks, exercises


def run_cell(code: str, attempt: str) -> Any:
    """What the name `attempt` is after running the code of a bank's starter or solution."""
    space: dict[str, Any] = {}
    exec(compile(ast.parse(code), "<cell>", "exec"), space)  # noqa: S102 - our own banks
    return space[attempt]


def assert_bank_is_answerable(notebook: str) -> None:
    """Each starter is not attempted, each solution passes, each exercise has its check."""
    bank = banks.load(notebook)
    checks = importlib.import_module(f"prmlab.checks.nb{notebook}").CHECKS
    assert set(checks) == {exercise.id for exercise in bank.exercises}
    for exercise in bank.exercises:
        blank = run_cell(exercise.starter, exercise.attempt)
        assert exercises.check(notebook, exercise.id, blank).status == "not attempted"
        for nothing in (None, ...):
            assert exercises.check(notebook, exercise.id, nothing).status == "not attempted"
        solved = run_cell(exercise.solution, exercise.attempt)
        result = exercises.check(notebook, exercise.id, solved)
        assert result.status == "right", (exercise.id, result)
        assert result.message == exercise.why


def assert_planted(
    notebook: str, exercise_id: str, *, right: Sequence[Any], wrong: Sequence[tuple[Any, str]]
) -> None:
    """At least 2 right answers pass; at least 3 wrong ones fail, each with its own words."""
    assert len(right) >= 2
    assert len(wrong) >= 3
    for answer in right:
        result = exercises.check(notebook, exercise_id, answer)
        assert result.status == "right", result
    said = []
    for answer, words in wrong:
        result = exercises.check(notebook, exercise_id, answer)
        assert result.status == "wrong", (words, result)
        assert words in result.message, result
        said.append(result.message)
    assert len(set(said)) == len(said), "two different mistakes got the same diagnosis"


def assert_known_mistakes_are_told_apart(
    module: ModuleType, notebook: str, monkeypatch: Any, *, skip: Sequence[str] = ()
) -> int:
    """Hand in every mistake a check knows as an answer: it must get that mistake's sentence."""
    n = 0
    for exercise in banks.load(notebook).exercises:
        solved = run_cell(exercise.solution, exercise.attempt)
        check = module.CHECKS[exercise.id]
        for sentence, wrong in () if exercise.id in skip else _known(module, check, solved,
                                                                     monkeypatch):
            said = check(wrong)
            assert said == sentence, (exercise.id, sentence, said)
            n += 1
    return n


def _known(
    module: ModuleType, check: Any, solved: Any, monkeypatch: Any
) -> list[tuple[str, Any]]:
    """The mistakes that a check hands to `compare` or `compare_value`, met on the way."""
    found: list[tuple[str, Any]] = []
    with monkeypatch.context() as patch:
        for name, place in (("compare", 3), ("compare_value", 2)):
            if hasattr(module, name):
                patch.setattr(module, name, lambda *args, i=place: found.extend(args[i]))
        check(solved)
    return found
