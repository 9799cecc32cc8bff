"""Where the lines of a rollout fan run, and the curve of a value against its rollouts.

Owns the geometry, in pixels from the top left, as shapes for the browser to make: `[tag,
attributes]` of an SVG element, and its text if it has one. No text of a model is in an attribute.
A rollout is "right", "wrong" or "unfinished"; they are ordered so, and by answer, so that the fan splits
where its value lies. Draws nothing and knows no policy.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from prmlab import estimates
from prmlab.intervals import clopper_pearson
from prmlab.markup import MARKS, cut, printable
from prmlab.traces import Trace

KINDS = ("right", "wrong", "unfinished")
NAMES = {"right": f"{MARKS['right']} right", "wrong": f"{MARKS['wrong']} wrong"}
WIDTH, X0, X1, XTEXT = 560, 16, 410, 436  # of the fan: whole, its lines' ends, its words
HEIGHT, LABEL, TALLEST = 250, 20, 460  # the least, of a group's words, of all rollouts
BOX = (34, 12, 288, 196)  # the curve's left, top, right and bottom
MAX_GROUPS, MAX_STEPS = 8, 60
STROKES = {"right": "M-4,0 L-1,3.5 L4,-4", "wrong": "M-3.5,-3.5 L3.5,3.5 M3.5,-3.5 L-3.5,3.5",
           "unfinished": "M-4,0 L4,0"}
Shape = list[Any]  # [tag, attributes] or [tag, attributes, text]


def kind(rollout: Trace) -> str:
    """One of `KINDS`."""
    if not rollout.finished:
        return "unfinished"
    return "right" if estimates.is_right(rollout) else "wrong"


def fan(rollouts: Sequence[Trace], n_steps: int, slips: Sequence[int | None]) -> dict[str, Any]:
    """The fan of the rollouts of one prefix.

    Args:
        rollouts: R of them, in order of drawing; the first `n_steps` steps are the prefix.
        n_steps: steps of the prefix.
        slips: `[R]`, the first wrong step of each rollout, None where there is none or it is
            not known.

    Returns:
        `height`; `lines`, R of them from top to bottom: `index` among the rollouts, `kind`,
        `answer` and its `shapes`; `words`, the shapes of what stands beside all lines of one
        answer.
    """
    named = [(kind(rollout), _answer(rollout), i) for i, rollout in enumerate(rollouts)]
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
        lines += [_line((of, answer, i), _dots(rollouts[i], n_steps, slips[i]), height / 2, first + pitch * j)
                  for j, (of, answer, i) in enumerate(rows)]
        words.append(["text", {"x": XTEXT, "y": _px(top + tall / 2 + 4), "class": rows[0][0]},
                      _words(rows, place(rows[0])[1])])
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


def texts(rollouts: Sequence[Trace], *, limit: int) -> list[dict[str, Any]]:
    """The words of the rollouts, as many as `limit` characters in all hold, shared evenly.

    Returns:
        R records: `steps`, printable and perhaps cut; `hidden`, characters left out.
    """
    records, each = [], limit // max(1, len(rollouts))
    for rollout in rollouts:
        steps, left = [], each
        for step in rollout.steps[:MAX_STEPS]:
            steps.append(cut(printable(step), max(0, left))[0])
            left -= len(step)
        hidden = sum(map(len, rollout.steps)) - sum(map(len, steps))
        records.append({"steps": steps, "hidden": hidden})
    return records


def _line(row: tuple[str, str, int], dots: Sequence[bool], middle: float, y: float
          ) -> dict[str, Any]:
    of, answer, index = row
    bend = X0 + (X1 - X0) * 0.42
    corners = [(X0, middle), (bend, middle), (bend, y), (X1, y)]
    start, *rest = [f"{_px(a)},{_px(b)}" for a, b in corners]
    path = f"M{start} C{' '.join(rest)}"
    shapes: list[Shape] = [["path", {"d": path, "class": "prm-hit"}],
                           ["path", {"d": path, "class": "prm-line"}]]
    for j, slip in enumerate(dots, start=1):
        x, at = _bezier(corners, j / (len(dots) + 1))
        shapes.append(["path", {"d": STROKES["wrong"], "class": "prm-mark",
                                "transform": f"translate({x} {at})"}] if slip else
                      ["circle", {"cx": x, "cy": at, "r": 1.8}])
    shapes.append(["path", {"d": STROKES[of], "class": "prm-mark",
                            "transform": f"translate({X1 + 8} {_px(y)})"}])
    return {"index": index, "kind": of, "answer": cut(printable(answer), 60)[0],
            "shapes": shapes}


def _dots(rollout: Trace, n_steps: int, slip: int | None) -> list[bool]:
    """Whether each step after the prefix, but the last, is the first wrong one."""
    return [s == slip for s in range(n_steps, min(len(rollout.steps) - 1, n_steps + MAX_STEPS))]


def _bezier(corners: Sequence[tuple[float, float]], t: float) -> list[float]:
    weights = ((1 - t)**3, 3 * (1 - t)**2 * t, 3 * (1 - t) * t * t, t**3)
    return [_px(sum(w * corner[axis] for w, corner in zip(weights, corners, strict=True)))
            for axis in (0, 1)]


def _answer(rollout: Trace) -> str:
    if kind(rollout) == "right":
        return str(rollout.problem.answer)
    return "" if not rollout.finished else rollout.answer or "no answer"


def _words(rows: Sequence[tuple[str, str, int]], mixed: bool) -> str:
    of, answer, _ = rows[0]
    mark = {"unfinished": "…"}.get(of) or MARKS[of]
    what = "unfinished" if of == "unfinished" else "other answers" if mixed else answer
    short = cut(" ".join(printable(what).split()), 14)
    return f"{mark} {short[0]}{'…' if short[1] else ''} × {len(rows)}"


def _px(value: float) -> float:
    return round(float(value), 1)
