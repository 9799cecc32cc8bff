"""Accuracy against tokens as a figure: one line a strategy, its budgets as points.

What is drawn was computed elsewhere (`budgets`); knows no data.
"""

import math
from collections.abc import Mapping, Sequence

from prmlab import theme
from prmlab.budgets import Line

_TICKS = [base * 10**power for power in range(7) for base in (1, 2, 5)]


def accuracy_by_tokens(lines: Mapping[str, Line], *, title: str = "Equal compute",
                       x_title: str = "tokens a problem, policy and scorer",
                       marks: Sequence[float] = ()) -> theme.Figure:
    """The share of problems solved against tokens, on a log axis, with intervals.

    Args:
        lines: by strategy, at most seven.
        marks: tokens at which strategies are compared, drawn as upright lines.

    Raises:
        ValueError: if there is no line.

    Example:
        >>> import numpy as np
        >>> row = np.array([0.25, 0.75])
        >>> accuracy_by_tokens({"beam": Line(np.array([100, 900]), row, row - 0.1, row + 0.1)})
        beam: 0.25 at 100 tokens, 0.75 (0.65 to 0.85) at 900. Bands are 95 % intervals.
    """
    if not lines:
        raise ValueError("no line to draw: the mapping from strategies to lines is empty")
    fig, styles = theme.figure(title, height=440), theme.styles(lines)
    for name, line in lines.items():
        fig.add_scatter(
            x=[*line.tokens, *line.tokens[::-1]], y=[*line.high, *line.low[::-1]],
            fill="toself", fillcolor=styles[name].band(), line={"width": 0}, mode="lines",
            hoverinfo="skip", showlegend=False)
    for mark in marks:
        fig.add_scatter(x=[mark, mark], y=[0, 1], mode="lines", hoverinfo="skip",
                        showlegend=False, line={"color": "#6b7280", "dash": "dot", "width": 1})
    for name, line in lines.items():
        style = styles[name]
        fig.add_scatter(
            x=list(line.tokens), y=list(line.mean), name=name, mode="lines+markers",
            line={"color": style.colour, "dash": style.dash, "width": 2},
            marker={"color": style.colour, "symbol": style.symbol, "size": 8},
            text=[f"{low:.3f} to {high:.3f}" for low, high in zip(line.low, line.high)],
            hovertemplate="%{x:,.0f} tokens: %{y:.3f}<br>%{text}<extra>" + name + "</extra>")
    ends = [math.log10(f(f(line.tokens) for line in lines.values())) for f in (min, max)]
    pad = 0.03 * (ends[1] - ends[0]) or 0.3
    ticks = [tick for tick in _TICKS if ends[0] - pad <= math.log10(tick) <= ends[1] + pad]
    fig.update_xaxes(title_text=x_title, type="log", range=[ends[0] - pad, ends[1] + pad],
                     tickvals=ticks, ticktext=[f"{tick:,}" for tick in ticks])
    least = min(line.low.min() for line in lines.values())
    fig.update_yaxes(title_text="share of problems solved",
                     range=[math.floor(10 * least) / 10, 1.02])
    return theme.Figure(fig, "; ".join(_said(*row) for row in lines.items())
                        + ". Bands are 95 % intervals.")


def _said(name: str, line: Line) -> str:
    return (f"{name}: {line.mean[0]:.2f} at {line.tokens[0]:,.0f} tokens, {line.mean[-1]:.2f} "
            f"({line.low[-1]:.2f} to {line.high[-1]:.2f}) at {line.tokens[-1]:,.0f}")
