"""Notebook 00's checks: planted wrong answers are named, right ones pass."""

import pytest
from planted import (
    assert_bank_is_answerable,
    assert_known_mistakes_are_told_apart,
    assert_planted,
)

from prmlab import banks, checker
from prmlab.checks import nb00
from prmlab.traces import Problem, Trace


@pytest.fixture(autouse=True)
def _progress(tmp_path, monkeypatch):
    monkeypatch.setenv("PRMLAB_PROGRESS", str(tmp_path / "progress.json"))


def test_starters_are_blank_and_solutions_pass():
    assert_bank_is_answerable("00")


def test_known_mistakes_are_told_apart(monkeypatch):
    assert assert_known_mistakes_are_told_apart(nb00, "00", monkeypatch) >= 15


def test_count_low():
    def loop(scores):
        n = 0
        for score in scores:
            if score < 0.5:
                n += 1
        return n

    assert_planted("00", "count_low",
        right=[loop, lambda s: len([x for x in s if not x >= 0.5])],
        wrong=[(lambda s: sum(x <= 0.5 for x in s), "exactly 0.5"),
               (lambda s: sum(x > 0.5 for x in s), "above 0.5"),
               (lambda s: sum(x < 0.5 for x in s) / len(s), "share"),
               (lambda s: [x for x in s if x < 0.5], "the low scores themselves"),
               (lambda s: 2, "is `0`; yours returned `2`"),
               (lambda s: s[7], "IndexError"),
               (loop([0.1]), "Hand over the function itself")])


def test_first_wrong():
    assert_planted("00", "first_wrong", right=[2, 2.0],
        wrong=[(3, "count from 1"), (4, "carried error"), (5, "The answer of step 5"),
               (0, "3 * 12 is 36"), ([2], "must be one number"), (9, "steps 0 to 5")])


def test_label_steps():
    assert_planted("00", "label_steps",
        right=[[1, 1, -1, 0, -1, -1], (1, 1, -1, 0, -1, -1)],
        wrong=[([1, 1, -1, 0, 1, 1], "follow from step 2"),
               ([1, 1, -1, 1, -1, -1], "neutral, 0"),
               ([1, 1, 0, 1, 0, 0], "wrong is -1"), ([1] * 6, "step 2 by hand"),
               ([1, 1, -1], "a list of 6"), ([1, 1, -1, -1, -1, -1], "does not use")])


def test_the_exact_checker_agrees_with_the_labels():
    """The trace is read out of the prompt; the facts are those the prompt tells."""
    prompt = banks.load("00").exercise("label_steps").prompt
    steps = [line.split("|")[2].strip() for line in prompt.splitlines()
             if line.startswith("| ") and line[2].isdigit()]
    text = next(line[2:] for line in prompt.splitlines() if line.startswith("> "))
    told = [("Ana", "start", 12, []), ("Ben", "times", 3, ["Ana"]), ("Cy", "fewer", 6, ["Ben"]),
            ("Dee", "together", None, ["Ana", "Cy"]), ("Eve", "more", 4, ["Ana"]),
            ("Finn", "half", None, ["Dee"])]
    facts = [dict(zip(("name", "relation", "k", "of"), fact)) for fact in told]
    problem = Problem("pens", text, "21", "stories",
                      {"item": "pens", "asked": "Finn", "facts": facts})
    verdicts = checker.check(Trace(problem, tuple(steps), finished=True))
    assert tuple(verdict.label for verdict in verdicts) == nb00.LABELS
    assert [verdict.label for verdict in verdicts].index(-1) == nb00.FIRST_WRONG
    assert [verdict.reason for verdict in verdicts][3:5] == ["not needed", "carried error"]
