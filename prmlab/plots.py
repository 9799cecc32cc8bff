"""The figures of the notebooks, one function each, from plain data to what shows itself.

Each returns a `theme.Figure` (plotly inside, `.figure`; static picture; `.alt`, a sentence
computed from the data) and shows nothing. Intervals are drawn wherever a number is an
estimate. A curve is anything with columns of equal length, as attributes or as a mapping; or
a list of points with those fields. Knows no model and computes no metric.

Letters: `S` steps of a trace, `P` points of a curve.
"""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from prmlab import theme
from prmlab.markup import COLOURS, TraceView, printable

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

def highlight(trace_or_steps: Any, scores: Iterable[float | None] | None = None,
              truth: Any = None, *, title: str = "",
              threshold: float | None = None) -> TraceView:
    """A trace as a table: each step's score by a model beside the truth of it.

    Args:
        trace_or_steps: a `Trace`, or a list of strings.
        scores: a model's score of each step, [S], in [0, 1].
        truth: labels or verdicts, [S], or the index of the first wrong step.
        title: the caption's first words.
        threshold: scores below it are marked.

    Raises:
        ValueError: if there is not one score, or one label, per step.

    Example:
        >>> highlight(["2x = 20", "x = 10"], [0.2, 0.7], truth=0).first_error
        0
    """
    return TraceView.of(trace_or_steps, scores, truth, title=title, threshold=threshold)


def score_by_step(traces: Sequence[Any], scores: Sequence[Sequence[float]], *,
                  title: str | None = None) -> theme.Figure:
    """The score of each step along up to seven traces; wrong steps are crossed out.

    Args:
        traces: traces (labels are used where they have them), or lists of strings.
        scores: each trace's scores, [S] each.

    Raises:
        ValueError: if traces and scores, or steps and scores, differ in number.
    """
    if len(traces) != len(scores):
        raise ValueError(f"one list of scores per trace: got {len(traces)} and {len(scores)}")
    views = [TraceView.of(trace, each) for trace, each in zip(traces, scores)]
    names = ["the trace"] if len(views) == 1 else [f"trace {i}" for i in range(len(views))]
    fig = theme.figure(title or "Score of each step", showlegend=len(views) > 1)
    wrong = []
    for view, (name, style) in zip(views, theme.styles(names).items()):
        words = [_words(text) for text in view.steps]
        _add_line(fig, name, range(len(view.steps)), view.scores, style, text=words)
        labels = view.labels or ()
        wrong += [(i, view.scores[i]) for i, label in enumerate(labels) if label == -1]
    if wrong:
        mark = {"color": COLOURS["wrong"].light, "symbol": "x", "size": 12}
        x, y = zip(*wrong)
        fig.add_scatter(x=x, y=y, mode="markers", marker=mark, name="wrong step",
                        hoverinfo="skip")
        fig.update_layout(showlegend=True)
    longest = max((len(view.steps) for view in views), default=1)
    ticks = list(range(0, longest, max(1, longest // 12)))
    fig.update_xaxes(title_text="step", range=[-0.3, longest - 0.7], tickvals=ticks)
    fig.update_yaxes(title_text="score", range=[-0.03, 1.03], tickvals=_TENTHS)
    return theme.Figure(fig, " ".join(_drop(n, v) for n, v in zip(names, views)))


def best_of_n(curves: Mapping[str, Any], *, title: str = "Best of N",
              x_title: str = "samples per problem, N",
              y_title: str = "share of problems solved", top: float = 1.02) -> theme.Figure:
    """Accuracy against the number of samples, with intervals, one line a selector.

    Args:
        curves: by name, columns `n`, `mean`, `low`, `high`, [P] each.
        top: of the y axis, for shares that are all small.

    Raises:
        ValueError: if a column is missing, or columns differ in length.
    """
    return lines_with_bands(curves, "n", " at N = {:,.0f}", title, x_title, y_title, top)


def metric_by_labels(points: Any, *, title: str = "What labels buy",
                     y_title: str = "first-error F1",
                     x_title: str = "labelled steps") -> theme.Figure:
    """A metric against the number of labels it was trained on, with intervals.

    Args:
        points: columns `n_labels`, `mean`, `low`, `high`, [P] each; or several such by name.

    Raises:
        ValueError: if a column is missing, or columns differ in length.
    """
    named = isinstance(points, Mapping) and "mean" not in points
    curves = points if named else {y_title: points}
    return lines_with_bands(curves, "n_labels", " with {:,.0f} labels", title, x_title, y_title)


def reliability(calibration: Any, *, title: str = "Reliability") -> theme.Figure:
    """The share of right steps among those of like score, beside the diagonal, and the counts.

    Args:
        calibration: what `metrics.calibration` returns, or columns `mean_predicted`,
            `observed`, `low`, `high`, `counts`, [P] each; NaN where a bin is empty.

    Raises:
        ValueError: if a column is missing, columns differ in length, or all bins are empty.
    """
    columns = _columns(calibration, ("mean_predicted", "observed", "low", "high", "counts"))
    full = [row for row in zip(*columns) if row[-1]]
    if not full:
        raise ValueError("nothing to draw: every bin is empty")
    score, share, low, high, count = (list(column) for column in zip(*full))
    fig = theme.figure(title, height=480)
    style = theme.STYLES[0]
    fig.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="perfectly calibrated", hoverinfo="skip",
        line={"color": theme.STYLES[2].colour, "dash": "dot", "width": 1.5},
    )
    words = [f"{c:,.0f} steps" for c in count]
    _add_line(fig, "steps of like score", score, share, style, text=words)
    fig.data[-1].error_y = _bars(share, low, high, style)
    fig.add_bar(x=score, y=count, yaxis="y2", marker_color=style.band(), showlegend=False)
    fig.update_xaxes(title_text="score", range=[-0.02, 1.02], tickvals=_TENTHS, anchor="y2")
    fig.update_layout(
        yaxis={"title": {"text": "share right"}, "range": [-0.03, 1.03], "tickvals": _TENTHS,
               "domain": [0.3, 1]},
        yaxis2={"title": {"text": "steps"}, "domain": [0, 0.2], "range": [0, 1.1 * max(count)],
                "tickvals": [0, max(count)]},
    )
    worst = max(range(len(score)), key=lambda i: abs(score[i] - share[i]))
    ece = sum(c * abs(a - b) for a, b, c in zip(score, share, count)) / sum(count)
    alt = (
        f"Of {sum(count):,.0f} steps, those scored {score[0]:.2f} on average are right with "
        f"frequency {share[0]:.2f}, those scored {score[-1]:.2f} with {share[-1]:.2f}. The gap "
        f"is largest at score {score[worst]:.2f}, where {share[worst]:.2f} are right; its mean "
        f"over all steps (ECE) is {ece:.3f}. Vertical lines are 95 % intervals."
    )
    return theme.Figure(fig, alt)


def learning_curve(records: Iterable[Any], *, title: str = "Training",
                   x: str = "tokens") -> theme.Figure:
    """Loss, and below it what was validated, against `x`, a field of the records.

    Args:
        records: objects or mappings with `loss`, the field `x`, and perhaps `validation`, a
            mapping of names to numbers in [0, 1].

    Raises:
        ValueError: if there is no record, or one lacks a field.
    """
    rows = [_fields(record) for record in records]
    if not rows:
        raise ValueError("a learning curve needs at least one record, got none")
    at, loss = _columns(rows, (x, "loss"))
    every = math.ceil(len(at) / 400)
    at, loss, smooth = (column[::-every][::-1] for column in (at, loss, _smooth(loss)))
    checks = [(row[x], row["validation"]) for row in rows if row.get("validation")]
    checks = checks[:: -math.ceil(len(checks) / 50) or -1][::-1]
    names = list(dict.fromkeys(name for _, check in checks for name in check))
    fig = theme.figure(title, height=480 if names else theme.HEIGHT)
    name = "loss of a batch"
    if len(rows) > 1:  # `_smooth` leaves a single one as it is
        fig.add_scatter(x=at, y=loss, mode="lines", name=name, hoverinfo="skip",
                        line={"color": "#c3cad3", "width": 1})
        name = "loss, smoothed"
    _add_line(fig, name, at, smooth, theme.STYLES[0], mode="lines")
    fig.update_yaxes(title_text="loss", range=[0, 1.1 * max(smooth) or 1])
    fig.update_layout(yaxis_domain=[0.55, 1] if names else [0, 1])
    fig.update_xaxes(title_text=x, range=[0, 1.02 * max(at) or 1],
                     anchor="y2" if names else "y")
    styles = theme.styles(["loss, smoothed", *names])
    for name in names:
        points = [(place, check[name]) for place, check in checks if name in check]
        _add_line(fig, name, *zip(*points), styles[name])
        fig.data[-1].yaxis = "y2"
    if names:
        top = max(1, *(value for _, check in checks for value in check.values()))
        fig.update_layout(yaxis2={"title": {"text": "validation"}, "domain": [0, 0.4],
                                  "range": [0, 1.03 * top], "tickvals": [0, top / 2, top]})
    alt = [f"Loss {_trend(smooth[0], smooth[-1])} over {at[-1]:,.0f} {x.rstrip('s')}s."]
    for name in names:
        values = [check[name] for _, check in checks if name in check]
        alt.append(f"On held-out traces {name} {_trend(values[0], values[-1])}.")
    return theme.Figure(fig, " ".join(alt))


def aggregation_comparison(results: Mapping[str, Any], *,
                           title: str = "One number from many step scores",
                           x_title: str = "share of problems solved") -> theme.Figure:
    """One value with its interval for each way of aggregating, best first.

    Args:
        results: by name, `mean`, `low`, `high`: an object, a mapping, or three numbers.

    Raises:
        ValueError: if there is none, or a value is missing.
    """
    rows = {name: _triple(name, result) for name, result in results.items()}
    if not rows:
        raise ValueError("nothing to compare: `results` is empty")
    order = sorted(rows, key=lambda name: rows[name][0])
    mean, low, high = zip(*(rows[name] for name in order))
    fig = theme.figure(title, height=150 + 34 * len(order), showlegend=False)
    style = theme.STYLES[0]
    fig.add_scatter(
        x=mean, y=order, mode="markers", error_x=_bars(mean, low, high, style),
        marker={"color": style.colour, "size": 9},
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    room = 0.1 * (max(high) - min(low)) or 0.05
    fig.update_xaxes(title_text=x_title, range=[min(low) - room, max(high) + room])
    fig.update_layout(margin={"l": 24 + 8 * max(map(len, order)), "t": 56})
    return theme.Figure(
        fig, f"{order[-1]} is highest at {mean[-1]:.3f} ({low[-1]:.3f} to {high[-1]:.3f}), "
        f"{order[0]} lowest at {mean[0]:.3f} ({low[0]:.3f} to {high[0]:.3f}). Lines are 95 % "
        "intervals.")


def live(records: Iterable[Any], *, title: str = "Training", x: str = "tokens",
         every: float = 0.5) -> Iterator[Any]:
    """The same records, while one output in the notebook shows their learning curve.

    The picture is replaced at most once in `every` seconds, and left as a finished figure when
    the records end or the loop is left. Outside a notebook nothing is shown.

    Example:
        >>> [r["loss"] for r in live([{"tokens": 1, "loss": 2.0}, {"tokens": 2, "loss": 1.0}])]
        [2.0, 1.0]
    """
    handle, seen, shown = _handle(), [], -math.inf
    try:
        for record in records:
            seen.append(_fields(record))
            if handle and time.monotonic() - shown >= every:
                figure = learning_curve(seen, title=title, x=x)
                handle.update({"image/svg+xml": figure.svg(), "text/plain": figure.alt}, raw=True)
                shown = time.monotonic()
            yield record
    finally:
        if handle and seen:
            handle.update(learning_curve(seen, title=title, x=x))


_TENTHS = [0, 0.2, 0.4, 0.6, 0.8, 1]


def _handle() -> Any:
    """A display handle with a place kept in the cell's output; None outside a notebook."""
    try:
        from IPython import get_ipython
        from IPython.display import DisplayHandle
    except ImportError:
        return None
    if not hasattr(get_ipython(), "kernel"):
        return None
    handle = DisplayHandle()
    handle.display({"text/plain": "Waiting for the first record."}, raw=True)
    return handle


def lines_with_bands(curves: Mapping[str, Any], x: str, place: str, title: str, x_title: str,
                     y_title: str, top: float = 1.02) -> theme.Figure:
    """Lines `mean` over `low` to `high` against the column `x`, on a log axis."""
    if not curves:
        raise ValueError("no curve to draw: the mapping from names to curves is empty")
    fig = theme.figure(title, showlegend=len(curves) > 1)
    sentences, ticks = [], set()
    fields = (x, "mean", "low", "high")
    columns = {name: _columns(curve, fields) for name, curve in curves.items()}
    styles = theme.styles(columns)
    for name, (n, _, low, high) in columns.items():
        fig.add_scatter(
            x=[*n, *reversed(n)], y=[*high, *reversed(low)], fill="toself", hoverinfo="skip",
            fillcolor=styles[name].band(), line={"width": 0}, mode="lines", showlegend=False,
        )
    for name, (n, mean, low, high) in columns.items():
        spans = [f"{a:.3f} to {b:.3f}" for a, b in zip(low, high)]
        _add_line(fig, name, n, mean, styles[name], text=spans)
        ticks |= set(n)
        ends = ("", "") if sentences else (place.format(n[0]), place.format(n[-1]))
        way, turn = _trend(mean[0], mean[-1], *ends), _turn(mean, low[-1], high[-1])
        if turn is not None:
            way = _trend(mean[0], mean[turn], ends[0], place.format(n[turn])) + ", then "
            way += f"{'rises' if mean[-1] > mean[turn] else 'falls'} to {mean[-1]:.2f}{ends[1]}"
        sentences.append(f"{name} {way} ({low[-1]:.2f} to {high[-1]:.2f})")
    if min(ticks) <= 0:
        raise ValueError(f"{x} is drawn on a log axis and must be positive, got {min(ticks)}")
    ends = [math.log10(min(ticks)), math.log10(max(ticks))]
    pad = 0.03 * (ends[1] - ends[0]) or 0.3
    fig.update_xaxes(title_text=x_title, type="log", range=[ends[0] - pad, ends[1] + pad])
    fig.update_xaxes(tickvals=sorted(ticks), ticktext=[f"{n:,.0f}" for n in sorted(ticks)])
    fig.update_yaxes(title_text=y_title, range=[0, top], tickvals=_TENTHS if top > 1 else None)
    return theme.Figure(fig, "; ".join(sentences) + ". Bands are 95 % intervals.")


def _add_line(fig: "Figure", name: str, x: Iterable[float], y: Iterable[float],
              style: theme.Style, *, text: Sequence[str] | None = None,
              mode: str = "lines+markers") -> None:
    fig.add_scatter(
        x=list(x), y=list(y), name=name, mode=mode,
        line={"color": style.colour, "dash": style.dash, "width": 2},
        marker={"color": style.colour, "symbol": style.symbol, "size": 8},
        text=text,
        hovertemplate="%{y:.3f}" + ("<br>%{text}" if text else "") + f"<extra>{name}</extra>",
    )


def _bars(middle: Sequence[float], low: Sequence[float], high: Sequence[float],
          style: theme.Style) -> dict[str, Any]:
    return {"array": [h - m for m, h in zip(middle, high)], "color": style.colour, "width": 0,
            "arrayminus": [m - a for m, a in zip(middle, low)], "thickness": 1.5}


def _fields(row: Any) -> Mapping[str, Any]:
    return row if isinstance(row, Mapping) else {n: getattr(row, n) for n in _names(row)}


def _names(row: Any) -> Iterable[str]:
    return getattr(row, "_fields", None) or [n for n in vars(row) if n != "model"]


def _columns(curve: Any, names: Sequence[str]) -> list[list[float]]:
    """The named columns of a curve, as lists of equal length."""
    if isinstance(curve, (list, tuple)) and not hasattr(curve, "_fields"):
        rows = [_fields(point) for point in curve]
        curve = {name: [row[name] for row in rows if name in row] for name in names}
    columns = []
    for name in names:
        found = curve.get(name) if isinstance(curve, Mapping) else getattr(curve, name, None)
        if found is None or len(found) == 0:
            raise ValueError(f"a curve needs the columns {', '.join(names)}; {name} is missing")
        columns.append([float(value) for value in found])
    lengths = {name: len(column) for name, column in zip(names, columns)}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns of a curve must be equally long, got {lengths}")
    return columns


def _triple(name: str, result: Any) -> tuple[float, float, float]:
    if isinstance(result, Mapping) or hasattr(result, "low"):
        fields = _fields(result)
        result = [fields.get(field) for field in ("mean", "low", "high")]
    if len(result) != 3 or any(value is None for value in result):
        raise ValueError(f"{name!r} needs mean, low and high, got {result!r}")
    return tuple(map(float, result))


def _smooth(values: Sequence[float]) -> list[float]:
    """A running mean over the last twentieth, and at least five, as far as there are so many."""
    width = max(5, len(values) // 20)
    sums = [0.0, *accumulate(values)]
    ends = range(1, len(sums))
    return [(sums[i] - sums[max(0, i - width)]) / min(i, width) for i in ends]


def _turn(mean: Sequence[float], low: float, high: float) -> int | None:
    """Where a line turns: farthest beyond both its ends, and outside its last interval."""
    least, most = sorted((mean[0], mean[-1]))
    at = max(range(len(mean)), key=lambda i: max(least - mean[i], mean[i] - most))
    return None if least <= mean[at] <= most or low <= mean[at] <= high else at


def _trend(first: float, last: float, at_first: str = "", at_last: str = "") -> str:
    if abs(last - first) < 0.005 or f"{last:.2f}" == f"{first:.2f}":
        return f"stays at {last:.2f}"
    verb = "rises" if last > first else "falls"
    return f"{verb} from {first:.2f}{at_first} to {last:.2f}{at_last}"


def _drop(name: str, view: TraceView) -> str:
    scored = [(score, i) for i, score in enumerate(view.scores) if score is not None]
    if not scored:
        return f"{name.capitalize()} has no scored step."
    score, step = min(scored)
    wrong = "" if view.first_error is None else f"; its first wrong step is {view.first_error}"
    return f"{name.capitalize()} scores lowest at step {step} ({score:.2f}){wrong}."


def _words(text: str, width: int = 60) -> str:
    """Model text for a hover label: short, and no markup that plotly would read."""
    short = printable(text[:width]) + ("…" if len(text) > width else "")
    return short.replace("&", "&amp;").replace("<", "&lt;").replace("$", "&#36;")
