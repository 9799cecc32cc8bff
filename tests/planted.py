"""Planted answers: every wrong one must be found out by name, every right one must pass.

Besides the answers planted in the test modules, each mistake that a check knows is handed in as
an answer itself, recorded while the check compares: it must come back under its own name.
"""

import ast
import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest

from prmlab import banks, exercises
from prmlab.checks import attempts


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


def assert_known_mistakes_are_told_apart(module: ModuleType, monkeypatch: Any) -> int:
    """Hand in every mistake a check knows as an answer: it must get that mistake's sentence."""
    n = 0
    for name, check in module.CHECKS.items():
        for sentence, wrong in _known(module, check, monkeypatch):
            said = check(wrong)
            assert said == sentence, (name, sentence, said)
            n += 1
    return n


def _known(module: ModuleType, check: Any, monkeypatch: Any) -> list[tuple[str, Any]]:
    """The mistakes a check hands to `compare` or `compare_value`; one comparison is enough."""
    found: list[tuple[str, Any]] = []

    def compare(attempt: Any, cases: Any, right: Any, mistakes: Any) -> None:
        found.extend(mistakes)

    def compare_value(attempt: Any, right: Any, mistakes: Any, otherwise: str) -> None:
        found.extend(mistakes)

    def nothing(*args: Any) -> int:
        return 1

    with monkeypatch.context() as patch:
        for replacement in (compare, compare_value):
            if hasattr(module, replacement.__name__):
                patch.setattr(module, replacement.__name__, replacement)
        try:
            check(nothing)
        except (attempts.NotAttempted, attempts.Stopped):
            pytest.fail("a check must not judge a function before it compares it")
    return found
