"""The widgets' static twins in Chromium: by keyboard, in both themes, with the network off."""

import json
import shutil

import pytest

pytest.importorskip("anywidget")
pytest.importorskip("playwright")

from playwright.sync_api import sync_playwright

from prmlab.traces import Problem, Trace
from prmlab.widgets import twin
from prmlab.widgets.quiz import STATIC, Quiz
from prmlab.widgets.step_annotator import StepAnnotator

pytestmark = pytest.mark.browser

CHROME = next(filter(None, map(shutil.which, (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None)
TRACES = [
    Trace(Problem("a", "Solve 2x + 5 = 15.", "5", "equations"),
          ("2x = 10", "<img src=x onerror='window.hacked = 1'>", "Answer: 5"), finished=True),
    Trace(Problem("b", "2 + 2?", "4", "expressions"), ("2 + 2 = 5", "x" * 3000), finished=True),
]
BANK = [
    {"id": "s", "question": "`min` or mean?", "kind": "single", "choices": [
        {"text": "mean", "right": False, "why": "It hides one bad step."},
        {"text": "min", "right": True, "why": "One bad step decides."}]},
    {"id": "n", "question": "0.9 * 0.9?", "kind": "number", "answer": 0.81, "tolerance": 0.001,
     "choices": [{"text": "1.8", "right": False, "why": "That is the sum."}]},
]
# Every piece of text against the ground it stands on, as the browser paints them.
CONTRAST = """() => {
  const parse = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const luminance = (rgb) => rgb
    .map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const { rgb, a } = parse(getComputedStyle(at).backgroundColor);
      if (a === 1) return rgb;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of document.querySelectorAll("section, section *")) {
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || node.offsetParent === null) continue;
    const ink = parse(getComputedStyle(node).color).rgb;
    const [a, b] = [luminance(ink), luminance(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push([ratio, node.textContent.trim().slice(0, 30)]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser():
    if CHROME is None:
        pytest.skip("no Chromium or Chrome is installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROME, args=["--no-sandbox", "--disable-background-networking"])
        yield started
        started.close()


@pytest.fixture(params=["light", "dark"])
def open_page(browser, tmp_path, request):
    """Opens a fragment in a page without a network; fails on any console error."""
    context = browser.new_context(color_scheme=request.param, offline=True)
    page, errors, asked = context.new_page(), [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: said.type == "error" and errors.append(said.text))
    page.on("request", lambda request: asked.append(request.url))

    def opened(html):
        path = tmp_path / "page.html"
        scheme = '<meta name="color-scheme" content="light dark">'
        path.write_text(f"<!doctype html><meta charset=utf-8>{scheme}{html}", "utf-8")
        page.goto(path.as_uri())
        return page

    yield opened
    assert errors == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()


def check_contrast(page):
    found = page.evaluate(CONTRAST)
    assert len(found) > 5
    assert [row for row in found if row[0] < 4.5] == []


def test_labelling_by_keyboard_and_download(open_page, tmp_path):
    page = open_page(StepAnnotator(TRACES, tmp_path / "labels.jsonl").to_html())
    live = page.get_by_role("section").or_(page.locator(".prm-live")).last
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == "Step 0, no label: 2x = 10"
    page.keyboard.press("1")
    page.keyboard.press("3")
    assert live.text_content() == "Step 1: wrong. 2 of 3 labelled."
    page.keyboard.press("ArrowUp")
    page.keyboard.press("2")
    page.keyboard.press("n")
    assert page.locator("h3").text_content() == "Trace 2 of 2: 0 of 2 steps labelled"
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("1")
    check_contrast(page)
    assert page.locator("[aria-pressed=true]").count() == 1
    with page.expect_download() as download:
        page.get_by_role("button", name="Download labels").click()
    lines = map(json.loads, download.value.path().read_text("utf-8").splitlines())
    ratings = [[step["completions"][0]["rating"] for step in line["label"]["steps"]]
               for line in lines]
    assert ratings == [[1, 0, None], [1, None]]
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0


def test_labels_downloaded_are_taken_up_by_python(open_page, tmp_path):
    page = open_page(StepAnnotator(TRACES, tmp_path / "labels.jsonl").to_html())
    page.get_by_role("button", name="✗ wrong").first.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download labels").click()
    download.value.save_as(tmp_path / "downloaded.jsonl")
    annotator = StepAnnotator(TRACES, tmp_path / "downloaded.jsonl")
    assert annotator.labels == [[-1, None, None], [None, None]]


def test_no_step_leaves_its_place_when_text_is_long(open_page, tmp_path):
    page = open_page(StepAnnotator(TRACES[1:], tmp_path / "labels.jsonl").to_html())
    page.set_viewport_size({"width": 500, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 500


def test_in_a_frame_as_a_notebook_shows_it(open_page, tmp_path):
    html = StepAnnotator(TRACES, tmp_path / "labels.jsonl").to_html()
    page = open_page(twin.frame(html, title="Step annotator", height=400))
    frame = page.frame_locator("iframe[title='Step annotator']")
    frame.get_by_role("button", name="✓ right").first.click()
    assert frame.locator(".prm-live").text_content() == "Step 0: right. 1 of 3 labelled."


def test_quiz_by_keyboard(open_page):
    shown = Quiz(BANK, title="Quiz 01")
    state = {"questions": shown.questions, "title": shown.title, "answers": {}}
    page = open_page(twin.fragment(STATIC / "quiz.js", STATIC / "quiz.css", state))
    live = page.locator(".prm-live")
    page.keyboard.press("Tab")  # past "Next", to the first choice
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    assert live.text_content() == "✗ Not yet. 0 of 2 questions right."
    assert "It hides one bad step." in page.locator("fieldset").text_content()
    assert "One bad step decides." not in page.locator("fieldset").text_content()
    check_contrast(page)
    page.keyboard.press("Enter")  # "Try again" has the focus
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert live.text_content() == "✓ Right. 1 of 2 questions right."
    assert "It hides one bad step." in page.locator("fieldset").text_content()
    page.keyboard.press("Enter")  # "Next question"
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    assert live.text_content() == "Type a number, such as 0.81."
    page.keyboard.press("Control+a")
    page.keyboard.type("1.8")
    page.keyboard.press("Enter")
    assert "That is the sum." in page.locator("fieldset").text_content()
    page.get_by_role("button", name="Show the answer").click()
    assert "The answer is 0.81." in page.locator("fieldset").text_content()
    check_contrast(page)
    assert page.get_by_role("radio").count() == 0
    assert page.get_by_role("group", name="0.9 * 0.9?").count() == 1


def focused(page):
    page.wait_for_timeout(60)  # a disabled button loses the focus a frame later
    return page.evaluate("document.activeElement.textContent.slice(0, 40)")


def test_the_focus_stays_in_the_quiz_where_a_question_is_answered(open_page):
    state = {"questions": BANK, "title": "Quiz 01", "answers": {"n": 0.81}}
    page = open_page(twin.fragment(STATIC / "quiz.js", STATIC / "quiz.css", state))
    page.get_by_label("min").check()
    page.keyboard.press("Enter")
    assert focused(page) == "Next question"
    page.keyboard.press("Enter")  # to the last one, answered before: no field takes the focus
    assert focused(page) == "← Previous"
    page.keyboard.press("Enter")
    assert focused(page) == "Next →"


def test_the_focus_stays_in_the_annotator_at_its_last_trace(open_page, tmp_path):
    page = open_page(StepAnnotator(TRACES, tmp_path / "labels.jsonl").to_html())
    page.get_by_role("button", name="Next →").focus()
    page.keyboard.press("Enter")
    assert focused(page) == "← Previous"
    page.keyboard.press("Enter")
    assert focused(page) == "Next →"


def test_quiz_folded_in_a_page_without_scripts(open_page):
    page = open_page(Quiz(BANK, title="Quiz 01").to_html())
    assert page.get_by_text("One bad step decides.").is_hidden()
    page.get_by_text("Answer, and why").first.click()
    assert page.get_by_text("One bad step decides.").is_visible()
