"""Colours, marks, escaping and the trace table."""

import doctest
import itertools
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

from prmlab import markup
from prmlab.markup import COLOURS, MARKS, TraceView, cut, escape, meaning, printable

STEPS = ["Ben has 3 * 12 = 36", "Cy has 36 - 5 = 30", "Answer: 30"]
LIGHT, DARK = ("#ffffff", "#f5f5f5"), ("#111111", "#212121", "#2b2b2b")


def channels(colour):
    values = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]


def luminance(colour):
    return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), channels(colour)))


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


# Machado, Oliveira and Fernandes 2009, severity 1.
VISION = {
    "deuteranope": [[.367, .861, -.228], [.280, .673, .047], [-.012, .043, .969]],
    "protanope": [[.152, 1.053, -.205], [.115, .786, .099], [-.004, -.048, 1.052]],
    "tritanope": [[1.256, -.077, -.179], [-.078, .931, .148], [.005, .691, .304]],
}


def seen(colour, matrix):
    """The colour in Oklab, as seen with this vision."""
    rgb = np.clip(np.array(matrix) @ channels(colour), 0, None)
    lms = np.cbrt(np.array([[.412, .536, .051], [.212, .681, .107], [.088, .282, .630]]) @ rgb)
    return np.array([[.210, .794, -.004], [1.978, -2.429, .451], [.026, .783, -.809]]) @ lms


class Tags(HTMLParser):
    """Collects the tags, the text, and the attributes of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def test_doctests():
    assert doctest.testmod(markup).failed == 0


def test_text_colours_have_contrast_on_light_and_dark():
    for colour in COLOURS.values():
        assert min(contrast(colour.light, ground) for ground in LIGHT) >= 4.5
        assert min(contrast(colour.dark, ground) for ground in DARK) >= 4.5


def test_the_page_s_text_keeps_its_contrast_on_every_wash():
    for page, ink in (("#ffffff", "#212121"), ("#111111", "#e0e0e0")):
        for colour in COLOURS.values():
            under = [int(page[i:i + 2], 16) for i in (1, 3, 5)]
            mixed = [round(0.65 * u + 0.35 * t) for u, t in zip(under, colour.tint)]
            assert contrast("#{:02x}{:02x}{:02x}".format(*mixed), ink) >= 4.5
    assert markup._wash(0.0, "wrong").endswith("0.35)")


@pytest.mark.parametrize("vision", VISION)
def test_colours_differ_for_colour_blind_readers(vision):
    for theme in ("light", "dark"):
        points = {name: seen(getattr(c, theme), VISION[vision]) for name, c in COLOURS.items()}
        assert np.linalg.norm(points["right"] - points["wrong"]) > 0.2
        for a, b in itertools.combinations(points, 2):
            assert np.linalg.norm(points[a] - points[b]) > 0.04, (theme, a, b)


def test_each_meaning_has_its_own_mark():
    assert set(MARKS) == set(COLOURS)
    assert len(set(MARKS.values())) == len(MARKS)


def test_meaning_refuses_booleans_and_other_numbers():
    assert [meaning(label) for label in (1, 0, -1, None)] == [
        "right", "neutral", "wrong", "unknown"]
    for bad in (True, False, 0.7, 2):
        with pytest.raises(ValueError, match="must be [+]1, 0, -1 or None, got"):
            meaning(bad)


def test_escape_and_printable():
    assert escape("</script>") == "&lt;/script&gt;"
    assert escape("'\"") == "&#x27;&quot;"
    assert printable("\x1b[31mred\ud800\r") == "␛[31mred\ufffd␍"
    assert printable("a\tb\nc") == "a\tb\nc"
    assert cut("abcde", 3) == ("abc", 2)


def test_table_has_caption_and_scopes_and_words():
    page = TraceView.of(STEPS, [0.9, 0.2, 0.1], [1, -1, -1], title="A try")._repr_html_()
    seen = Tags(page)
    assert seen.tags.count("table") == 1
    assert "caption" in seen.tags
    assert seen.attributes.count(("scope", "col")) == 4
    assert seen.attributes.count(("scope", "row")) == 3
    for word in ("A try", "0.90", "✓ right", "✗ first error: wrong"):
        assert word in seen.text
    assert "style" not in seen.tags
    assert "script" not in seen.tags
    # No colour of text is set anywhere: it is the theme's.
    assert not any(v.startswith("color:") or ";color:" in v for _, v in seen.attributes)


def test_meaning_survives_the_loss_of_styles():
    """GitHub strips styles; the text alone must say score, verdict and first error."""
    text = Tags(TraceView.of(STEPS, [0.9, 0.2, 0.1], 1)._repr_html_()).text
    for part in ("0.90", "0.20", "✓ right", "✗ first error: wrong", "? after the first error"):
        assert part in text


def test_hostile_text_is_inert():
    steps = ['<img src=x onerror=alert(1)>', "</script><script>alert(2)</script>",
             "</table><style>*{display:none}</style>", "\u202eabc\u2066", "costs $5 and $6",
             "\\(x\\)"]
    seen = Tags(TraceView.of(steps, title="<b>t</b>")._repr_html_())
    allowed = {"table", "caption", "thead", "tbody", "tr", "th", "td", "bdi", "span", "strong"}
    assert set(seen.tags) <= allowed
    assert not any(name.startswith("on") for name, _ in seen.attributes)
    assert seen.tags.count("bdi") == len(steps)
    assert "<span>$</span>5" in TraceView.of(steps)._repr_html_()


def test_long_text_and_many_steps_are_cut_with_a_count():
    view = TraceView.of(["x" * 100_000] + ["y"] * 300)
    page = view._repr_html_()
    assert "98,000 more characters" in page
    assert "101 more steps" in page
    assert len(page) < 120_000
    assert "101 more steps" in str(view)
    assert len(str(view)) < 30_000


def test_verdicts_give_their_words():
    verdicts = [
        SimpleNamespace(label=1, reason="right", note="", carried=False),
        SimpleNamespace(label=-1, reason="slip", note="36 - 5 is 31, not 30", carried=False),
        SimpleNamespace(label=-1, reason="wrong answer", note="", carried=True),
    ]
    text = str(TraceView.of(STEPS, truth=verdicts))
    assert "✗ first error: slip (36 - 5 is 31, not 30)" in text
    assert "✗ wrong answer (carried)" in text


def test_of_a_trace_uses_its_problem_and_labels():
    trace = SimpleNamespace(
        steps=tuple(STEPS), problem=SimpleNamespace(text="How many?"), labels=(1, None, 0))
    view = TraceView.of(trace)
    assert view.problem == "How many?"
    assert view.first_error is None
    assert "○ neutral" in str(view)
    assert "? unknown" in str(view)
    assert TraceView.of(trace, truth=[1, 1, -1]).first_error == 2


def test_soft_labels_are_probabilities():
    view = TraceView.of(STEPS, truth=[1.0, 0.25, 0.0])
    assert view.soft
    assert view.first_error is None
    assert "0.00 right" in str(view)
    assert not TraceView.of(STEPS, truth=[1.0, 0.0, -1.0]).soft
    assert not TraceView.of(STEPS, truth=[1, 1, 0]).soft


def test_numpy_scores_and_threshold():
    view = TraceView.of(STEPS, np.array([0.9, 0.4, 0.1], dtype=np.float32), threshold=0.5)
    assert "0.40 ▼" in view._repr_html_()
    assert "0.90 ▼" not in view._repr_html_()
    assert TraceView.of(STEPS, truth=np.int64(2)).first_error == 2
    assert TraceView.of(STEPS, truth=np.array([1, 0, -1])).labels == (1, 0, -1)


def test_repr_is_one_line_and_bundle_has_both():
    view = TraceView.of(STEPS, [0.9, None, 0.1])
    assert repr(view) == "TraceView(3 steps, scores)"
    assert set(view._repr_mimebundle_()) == {"text/html", "text/plain"}
    assert "A trace, step by step" in TraceView.of([])._repr_html_()


@pytest.mark.parametrize(("arguments", "message"), [
    ((STEPS, [0.1] * 4), "one score per step: got 3 steps, 4 scores"),
    ((STEPS, None, [1, 1]), "one label per step: got 3 steps, 2 labels"),
    ((STEPS, [0.1, float("nan"), 1]), r"in \[0, 1\], or None; step 1 has nan"),
    ((STEPS, [0.1, 0.2, 1.5]), "step 2 has 1.5"),
    ((STEPS, ["0.1", 0.2, 0.5]), "step 0 has '0.1'"),
    ((STEPS, None, 3), "0 to 2, or None; got 3"),
    ((STEPS, None, [1, False, 1]), "got False"),
    (("one string",), "got one string"),
    (([1, 2],), "step 0 is 1"),
])
def test_messages(arguments, message):
    with pytest.raises(ValueError, match=message):
        TraceView.of(*arguments)
