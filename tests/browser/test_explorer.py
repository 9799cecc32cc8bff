"""The beam explorer by keyboard only: its static twin offline, and in JupyterLab with a kernel."""

import json
import re

import jupytext
import numpy as np
import pytest

pytest.importorskip("anywidget")
pytest.importorskip("playwright")

import test_widgets
from playwright.sync_api import expect
from test_widgets import CONTRAST, check_contrast

from prmlab import toys
from prmlab.traces import Problem, Trace
from prmlab.widgets import twin
from prmlab.widgets.beam_explorer import PARTS, STATIC, BeamExplorer

pytestmark = pytest.mark.browser
open_page = test_widgets.open_page  # a fixture

HOSTILE = ["<img src=x onerror='window.hacked = 1'>", "</script><script>window.hacked = 2</script>",
           "x" * 100_000, "\u202egnorw \u2066 \u200fשלום \\frac{1}{2} $x$", "🧮👩‍👩‍👧‍👦 " * 30,
           "<!-- <style>*{display:none}</style>", "a\nb\tc\x1b[31m"]
# Roles: every item of the tree says where it stands, and one of them is reached by Tab.
ROLES = """() => [...document.querySelectorAll('[role=tree]')].map((tree) => {
  const items = [...tree.children];
  const lacks = items.filter((item) => item.getAttribute('role') !== 'treeitem'
    || !(Number(item.ariaLevel) >= 1) || !item.ariaLabel || !item.ariaSelected
    || !(Number(item.ariaPosInSet) <= Number(item.ariaSetSize)));
  const levels = items.map((item) => Number(item.ariaLevel));
  return { n: items.length, lacks: lacks.length, label: tree.ariaLabel,
    tabs: items.filter((item) => item.tabIndex === 0).length,
    jumps: levels.filter((level, i) => i && level > levels[i - 1] + 1).length,
    unnamed: [...document.querySelectorAll('button, select, input')].filter((control) =>
      !(control.textContent.trim() || control.labels?.length)).length };
})"""
CELLS = '''# %%
import threading, time
from prmlab import toys
from prmlab.widgets.beam_explorer import BeamExplorer

class Slow:
    def __init__(self):
        self.pause, self.policy = 0.0, toys.ToyPolicy(keep=0.6, repair=0.3)
    def propose(self, prefixes, n, *, seed, temperature=1.0):
        time.sleep(self.pause)
        if seed % 100 == 13:
            raise RuntimeError("thirteen is not liked here")
        return self.policy.propose(prefixes, n, seed=seed, temperature=temperature)
    complete = propose

class Moody(Slow):
    def score(self, traces):
        return toys.Noisy(toys.Truth(), flip=0.3).score(traces)

policy = Slow()
truth = lambda trace: [1 if step[0] == "+" else -1 for step in trace.steps]

# %%
explorer = BeamExplorer(toys.make(3, length=8), policy,
                        {"values": toys.Values(), "noisy": Moody()}, truth=truth, beam_width=2)
_ = explorer.run()
explorer  # shown

# %%
print("selected", explorer.selected_trace.text.replace("\\n", " "), len(explorer.results))

# %%
end = time.time() + 6
while time.time() < end:
    sum(range(1000))
print("trained")
'''


class Wild:
    """A policy that writes what a hostile model might."""

    def propose(self, prefixes, n, *, seed, temperature=1.0):
        return [[Trace(p.problem, (*p.steps, HOSTILE[(i + len(p.steps)) % len(HOSTILE)]),
                       len(p.steps) >= 3) for i in range(n)] for p in prefixes]

    complete = propose


class Wide:
    """A policy no two steps of which are equal."""

    def propose(self, prefixes, n, *, seed, temperature=1.0):
        return [[Trace(p.problem, (*p.steps, f"Step {len(p.steps)} of {i}, from {seed}: 3 + {j} = {j + 3}"),
                       len(p.steps) >= 7) for j in range(n)] for i, p in enumerate(prefixes)]

    def complete(self, prefixes, n, *, seed, temperature=1.0):
        return [[Trace(p.problem, tuple(f"Step {s} of {j}" for s in range(8)), True)
                 for j in range(n)] for p in prefixes]


class Drawn:
    """A scorer whose scores follow from the text alone."""

    def score(self, traces):
        return [np.array([0.05 + 0.9 * (sum(map(ord, step[:200])) % 97) / 97 for step in t.steps])
                for t in traces]


def searched(policy, problem=None, **settings):
    shown = BeamExplorer(problem or Problem("p", "A problem", None, "none"), policy, Drawn(), **settings)
    shown.run()
    return shown


def small():
    shown = BeamExplorer(toys.make(1, length=5), toys.ToyPolicy(keep=0.6, repair=0.3),
                         toys.Noisy(toys.Truth(), flip=0.2), beam_width=2, branching=3,
                         truth=lambda trace: [1 if s[0] == "+" else -1 for s in trace.steps])
    shown.run()
    return shown


@pytest.fixture(scope="module")
def browser(chromium):
    """One Chromium for the twin and for JupyterLab: there cannot be two at a time."""
    return chromium


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def focus(page, locator, limit=60):
    """Reach a control by Tab alone."""
    for _ in range(limit):
        if locator.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {locator}")


def focused(page):
    return page.evaluate("document.activeElement.ariaLabel")


def check_roles(page):
    found = page.evaluate(ROLES)
    assert found
    for tree in found:
        assert tree["n"] > 0
        assert tree["tabs"] == 1
        assert tree["label"]
        assert (tree["lacks"], tree["jumps"], tree["unnamed"]) == (0, 0, 0), tree


def test_twin_by_keyboard(open_page):
    page = open_page(small().to_html())
    tree = page.get_by_role("tree")
    press(page, "Tab", "Tab")
    assert page.evaluate("document.activeElement.type") == "range"
    press(page, "Home")
    live = page.locator(".prm-live")
    assert re.match(r"Round 0 of \d+: the start\.", live.text_content())
    assert tree.get_by_role("treeitem").count() == 1
    press(page, "ArrowRight")
    assert live.text_content().startswith("Round 1 of ")
    assert tree.get_by_role("treeitem").count() > 1
    press(page, "End")
    focus(page, tree.locator("[tabindex='0']"))
    press(page, "Home", "ArrowRight", "ArrowRight", "ArrowRight", "Enter")
    assert live.text_content().startswith("Selected: ")
    table = page.get_by_role("table", name="Trace of node")
    assert table.get_by_role("row").count() == 4
    assert focused(page).startswith(table.locator("tbody tr").last.locator("bdi").text_content())
    before = tree.get_by_role("treeitem").count()
    press(page, "ArrowLeft", "-")
    assert tree.get_by_role("treeitem").count() < before
    assert page.evaluate("document.activeElement.ariaExpanded") == "false"
    press(page, "+")
    assert tree.get_by_role("treeitem").count() == before
    press(page, "PageUp", "PageUp")
    assert page.get_by_role("slider").get_attribute("aria-valuetext").startswith("Round 3 of")
    press(page, "r")
    assert "no kernel" in live.text_content()
    check_roles(page)
    check_contrast(page)
    assert page.get_by_role("button", name="Rescue").count() == 0


def test_tab_goes_on_from_a_control_that_was_changed(open_page):
    shown = BeamExplorer(toys.make(2, length=6), toys.ToyPolicy(), toys.Values(), beam_width=2)
    shown.run()
    names = ("searches", "selected", "round", "status", "settings", "pinned", "controls", "heard",
             "asked")
    state = json.loads(json.dumps({name: getattr(shown, name) for name in names}))
    page = open_page(twin.fragment(PARTS, STATIC / "beam_explorer.css", state))
    width, branching = page.get_by_label("beam width"), page.get_by_label("branching")
    width.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("3")
    page.keyboard.press("Tab")
    expect(branching).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")  # no number: what it was comes back
    page.keyboard.press("Tab")
    expect(branching).to_have_value("4")
    expect(width).to_have_value("3")
    expect(page.get_by_label("max steps")).to_be_focused()
    page.get_by_label("strategy").focus()
    page.keyboard.press("ArrowDown")  # best of n has other controls
    expect(page.get_by_label("strategy")).to_be_focused()
    expect(width).to_have_count(0)
    expect(page.get_by_label("n samples")).to_be_visible()


def test_twin_plays_the_rounds(open_page):
    page = open_page(small().to_html())
    play = page.get_by_role("button", name="Play")
    focus(page, play)
    press(page, "Enter")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator(".prm-round")).to_have_text(re.compile("round 2 of"), timeout=8000)
    press(page, "Enter")
    expect(play).to_be_visible()


def test_truth_can_be_hidden(open_page):
    page = open_page(small().to_html())
    shown = page.get_by_label("show the truth")
    focus(page, shown)
    assert page.get_by_text("✗").count() > 0
    press(page, "Space")
    assert page.get_by_text("✗").filter(visible=True).count() == 0
    assert page.locator(".prm-node.wrong, .prm-node.right").count() == 0


def test_two_searches_side_by_side(open_page):
    shown = small()
    shown.rescue(next(n for n in range(1, len(shown.tree)) if shown.tree.fate[n] == "pruned"
                      and not shown.tree.finished[n]))
    page = open_page(shown.to_html())
    assert page.get_by_role("tree").count() == 2
    rows = page.get_by_role("table", name="Outcomes, side by side").locator("tbody tr")
    assert rows.count() == 2
    check_roles(page)
    check_contrast(page)
    tops = [page.locator(".prm-pane").nth(i).bounding_box()["y"] for i in (0, 1)]
    assert tops[0] == tops[1]
    page.set_viewport_size({"width": 480, "height": 800})
    tops = [page.locator(".prm-pane").nth(i).bounding_box()["y"] for i in (0, 1)]
    assert tops[0] < tops[1]


@pytest.mark.parametrize("level", ["words", "numbers", "marks"])
def test_hostile_steps_run_nothing_and_keep_the_layout(open_page, level):
    page = open_page(searched(Wild(), Problem("h", HOSTILE[1] + HOSTILE[2], None, "none")).to_html())
    page.set_viewport_size({"width": 500, "height": 800})
    focus(page, page.get_by_label("detail"))
    page.get_by_label("detail").select_option(label=level)
    for item in range(0, page.get_by_role("treeitem").count(), 5):
        page.get_by_role("treeitem").nth(item).evaluate("node => node.click()")
    assert page.evaluate("window.hacked") is None
    assert page.locator("section img, section style, section script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 500
    heights = page.locator(".prm-node").evaluate_all("nodes => nodes.map(n => n.offsetHeight)")
    assert max(heights) <= 50
    assert page.get_by_text("98,500 more characters").count() >= 0
    check_roles(page)
    check_contrast(page)


def test_five_hundred_nodes_are_smooth(open_page):
    shown = searched(Wide(), beam_width=8, branching=8)
    assert len(shown.tree) > 500
    page = open_page(shown.to_html())
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})  # the page's own work

    def spent():
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(m["value"] for m in metrics if m["name"] == "TaskDuration")

    began = spent()
    n = page.evaluate("""() => {
      const slider = document.querySelector('[type=range]');
      let n = 0;
      for (let turn = 0; turn < 3; turn += 1) for (let r = 0; r <= Number(slider.max); r += 1) {
        slider.value = String(r);
        slider.dispatchEvent(new Event('input'));
        n += document.body.offsetHeight > 0;
      }
      document.querySelector('[role=tree] [tabindex="0"]').focus();
      for (const key of ['Home', 'ArrowRight', 'ArrowDown', 'ArrowRight', 'ArrowDown', 'Enter']) {
        document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
        n += document.body.offsetHeight > 0;
      }
      return n;
    }""")
    each = 1000 * (spent() - began) / n
    print(f"{len(shown.tree)} nodes: {each:.1f} ms of work a change, {n} changes")
    assert each < 50
    check_roles(page)


def test_a_huge_tree_draws_only_what_is_near(open_page):
    shown = searched(Wide(), strategy="best_of_n", n_samples=250)
    page = open_page(shown.to_html())
    assert page.get_by_role("treeitem").count() < 1000 < len(shown.searches[0]["parent"])
    focus(page, page.get_by_role("tree").locator("[tabindex='0']"))
    press(page, "Home", "End")
    assert page.get_by_role("treeitem").count() < 1000
    assert page.evaluate("document.activeElement.role") == "treeitem"
    assert page.locator(".prm-canvas").evaluate("node => node.scrollTop") > 1000
    check_roles(page)


def test_the_place_in_the_tree_survives_being_taken_off_the_page(open_page):
    page = open_page(searched(Wide(), beam_width=8, branching=8).to_html())
    focus(page, page.get_by_role("tree").locator("[tabindex='0']"))
    press(page, "Home", "End")
    canvas = page.locator(".prm-canvas")
    top = canvas.evaluate("node => node.scrollTop")
    assert top > 100
    page.evaluate("""async () => {
      const section = document.querySelector('section'), parent = section.parentNode;
      const beat = () => new Promise((done) =>  // a frame is drawn, and 200 ms pass
        requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 200))));
      await beat();
      section.remove();
      await beat();
      parent.append(section);
    }""")
    page.wait_for_function("top => document.querySelector('.prm-canvas').scrollTop === top", arg=top)


def test_in_a_frame_as_a_notebook_shows_it(open_page):
    page = open_page(twin.frame(small().to_html(), title="Beam explorer", height=900))
    frame = page.frame_locator("iframe[title='Beam explorer']")
    frame.get_by_role("treeitem").nth(1).click()
    assert frame.locator(".prm-live").text_content().startswith("Selected: ")


# In JupyterLab.


@pytest.fixture
def explored(lab, notebooks):
    """A notebook with the explorer, its cells run."""
    notebook = jupytext.reads(CELLS, fmt="py:percent")
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    jupytext.write(notebook, notebooks / "97_explorer.ipynb")
    lab.open("97_explorer.ipynb")
    lab.run_cell("class Slow")
    lab.run_cell("explorer  # shown")
    lab.cell("explorer  # shown").locator(".prm-beam-explorer").wait_for()
    return lab


def run_hidden(lab, code):
    """Code in the notebook's kernel, without a cell."""
    lab.page.evaluate("""async code => {
      const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
      await kernel.requestExecute({ code }).done;
    }""", code)


def read_value(lab):
    lab.run_cell('print("selected"')
    return lab.cell_output('print("selected"').strip()


def test_lab_step_change_rerun_rescue_and_read_the_trace(explored):
    lab, page = explored, explored.page
    cell = lab.cell("explorer  # shown")
    root = cell.locator(".prm-beam-explorer")
    lab.screenshot("06_explorer", cell="explorer  # shown")
    root.get_by_label("strategy").focus()
    focus(page, root.get_by_label("scorer"))
    press(page, "ArrowDown")  # the next scorer: the search runs again
    expect(root.locator(".prm-status")).to_contain_text("beam · noisy: answer", timeout=15_000)
    expect(root.get_by_label("scorer")).to_be_focused()
    focus(page, root.get_by_role("slider"))
    press(page, "Home", "ArrowRight")
    expect(root.locator(".prm-live")).to_contain_text("Round 1 of")
    press(page, "End")
    focus(page, root.get_by_role("tree").locator("[tabindex='0']"))
    press(page, "Home", "ArrowRight", "ArrowRight", "Enter")
    expect(root.locator(".prm-live")).to_contain_text("Selected: ")
    said = page.evaluate("document.activeElement.ariaLabel")
    words = read_value(lab).split()
    assert words[0] == "selected"
    assert len(words) == 4  # two moves and the number of results
    assert said.startswith(words[2])
    root = lab.cell("explorer  # shown").locator(".prm-beam-explorer")
    pruned = root.locator(".prm-node.pruned").first
    pruned.focus()
    press(page, "r")
    expect(root.get_by_role("tree")).to_have_count(2, timeout=15_000)
    expect(root.locator(".prm-outcomes tbody tr")).to_have_count(2)
    expect(root.locator("h4").nth(1)).to_contain_text("from node")
    assert read_value(lab).endswith(" 2")
    lab.cell("explorer  # shown")
    expect(root.get_by_role("tree")).to_have_count(2)
    lab.screenshot("06_explorer_rescue", cell="explorer  # shown", theme="dark")
    check_contrast_in(page)
    focus(page, root.get_by_role("button", name="Unpin"))
    press(page, "Enter")
    expect(root.get_by_role("tree")).to_have_count(1)
    assert lab.console_errors == []
    assert lab.outside == []


def check_contrast_in(page):
    found = page.evaluate(CONTRAST.replace("section, section *", ".prm-beam-explorer *"))
    assert len(found) > 5
    assert [row for row in found if row[0] < 4.5] == []


def test_lab_stop_errors_quick_clicks_and_a_busy_kernel(explored):
    lab, page = explored, explored.page
    root = lab.cell("explorer  # shown").locator(".prm-beam-explorer")
    status = root.locator(".prm-status")
    run_hidden(lab, "policy.pause = 1.2")
    run, stop = root.get_by_role("button", name="Run", exact=True), root.get_by_role("button", name="Stop")
    run.focus()
    press(page, "Enter", "Enter", "Enter")  # quick clicks: one search stands in the end
    expect(root.get_by_role("progressbar", name="A search is under way")).to_be_visible()
    expect(status).to_contain_text(re.compile(r"Round \d"))
    press(page, "Tab")
    expect(stop).to_be_focused()
    press(page, "Enter")
    expect(status).to_contain_text("Stopped after round", timeout=15_000)
    expect(root.get_by_role("tree")).to_have_count(1)
    press(page, "Enter")
    expect(root.locator(".prm-live")).to_have_text("Nothing is running.")
    run_hidden(lab, "policy.pause = 0.0; policy.policy = None")
    run.focus()
    press(page, "Enter")
    expect(root.get_by_role("alert")).to_contain_text("AttributeError")
    expect(root.get_by_role("alert")).to_contain_text("press Run")
    lab.screenshot("06_explorer_error", cell="explorer  # shown")
    run_hidden(lab, "policy.policy = toys.ToyPolicy(keep=0.6, repair=0.3)")
    # A cell "trains" while the reader runs the search again.
    number = lab.index('print("trained")')
    page.evaluate(f"""() => {{ const notebook = window.jupyterapp.shell.currentWidget.content;
      notebook.activeCellIndex = {number};
      window.jupyterapp.commands.execute('notebook:run-cell'); }}""")
    root = lab.cell("explorer  # shown").locator(".prm-beam-explorer")
    page.wait_for_timeout(700)
    root.get_by_role("button", name="Run", exact=True).focus()
    press(page, "Enter")
    expect(root.locator(".prm-status")).to_contain_text("answer", timeout=15_000)
    expect(root.get_by_role("alert")).to_be_hidden()
    number = lab.index('print("trained")')
    assert not lab.cells()[number]["outputs"]  # it still trains
    expect(lab.cell(number).locator(".jp-Cell-outputWrapper")).to_contain_text("trained", timeout=30_000)
    assert lab.console_errors == []


def test_lab_after_a_kernel_restart_the_tree_can_still_be_read(explored):
    lab, page = explored, explored.page
    root = lab.cell("explorer  # shown").locator(".prm-beam-explorer")
    lab.restart()
    slider = root.get_by_role("slider")
    slider.focus()
    press(page, "Home", "ArrowRight")
    expect(root.locator(".prm-live")).to_contain_text("Round 1 of")
    root.get_by_role("button", name="Run", exact=True).focus()
    press(page, "Enter")
    expect(root.get_by_role("alert")).to_contain_text("run this cell again", timeout=15_000)
    lab.screenshot("06_explorer_restart", cell="explorer  # shown")
    lab.run_cell("class Slow")
    lab.run_cell("explorer  # shown")
    root = lab.cell("explorer  # shown").locator(".prm-beam-explorer")
    root.get_by_role("button", name="Run", exact=True).focus()
    press(page, "Enter")
    expect(root.locator(".prm-status")).to_contain_text("answer", timeout=15_000)
    assert lab.console_errors == []
