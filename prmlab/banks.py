"""The course's exercises and questions: one JSON file a notebook, checked as it is read.

Owns the schema of `data/course/NN.json`. A text may be one string or a list of its lines, as in
a notebook file. Does not judge answers: `exercises` does, with the functions in `checks`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prmlab import catalog

KINDS = ("single", "multiple", "number")  # one right choice; some of them; a number to type


@dataclass(frozen=True)
class Exercise:
    """One exercise of a notebook.

    Args:
        id: its name within the notebook.
        section: the section's slug.
        title: a few words.
        difficulty: 1 to 5.
        importance: 1 to 5.
        minutes: what it takes.
        prompt: what to do, in Markdown.
        starter: the code the reader starts from.
        attempt: the name in `starter` that is handed to the check.
        hints: three, from a nudge to nearly the solution.
        solution: code that passes the check.
        why: what to take away from it.
    """

    id: str
    section: str
    title: str
    difficulty: int
    importance: int
    minutes: int
    prompt: str
    starter: str
    attempt: str
    hints: tuple[str, str, str]
    solution: str
    why: str

    def cell(self, notebook: str) -> str:
        """The code cell the reader works in: the starter and the call of its check."""
        return (f"{self.starter}\n\n"
                f'exercises.check("{notebook}", "{self.id}", {self.attempt})')


@dataclass(frozen=True)
class Bank:
    """Everything that asks the reader something in one notebook.

    Args:
        notebook: its number, such as "01".
        title: of the notebook.
        sections: slugs, in order.
        exercises: in order.
        quiz: questions as plain dictionaries, what `widgets.quiz.Quiz` takes: `id`, `section`,
            `question`, `kind`, and either `choices` (`text`, `right`, `why` each) or `answer`,
            `tolerance` and `why`, perhaps with `choices` that are common wrong numbers.
    """

    notebook: str
    title: str
    sections: tuple[str, ...]
    exercises: tuple[Exercise, ...]
    quiz: tuple[dict[str, Any], ...]

    def exercise(self, exercise_id: str) -> Exercise:
        """The exercise of that id, or a ValueError with the ids there are."""
        for exercise in self.exercises:
            if exercise.id == exercise_id:
                return exercise
        known = ", ".join(exercise.id for exercise in self.exercises)
        raise ValueError(f"notebook {self.notebook} has no exercise {exercise_id!r}; "
                         f"it has: {known}")


def load(notebook: str) -> Bank:
    """The bank of a notebook, by its two-digit number.

    Raises:
        ValueError: if there is none, or it breaks the schema; names the file and the item.
    """
    return parse(read_json(notebook), f"data/course/{notebook}.json")


def read_json(notebook: str) -> Any:
    """The JSON of a notebook's bank as it stands in the file."""
    file = catalog.path(f"course/{notebook}.json")
    try:
        return json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}; restore it with git") from None


def parse(record: Any, where: str) -> Bank:
    """The bank in a record; `where` names it in errors.

    Raises:
        ValueError: for a missing field, a doubled id, an unknown section, a choice without an
            explanation, or a question without a right choice.
    """
    _need(record, where, notebook=str, title=str, sections=list, exercises=list, quiz=list)
    sections = tuple(record["sections"])
    exercises = tuple(_exercise(e, f"{where}, exercise {i}", sections)
                      for i, e in enumerate(record["exercises"]))
    quiz = tuple(_question(q, f"{where}, question {i}", sections)
                 for i, q in enumerate(record["quiz"]))
    ids = [item.id for item in exercises] + [question["id"] for question in quiz]
    doubled = sorted({name for name in ids if ids.count(name) > 1})
    if doubled:
        raise ValueError(f"{where}: ids must differ, got {', '.join(doubled)} more than once")
    return Bank(record["notebook"], record["title"], sections, exercises, quiz)


def _exercise(record: Any, where: str, sections: Sequence[str]) -> Exercise:
    text = (str, list)
    _need(record, where, id=str, section=str, title=str, difficulty=int, importance=int,
          minutes=int, prompt=text, starter=text, attempt=str, hints=list, solution=text,
          why=text)
    where = f"{where} ({record['id']})"
    _check_section(record, where, sections)
    for name in ("difficulty", "importance"):
        if not 1 <= record[name] <= 5:
            raise ValueError(f"{where}: {name} must be 1 to 5, got {record[name]}")
    hints = tuple(_text(hint) for hint in record["hints"])
    if len(hints) != 3 or not all(hints):
        raise ValueError(f"{where}: need 3 hints with words in them, got {len(hints)}")
    texts = {name: _text(record[name]) for name in ("prompt", "starter", "solution", "why")}
    return Exercise(**{**record, **texts, "hints": hints})


def _question(record: Any, where: str, sections: Sequence[str]) -> dict[str, Any]:
    _need(record, where, id=str, section=str, question=(str, list), kind=str)
    where = f"{where} ({record['id']})"
    _check_section(record, where, sections)
    question = {**record, "question": _text(record["question"])}
    if record["kind"] not in KINDS:
        raise ValueError(f"{where}: kind must be one of {', '.join(KINDS)}, "
                         f"got {record['kind']!r}")
    if record["kind"] == "number":
        _need(record, where, answer=(int, float), tolerance=(int, float), why=(str, list))
        choices = _choices(record.get("choices", []), where)
        return {**question, "why": _text(record["why"]), "choices": choices}
    _need(record, where, choices=list)
    choices = _choices(record["choices"], where)
    n_right = sum(choice["right"] for choice in choices)
    single = record["kind"] == "single"
    if n_right == 0 or n_right == len(choices) or (single and n_right != 1):
        raise ValueError(f"{where}: kind {record['kind']!r} needs "
                         f"{'exactly one' if single else 'some, not all'} "
                         f"right of its choices, got {n_right} of {len(choices)}")
    return {**question, "choices": choices}


def _choices(records: Sequence[Any], where: str) -> list[dict[str, Any]]:
    choices = []
    for i, choice in enumerate(records):
        _need(choice, f"{where}, choice {i}", text=(str, list), right=bool, why=(str, list))
        choices.append({"text": _text(choice["text"]), "right": choice["right"],
                        "why": _text(choice["why"])})
        if not choices[-1]["why"]:
            raise ValueError(f"{where}, choice {i}: every choice needs its explanation")
    return choices


def _need(record: Any, where: str, **fields: type | tuple[type, ...]) -> None:
    if not isinstance(record, Mapping):
        raise ValueError(f"{where} must be a JSON object, got {type(record).__name__}")
    for name, kind in fields.items():
        if name not in record:
            raise ValueError(f"{where} has no {name!r}")
        value = record[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"{where}: {name} has the wrong type, {type(value).__name__}")


def _check_section(record: Mapping[str, Any], where: str, sections: Sequence[str]) -> None:
    if record["section"] not in sections:
        raise ValueError(f"{where}: section must be one of {', '.join(sections)}, "
                         f"got {record['section']!r}")


def _text(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else "\n".join(value)
