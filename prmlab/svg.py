"""A plotly figure as a static SVG, drawn here, so that no browser is needed to make one.

Kaleido would draw everything, but needs Chrome in the reader's kernel, takes seconds a figure
and follows the machine's fonts; this draws the few marks that this package uses, in
milliseconds, a few kilobytes each, the same bytes everywhere.

Draws `scatter` (lines, markers, error bars, `fill="toself"`) and `bar` (upright, overlaid) on
linear, log and category axes, in any number of panels laid out by the axes' domains; legend,
title, annotations in paper coordinates. Anything else is a ValueError. Knows no data.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from prmlab.markup import escape

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

INK, SOFT, GRID, PAPER = "#1b1f24", "#565d66", "#e3e6ea", "#ffffff"
MARGIN = {"l": 64, "r": 24, "t": 72, "b": 64}
LINE = 17
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"

_DASHES = {"dash": "7 4", "dot": "2 3", "dashdot": "7 3 2 3", "longdash": "12 4"}
_SYMBOLS = {
    "square": "M-4-4H4V4H-4Z",
    "diamond": "M0-5.5 5.5 0 0 5.5-5.5 0Z",
    "triangle-up": "M0-5.5 5 4H-5Z",
    "triangle-down": "M0 5.5 5-4H-5Z",
    "cross": "M-2-5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5V-2H-2Z",
    "x": "M0-2 3-5 5-3 2 0 5 3 3 5 0 2-3 5-5 3-2 0-5-3-3-5Z",
}


def picture(figure: "Figure", *, caption: Sequence[str] = (), alt: str = "") -> str:
    """The figure as one `<svg>` element; `caption` lines are written below it.

    Raises:
        ValueError: if the figure holds a kind of trace, fill or axis that is not drawn here.
    """
    for trace in figure.data:
        if trace.type not in ("scatter", "bar") or _fill(trace) not in (None, "none", "toself"):
            raise ValueError(
                "a static picture draws scatter (also filled 'toself') and bar; got "
                f"{trace.type!r} with fill {_fill(trace)!r}"
            )
    layout = figure.layout
    width, height = layout.width or 720, layout.height or 420
    sides = {side: layout.margin[side] or default for side, default in MARGIN.items()}
    left = sides["l"]
    rows = _legend_rows(figure, width - left)
    more = LINE * max(0, len(rows) - 1)  # the picture grows by what a long legend needs
    height += more
    box = (left, sides["t"] + more, width - sides["r"], height - sides["b"])
    panels = _panels(figure, box)
    parts = [f'<rect width="{width}" height="{height + room(caption)}" fill="{PAPER}"/>']
    parts += [line for panel in panels.values() for line in panel.frame()]
    for trace in figure.data:
        panel = panels[trace.xaxis or "x", trace.yaxis or "y"]
        parts += _trace(trace, panel)
    if title := layout.title.text:
        parts.append(_text(title, left, 26, size=15, bold=True))
    parts += _legend(rows, left)
    parts += _annotations(layout.annotations, box)
    parts += [
        _text(line, left, height + 14 + LINE * i, fill=SOFT) for i, line in enumerate(caption)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{height + room(caption)}" viewBox="0 0 {width} {height + room(caption)}" '
        f'role="img" aria-label="{escape(alt)}" font-family="{FONT}" font-size="12" '
        f'fill="{INK}">' + "".join(parts) + "</svg>"
    )


def _fill(trace: Any) -> str | None:
    return trace.fill if trace.type == "scatter" else None


def room(caption: Sequence[str]) -> int:
    """The height that a caption needs below the figure, in pixels."""
    return LINE * len(caption) + 12 if caption else 0


@dataclass(frozen=True)
class _Axis:
    """Places values between two pixels; `spec` is plotly's axis."""

    spec: Any
    low: float
    high: float
    start: float
    end: float
    names: tuple[str, ...] = ()

    def number(self, value: Any) -> float:
        if self.names:
            return float(self.names.index(str(value)))
        return math.log10(value) if self.spec.type == "log" else float(value)

    def at(self, value: Any) -> float:
        share = (self.number(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        if self.names:
            return [(self.at(name), name) for name in self.names]
        if self.spec.tickvals is not None:
            texts = self.spec.ticktext or [_short(v) for v in self.spec.tickvals]
            return [(self.at(v), str(t)) for v, t in zip(self.spec.tickvals, texts)]
        if self.spec.type == "log":
            powers = range(math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9) + 1)
            return [(self.at(10.0**p), _short(10.0**p)) for p in powers]
        return [(self.at(v), _short(v)) for v in _nice(self.low, self.high)]


@dataclass(frozen=True)
class _Panel:
    x: _Axis
    y: _Axis
    owns_x: bool  # False where the x axis is drawn under another panel

    def point(self, x: Any, y: Any) -> tuple[float, float]:
        """The pixel of a point, held inside the panel where it would leave it upwards."""
        return self.x.at(x), min(max(self.y.at(y), self.y.end), self.y.start)

    def frame(self) -> Iterator[str]:
        left, right, top, bottom = self.x.start, self.x.end, self.y.end, self.y.start
        for at, text in self.y.ticks():
            yield _line([(left, at), (right, at)], GRID)
            yield _text(text, left - 8, at + 4, anchor="end", fill=SOFT)
        if self.owns_x:
            yield _line([(left, bottom), (right, bottom)], SOFT)
            for at, text in self.x.ticks():
                yield _line([(at, bottom), (at, bottom + 4)], SOFT)
                yield _text(text, at, bottom + 18, anchor="middle", fill=SOFT)
            title = self.x.spec.title.text or ""
            yield _text(title, (left + right) / 2, bottom + 40, anchor="middle")
        if title := self.y.spec.title.text:
            middle, gutter = (top + bottom) / 2, left - 46
            yield _text(title, gutter, middle, anchor="middle", turn=True)


def _panels(figure: "Figure", box: tuple[float, ...]) -> dict[tuple[str, str], _Panel]:
    left, top, right, bottom = box
    pairs = dict.fromkeys((t.xaxis or "x", t.yaxis or "y") for t in figure.data)
    panels = {}
    for x, y in pairs:
        traces = [t for t in figure.data if (t.xaxis or "x", t.yaxis or "y") == (x, y)]
        x_axis = _axis(figure, x, [t.x for t in traces], left, right)
        y_axis = _axis(figure, y, [t.y for t in traces], bottom, top)
        panels[x, y] = _Panel(x_axis, y_axis, (x_axis.spec.anchor or y) == y)
    return panels


def _axis(figure: "Figure", name: str, columns: list[Any], start: float, end: float) -> _Axis:
    spec = figure.layout[f"{name[0]}axis{name[1:]}"]
    domain = spec.domain or (0, 1)
    start, end = (start + share * (end - start) for share in domain)
    values = [v for column in columns for v in column if v is not None]
    names = tuple(dict.fromkeys(v for v in values if isinstance(v, str)))
    if names:
        return _Axis(spec, -0.5, len(names) - 0.5, start, end, names)
    if spec.type not in (None, "-", "linear", "log"):
        raise ValueError(f"axes drawn are linear, log and category; {name} is {spec.type!r}")
    if spec.range is not None:
        low, high = spec.range
    else:
        numbers = [math.log10(v) if spec.type == "log" else float(v) for v in values]
        low, high = min(numbers, default=0.0), max(numbers, default=1.0)
        pad = 0.05 * (high - low) or 0.5
        low, high = low - pad, high + pad
    return _Axis(spec, low, high, start, end)


def _trace(trace: Any, panel: _Panel) -> list[str]:
    if trace.type == "bar":
        return _bars(trace, panel)
    points = [panel.point(x, y) for x, y in _seen(trace)]
    if trace.fill == "toself":
        corners = " ".join(f"{_px(x)},{_px(y)}" for x, y in points)
        return [f'<polygon points="{corners}" fill="{trace.fillcolor}"/>']
    parts = _error_bars(trace, panel)
    mode = trace.mode or "lines"
    if "lines" in mode and len(points) > 1:
        parts.append(_line(points, trace.line.color, trace.line.width or 2, trace.line.dash))
    if "markers" in mode:
        colour = trace.marker.color or trace.line.color
        size = trace.marker.size or 8
        parts += [_marker(x, y, trace.marker.symbol, colour, size) for x, y in points]
    if "text" in mode:
        parts += [
            _text(text, x + 8, y + 4, fill=SOFT) for (x, y), text in zip(points, trace.text)
        ]
    return parts


def _seen(trace: Any) -> list[tuple[Any, Any]]:
    return [(x, y) for x, y in zip(trace.x, trace.y) if not _missing(x) and not _missing(y)]


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _error_bars(trace: Any, panel: _Panel) -> list[str]:
    parts = []
    for spec, along in ((trace.error_y, "y"), (trace.error_x, "x")):
        if spec.array is None:
            continue
        below = spec.array if spec.arrayminus is None else spec.arrayminus
        for x, y, up, down in zip(trace.x, trace.y, spec.array, below):
            if along == "y":
                ends = [panel.point(x, y + d) for d in (-down, up)]
            else:
                ends = [panel.point(x + d, y) for d in (-down, up)]
            parts.append(_line(ends, spec.color or trace.marker.color, 1.5))
    return parts


def _bars(trace: Any, panel: _Panel) -> list[str]:
    places = [panel.x.at(x) for x in trace.x]
    gaps = [b - a for a, b in pairwise(places)]
    width = 0.8 * min(gaps, default=40)
    floor = panel.y.start
    return [
        f'<rect x="{_px(at - width / 2)}" y="{_px(panel.y.at(y))}" width="{_px(width)}" '
        f'height="{_px(floor - panel.y.at(y))}" fill="{trace.marker.color}"/>'
        for at, y in zip(places, trace.y)
    ]


def _legend_rows(figure: "Figure", width: float) -> list[list[tuple[float, Any]]]:
    """The named traces in rows no wider than `width`, each with its distance from the left."""
    rows: list[list[tuple[float, Any]]] = []
    at = width + 1
    for trace in figure.data if figure.layout.showlegend is not False else ():
        if trace.showlegend is False or not trace.name:
            continue
        needed = 34 + 6.6 * len(trace.name)
        if at + needed > width:
            rows.append([])
            at = 0
        rows[-1].append((at, trace))
        at += needed + 22
    return rows


def _legend(rows: Sequence[Sequence[tuple[float, Any]]], left: float) -> Iterator[str]:
    for i, row in enumerate(rows):
        y = 48 + LINE * i
        for offset, trace in row:
            at = left + offset
            if trace.type == "scatter" and "lines" in (trace.mode or "lines"):
                yield _line([(at, y), (at + 28, y)], trace.line.color, 2, trace.line.dash)
            colour = trace.marker.color or trace.line.color
            if trace.type == "bar" or "markers" in (trace.mode or ""):
                yield _marker(at + 14, y, trace.marker.symbol or "square", colour)
            yield _text(trace.name, at + 34, y + 4)


def _annotations(annotations: Iterable[Any], box: tuple[float, ...]) -> list[str]:
    left, top, right, bottom = box
    return [
        _text(
            note.text,
            left + note.x * (right - left),
            bottom - note.y * (bottom - top),
            anchor={"right": "end", "center": "middle"}.get(note.xanchor, "start"),
            fill=SOFT,
        )
        for note in annotations
        if note.xref == "paper" and note.yref == "paper"
    ]


def _marker(x: float, y: float, symbol: str | None, colour: str, size: float = 8) -> str:
    if symbol in (None, "circle"):
        return f'<circle cx="{_px(x)}" cy="{_px(y)}" r="{size / 2:g}" fill="{colour}"/>'
    if symbol not in _SYMBOLS:
        raise ValueError(f"markers drawn are circle, {', '.join(_SYMBOLS)}; got {symbol!r}")
    place = f"translate({_px(x)} {_px(y)})" + ("" if size == 8 else f" scale({size / 8:g})")
    return f'<path transform="{place}" d="{_SYMBOLS[symbol]}" fill="{colour}"/>'


def _line(
    points: Iterable[tuple[float, float]],
    colour: str,
    width: float = 1,
    dash: str | None = None,
) -> str:
    path = " ".join(f"{_px(x)},{_px(y)}" for x, y in points)
    pattern = _DASHES.get(dash or "", (dash or "").replace("px", "").replace(",", " "))
    dashes = "" if pattern in ("", "solid") else f' stroke-dasharray="{pattern}"'
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" '
        f'stroke-width="{width}"{dashes}/>'
    )


def _text(
    text: str,
    x: float,
    y: float,
    *,
    anchor: str = "start",
    fill: str = INK,
    size: int = 12,
    bold: bool = False,
    turn: bool = False,
) -> str:
    more = ' font-weight="600"' if bold else ""
    if turn:
        more += f' transform="rotate(-90 {_px(x)} {_px(y)})"'
    return (
        f'<text x="{_px(x)}" y="{_px(y)}" text-anchor="{anchor}" fill="{fill}" '
        f'font-size="{size}"{more}>{escape(text)}</text>'
    )


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _short(value: float) -> str:
    if abs(value) >= 10_000 and value % 1000 == 0:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.0f}" if value == round(value) else f"{value:.6g}"


def _nice(low: float, high: float, count: int = 6) -> list[float]:
    """Round values from `low` to `high`, about `count` of them."""
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]
