"""The machinery of the exercises: statuses, messages, hints, progress; comparing attempts."""

import json

import numpy as np
import pytest

from prmlab import exercises, progress
from prmlab.checks import attempts


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    path = tmp_path / "home" / "progress.json"
    monkeypatch.setenv("PRMLAB_PROGRESS", str(path))
    return path


def count_low(scores):
    return sum(score < 0.5 for score in scores)


def test_right_wrong_and_not_attempted(file):
    assert exercises.check("00", "count_low", count_low).status == "right"
    assert exercises.check("00", "first_wrong", 4).status == "wrong"
    assert exercises.check("00", "label_steps", ...).status == "not attempted"
    entries = json.loads(file.read_text())["entries"]
    assert set(entries) == {"00/count_low", "00/first_wrong"}  # blank answers are not recorded


@pytest.mark.parametrize("blank", [None, ..., lambda scores: None, lambda scores: ...])
def test_every_blank_is_not_attempted_and_writes_nothing(blank, file):
    result = exercises.check("00", "count_low", blank)
    assert result.status == "not attempted"
    assert 'exercises.hint("00", "count_low", 1)' in result.message
    assert not file.exists()


def test_not_implemented_is_not_attempted():
    def todo(scores):
        raise NotImplementedError

    assert exercises.check("00", "count_low", todo).status == "not attempted"


def test_an_exception_is_explained_with_the_readers_line():
    def broken(scores):
        return scores[len(scores)] / 0

    result = exercises.check("00", "count_low", broken)
    assert result.status == "wrong"
    for words in ("IndexError", "broken([0.9, 0.5, 0.2, 0.4, 0.95])",
                  "return scores[len(scores)]", "the indices 0 to S - 1"):
        assert words in result.message


@pytest.mark.parametrize("attempt", [
    lambda scores: (scores < 0.5).sum(),  # right in the notebook, where scores are arrays
    lambda scores: scores.sum(),
    lambda scores: scores[:, 0],
])
def test_arithmetic_of_arrays_on_plain_lists_is_told(attempt):
    assert "np.asarray(...)" in exercises.check("00", "count_low", attempt).message


def test_other_mistakes_with_lists_are_not_taken_for_arrays():
    result = exercises.check("00", "count_low", lambda scores: scores(0))
    assert "TypeError" in result.message and "asarray" not in result.message


def test_a_wrong_number_of_arguments_is_explained():
    result = exercises.check("00", "count_low", lambda: 3)
    assert "TypeError" in result.message


def test_a_function_that_was_called_already_is_told():
    result = exercises.check("00", "count_low", 2)
    assert "Hand over the function itself" in result.message


def test_the_readers_function_cannot_spoil_the_cases():
    def greedy(scores):
        n = count_low(scores)
        scores.clear()
        return n

    for _ in range(2):
        assert exercises.check("00", "count_low", greedy).status == "right"


def test_interrupting_is_not_swallowed():
    def endless(scores):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exercises.check("00", "count_low", endless)


def test_a_result_shows_itself_as_text_and_as_safe_html():
    result = exercises.check("00", "first_wrong", "<img src=x onerror=alert(1)> $5")
    assert repr(result).startswith("✗ Wrong. The answer must be one number; yours is text")
    html = result._repr_html_()
    assert 'role="status"' in html
    assert "<img" not in html
    assert "$5" not in html  # a dollar is money, not the start of a formula
    assert "<code>exercises.hint(" in html


def test_hints_solution_and_show():
    assert "Hint 2 of 3" in exercises.hint("01", "aggregate", 2)._repr_markdown_()
    assert "def aggregate" in repr(exercises.solution("01", "aggregate"))
    shown = repr(exercises.show("01", "aggregate"))
    assert "Difficulty ●●○○○ (2 of 5)" in shown
    assert "about 8 minutes" in shown
    entry = progress.read().entries["01/aggregate"]
    assert (entry["hints"], entry["solution"], entry["tries"]) == (2, True, 0)


def test_names_that_do_not_exist_are_refused_with_those_that_do():
    with pytest.raises(ValueError, match="no exercise 'count'; it has: count_low, first_wrong"):
        exercises.check("00", "count", 3)
    with pytest.raises(ValueError, match=r"course/99.json"):
        exercises.show("99", "count")
    with pytest.raises(ValueError, match="hints 1, 2 and 3, got 4"):
        exercises.hint("00", "count_low", 4)


def test_a_read_only_home_does_not_stop_the_course(tmp_path, monkeypatch):
    monkeypatch.setenv("PRMLAB_PROGRESS", str(tmp_path / "file" / "progress.json"))
    (tmp_path / "file").write_text("not a folder")
    result = exercises.check("00", "count_low", count_low)
    assert result.status == "right"
    assert "Your progress was not saved" in result.note
    assert "Your progress was not saved" in repr(result)


@pytest.mark.parametrize("notebook", ["00", "01", "02", "03", "07"])
def test_the_quiz_takes_every_bank_and_remembers_answers(notebook):
    pytest.importorskip("anywidget", reason="widgets come with the lab extra")
    quiz = exercises.quiz(notebook)
    number = next(q for q in quiz.questions if q["kind"] == "number")
    name = number["id"]
    quiz.answers = {name: number["answer"] + 100}
    assert progress.read().entries[f"{notebook}/{name}"]["status"] == "wrong"
    quiz.answers = {name: number["answer"]}
    entry = progress.read().entries[f"{notebook}/{name}"]
    assert entry == {"kind": "quiz", "status": "right", "tries": 2}


@pytest.mark.parametrize(("got", "want", "equal"), [
    (1, 1.0, True), (np.float32(0.5), 0.5, True), (np.array([1, 2]), [1, 2], True),
    ((1, None), [1, None], True), (True, 1, True), (0.1 + 0.2, 0.3, True),
    (np.nan, float("nan"), True), ({"a": (1,)}, {"a": [1]}, True),
    (1.001, 1, False), ([1], 1, False), (1, [1], False), ("1", 1, False), (None, 0, False),
    (0, None, False), (2, True, False), ({"a": 1}, {"b": 1}, False), ([1, 2], [1], False),
])
def test_same(got, want, equal):
    assert attempts.same(got, want) is equal


def test_the_shape_is_told_before_the_value():
    said = attempts.compare(lambda s: [len(s)], [([1, 2],)], len, [])
    assert "must return one number; yours returned a list of 1: `[2]`" in said


def test_a_long_value_is_cut():
    assert attempts.show(list(range(200))).endswith(" …`")
    assert len(attempts.show(list(range(200)))) < 170


def test_names_used_looks_into_nested_code():
    assert "eval" in attempts.names_used(lambda t: [eval(x) for x in t])  # noqa: S307
    assert attempts.names_used(max) == set()
