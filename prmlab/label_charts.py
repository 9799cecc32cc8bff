"""The figures of labels: values of right and wrong prefixes, errors, their cost, and what they buy.

Each returns a `theme.Figure` with a sentence computed from the data. A *triple* is a number with
the ends of its interval, `(mean, low, high)`, as recorded runs hold it. Knows no model and
computes no metric.

Letters: `R` rollouts of each prefix, `P` points of a curve.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from prmlab import plots, theme

Triple = Sequence[float]
_BINS = ("none", "to 20 %", "to 40 %", "to 60 %", "to 80 %", "below all", "all")


def value_histogram(right: Sequence[int], wrong: Sequence[int], *,
                    title: str = "What rollouts say of right and of wrong prefixes"
                    ) -> theme.Figure:
    """The share of right (above) and of wrong prefixes (below) with each value.

    Args:
        right: `[R + 1]`, how many right prefixes had 0, 1, ... R right rollouts.
        wrong: the same of wrong ones.

    Raises:
        ValueError: if they differ in length, or one counts nothing.
    """
    if len(right) != len(wrong) or not sum(right) or not sum(wrong):
        raise ValueError("need counts of right and of wrong prefixes by right rollouts, equally "
                         f"many, none all 0; got {len(right)} and {len(wrong)}, which sum to "
                         f"{sum(right)} and {sum(wrong)}")
    n = len(right) - 1
    fig = theme.figure(title, height=460, showlegend=False)
    for name, counts, style, axis in (("right prefixes", right, theme.STYLES[0], "y"),
                                      ("wrong prefixes", wrong, theme.STYLES[1], "y2")):
        shares = _binned(counts)
        fig.add_bar(x=list(_BINS), y=shares, yaxis=axis, name=name, marker_color=style.colour,
                    hovertemplate="%{y:.1%} of " + name + "<extra></extra>")
    ticks = {"range": [0, 1], "tickvals": [0, 0.5, 1], "ticktext": ["0", "50 %", "100 %"]}
    fig.update_layout(yaxis={"title": {"text": "of right ones"}, "domain": [0.56, 1], **ticks},
                      yaxis2={"title": {"text": "of wrong ones"}, "domain": [0, 0.44], **ticks})
    fig.update_xaxes(title_text=f"rollouts of {n} that reach the right answer", anchor="y2")
    dead, lucky = right[0] / sum(right), 1 - wrong[0] / sum(wrong)
    return theme.Figure(
        fig, f"Of {sum(right):,} right prefixes {dead:.1%} are finished rightly by none of {n} "
        f"rollouts. Of {sum(wrong):,} wrong ones {lucky:.1%} reach the right answer at least "
        f"once, {sum(wrong[n // 2:]) / sum(wrong):.1%} in half of the rollouts or more.")


def by_rollouts(lines: Mapping[str, Any], *, title: str, top: float | None = None,
                x_title: str = "rollouts of each prefix, n",
                y_title: str = "share of steps") -> theme.Figure:
    """Errors of labels against the number of rollouts, with intervals.

    Args:
        lines: by name, columns `n`, `mean`, `low`, `high`, [P] each; see `line`.
        top: of the y axis; a little above the highest interval by default.

    Raises:
        ValueError: as `plots.best_of_n`.
    """
    drawn = plots.best_of_n(lines, title=title, x_title=x_title, y_title=y_title)
    highest = top or 1.08 * max(max(each["high"]) for each in lines.values())
    drawn.figure.update_yaxes(range=[0, highest], tickvals=None)
    return theme.Figure(drawn.figure, drawn.alt.replace("at N =", "at n ="))


def line(x: Sequence[float], triples: Sequence[Triple]) -> dict[str, list[float]]:
    """Columns `n`, `mean`, `low`, `high` from places and triples.

    Example:
        >>> line([1, 2], [(0.5, 0.4, 0.6), (0.3, 0.2, 0.4)])["low"]
        [0.4, 0.2]
    """
    mean, low, high = (list(column) for column in zip(*triples, strict=True))
    return {"n": list(x), "mean": mean, "low": low, "high": high}


def error_by_cost(fixed: Mapping[str, Any], methods: Mapping[str, Any], *,
                  reference: float | None = None, y_title: str = "first errors missed",
                  title: str = "What accuracy costs") -> theme.Figure:
    """Errors of labelling methods against the rollouts they drew, the lower and further left
    the better.

    Args:
        fixed: the curve to beat, columns `n` (rollouts per trace), `mean`, `low`, `high`.
        methods: the same by name, one point a budget.
        reference: rollouts per trace of the point on `fixed` that the sentence compares with:
            the last one by default.

    Raises:
        ValueError: as `plots.best_of_n`.
    """
    curves = {"fixed": fixed, **methods}
    drawn = plots.best_of_n({"fixed": fixed}, title=title, x_title="rollouts per trace",
                            y_title=y_title)
    for name, style in list(theme.styles(curves).items())[1:]:
        drawn.figure.add_scatter(**_with_bars(name, curves[name], style))
    drawn.figure.update_layout(showlegend=True)
    most = max(max(curve["n"]) for curve in curves.values())
    ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500) if t <= 1.3 * most]
    least = min(min(curve["n"]) for curve in curves.values())
    drawn.figure.update_xaxes(tickvals=ticks, ticktext=[str(t) for t in ticks],
                              range=[math.log10(0.9 * least), math.log10(1.1 * most)])
    highest = max(max(curve["high"]) for curve in curves.values())
    drawn.figure.update_yaxes(range=[0, 1.08 * highest], tickvals=None)
    at = fixed["n"].index(reference) if reference in fixed["n"] else len(fixed["n"]) - 1
    said = [f"Fixed misses {fixed['mean'][at]:.1%} at {fixed['n'][at]:.0f} rollouts per trace"]
    for name, curve in methods.items():
        good = [i for i, mean in enumerate(curve["mean"]) if mean <= fixed["mean"][at]]
        if good:
            i = min(good, key=lambda i: curve["n"][i])
            said.append(f"{name} {curve['mean'][i]:.1%} at {curve['n'][i]:.0f}, "
                        f"{curve['n'][i] / fixed['n'][at]:.0%} of that")
        else:
            said.append(f"{name} {min(curve['mean']):.1%} at best")
    return theme.Figure(drawn.figure, "; ".join(said) + ". The band and the vertical lines are 95 % "
                        "intervals.")


def differences(rows: Mapping[str, Sequence[Triple]], measures: Sequence[str], *,
                title: str = "What labels are worth", base: str = "exact labels"
                ) -> theme.Figure:
    """Two measures side by side, each less that of a base, with paired intervals: 0 is as good.

    Args:
        rows: by name, one triple for each of the two measures.
        measures: their names.

    Raises:
        ValueError: if there are not two measures and two triples in each row.
    """
    wrong = [name for name, triples in rows.items() if len(triples) != 2]
    if len(measures) != 2 or wrong or not rows:
        raise ValueError(f"need rows of two triples and two measures, got {len(rows)} rows, "
                         f"{len(measures)} measures, other lengths in {wrong}")
    names, places = list(rows), list(range(len(rows)))[::-1]
    fig = theme.figure(title, height=170 + 34 * len(rows), showlegend=False)
    said = []
    for k, (measure, style) in enumerate(zip(measures, theme.STYLES[::3])):
        mean, low, high = zip(*(rows[name][k] for name in names), strict=True)
        axes = {"xaxis": "x2", "yaxis": "y2"} if k else {}
        fig.add_scatter(x=[0, 0], y=[-0.6, len(rows) - 0.4], mode="lines", hoverinfo="skip",
                        line={"color": theme.STYLES[2].colour, "dash": "dot"}, **axes)
        fig.add_scatter(
            x=mean, y=places, mode="markers", text=names,
            marker={"color": style.colour, "symbol": style.symbol, "size": 9},
            error_x={"array": [h - m for m, h in zip(mean, high)], "thickness": 1.5, "width": 0,
                     "arrayminus": [m - a for m, a in zip(mean, low)], "color": style.colour},
            hovertemplate="%{text}: %{x:+.3f}<extra></extra>", **axes)
        room = 0.08 * (max(*high, 0) - min(*low, 0)) or 0.01
        span = [min(*low, 0) - room, max(*high, 0) + room]
        fig.update_layout({f"xaxis{k + 1 if k else ''}": {
            "title": {"text": f"{measure}, less {base}"}, "range": span,
            "domain": [0.54, 1] if k else [0, 0.46], "anchor": "y2" if k else "y"}})
        fig.update_layout({f"yaxis{k + 1 if k else ''}": {
            "range": [-0.6, len(rows) - 0.4], "tickvals": places, "showgrid": True,
            "ticktext": [" "] * len(rows) if k else names, "anchor": "x2" if k else "x"}})
        below = [n for n, h in zip(names, high) if h < 0]
        above = [n for n, a in zip(names, low) if a > 0]
        said.append(f"{measure}: below {base} {_listed(below)}, above {_listed(above)}")
    fig.update_layout(margin={"l": 30 + 7 * max(map(len, names)), "t": 56})
    return theme.Figure(fig, "; ".join(said) + ". Lines are 95 % intervals of the "
                        "difference; the dotted line is none.")


def _with_bars(name: str, curve: Mapping[str, Any], style: theme.Style) -> dict[str, Any]:
    """A line with vertical intervals, as arguments of `add_scatter`."""
    mean, low, high = (curve[column] for column in ("mean", "low", "high"))
    return {"x": curve["n"], "y": mean, "name": name, "mode": "lines+markers",
            "line": {"color": style.colour, "dash": style.dash, "width": 2},
            "marker": {"color": style.colour, "symbol": style.symbol, "size": 8},
            "error_y": {"array": [h - m for m, h in zip(mean, high)], "thickness": 1, "width": 0,
                        "arrayminus": [m - a for m, a in zip(mean, low)], "color": style.colour},
            "hovertemplate": "%{y:.3f} at %{x:.0f}<extra>" + name + "</extra>"}


def _binned(counts: Sequence[int]) -> list[float]:
    """Shares of prefixes by value, in `_BINS`."""
    n, all_of = len(counts) - 1, sum(counts)
    shares = [0.0] * len(_BINS)
    for k, count in enumerate(counts):
        place = 0 if k == 0 else 6 if k == n else min(5, 1 + int(5 * k / n - 1e-9))
        shares[place] += count / all_of
    return shares


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names) if names else "none"
