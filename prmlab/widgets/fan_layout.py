"""Where the lines of a rollout fan run, the curve of a value, and the row of a prefix in words.

Owns the geometry, in pixels from the top left, as shapes for the browser to make: `[tag,
attributes]` of an SVG element, and its text if it has one. No text of a model is in an attribute.
A rollout is "right", "wrong" or "unfinished"; they are ordered so, and by answer, so that the fan
splits where its value lies. Draws nothing and knows no policy.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from prmlab import estimates
from prmlab.intervals import clopper_pearson
from prmlab.markup import MARKS, cut, printable
from prmlab.traces import Trace

KINDS = ("right", "wrong", "unfinished")
NAMES = {"right": f"{MARKS['right']} right", "wrong": f"{MARKS['wrong']} wrong"}
X0, X1, XTEXT = 16, 384, 406  # of the fan, 560 wide: its lines' ends, its words
HEIGHT, LABEL, TALLEST = 250, 20, 460  # the least, of a group's words, of all rollouts
BOX = (34, 12, 288, 196)  # the curve's left, top, right and bottom
MAX_GROUPS, MAX_STEPS, MAX_DOTS = 8, 60, 24
STROKES = {"right": "M-4,0 L-1,3.5 L4,-4", "wrong": "M-3.5,-3.5 L3.5,3.5 M3.5,-3.5 L-3.5,3.5",
           "unfinished": "M-4,0 L4,0"}
Truth = Callable[[Trace], int | None]
Shape = list[Any]  # [tag, attributes] or [tag, attributes, text]


class Rollout(NamedTuple):
    """A rollout, its kind, the answer it states, and its first wrong step where that is known."""

    trace: Trace
    kind: str
    answer: str
    first_error: int | None
    known: bool


def judged(trace: Trace, truth: Truth) -> Rollout:
    """A rollout with what is known of it; nothing of its steps where `truth` has a ValueError."""
    kind = "right" if estimates.is_right(trace) else "wrong" if trace.finished else "unfinished"
    answer = trace.problem.answer if kind == "right" else trace.answer
    if trace.finished and answer is None:
        answer = "no answer"
    try:
        first = truth(trace)
    except ValueError:  # of no family that it knows, or without a step
        return Rollout(trace, kind, answer or "", None, False)
    return Rollout(trace, kind, answer or "", None if first is None else int(first), True)


def fan(rollouts: Sequence[Rollout], n_steps: int) -> dict[str, Any]:
    """The fan of the rollouts of one prefix.

    Args:
        rollouts: R of them, in order of drawing; the first `n_steps` steps are the prefix.
        n_steps: steps of the prefix.

    Returns:
        `height`; `lines`, R of them from top to bottom: `index` among the rollouts, `kind`,
        `answer` and its `shapes`, the line itself first; `words`, the shapes of what stands
        beside all lines of one answer.
    """
    named = [(rollout.kind, rollout.answer, i) for i, rollout in enumerate(rollouts)]
    often: dict[tuple[str, str], int] = {}
    for of, answer, _ in named:
        often[of, answer] = often.get((of, answer), 0) + 1
    wrong = sorted((name for name in often if name[0] == "wrong"), key=lambda name: -often[name])
    shown = wrong[:MAX_GROUPS]

    def place(row: tuple[str, str, int]) -> tuple[Any, ...]:
        of, answer, i = row
        alone = of == "wrong" and (of, answer) not in shown
        return KINDS.index(of), alone, -often[of, answer] * (not alone), answer * (not alone), i

    named.sort(key=place)
    groups = [list(rows) for _, rows in groupby(named, key=lambda row: place(row)[:4])]
    pitch = min(16.0, TALLEST / max(1, len(named)))
    heights = [max(LABEL, pitch * len(rows)) for rows in groups]
    height = max(HEIGHT, round(sum(heights)) + 12)
    top, lines, words = (height - sum(heights)) / 2, [], []
    for rows, tall in zip(groups, heights, strict=True):
        first = top + (tall - pitch * (len(rows) - 1)) / 2
        lines += [_line((of, answer, i), _dots(rollouts[i], n_steps), height / 2, first + pitch * j)
                  for j, (of, answer, i) in enumerate(rows)]
        words.append(["text", {"x": XTEXT, "y": _px(top + tall / 2 + 4), "class": rows[0][0]},
                      _words(rows, len(named), place(rows[0])[1])])
        top += tall
    words.append(["circle", {"cx": X0, "cy": height / 2, "r": 6, "class": "prm-origin"}])
    return {"height": height, "lines": lines, "words": words}


def curve(right: Sequence[bool], prediction: float | None, *, at_least: int) -> list[Shape]:
    """A value against its number of rollouts, with its exact 95 % interval and the prediction.

    Args:
        right: `[R]`, in order of drawing.
        prediction: the reader's, in [0, 1].
        at_least: rollouts for which the axis has room.
    """
    left, top, edge, bottom = BOX
    most = max(at_least, len(right), 1)

    def point(n: float, value: float) -> str:
        return f"{_px(left + (edge - left) * n / most)},{_px(bottom - (bottom - top) * value)}"

    line, low, high, n_right = [], [], [], 0
    for n, one in enumerate(right, start=1):
        n_right += one
        ends = clopper_pearson(n_right, n)
        for points, value in ((line, n_right / n), (low, ends[0]), (high, ends[1])):
            points.append(point(n, value))
    shapes: list[Shape] = []
    for value in (0, 0.5, 1):
        x, y = map(float, point(0, value).split(","))
        shapes += [["path", {"d": f"M{left},{y} H{edge}", "class": "prm-grid"}],
                   ["text", {"x": x - 6, "y": y + 4, "text-anchor": "end"}, f"{value:g}"]]
    for n in sorted({0, most // 2, most}):
        x = float(point(n, 0).split(",")[0])
        shapes.append(["text", {"x": x, "y": bottom + 17, "text-anchor": "middle"}, str(n)])
    middle = {"x": (left + edge) / 2, "y": bottom + 35, "text-anchor": "middle"}
    shapes += [["text", middle, "rollouts drawn"],
               ["polygon", {"points": " ".join(low + high[::-1])}],
               ["polyline", {"points": " ".join(line), "class": "prm-value-line"}]]
    if prediction is not None:
        y = float(point(0, prediction).split(",")[1])
        end = {"x": edge, "y": y + (14 if prediction > 0.5 else -5), "text-anchor": "end"}
        shapes += [["path", {"d": f"M{left},{y} H{edge}", "class": "prm-said"}],
                   ["text", {**end, "class": "prm-said"}, "your prediction"]]
    return shapes


def bar(value: float, low: float, high: float, prediction: float | None) -> list[Shape]:
    """A value with its interval and the prediction, on a line of 84 by 20 pixels."""
    def x(chance: float) -> float:
        return _px(4 + 76 * chance)

    shapes: list[Shape] = [
        ["path", {"d": "M4,10 H80", "class": "prm-grid"}],
        ["rect", {"x": x(low), "y": 6, "width": _px(x(high) - x(low)), "height": 8}],
        ["path", {"d": f"M{x(value)},3 V17", "class": "prm-value-line"}]]
    if prediction is not None:
        at = {"transform": f"translate({x(prediction)} 10)", "class": "prm-said"}
        shapes.append(["path", {"d": "M-5,0 L0,-5 L5,0 L0,5 Z", **at}])
    return shapes


def shown(trace: Trace, truth: Truth) -> dict[str, Any]:
    """A trace for the browser: printable texts, how it ended, and its truth where known."""
    problem = cut(printable(trace.problem.text), 4000)
    limit = min(2000, max(80, 60_000 // max(1, len(trace.steps))))
    steps = [cut(printable(step), limit) for step in trace.steps]
    of = judged(trace, truth)
    return {
        "problem": _whole(*problem), "steps": [_whole(*step) for step in steps],
        "outcome": of.kind if trace.finished and trace.steps else None,
        "first_error": of.first_error, "known": of.known,
    }


def row(n_right: int, n: int, shown: Mapping[str, Any], n_steps: int,
        prediction: float | None) -> dict[str, Any]:
    """What is known of a prefix of `n_steps` steps: its row in words, and the sentence beside."""
    low, high = clopper_pearson(n_right, n)
    value = n_right / n
    before = after = ""
    if prediction is not None:
        before = f"You predicted {prediction:.2f}. "
        after = f"; your prediction is {'in' if low <= prediction <= high else 'out'}side"
    return {
        "n": n, "value": f"{value:.2f} ({n_right}/{n})", "truth": _verdict(shown, n_steps),
        "label": NAMES["right" if n_right else "wrong"] if n_steps else "",
        "bar": bar(value, low, high, prediction),
        "said": f"{before}{n_right} of {n} rollouts are right: value {value:.2f}, "
                f"95 % interval {low:.2f} to {high:.2f}{after}.",
    }


def ending(shown: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same of the whole of a finished trace, whose value is its own end: no rollout."""
    if shown["outcome"] is None:
        return None
    value = float(shown["outcome"] == "right")
    return {"n": 0, "value": f"{value:.0f} (its end)", "label": NAMES[shown["outcome"]],
            "truth": _verdict(shown, len(shown["steps"])),
            "bar": bar(value, value, value, None),
            "said": f"The trace ends here, {shown['outcome']}: nothing is left to sample."}


def texts(rollouts: Sequence[Rollout], *, limit: int) -> list[dict[str, Any]]:
    """The words of the rollouts, as many as `limit` characters in all hold, shared evenly.

    Returns:
        R records: `steps`, printable and perhaps cut; `first_error`; `said` of the whole.
    """
    records, each = [], limit // max(1, len(rollouts))
    for rollout in rollouts:
        steps, left = [], each
        for step in rollout.trace.steps[:MAX_STEPS]:
            steps.append(printable(step[:left]))
            left -= len(steps[-1])
        hidden = sum(map(len, rollout.trace.steps)) - sum(map(len, steps))
        right = rollout.known and rollout.first_error is None
        far = " so far" * (rollout.kind == "unfinished")
        said = f"Every step{far} is right. " * right + f"{_more(hidden)} not shown." * bool(hidden)
        records.append({"steps": steps, "first_error": rollout.first_error, "said": said})
    return records


def _line(row: tuple[str, str, int], dots: Sequence[bool], middle: float, y: float
          ) -> dict[str, Any]:
    of, answer, index = row
    bend = X0 + (X1 - X0) * 0.42
    corners = [(X0, middle), (bend, middle), (bend, y), (X1, y)]
    start, *rest = [f"{_px(a)},{_px(b)}" for a, b in corners]
    path = f"M{start} C{' '.join(rest)}"
    shapes: list[Shape] = [["path", {"d": path, "class": "prm-line"}]]
    few = len(dots) <= MAX_DOTS
    places = [(slip, *_bezier(corners, (j + 1) / (len(dots) + 1)))
              for j, slip in enumerate(dots) if slip or few]
    if dots and few:  # strokes of no length: round caps make them dots
        spots = "".join(f"M{x},{at}h0" for _, x, at in places)
        shapes.append(["path", {"d": spots, "class": "prm-dots"}])
    shapes += [["path", {"d": STROKES["wrong"], "class": "prm-slip",
                         "transform": f"translate({x} {at})"}] for slip, x, at in places if slip]
    shapes.append(["path", {"d": STROKES[of], "class": "prm-mark",
                            "transform": f"translate({X1 + 8} {_px(y)})"}])
    return {"index": index, "kind": of, "answer": cut(printable(answer), 60)[0],
            "shapes": shapes}


def _dots(rollout: Rollout, n_steps: int) -> list[bool]:
    """Whether each step after the prefix, but the last, is the first wrong one."""
    return [s == rollout.first_error for s in range(n_steps, len(rollout.trace.steps) - 1)]


def _bezier(corners: Sequence[tuple[float, float]], t: float) -> list[float]:
    weights = ((1 - t)**3, 3 * (1 - t)**2 * t, 3 * (1 - t) * t * t, t**3)
    return [_px(sum(w * corner[axis] for w, corner in zip(weights, corners, strict=True)))
            for axis in (0, 1)]


def _words(rows: Sequence[tuple[str, str, int]], n: int, mixed: bool) -> str:
    of, answer, _ = rows[0]
    mark = {"unfinished": "…"}.get(of) or MARKS[of]
    short, hidden = cut(" ".join(printable(answer).split()), 9)
    # The isolating marks keep an answer that runs from right to left in its place.
    what = ("unfinished" if of == "unfinished" else "others" if mixed
            else f"\u2068{short}{'…' if hidden else ''}\u2069")
    return f"{mark} {what} ({len(rows)} of {n})"


def _whole(text: str, hidden: int) -> str:
    return f"{text} … {_more(hidden)}" if hidden else text


def _more(hidden: int) -> str:
    return f"{hidden:,} more characters" if hidden else ""


def _px(value: float) -> float:
    return round(float(value), 1)


def _verdict(shown: Mapping[str, Any], s: int) -> str:
    first = shown["first_error"]
    if not s or not shown["known"]:
        return ""
    if first is None or s <= first:
        return NAMES["right"]
    return "✗ first error" if s - 1 == first else "after the error"
