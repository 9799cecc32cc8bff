"""How figures look and how they are shown: one style, one set of lines, one output.

A figure is shown as a single output that holds three forms of itself: plotly's own MIME type
(interactive in JupyterLab, whose plotly extension is installed locally: nothing is fetched), a
static SVG drawn by `prmlab.svg` (for GitHub, exported pages and paper), and one or two
sentences that say what the figure shows. The sentences also stand under the picture, because a
front end that shows one form of an output hides the others. plotly.js is never put into a
notebook.

A figure stands on its own white ground: no line or text of it depends on the page's theme,
which neither form could follow. Knows no data; `plots` draws.
"""

import json
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from prmlab import svg
from prmlab.markup import COLOURS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as PlotlyFigure

WIDTH, HEIGHT = 720, 400
PLOTLY = "application/vnd.plotly.v1+json"
_LETTER = 6.6  # pixels, of a wide font at 12 px, so that no line of a caption is cut off


class Style(NamedTuple):
    """How one series is drawn; no two styles share a dash or a marker."""

    colour: str
    dash: str
    symbol: str

    def band(self) -> str:
        """The fill of an interval in this colour."""
        red, green, blue = (int(self.colour[i : i + 2], 16) for i in (1, 3, 5))
        return f"rgba({red},{green},{blue},0.14)"


STYLES = (
    Style(COLOURS["right"].light, "solid", "circle"),
    Style(COLOURS["wrong"].light, "dash", "square"),
    Style("#6b7280", "dot", "diamond"),
    Style(COLOURS["chosen"].light, "dashdot", "triangle-up"),
    Style("#00806b", "longdash", "triangle-down"),
    Style("#8a6400", "7px 2px", "cross"),
    Style("#1b1f24", "2px 5px", "x"),
)
_FIXED = {"prm": 0, "orm": 1, "majority": 2, "oracle": 6}


def styles(names: Iterable[str]) -> dict[str, Style]:
    """A style for each name: the fixed one of PRM, ORM, majority and oracle, else a free one.

    Raises:
        ValueError: if there are more names than styles.

    Example:
        >>> styles(["ORM", "PRM (product)"])["ORM"].symbol
        'square'
    """
    names = list(dict.fromkeys(names))
    if len(names) > len(STYLES):
        raise ValueError(
            f"a figure holds at most {len(STYLES)} series that can be told apart, got "
            f"{len(names)}; draw two figures"
        )
    fixed = {name: _FIXED[name.lower()] for name in names if name.lower() in _FIXED}
    free = [i for i in range(len(STYLES)) if i not in fixed.values()]
    return {n: STYLES[fixed[n] if n in fixed else free.pop(0)] for n in names}


def use() -> None:
    """Make every plotly figure of this session look like ours, shown by its own MIME type."""
    import plotly.io as pio

    pio.templates["prmlab"] = _template()
    pio.templates.default = "prmlab"
    pio.renderers.default = "plotly_mimetype"


def figure(title: str = "", *, height: int = HEIGHT, **layout: Any) -> "PlotlyFigure":
    """An empty plotly figure in our style."""
    import plotly.graph_objects as go

    base = go.Figure(layout={"template": _template(), "width": WIDTH, "height": height})
    return base.update_layout(title_text=title, **layout)


def show(figure: "PlotlyFigure", *, alt: str) -> None:
    """Show a plotly figure, now, with its static picture and the sentence `alt`.

    Raises:
        ValueError: if `alt` is empty, or the figure holds what `prmlab.svg` does not draw.
    """
    from IPython.display import display

    display(Figure(figure, alt))


class Figure:
    """A plotly figure with the sentence that says what it shows; shows itself in a notebook.

    Args:
        figure: the plotly figure; `.figure` afterwards, to be changed at will.
        alt: what a reader who cannot see the figure needs to know.
    """

    def __init__(self, figure: "PlotlyFigure", alt: str):
        if not alt.strip():
            raise ValueError("a figure needs alt, a sentence that says what it shows; got none")
        self.figure = figure
        self.alt = alt

    def __repr__(self) -> str:
        return self.alt

    @property
    def caption(self) -> list[str]:
        """`alt` in lines that fit under the picture."""
        left = self.figure.layout.margin.l or svg.MARGIN["l"]
        width = (self.figure.layout.width or WIDTH) - left - 26
        return textwrap.wrap(self.alt.replace(" %", "\N{NO-BREAK SPACE}%"), int(width / _LETTER))

    def svg(self) -> str:
        """The static picture."""
        return svg.picture(self.figure, caption=self.caption, alt=self.alt)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {
            PLOTLY: _interactive(self.figure, self.caption),
            "image/svg+xml": self.svg(),
            "text/plain": self.alt,
        }


def _interactive(figure: "PlotlyFigure", caption: Sequence[str]) -> dict[str, Any]:
    """Plotly's JSON with the caption written under the plot, as in the static picture."""
    import plotly.graph_objects as go

    whole = go.Figure(figure)
    height, bottom = whole.layout.height or HEIGHT, whole.layout.margin.b or svg.MARGIN["b"]
    room = svg.room(caption)
    whole.update_layout(height=height + room, margin_b=bottom + room)
    whole.add_annotation(
        text="<br>".join(caption).replace("$", "&#36;"),
        x=0, y=0, xref="paper", yref="paper", xanchor="left", yanchor="top",
        yshift=-bottom, align="left", showarrow=False, font={"color": svg.SOFT, "size": 12},
    )
    config = {"displaylogo": False, "plotlyServerURL": ""}
    return {**json.loads(whole.to_json()), "config": config}


def _template() -> dict[str, Any]:
    axis = {
        "gridcolor": svg.GRID,
        "linecolor": svg.SOFT,
        "tickcolor": svg.SOFT,
        "tickfont": {"color": svg.SOFT},
        "zeroline": False,
        "title": {"font": {"size": 12}},
    }
    layout = {
        "paper_bgcolor": svg.PAPER,
        "plot_bgcolor": svg.PAPER,
        "font": {"family": svg.FONT, "size": 12, "color": svg.INK},
        "colorway": [style.colour for style in STYLES],
        "margin": svg.MARGIN,
        "title": {"x": 0, "xref": "paper", "y": 1, "yanchor": "top", "pad": {"t": 12},
                  "font": {"size": 15}},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "xaxis": {**axis, "showgrid": False, "showline": True, "ticks": "outside"},
        "yaxis": axis,
        "hoverlabel": {"align": "left"},
        "modebar": {"orientation": "v"},
    }
    return {"layout": layout}
