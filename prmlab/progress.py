"""What the reader has done so far: one JSON file on their machine, theirs to read and reset.

Owns where the file is (`PRMLAB_PROGRESS`, else `.prmlab/progress.json` in the home folder) and
that it is never half written. Nothing is sent anywhere. Where nothing can be written the course
goes on, and says that it does not remember.
"""

import json
import os
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prmlab.markup import MARKS, escape

_LOCK = threading.Lock()  # widget callbacks run on threads of their own


@dataclass(frozen=True)
class Progress:
    """The reader's record.

    Args:
        path: the file it is kept in, which may not exist yet.
        entries: "notebook/item" to what is known of it: `kind` ("exercise" or "quiz"),
            `status` ("right" once it was right, else "wrong"), `tries`, and for an exercise
            `hints`, how many were opened, and `solution`, whether it was.
    """

    path: Path
    entries: Mapping[str, Mapping[str, Any]]

    def __repr__(self) -> str:
        lines = [f"{MARKS[status]} {name:32} {words}" for name, status, words in self._rows()]
        return "\n".join([*(lines or ["nothing answered yet"]), f"kept in {self.path}"])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{escape(name)}</th>'
            f'<td style="text-align:left">{MARKS[status]} {escape(words)}</td></tr>'
            for name, status, words in self._rows()
        )
        where = f"Kept in {escape(self.path)}; nothing is sent anywhere."
        caption = f'<caption style="text-align:left">{where}</caption>'
        if not rows:
            return f"<p>Nothing answered yet. {where}</p>"
        return f"<table>{caption}{rows}</table>"

    def _rows(self) -> list[tuple[str, str, str]]:
        rows = []
        for name, entry in sorted(self.entries.items()):
            tries = entry.get("tries", 0)
            words = [entry.get("status", "opened"), f"{tries} tr{'y' if tries == 1 else 'ies'}"]
            if entry.get("hints"):
                words.append(f"{entry['hints']} of 3 hints")
            if entry.get("solution"):
                words.append("solution read")
            status = entry.get("status", "unknown")
            rows.append((name, status if status in MARKS else "unknown", ", ".join(words)))
        return rows


def where() -> Path:
    """The file the reader's progress is kept in; it need not exist."""
    named = os.environ.get("PRMLAB_PROGRESS")
    return Path(named).expanduser() if named else Path.home() / ".prmlab" / "progress.json"


def read(path: str | Path | None = None) -> Progress:
    """The reader's progress; empty where there is no file yet.

    Raises:
        ValueError: if the file is there but is not one that `record` wrote.
    """
    file = Path(path) if path else where()
    try:
        entries = json.loads(file.read_text("utf-8"))["entries"]
        if not all(isinstance(entry, dict) for entry in entries.values()):
            raise TypeError("an entry is no object")
    except FileNotFoundError:
        entries = {}
    except OSError as error:
        raise ValueError(f"cannot read the progress file {file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{file} must be a progress file written by the course, got something else "
            f"({error}): move it away, or clear it with progress.reset()"
        ) from None
    return Progress(file, entries)


def record(
    notebook: str,
    item: str,
    *,
    kind: str = "exercise",
    status: str | None = None,
    hints: int = 0,
    solution: bool = False,
    path: str | Path | None = None,
) -> str:
    """Remember a try, a hint or a solution; what was right once stays right.

    Args:
        notebook: its number, "01".
        item: the exercise's or the question's id.
        kind: "exercise" or "quiz".
        status: "right" or "wrong" for a try, None if something was only opened.
        hints: number of the hint that was opened.
        solution: the solution was opened.
        path: another file than the usual one.

    Returns:
        An empty text, or a sentence saying why it could not be remembered. Never raises for
        that: a read-only home must not stop the course.
    """
    try:
        with _LOCK:
            before = read(path)
            old = dict(before.entries.get(f"{notebook}/{item}", {"kind": kind, "tries": 0}))
            if status:
                old["tries"] += 1
                old["status"] = "right" if old.get("status") == "right" else status
            if hints:
                old["hints"] = max(hints, old.get("hints", 0))
            if solution:
                old["solution"] = True
            _write(before.path, {**before.entries, f"{notebook}/{item}": old})
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"Your progress was not saved ({error}). Everything else works."
    return ""


def reset(notebook: str | None = None, *, path: str | Path | None = None) -> Progress:
    """Forget one notebook's answers, or all of them, and give back what is left.

    Raises:
        ValueError: if one notebook's is to be forgotten and the file cannot be read.
        OSError: if the file cannot be written.
    """
    file = Path(path) if path else where()
    kept: dict[str, Any] = {}
    with _LOCK:
        if notebook is not None:
            kept = {name: entry for name, entry in read(file).entries.items()
                    if not name.startswith(f"{notebook}/")}
        _write(file, kept)
    return Progress(file, kept)


def _write(file: Path, entries: Mapping[str, Any]) -> None:
    """Write beside the file and swap it in, so that a reader never meets half a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump({"about": "progress in the PRMLab course; delete me at will",
                       "entries": dict(entries)}, out, indent=1, sort_keys=True)
        os.replace(temporary, file)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
