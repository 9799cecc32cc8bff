"""The quiz without a browser: its bank is checked, its score is kept, its twin is readable."""

import doctest
import json
from pathlib import Path

import pytest

pytest.importorskip("anywidget")

from prmlab.widgets import quiz
from prmlab.widgets.quiz import Quiz, check_bank, is_right

CASES = json.loads((Path(__file__).parent / "data/quiz_cases.json").read_text("utf-8"))
YES = {"text": "yes", "right": True, "why": "so"}
NO = {"text": "no", "right": False, "why": "<i>"}
SINGLE = {"id": "s", "question": "`min` or mean?", "kind": "single", "choices": [NO, YES, NO]}
MULTIPLE = {"id": "m", "question": "Which?", "kind": "multiple", "choices": [YES, NO, YES]}
NUMBER = {"id": "n", "question": "0.9 * 0.9?", "kind": "number", "answer": 0.81,
          "tolerance": 0.005, "choices": [{"text": "1.8", "right": False, "why": "A sum."}]}
BANK = [SINGLE, MULTIPLE, NUMBER]


def test_doctests():
    assert doctest.testmod(quiz).failed == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["says"])
def test_is_right(case):
    """The same table is read by tests/js/quiz.test.mjs: Python and the browser agree."""
    assert is_right(case["question"], case["answer"]) is case["right"]


def test_score_counts_the_answers_that_are_right():
    shown = Quiz(BANK)
    assert shown.score == (0, 3)
    shown.answers = {"s": 1, "m": [2, 0], "n": 1.8}
    assert shown.score == (2, 3)


def test_bank_from_a_file(tmp_path):
    path = tmp_path / "01.json"
    path.write_text(json.dumps({"notebook": "01", "quiz": BANK}), "utf-8")
    assert Quiz(path).questions == Quiz(BANK).questions
    path.write_text(json.dumps(BANK), "utf-8")
    assert Quiz(str(path), title="T").title == "T"


def test_static_twin_folds_the_answers_and_escapes():
    page = Quiz(BANK, title="A & B").to_html()
    assert len(page) < 60_000
    assert "A &amp; B" in page
    assert "<code>min</code>" in page
    assert "✗ no: &lt;i&gt;" in page
    assert "✓ 0.81 (within 0.005)." in page
    assert page.count("<details>") == 3
    assert "✓" not in page.split("<details>")[0]


def test_output_where_no_widget_runs():
    data, _ = Quiz(BANK)._repr_mimebundle_()
    assert data["text/plain"] == "Quiz: 3 questions, 0 answered rightly so far."
    assert data["text/html"] == Quiz(BANK).to_html()


@pytest.mark.parametrize(("bank", "message"), [
    ([], "at least one question"),
    (["x"], "question 0 must be an object"),
    ([{**SINGLE, "id": ""}], "question 0 .*needs a text as 'id'"),
    ([{**SINGLE, "question": None}], "needs a text as 'question'"),
    ([SINGLE, SINGLE], "question 1 .'s'.: the id is taken"),
    ([{**SINGLE, "kind": "essay"}], "single, multiple, number; got 'essay'"),
    ([{**SINGLE, "choices": [YES]}], "two choices or more, exactly one right; got 1, 1 right"),
    ([{**SINGLE, "choices": [YES, YES]}], "got 2, 2 right"),
    ([{**MULTIPLE, "choices": [NO, NO]}], "at least one right; got 2, 0 right"),
    ([{**SINGLE, "choices": [YES, {**NO, "why": ""}]}], "choice 1 needs 'why', str; got ''"),
    ([{**SINGLE, "choices": [YES, {**NO, "right": 0}]}], "choice 1 needs 'right', bool"),
    ([{**NUMBER, "answer": None}], "'answer' must be a finite number, got None"),
    ([{**NUMBER, "tolerance": -1}], "'tolerance' must be a finite number, got -1"),
    ([{**NUMBER, "choices": [YES]}], "choice 0: the text must be a number"),
])
def test_messages(bank, message):
    with pytest.raises(ValueError, match=message):
        check_bank(bank)


@pytest.mark.parametrize(("content", "message"), [
    (None, "cannot be read"), ("{", "is not JSON"), ('{"a": 1}', 'under "quiz"')])
def test_files_that_are_no_bank(tmp_path, content, message):
    path = tmp_path / "bank.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=message):
        Quiz(path)
