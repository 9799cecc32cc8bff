"""One style, one output with three forms, and the static picture."""

import doctest
import json
import xml.etree.ElementTree as ET

import pytest

from prmlab import svg, theme
from prmlab.markup import COLOURS

go = pytest.importorskip("plotly.graph_objects")
SVG = "{http://www.w3.org/2000/svg}"


def line(**more):
    fig = theme.figure("A title & <b>more</b>")
    fig.add_scatter(x=[1, 2, 4], y=[0.5, 0.25, 0.75], line={"color": "#123456"}, **more)
    return fig


def luminance(colour):
    values = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    return sum(w * (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4)
               for w, v in zip((0.2126, 0.7152, 0.0722), values))


def test_doctests():
    assert doctest.testmod(theme).failed == 0


def test_styles_differ_in_colour_dash_and_marker():
    for column in zip(*theme.STYLES):
        assert len(set(column)) == len(theme.STYLES)


def test_text_and_lines_have_contrast_on_the_figure_s_own_ground():
    ground = luminance(svg.PAPER)
    for colour in (svg.INK, svg.SOFT):
        assert (ground + 0.05) / (luminance(colour) + 0.05) >= 4.5
    for style in theme.STYLES:
        assert (ground + 0.05) / (luminance(style.colour) + 0.05) >= 3


def test_named_series_keep_their_style_whatever_stands_beside_them():
    alone, together = theme.styles(["PRM"]), theme.styles(["a", "majority", "PRM", "b"])
    assert alone["PRM"] == together["PRM"]
    assert alone["PRM"].colour == COLOURS["right"].light
    assert len(set(together.values())) == 4
    with pytest.raises(ValueError, match="at most 7 series that can be told apart, got 8"):
        theme.styles("abcdefgh")


def test_one_output_with_three_forms():
    bundle = theme.Figure(line(), "It falls, then rises.")._repr_mimebundle_()
    assert set(bundle) == {theme.PLOTLY, "image/svg+xml", "text/plain"}
    assert bundle["text/plain"] == "It falls, then rises."
    assert "It falls, then rises." in bundle["image/svg+xml"]
    interactive = bundle[theme.PLOTLY]
    assert interactive["layout"]["annotations"][-1]["text"] == "It falls, then rises."
    assert len(json.dumps(bundle)) < 8_000


def test_showing_leaves_the_figure_as_it_was():
    shown = theme.Figure(line(), "A sentence.")
    first = shown._repr_mimebundle_()
    assert shown._repr_mimebundle_() == first
    assert not shown.figure.layout.annotations
    assert repr(shown) == "A sentence."


def test_a_caption_keeps_inside_the_figure_whatever_its_margin():
    words = ("Of 10 claims 7 confirmed, 0 refuted, 3 undecided (PRM above ORM at 8; ORM above "
             "majority at 1860; PRM - majority: 1860 over 8). Lines are 95 % intervals.")
    fig = line()
    fig.update_layout(margin={"l": 213})
    caption = theme.Figure(fig, words).caption
    # Chromium on Linux: the first 80 characters are 506 pixels wide.
    assert max(map(len, caption)) * 506 / 80 <= theme.WIDTH - 213 - svg.MARGIN["r"]


def test_a_figure_needs_its_sentence():
    with pytest.raises(ValueError, match="needs alt, a sentence"):
        theme.Figure(line(), " ")


def test_show_displays_once(capsys):
    theme.show(line(), alt="A sentence.")
    assert "A sentence." in capsys.readouterr().out


def test_use_sets_renderer_and_template():
    import plotly.io as pio
    theme.use()
    assert pio.renderers.default == "plotly_mimetype"
    assert pio.templates.default == "prmlab"


def test_static_picture_is_well_formed_and_named():
    page = theme.Figure(line(name="<i>x</i>"), 'Say "so" & <go>.').svg()
    root = ET.fromstring(page)
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'Say "so" & <go>.'
    texts = [node.text for node in root.iter(SVG + "text")]
    assert "A title & <b>more</b>" in texts
    assert "<i>x</i>" in texts
    assert page == theme.Figure(line(name="<i>x</i>"), 'Say "so" & <go>.').svg()


def test_points_stand_where_the_axes_say():
    fig = line(mode="markers")
    fig.update_layout(margin={"l": 100, "r": 20, "t": 50, "b": 50}, width=520, height=300)
    fig.update_xaxes(type="log", range=[0, 1])
    fig.update_yaxes(range=[0, 1])
    dots = list(ET.fromstring(svg.picture(fig)).iter(SVG + "circle"))
    assert [float(dot.get("cx")) for dot in dots] == [100, 220.4, 340.8]
    assert [float(dot.get("cy")) for dot in dots] == [150, 200, 100]


def test_a_long_legend_wraps_and_the_picture_grows():
    fig = line(name="x" * 60)
    one = svg.picture(fig)
    fig.add_scatter(x=[1, 2], y=[1, 1], name="y" * 60, line={"color": "#123456"})
    two = svg.picture(fig)
    names = {t.text: (float(t.get("x")), float(t.get("y")))
             for t in ET.fromstring(two).iter(SVG + "text")}
    assert names["x" * 60][0] == names["y" * 60][0]
    assert names["y" * 60][1] == names["x" * 60][1] + svg.LINE
    heights = [float(ET.fromstring(page).get("height")) for page in (one, two)]
    assert heights[1] == heights[0] + svg.LINE


def test_missing_points_are_left_out():
    fig = theme.figure()
    fig.add_scatter(x=[1, 2, 3], y=[1, None, float("nan")], mode="markers")
    assert svg.picture(fig).count("<circle") == 1


@pytest.mark.parametrize(("trace", "message"), [
    ({"type": "pie", "values": [1]}, "pie"),
    ({"type": "scatter", "x": [1], "y": [1], "fill": "tozeroy"}, "tozeroy"),
    ({"type": "scatter", "x": [1], "y": [1], "mode": "markers", "marker": {"symbol": "star"}},
     "markers drawn are circle.*'star'"),
    ({"type": "scatter", "x": ["2026-01-01"], "y": [1], "xaxis": "x"}, None),
])
def test_what_is_not_drawn_is_refused(trace, message):
    fig = go.Figure(data=[trace])
    if message is None:
        assert "2026-01-01" in svg.picture(fig)
        return
    with pytest.raises(ValueError, match=message):
        svg.picture(fig)
