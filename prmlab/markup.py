"""The look of a trace, wherever one is shown: colours, marks, escaping, and `TraceView`.

Owns what a colour means (`COLOURS`), the mark that always stands beside it (`MARKS`), and the
one HTML table in which a trace is drawn. Everything in a trace may have been written by a
language model and is treated as hostile. Knows no model, no checker and no trace type: it
reads the attributes it needs. Steps are numbered from 0 here as in all of the code.
"""

import html
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, NamedTuple

MAX_CHARS = 2000
MAX_STEPS = 200


class Colour(NamedTuple):
    """One meaning's colour: for text on light ground, on dark ground, and a tint for either."""

    light: str
    dark: str
    tint: tuple[int, int, int]

    def wash(self, strength: float) -> str:
        """A translucent background for both themes; `strength` in [0, 1]."""
        return "rgba({}, {}, {}, {:.2f})".format(*self.tint, strength)


COLOURS = {
    "right": Colour("#0a57b8", "#6db5ff", (40, 130, 230)),
    "wrong": Colour("#c03a00", "#ff8f52", (235, 95, 20)),
    "neutral": Colour("#3b4049", "#dde2ea", (125, 130, 140)),
    "unknown": Colour("#676e7a", "#8f97a3", (125, 130, 140)),
    "chosen": Colour("#820f78", "#f0a3e3", (190, 60, 175)),
}
MARKS = {"right": "✓", "wrong": "✗", "neutral": "○", "unknown": "?", "chosen": "▶"}

_MEANING = {1: "right", 0: "neutral", -1: "wrong", None: "unknown"}
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def meaning(label: float | None) -> str:
    """The key of `COLOURS` and `MARKS` for a label: +1, 0, -1 or None.

    True and False are refused: elsewhere False means wrong, and 0 here means neutral.

    Example:
        >>> meaning(-1), MARKS[meaning(-1)]
        ('wrong', '✗')
    """
    if label in _MEANING and not isinstance(label, bool):
        return _MEANING[label]
    raise ValueError(f"a label must be +1, 0, -1 or None, got {label!r}")


def printable(text: object) -> str:
    """Text without control characters (each shown by its picture) and lone surrogates."""
    return _UNPRINTABLE.sub(_picture, str(text))


def escape(text: object) -> str:
    """Text that is safe in HTML, in an attribute and in SVG: no tag, no control character.

    Example:
        >>> escape('<img src=x onerror="alert(1)">')
        '&lt;img src=x onerror=&quot;alert(1)&quot;&gt;'
        >>> escape("a\\x00b")
        'a␀b'
    """
    return html.escape(printable(text))


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


def cut(text: str, limit: int = MAX_CHARS) -> tuple[str, int]:
    """The part of `text` that is shown, and how many characters of it are hidden."""
    return (text, 0) if len(text) <= limit else (text[:limit], len(text) - limit)


def _foreign(text: str, limit: int = MAX_CHARS) -> str:
    """Model text as HTML: escaped, cut, its direction isolated, never read as mathematics."""
    shown, hidden = cut(text, limit)
    safe = re.sub(r"[$\\]", r"<span>\g<0></span>", escape(shown))
    note = f" <em>… {hidden:,} more characters</em>" if hidden else ""
    return f"<bdi>{safe}</bdi>{note}"


@dataclass(frozen=True, repr=False)
class TraceView:
    """A trace that shows itself: an HTML table, or plain text where there is no HTML.

    Args:
        steps: the steps of the trace, [S].
        problem: the problem's text.
        scores: a model's score of each step, [S], in [0, 1]; None where there is none.
        labels: the truth of each step, [S]: +1, 0, -1, None; or, if `soft`, in [0, 1].
        notes: what is said of the truth of each step, [S], in place of right or wrong.
        first_error: index of the first wrong step, from 0.
        title: the caption's first words.
        threshold: scores below it are marked.
        soft: the labels are estimated probabilities.
        whose: what the column of labels is called.

    Raises:
        ValueError: if a column has not one entry a step, or an entry is out of range.

    Example:
        >>> print(TraceView(("1 + 1 = 2", "Answer: 3"), scores=(0.98, 0.04), labels=(1, -1)))
        step  score  truth
           0   0.98  ✓ right               1 + 1 = 2
           1   0.04  ✗ first error: wrong  Answer: 3
    """

    steps: tuple[str, ...]
    problem: str | None = None
    scores: tuple[float | None, ...] | None = None
    labels: tuple[float | None, ...] | None = None
    notes: tuple[str, ...] | None = None
    first_error: int | None = None
    title: str = ""
    threshold: float | None = None
    soft: bool = False
    whose: str = "truth"

    def __post_init__(self) -> None:
        if isinstance(self.steps, str):
            raise ValueError("steps must be a list of strings, got one string; split it first")
        n_steps = len(self.steps)
        for name in ("scores", "labels", "notes"):
            column = getattr(self, name)
            if column is not None and len(column) != n_steps:
                raise ValueError(
                    f"one {name[:-1]} per step: got {n_steps} steps, {len(column)} {name}"
                )
        for step, text in enumerate(self.steps):
            if not isinstance(text, str):
                raise ValueError(f"steps must be strings; step {step} is {text!r}")
        _check_unit("score", self.scores)
        if self.soft:
            _check_unit("soft label", self.labels)
        elif self.labels is not None:
            for label in self.labels:
                meaning(label)
        if self.first_error is None and self.labels is not None and not self.soft:
            first = next((i for i, label in enumerate(self.labels) if label == -1), None)
            object.__setattr__(self, "first_error", first)
        if self.first_error is not None and not 0 <= self.first_error < n_steps:
            raise ValueError(
                f"first_error must be the index of a step, 0 to {n_steps - 1}, or None; "
                f"got {self.first_error}"
            )

    @classmethod
    def of(
        cls,
        trace_or_steps: Any,
        scores: Iterable[float | None] | None = None,
        truth: Sequence[Any] | int | None = None,
        *,
        title: str = "",
        threshold: float | None = None,
    ) -> "TraceView":
        """The view of a trace, or of a list of strings.

        Args:
            trace_or_steps: something with `.steps` (and `.problem.text`, `.labels`), or a
                list of strings.
            scores: a model's score of each step, [S].
            truth: labels (+1, 0, -1, None), or verdicts (`.label`, `.reason`, `.note`), [S];
                or the index of the first wrong step. Default: the trace's own labels.
                Labels written as floats, none of them -1, are read as soft labels.
            title: the caption's first words.
            threshold: scores below it are marked.

        Example:
            >>> TraceView.of(["1 + 1 = 2", "Answer: 3"], truth=1).labels
            (1, -1)
        """
        steps = tuple(getattr(trace_or_steps, "steps", trace_or_steps))
        if isinstance(trace_or_steps, str):
            raise ValueError("got one string, need a trace or a list of steps; split it first")
        problem = getattr(trace_or_steps, "problem", None)
        view = cls(
            steps,
            problem=getattr(problem, "text", problem),
            scores=None if scores is None else tuple(_number(s) for s in scores),
            title=title,
            threshold=threshold,
        )
        if truth is None:
            truth = getattr(trace_or_steps, "labels", None)
        return view if truth is None else view.with_truth(truth)

    def with_truth(self, truth: Sequence[Any] | int) -> "TraceView":
        """The same view beside the truth: labels, verdicts, or the first error's index."""
        if isinstance(truth, Integral):
            return self._with_first_error(int(truth))
        truth = tuple(truth)
        if any(hasattr(item, "label") for item in truth):
            labels = tuple(item.label for item in truth)
            return replace(self, labels=labels, notes=tuple(_words(v) for v in truth))
        labels = tuple(_number(label) for label in truth)
        soft = any(isinstance(label, float) for label in labels) and -1 not in labels
        return replace(self, labels=labels, soft=soft)

    def _with_first_error(self, first: int) -> "TraceView":
        after = len(self.steps) - first - 1
        if first < 0 or after < 0:
            return replace(self, first_error=first)
        labels = (1,) * first + (-1,) + (None,) * after
        notes = ("right",) * first + ("wrong",) + ("after the first error",) * after
        return replace(self, labels=labels, notes=notes)

    def __repr__(self) -> str:
        columns = [n for n in ("scores", "labels", "notes") if getattr(self, n) is not None]
        return f"TraceView({', '.join([f'{len(self.steps)} steps', *columns])})"

    def __str__(self) -> str:
        rows = [row for row in self._rows() if row.step < MAX_STEPS]
        width = max((len(row.truth) for row in rows), default=5)
        head = [printable(line) for line in (self.title, cut(self.problem or "")[0]) if line]
        head.append(_line("step", self.scores and "score", self.labels and self.whose))
        body = [
            _line(f"{row.step:4d}", row.score, self.labels and row.truth.ljust(width))
            + f"  {printable(cut(' '.join(row.text.split()), 200)[0])}"
            for row in rows
        ]
        return "\n".join([*head, *body, *self._hidden_steps()])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": str(self)}

    def _repr_html_(self) -> str:
        names = ["step", "text", self.scores and "score", self.labels and escape(self.whose)]
        heads = "".join(f'<th scope="col" style="{_CELL}">{n}</th>' for n in names if n)
        body = "".join(self._html_row(row) for row in self._rows() if row.step < MAX_STEPS)
        foot = "".join(
            f'<tr><td colspan="{sum(map(bool, names))}" style="{_CELL}">{line}</td></tr>'
            for line in self._hidden_steps()
        )
        return (
            f'<table style="{_TABLE}">{self._caption()}'
            f"<thead><tr>{heads}</tr></thead><tbody>{body}{foot}</tbody></table>"
        )

    def _caption(self) -> str:
        parts = [f"<strong>{escape(self.title)}</strong>"] if self.title else []
        parts += [_foreign(self.problem, 4 * MAX_CHARS)] if self.problem else []
        parts = parts or ["A trace, step by step"]
        return f'<caption style="{_CAPTION}">{"<br>".join(parts)}</caption>'

    def _html_row(self, row: "_Row") -> str:
        ground = f"background-color:{row.wash};" if row.wash else ""
        cells = [
            f'<th scope="row" style="{_CELL}">{row.step}</th>',
            f'<td style="{_TEXT}{ground}border-left:4px {row.edge};">{_foreign(row.text)}</td>',
        ]
        if self.scores is not None:
            cells.append(f'<td style="{_CELL}white-space:nowrap;">{row.bar}{row.score}</td>')
        if self.labels is not None:
            first = row.step == self.first_error
            truth = f"<strong>{escape(row.truth)}</strong>" if first else escape(row.truth)
            cells.append(f'<td style="{_CELL}min-width:8em;">{truth}</td>')
        return f'<tr style="background-color:transparent;">{"".join(cells)}</tr>'

    def _hidden_steps(self) -> list[str]:
        hidden = len(self.steps) - MAX_STEPS
        return [f"… {hidden:,} more steps"] if hidden > 0 else []

    def _rows(self) -> list["_Row"]:
        return [self._row(step) for step in range(len(self.steps))]

    def _row(self, step: int) -> "_Row":
        score = None if self.scores is None else self.scores[step]
        label = None if self.labels is None else self.labels[step]
        kind = "unknown" if self.soft else meaning(label)
        if self.soft:
            truth = "? unknown" if label is None else f"{label:.2f} right"
        else:
            first = "first error: " if step == self.first_error else ""
            truth = f"{MARKS[kind]} {first}{self.notes[step] if self.notes else kind}"
        low = self.threshold is not None and score is not None and score < self.threshold
        # The text is washed by the score where there is one, so that the truth beside it can
        # be compared; the edge of the cell always shows the truth.
        return _Row(
            step,
            self.steps[step],
            "" if score is None else f"{score:.2f}{' ▼' if low else ''}",
            truth,
            "" if score is None else _bar(score),
            _wash(label if self.soft and score is None else score, kind),
            _edge(kind, strength=0 if self.labels is None else 0.9),
        )


class _Row(NamedTuple):
    step: int
    text: str
    score: str
    truth: str
    bar: str
    wash: str
    edge: str


_TABLE = "border-collapse:separate;border-spacing:0 3px;max-width:100%;margin:8px 0;"
_CAPTION = "caption-side:top;text-align:left;padding:4px 8px 8px 8px;white-space:pre-wrap;"
_CELL = "text-align:left;vertical-align:top;padding:5px 10px;"
_TEXT = _CELL + "white-space:pre-wrap;overflow-wrap:anywhere;word-break:break-word;"


def _wash(score: float | None, kind: str) -> str:
    if score is not None:
        side = "right" if score >= 0.5 else "wrong"
        return COLOURS[side].wash(0.05 + 0.6 * abs(score - 0.5))
    return "" if kind == "unknown" else COLOURS[kind].wash(0.18)


def _edge(kind: str, *, strength: float) -> str:
    return f"{'dotted' if kind == 'unknown' else 'solid'} {COLOURS[kind].wash(strength)}"


def _bar(score: float) -> str:
    """A bar of at most 48 px beside the number; hidden from screen readers, who hear it."""
    side = "right" if score >= 0.5 else "wrong"
    track = "display:inline-block;width:48px;height:8px;margin:0 8px 1px 0;"
    fill = f"display:block;height:8px;width:{round(48 * score)}px;"
    return (
        f'<span aria-hidden="true" style="{track}background-color:{_TRACK}">'
        f'<span style="{fill}background-color:{COLOURS[side].wash(0.9)}"></span></span>'
    )


_TRACK = COLOURS["unknown"].wash(0.25)


def _line(step: str, score: str | None, truth: str | None) -> str:
    columns = [step, score and f"{score:>5}", truth]
    return "  ".join(column for column in columns if column)


def _words(verdict: Any) -> str:
    reason = getattr(verdict, "reason", "") or meaning(verdict.label)
    note = getattr(verdict, "note", "")
    carried = getattr(verdict, "carried", False) and "carried" not in reason
    return f"{reason}{' (carried)' if carried else ''}{f' ({note})' if note else ''}"


def _number(value: Any) -> float | None:
    """A plain number for a numpy scalar; None and plain numbers as they are."""
    return value.item() if hasattr(value, "item") else value


def _check_unit(what: str, values: Sequence[float | None] | None) -> None:
    for step, value in enumerate(values or ()):
        if value is None:
            continue
        if not isinstance(value, (int, float)) or math.isnan(value) or not 0 <= value <= 1:
            raise ValueError(
                f"a {what} must be a number in [0, 1], or None; step {step} has {value!r}"
            )
