"""The schema of the banks: what is refused, and with which words."""

import copy

import pytest

from prmlab import banks

GOOD = {
    "notebook": "42", "title": "A test", "sections": ["one", "two"],
    "exercises": [{
        "id": "e", "section": "one", "title": "E",
        "difficulty": 1, "importance": 5, "minutes": 3,
        "prompt": ["Do", "it."], "starter": ["def f(x):", "    ..."], "attempt": "f",
        "hints": ["a", "b", ["c", "d"]], "solution": "def f(x): return x", "why": "because",
    }],
    "quiz": [
        {"id": "q", "section": "two", "question": "?", "kind": "single", "choices": [
            {"text": "yes", "right": True, "why": "it is"},
            {"text": "no", "right": False, "why": "it is not"}]},
        {"id": "n", "section": "two", "question": "?", "kind": "number", "answer": 3,
         "tolerance": 0, "why": "1 + 2"},
    ],
}


def broken(path, value):
    """GOOD with the value at a path replaced, or removed for `...`."""
    record = copy.deepcopy(GOOD)
    place = record
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return record


def test_lists_of_lines_become_texts():
    bank = banks.parse(GOOD, "bank")
    exercise = bank.exercise("e")
    assert exercise.prompt == "Do\nit."
    assert exercise.hints == ("a", "b", "c\nd")
    assert exercise.cell("42") == 'def f(x):\n    ...\n\nexercises.check("42", "e", f)'
    assert bank.quiz[1]["answer"] == 3


@pytest.mark.parametrize(("path", "value", "message"), [
    (["title"], ..., "bank has no 'title'"),
    (["exercises", 0, "hints"], ["a", "b"], r"exercise 0 \(e\): need 3 hints.*got 2"),
    (["exercises", 0, "section"], "three", "section must be one of one, two, got 'three'"),
    (["exercises", 0, "difficulty"], 6, "difficulty must be 1 to 5, got 6"),
    (["exercises", 0, "minutes"], "3", "minutes has the wrong type, str"),
    (["exercises", 0, "why"], ..., "exercise 0 has no 'why'"),
    (["quiz", 0, "kind"], "pick", "kind must be one of single, multiple, number, got 'pick'"),
    (["quiz", 0, "choices", 1, "why"], "", "choice 1: every choice needs its explanation"),
    (["quiz", 0, "choices", 1, "right"], True, "exactly one right of its choices, got 2 of 2"),
    (["quiz", 0, "choices", 0, "right"], False, "got 0 of 2"),
    (["quiz", 0, "choices", 0, "right"], 1, "right has the wrong type, int"),
    (["quiz", 1, "tolerance"], ..., "has no 'tolerance'"),
    (["quiz", 1, "id"], "q", "ids must differ, got q more than once"),
    (["quiz", 1], [], "question 1 must be a JSON object, got list"),
])
def test_what_is_wrong_is_named(path, value, message):
    with pytest.raises(ValueError, match=message):
        banks.parse(broken(path, value), "bank")


def test_a_missing_or_damaged_bank_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PRMLAB_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"no 'course/01.json'"):
        banks.load("01")
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "01.json").write_text("{,")
    with pytest.raises(ValueError, match=r"01.json is not JSON.*restore it with git"):
        banks.load("01")
