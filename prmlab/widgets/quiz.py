"""A quiz in which every choice is explained; progress stays in Python, nothing leaves it.

Owns what a question is (`check_bank`) and when an answer is right (`is_right`); the browser
decides the same way, so that it can answer while the kernel is busy. Does not keep progress on
disk: `exercises` does.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from prmlab.markup import escape

STATIC = Path(__file__).parent / "static"
KINDS = ("single", "multiple", "number")


class Quiz(anywidget.AnyWidget):
    """Questions one at a time; each choice, right or wrong, is explained once it was made.

    Python -> browser: `questions`, `title`. Both ways: `answers`, by question id, as last
    checked: the index of a choice, a list of them, or a number.

    Args:
        bank: the questions, or a JSON file that holds them, by themselves or under "quiz".
        title: the heading.

    Raises:
        ValueError: if the file or a question is not as it must be; the message names which.
    """

    _esm = STATIC / "quiz.js"
    _css = STATIC / "quiz.css"

    questions = traitlets.List(traitlets.Dict()).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    answers = traitlets.Dict().tag(sync=True)

    def __init__(self, bank: Sequence[Mapping[str, Any]] | str | Path, *, title: str = "Quiz"):
        questions = _load(Path(bank)) if isinstance(bank, str | Path) else list(bank)
        check_bank(questions)
        super().__init__(questions=[dict(question) for question in questions], title=title)

    @property
    def score(self) -> tuple[int, int]:
        """How many questions are answered rightly, and how many there are."""
        right = sum(
            question["id"] in self.answers and is_right(question, self.answers[question["id"]])
            for question in self.questions
        )
        return right, len(self.questions)

    def to_html(self) -> str:
        """A static twin: the questions, with answers and explanations folded away."""
        body = "".join(_static(i, q) for i, q in enumerate(self.questions, start=1))
        return f"<section><h4>{escape(self.title)}</h4>{body}</section>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**kwargs)
        right, total = self.score
        plain = f"{self.title}: {total} questions, {right} answered rightly so far."
        return {**data, "text/plain": plain, "text/html": self.to_html()}, metadata


def is_right(question: Mapping[str, Any], answer: Any) -> bool:
    """Whether an answer is right: an index, a list of indices, or a number.

    Example:
        >>> is_right({"kind": "number", "answer": 0.8, "tolerance": 0.01}, 0.805)
        True
        >>> choices = [{"right": True}, {"right": False}, {"right": True}]
        >>> is_right({"kind": "multiple", "choices": choices}, [2, 0])
        True
    """
    if question["kind"] == "number":
        if isinstance(answer, bool) or not isinstance(answer, int | float):
            return False
        # A hair more than the tolerance, so that 0.3 is within 0.1 of 0.2.
        return abs(answer - question["answer"]) <= question.get("tolerance", 0) + 1e-9
    chosen = {answer} if question["kind"] == "single" else set(answer or ())
    return chosen == {i for i, choice in enumerate(question["choices"]) if choice["right"]}


def check_bank(questions: Sequence[Mapping[str, Any]]) -> None:
    """Check every question of a bank.

    Args:
        questions: each with `id`, `question`, `kind` ("single", "multiple" or "number"), and
            `choices` (`text`, `right`, `why`), or `answer`, perhaps `tolerance` and `why`; a
            number's choices are answers that people give, with what is to be said of them.

    Raises:
        ValueError: naming the question and what it lacks.
    """
    if not questions:
        raise ValueError("a quiz needs at least one question, got none")
    seen: set[str] = set()
    for place, question in enumerate(questions):
        if not isinstance(question, Mapping):
            raise ValueError(f"question {place} must be an object, got {question!r}")
        name = f"question {place} ({question.get('id')!r})"
        for field in ("id", "question"):
            if not isinstance(question.get(field), str) or not question[field].strip():
                raise ValueError(f"{name} needs a text as {field!r}")
        if question["id"] in seen:
            raise ValueError(f"{name}: the id is taken by an earlier question")
        seen.add(question["id"])
        if question.get("kind") not in KINDS:
            kinds = ", ".join(KINDS)
            raise ValueError(f"{name}: kind is one of {kinds}; got {question.get('kind')!r}")
        _check_choices(name, question)


def _check_choices(name: str, question: Mapping[str, Any]) -> None:
    kind, choices = question["kind"], question.get("choices") or []
    for i, choice in enumerate(choices):
        for field, expected in (("text", str), ("right", bool), ("why", str)):
            if not isinstance(choice.get(field), expected) or choice[field] == "":
                raise ValueError(
                    f"{name}, choice {i} needs {field!r}, {expected.__name__}; "
                    f"got {choice.get(field)!r}"
                )
    if kind == "number":
        for field, value in (("answer", question.get("answer")),
                             ("tolerance", question.get("tolerance", 0))):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or (field == "tolerance" and value < 0):
                raise ValueError(f"{name}: {field!r} must be a finite number, got {value!r}")
        for i, choice in enumerate(choices):
            if _number(choice["text"]) is None:
                raise ValueError(f"{name}, choice {i}: the text must be a number")
        return
    n_right = sum(choice["right"] for choice in choices)
    if len(choices) < 2 or n_right < 1 or (kind == "single" and n_right > 1):
        wanted = "exactly one right" if kind == "single" else "at least one right"
        raise ValueError(
            f"{name}: needs two choices or more, {wanted}; got {len(choices)}, {n_right} right"
        )


def _load(path: Path) -> list[Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"the question bank cannot be read: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    questions = content.get("quiz") if isinstance(content, dict) else content
    if not isinstance(questions, list):
        raise ValueError(f'{path} must hold a list of questions, or one under "quiz"')
    return questions


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _static(number: int, question: Mapping[str, Any]) -> str:
    choices = question.get("choices") or []
    number_wanted = question["kind"] == "number"
    offered = "" if number_wanted else _list('ol type="A"', [c["text"] for c in choices])
    told = [
        f"{'✓' if choice['right'] else '✗'} {choice['text']}: {choice['why']}"
        for choice in choices
    ]
    if number_wanted:
        within = question.get("tolerance", 0)
        near = f" (within {within:g})" if within else ""
        told.insert(0, f"✓ {question['answer']:g}{near}. {question.get('why', '')}".strip())
    return (
        f"<p><strong>{number}.</strong> {_code(question['question'])}</p>{offered}"
        f"<details><summary>Answer, and why</summary>{_list('ul', told)}</details>"
    )


def _list(tag: str, items: Iterable[str]) -> str:
    body = "".join(f"<li>{_code(item)}</li>" for item in items)
    return f"<{tag}>{body}</{tag.split()[0]}>"


def _code(text: str) -> str:
    """Escaped text in which what stands between backticks is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return "".join(
        f"<code>{escape(part)}</code>" if i % 2 else escape(part)
        for i, part in enumerate(parts)
    )
