"""The threshold explorer's static twin in Chromium: by keyboard, in both themes, offline."""

import json
from pathlib import Path

import pytest

pytest.importorskip("anywidget")
pytest.importorskip("playwright")

from lab import ARTEFACTS
from test_widgets import browser, check_contrast, open_page  # noqa: F401 - fixtures

from prmlab.traces import Problem, Trace
from prmlab.widgets import twin
from prmlab.widgets.threshold_explorer import ThresholdExplorer

pytestmark = pytest.mark.browser

CASES = json.loads(
    (Path(__file__).parent.parent / "data" / "explorer_cases.json").read_text("utf-8"))
HOSTILE = "<img src=x onerror='window.hacked = 1'>"
TRACES = [Trace(Problem(str(n), f"How many pens has Ana? {HOSTILE}", "3", "stories"),
                tuple(f"step {i}: {HOSTILE}" for i in range(len(case["scores"]))))
          for n, case in enumerate(CASES)]


MOVES = """() => {
  const slider = document.querySelector("input[type=range]"), took = [];
  for (let i = 0; i < 40; i += 1) {
    const began = performance.now();
    slider.value = String(0.3 + 0.01 * (i % 20));
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    document.body.getBoundingClientRect();
    took.push(performance.now() - began);
  }
  return took;
}"""


def explorer():
    return ThresholdExplorer(TRACES, [c["scores"] for c in CASES], [c["true"] for c in CASES])


def test_by_keyboard(open_page):  # noqa: F811
    page = open_page(explorer().to_html())
    readout, live = page.locator(".prm-readout"), page.locator(".prm-live")
    assert "3 of 4 named exactly" in readout.text_content()
    assert "2 of 3 spared" in readout.text_content()
    page.keyboard.press("Tab")  # the rule
    assert page.evaluate("document.activeElement.tagName") == "SELECT"
    page.keyboard.press("Tab")  # the threshold
    page.keyboard.press("PageDown")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    assert live.text_content().startswith("Threshold 0.389: F1 ")
    assert "3 of 3 spared" in readout.text_content()
    page.keyboard.press("Home")
    assert "0 of 4 named exactly" in readout.text_content()
    page.keyboard.press("End")
    assert page.get_by_role("slider").input_value() == "1"
    page.keyboard.press("Tab")  # the list of misjudged traces
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    # at 1 step 0 of every trace is accused; the second of the wrongly judged is trace 2
    assert page.locator(".prm-why").text_content().startswith(
        "The rule names step 0; the truth is step 1: too early. It is judged rightly at")
    assert "Trace 2." in page.locator(".prm-problem").text_content()
    check_contrast(page)
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0


def test_a_blind_spot_is_explained(open_page):  # noqa: F811
    page = open_page(explorer().to_html())
    page.get_by_label("Rule").select_option("drop")
    page.get_by_label("Misjudged").select_option("1")
    assert page.locator(".prm-why").text_content() == (
        "The rule names no step; the truth is step 0: missed. "
        "No threshold makes this rule name step 0 of this trace.")
    row = page.locator("tbody tr").first
    assert "✗ first error" in row.text_content()
    assert "▶" not in row.text_content()


def test_the_curve_can_be_pulled(open_page):  # noqa: F811
    page = open_page(explorer().to_html())
    box = page.locator("svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 334 / 640, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 187 / 640, box["y"] + 50)
    page.mouse.up()
    assert float(page.get_by_role("slider").input_value()) == pytest.approx(0.25, abs=0.01)


def test_four_hundred_traces_slide_smoothly(open_page):  # noqa: F811
    many = [Trace(Problem(str(i), "How many pens?", "3", "stories"), ("1 + 1 = 2",) * 6)
            for i in range(400)]
    scores = [[(7 * i + 3 * s) % 10 / 10 for s in range(6)] for i in range(400)]
    page = open_page(ThresholdExplorer(many, scores, [None, 2] * 200).to_html())
    page.get_by_role("slider").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert page.locator(".prm-live").text_content().startswith("Threshold 0.700")
    took = page.evaluate(MOVES)  # 40 moves to and fro, layout included
    assert min(took) < 50  # milliseconds; 16 were measured beside fifteen other processes


def test_in_a_frame_and_narrow(open_page):  # noqa: F811
    page = open_page(twin.frame(explorer().to_html(), title="Explorer", height=900))
    frame = page.frame_locator("iframe[title='Explorer']")
    frame.get_by_role("slider").press("ArrowRight")
    assert frame.locator(".prm-live").text_content().startswith("Threshold 0.510")
    page = open_page(explorer().to_html())
    page.set_viewport_size({"width": 500, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 500


def test_pictures(open_page):  # noqa: F811
    page = open_page(explorer().to_html())
    page.set_viewport_size({"width": 960, "height": 760})
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"threshold_explorer-{'dark' if dark else 'light'}.png")
