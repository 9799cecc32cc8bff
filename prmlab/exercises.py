"""The reader's side of the course: try, check, take a hint, read the solution, take the quiz.

    exercises.show("01", "aggregate")               what to do
    exercises.check("01", "aggregate", aggregate)   right, wrong and why, or not attempted
    exercises.hint("01", "aggregate", 1)            up to 3
    exercises.solution("01", "aggregate")
    exercises.quiz("01")

What is asked stands in `data/course` (`banks`), how an answer is judged in `checks`, what the
reader did in `progress`. Nothing here raises because an answer is wrong, blank or crashes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from prmlab import banks, progress
from prmlab.checks.attempts import NotAttempted, Stopped
from prmlab.markup import COLOURS, MARKS, escape

if TYPE_CHECKING:
    from prmlab.widgets.quiz import Quiz

_COLOUR = {"right": "right", "wrong": "wrong", "not attempted": "unknown"}


@dataclass(frozen=True, repr=False)
class Result:
    """What a check found.

    Args:
        status: "right", "wrong" or "not attempted".
        message: why, for the reader.
        note: said beside it, such as that progress could not be saved; may be empty.
    """

    status: str
    message: str
    note: str = ""

    def __repr__(self) -> str:
        mark = MARKS[_COLOUR[self.status]]
        lines = (f"{mark} {self.status.capitalize()}. {self.message}", self.note)
        return "\n".join(line for line in lines if line).replace("`", "")

    def _repr_html_(self) -> str:
        colour = COLOURS[_COLOUR[self.status]]
        style = (f"border-left:4px solid {colour.wash(0.9)};background:{colour.wash(0.1)};"
                 "padding:0.5em 0.8em;max-width:60em")
        body = "<br>".join(_inline(line) for line in self.message.splitlines())
        note = f"<br><em>{_inline(self.note)}</em>" if self.note else ""
        mark = MARKS[_COLOUR[self.status]]
        return (f'<div role="status" style="{style}"><strong>{mark} '
                f"{self.status.capitalize()}.</strong> {body}{note}</div>")


@dataclass(frozen=True, repr=False)
class Note:
    """Text of the course: Markdown in a notebook, the same as plain text elsewhere."""

    markdown: str

    def __repr__(self) -> str:
        return self.markdown

    def _repr_markdown_(self) -> str:
        return self.markdown


def check(notebook: str, exercise_id: str, attempt: Any) -> Result:
    """Whether an answer is right, and if not, which mistake it is.

    Args:
        notebook: its number, "01".
        exercise_id: as printed above the exercise.
        attempt: the reader's function or value; `...` where nothing was done.

    Raises:
        ValueError: if there is no such notebook or exercise. Never because of the answer.
    """
    exercise = banks.load(notebook).exercise(exercise_id)
    judge = import_module(f"prmlab.checks.nb{notebook}").CHECKS[exercise_id]
    here = f'("{notebook}", "{exercise_id}"'
    try:
        mistake = judge(attempt)
    except NotAttempted:
        return Result("not attempted", "Fill in the blank and run the cell again. "
                                       f"For a hint: `exercises.hint{here}, 1)`")
    except Stopped as stopped:
        mistake = str(stopped)
    status = "right" if mistake is None else "wrong"
    note = progress.record(notebook, exercise_id, status=status)
    if mistake is None:
        return Result(status, exercise.why, note)
    return Result(status, f"{mistake}\nStuck? `exercises.hint{here}, 1)`", note)


def show(notebook: str, exercise_id: str) -> Note:
    """An exercise with its difficulty, importance and minutes."""
    exercise = banks.load(notebook).exercise(exercise_id)
    return Note(
        f"**Exercise: {exercise.title}**\n\n"
        f"Difficulty {_dots(exercise.difficulty)}, importance {_dots(exercise.importance)}, "
        f"about {exercise.minutes} minutes. Id: `{exercise.id}`.\n\n{exercise.prompt}"
    )


def hint(notebook: str, exercise_id: str, number: int = 1) -> Note:
    """One of the three hints of an exercise, from a nudge to nearly the solution.

    Raises:
        ValueError: if there is no such exercise, or `number` is not 1, 2 or 3.
    """
    exercise = banks.load(notebook).exercise(exercise_id)
    if number not in (1, 2, 3):
        raise ValueError(f"there are hints 1, 2 and 3, got {number!r}")
    progress.record(notebook, exercise_id, hints=number)
    return Note(f"**Hint {number} of 3.** {exercise.hints[number - 1]}")


def solution(notebook: str, exercise_id: str) -> Note:
    """A solution, and what to take away from it."""
    exercise = banks.load(notebook).exercise(exercise_id)
    progress.record(notebook, exercise_id, solution=True)
    return Note(f"**Solution: {exercise.title}**\n\n```python\n{exercise.solution}\n```\n\n"
                f"{exercise.why}")


def quiz(notebook: str) -> "Quiz":
    """The notebook's questions as a widget: every choice explained, every answer remembered."""
    from prmlab.widgets.quiz import Quiz, is_right  # optional: only `lab` brings widgets

    bank = banks.load(notebook)
    questions = {question["id"]: question for question in bank.quiz}

    def remember(change: Mapping[str, Any]) -> None:
        for name, answer in change["new"].items():
            if change["old"].get(name) != answer:
                status = "right" if is_right(questions[name], answer) else "wrong"
                progress.record(notebook, name, kind="quiz", status=status)

    widget = Quiz(list(bank.quiz), title=f"Quiz: {bank.title}")
    widget.observe(remember, names=["answers"])
    return widget


def _dots(n: int) -> str:
    return f"{'●' * n}{'○' * (5 - n)} ({n} of 5)"


def _inline(text: str) -> str:
    """Text as HTML, with code between backticks; dollars are money here, never mathematics."""
    safe = escape(text).replace("$", "<span>$</span>")
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", safe)
