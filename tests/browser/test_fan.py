"""The rollout fan in Chromium: its static twin, and sampling by keyboard in JupyterLab."""

import nbformat
import pytest

pytest.importorskip("anywidget")
pytest.importorskip("playwright")

import test_widgets
from playwright.sync_api import expect

from prmlab import problems
from prmlab.traces import Problem, Trace
from prmlab.widgets import twin
from prmlab.widgets.rollout_fan import STATIC, RolloutFan

pytestmark = pytest.mark.browser
open_page = test_widgets.open_page  # a fixture

HOSTILE = ("<img src=x onerror='window.hacked = 1'>", "</script><script>window.hacked = 1</script>",
           "\u202eright to left, never closed", "🙂" * 300, r"$\frac{1}{2}$ \(x\)", "x" * 100_000)
SETUP = """
import time
from prmlab import toys
from prmlab.widgets.rollout_fan import RolloutFan

class Slow:
    fails = 0
    def complete(self, prefixes, n, *, seed, temperature=1.0):
        time.sleep(0.3)
        if prefixes[0].steps[-1:] == ("-",) and not self.fails:
            self.fails += 1
            raise OSError("the server has gone away")
        return toys.ToyPolicy(keep=0.7, repair=0.3).complete(prefixes, n, seed=seed)

(problem,) = toys.make(1, length=5)
traces = [toys.trace(problem, "+++-+"), toys.trace(problem, "++")]
"""


class Says:
    """A policy whose every rollout is this text and an answer."""

    def complete(self, prefixes, n, *, seed, temperature=1.0):
        return [[Trace(p.problem, (*p.steps, *HOSTILE, f"Answer: {HOSTILE[(seed + i) % 6]}"), True)
                 for i in range(n)] for p in prefixes]


@pytest.fixture(scope="module")
def browser(chromium):
    """One Chromium for the twin and for JupyterLab: there cannot be two at a time."""
    return chromium


def drawn(**options):
    """A fan with rollouts of two kinds at three prefixes, and a prediction."""
    (problem,) = problems.make("equations", 1, seed=0, difficulty=3)
    right = problems.solve(problem)

    class Either:
        def complete(self, prefixes, n, *, seed, temperature=1.0):
            ends = (right.steps, ("nothing = 4",), (*right.steps[:-1], "Answer: 77"))
            return [[Trace(problem, (*p.steps, *ends[i % 3][len(p.steps):]), i % 3 != 1)
                     for i in range(n)] for p in prefixes]

    fan = RolloutFan([right, Trace(problem, ("0 = 1",))], Either(), **options)
    fan.predictions = {"0-1": 0.9}
    for fan.step in (0, 2, 1):
        fan.sample()
    return fan


def click(page, mark):
    """Click where the mark at a line's end is: what is hit there is the line."""
    box = mark.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_the_twin_by_keyboard(open_page):
    page = open_page(drawn().to_html())
    expect(page.get_by_text("A static page: 24 rollouts from 3 prefixes")).to_be_visible()
    assert page.get_by_role("button", name="Sample").count() == 0
    steps = page.get_by_role("listbox", name="Step to roll out from")
    chosen = steps.get_by_role("option", selected=True)
    for _ in range(10):
        page.keyboard.press("Tab")
        if chosen.evaluate("node => node === document.activeElement"):
            break
    assert "step 0: 0.38 (3/8), hard label ✓ right, truth ✓ right" in chosen.get_attribute(
        "aria-label")
    expect(page.locator(".prm-answer")).to_contain_text("You predicted 0.90. 3 of 8 rollouts")
    test_widgets.check_contrast(page)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.getAttribute('aria-activedescendant')")
    expect(page.locator(".prm-live")).to_have_text("Rollout 1 of 8: right, answer 2."
                                                   .replace("2", drawn()._traces[0].answer))
    page.keyboard.press("End")
    expect(page.locator(".prm-live")).to_have_text("Rollout 8 of 8: unfinished.")
    expect(page.locator(".prm-full")).to_contain_text("Every step so far is right.")
    click(page, page.locator("g.wrong .prm-mark").first)
    expect(page.locator(".prm-live")).to_contain_text("wrong, answer 77.")
    expect(page.locator(".prm-full")).to_contain_text("Answer: 77 ✗ first wrong step")
    test_widgets.check_contrast(page)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".prm-answer")).to_contain_text("3 of 8 rollouts are right")
    page.keyboard.press("End")
    expect(page.locator(".prm-answer")).to_contain_text("The trace ends here, right")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading")).to_have_text("Trace 1 of 1")
    assert page.locator("svg.prm-fan").count() == 0


def test_hostile_text_stays_text_and_the_layout_holds(open_page):
    trace = Trace(Problem("p", HOSTILE[5] + HOSTILE[0], HOSTILE[0], HOSTILE[1]), HOSTILE, True)
    fan = RolloutFan([trace], Says())
    fan.step = 2
    fan.sample(16)
    page = open_page(fan.to_html())
    page.locator(".prm-fan").focus()
    for _ in range(16):
        page.keyboard.press("ArrowDown")
        for width in (1000, 380):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0
    assert page.locator("section").bounding_box()["height"] < 3000
    expect(page.locator(".prm-full")).to_contain_text("more characters not shown")
    expect(page.locator(".prm-full")).to_contain_text(HOSTILE[1])


def test_a_kernel_that_never_answers_keeps_nobody_waiting(open_page):
    fan = drawn()
    state = {name: getattr(fan, name) for name in fan.trait_names(sync=True)
             if not name.startswith(("_", "layout", "comm", "tabbable", "tooltip"))}
    page = open_page(twin.fragment(STATIC / "rollout_fan.js", STATIC / "rollout_fan.css", state))
    page.get_by_role("button", name="Sample 8 more").click()
    stop, alert = page.get_by_role("button", name="Stop"), page.get_by_role("alert")
    expect(stop).to_be_visible()
    expect(alert).to_have_count(0)
    expect(alert).to_contain_text("run this cell again", timeout=9000)
    stop.click()
    expect(alert).to_have_count(0)
    expect(stop).to_be_hidden()
    expect(page.get_by_role("button", name="Sample 8 more")).to_have_attribute(
        "aria-disabled", "false")


def test_the_focus_stays_in_the_fan_at_its_last_trace(open_page):
    other = Trace(Problem("q", "1 + 1?", "2", "expressions"), ("1 + 1 = 2",))
    fan = RolloutFan([other, other], Says(), truth=lambda trace: None)
    fan.sample()
    fan.current = 1
    fan.step = 0
    fan.sample()
    fan.current = 0
    page = open_page(fan.to_html())
    page.get_by_role("button", name="Next →").focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(60)
    expect(page.get_by_role("button", name="← Previous")).to_be_focused()


def test_in_a_frame_as_a_notebook_shows_it(open_page):
    page = open_page(twin.frame(drawn().to_html(), title="Rollout fan", height=700))
    frame = page.frame_locator("iframe[title='Rollout fan']")
    click(page, frame.locator("g.right .prm-mark").first)
    expect(frame.locator(".prm-live")).to_contain_text("Rollout 1 of 8: right")


@pytest.fixture
def fan_cell(lab, notebooks):
    """A notebook with a fan, run; returns the cell with the widget."""
    cells = [nbformat.v4.new_code_cell(text, id=name) for name, text in (
        ("setup", SETUP), ("shown", "fan = RolloutFan(traces, Slow(), batch=4, at_most=16)\nfan"),
        ("said", "print(fan.values, fan.current, fan.step, len(fan.rollouts))"))]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, notebooks / "96_fan.ipynb")
    lab.open("96_fan.ipynb")
    lab.run_all()
    return lab.cell("fan = RolloutFan(")


def test_predicting_sampling_and_reading_by_keyboard_in_jupyterlab(lab, fan_cell):
    press, answer = lab.page.keyboard.press, fan_cell.locator(".prm-answer")
    live, rows = fan_cell.locator(".prm-live"), fan_cell.locator("g[role=option]")
    fan_cell.get_by_role("listbox", name="Step").get_by_role("option").first.focus()
    press("ArrowDown")
    press("ArrowDown")
    press("Enter")  # to the prediction
    expect(fan_cell.get_by_label("Predict: from step 1")).to_be_focused()
    lab.page.keyboard.type("much")
    press("Enter")
    expect(live).to_contain_text("First predict: a number from 0 to 1")
    press("Control+a")
    lab.page.keyboard.type("65 %")
    press("Enter")
    expect(answer).to_contain_text("You predicted 0.65. ")
    expect(answer).to_contain_text("of 4 rollouts are right: value")
    expect(rows).to_have_count(4)
    press("Enter")  # 4 more, by the button that has the focus
    press("Enter")  # too quick: refused in words, not drawn
    expect(live).to_contain_text("Sampling is under way")
    expect(rows).to_have_count(8)
    expect(live).to_contain_text("4 drawn from step 1: ")
    fan_cell.get_by_role("button", name="Sample").dblclick()
    expect(rows).to_have_count(12)
    lab.page.wait_for_timeout(900)
    expect(rows).to_have_count(12)
    fan_cell.locator("svg.prm-fan").focus()
    press("ArrowUp")
    expect(live).to_contain_text("Rollout 12 of 12: ")
    for theme in ("light", "dark"):
        lab.screenshot(f"rollout_fan-{theme}", theme=theme, cell="fan = RolloutFan(")
    lab.run_cell("print(fan.values")
    assert "12)} 0 2 12" in lab.cell_output("print(fan.values")
    assert lab.console_errors == []


def test_stopping_and_failing_in_jupyterlab(lab, fan_cell):
    lab.run_cell("print(fan.values")
    fan_cell = lab.cell("fan = RolloutFan(")
    answer, alert = fan_cell.locator(".prm-answer"), fan_cell.locator(".prm-error")
    fan_cell.get_by_role("option", name="step 0").click()
    fan_cell.get_by_label("Predict: from step 0").fill("0.5")
    fan_cell.get_by_role("button", name="Predict and sample 4").click()
    expect(answer).to_contain_text("of 4 rollouts")
    expect(fan_cell.get_by_role("button", name="Stop")).to_be_hidden()
    fan_cell.get_by_role("button", name="up to 16").click()
    fan_cell.get_by_role("button", name="Stop").click()
    expect(fan_cell.locator(".prm-live")).to_contain_text("Stopped. ")
    expect(answer).not_to_contain_text("of 16 rollouts")
    fan_cell.get_by_role("option", name="step 3").click()
    fan_cell.get_by_label("Predict: from step 3").fill("0.1")
    fan_cell.get_by_role("button", name="Predict and sample 4").click()
    expect(alert).to_contain_text("The policy could not draw: OSError: the server has gone away")
    lab.screenshot("rollout_fan-error", cell="fan = RolloutFan(")
    fan_cell.get_by_role("button", name="Sample 4").click()
    expect(answer).to_contain_text("You predicted 0.10. ")
    expect(answer).to_contain_text("of 4 rollouts are right")
    expect(alert).to_be_hidden()
    assert lab.console_errors == []
