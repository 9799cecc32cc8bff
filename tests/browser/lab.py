"""A notebook in a real JupyterLab in headless Chromium, for tests to operate like a reader."""

import re
import time
from pathlib import Path

from playwright.sync_api import Locator, Page

ARTEFACTS = Path(__file__).resolve().parent.parent.parent / "artefacts" / "browser"
ELSEWHERE = re.compile(r"^(https?|wss?)://(?!127\.0\.0\.1[:/])")

# Run in the page. `jupyterapp` is JupyterLab itself, exposed by its test configuration.
NOTEBOOK = "window.jupyterapp.shell.currentWidget"
CELLS = f"""() => {NOTEBOOK}.content.widgets.map(cell => ({{
  type: cell.model.type,
  source: cell.model.sharedModel.getSource(),
  outputs: cell.model.type === "code" ? cell.model.outputs.toJSON() : [],
}}))"""
RUN = """command => {
  window.prmlab_run = {done: false, error: null};
  window.jupyterapp.commands.execute(command)
    .then(() => { window.prmlab_run.done = true; })
    .catch(error => { window.prmlab_run.error = String(error); window.prmlab_run.done = true; });
}"""
IDLE = f"""() => window.prmlab_run.done
  && {NOTEBOOK}.sessionContext.session?.kernel?.status === "idle" """


class Lab:
    """One notebook, open in JupyterLab. Tests get it from the fixture `lab`.

        def test_the_slider_moves(lab):
            lab.open("98_sample.ipynb")    # in a copy of notebooks/, a folder of its own
            lab.run_all()                  # Run All Cells; AssertionError if a cell fails
            slider = lab.cell("IntSlider(").get_by_role("slider")
            slider.focus()
            lab.page.keyboard.press("ArrowRight")
            expect(lab.cell("IntSlider(")).to_contain_text("now 4")
            lab.screenshot("98_slider", cell="IntSlider(", theme="dark")
            assert lab.console_errors == []

    A cell is named by its index among all cells, or by words that only its source has.
    `page` is playwright's page; what it has (locators, `expect`, keyboard) is at hand.
    `console_errors` collects what the browser reported, `outside` every request that left this
    machine (they are blocked); both should stay empty.
    """

    def __init__(self, page: Page, base: str):
        self.page, self.base = page, base
        self.console_errors: list[str] = []
        self.outside: list[str] = []
        self.seconds = 0.0
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        page.route(ELSEWHERE, self._on_request)

    def _on_console(self, message) -> None:
        if message.type == "error":
            self.console_errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _on_request(self, route) -> None:
        self.outside.append(route.request.url)
        route.abort()

    def open(self, name: str) -> None:
        """Open a notebook by its file name and wait for its kernel."""
        self.page.goto(f"{self.base}/lab/tree/{name}?reset")
        self.page.wait_for_function(
            f"name => window.jupyterapp && {NOTEBOOK}?.context?.path === name"
            f" && {NOTEBOOK}.context.isReady && {NOTEBOOK}.content.widgets.length > 0"
            f" && {NOTEBOOK}.sessionContext.session?.kernel?.status === 'idle'",
            arg=name, timeout=180_000, polling=200)

    def run_all(self, *, timeout: float = 90) -> float:
        """Run every cell; the seconds it took. AssertionError if one fails or time runs out."""
        return self._run("notebook:run-all-cells", timeout)

    def restart(self, *, timeout: float = 180) -> None:
        """Restart the kernel, as the reader's menu does, and wait for it."""
        self.page.evaluate(f"() => {NOTEBOOK}.sessionContext.session.kernel.restart()")
        self.page.wait_for_function(
            f"() => {NOTEBOOK}.sessionContext.session?.kernel?.status === 'idle'",
            timeout=timeout * 1000)

    def run_cell(self, cell: int | str, *, timeout: float = 90) -> float:
        """Run one cell; the seconds it took."""
        self.page.evaluate(f"i => {{ {NOTEBOOK}.content.deselectAll();"
                           f" {NOTEBOOK}.content.activeCellIndex = i; }}", self.index(cell))
        return self._run("notebook:run-cell", timeout)

    def _run(self, command: str, timeout: float) -> float:
        began = time.perf_counter()
        self.page.evaluate(RUN, command)
        self.page.wait_for_function(IDLE, timeout=timeout * 1000, polling=100)
        self.seconds = time.perf_counter() - began
        failed = self.errors() or self.page.evaluate("() => window.prmlab_run.error")
        assert not failed, f"{command}: {failed}"
        return self.seconds

    def cells(self) -> list[dict]:
        """Every cell as JupyterLab holds it now: type, source, outputs as in the file format."""
        return self.page.evaluate(CELLS)

    def errors(self) -> list[str]:
        """The errors that cells show, one sentence each."""
        return [f"cell {number}: {output['ename']}: {output['evalue']}"
                for number, cell in enumerate(self.cells()) for output in cell["outputs"]
                if output["output_type"] == "error"]

    def index(self, cell: int | str) -> int:
        """The index of the one cell that is meant."""
        if isinstance(cell, int):
            return cell
        found = [i for i, each in enumerate(self.cells()) if cell in each["source"]]
        assert len(found) == 1, f"{len(found)} cells have {cell!r} in their source"
        return found[0]

    def cell(self, cell: int | str) -> Locator:
        """A cell's element, scrolled into view: JupyterLab draws the others only when it must."""
        number = self.index(cell)
        self.page.evaluate(f"i => {NOTEBOOK}.content.scrollToItem(i, 'start')", number)
        found = self.page.locator(
            f".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell[data-windowed-list-index='{number}']")
        found.scroll_into_view_if_needed()
        return found

    def cell_output(self, cell: int | str) -> str:
        """The words that a reader sees below a cell."""
        return self.cell(cell).locator(".jp-Cell-outputWrapper").inner_text()

    def screenshot(self, name: str, *, theme: str = "light", cell: int | str | None = None) -> Path:
        """A picture of the window, or of one cell, in artefacts/browser; `theme` light or dark."""
        full = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}[theme]
        self.page.evaluate("async name => { await window.jupyterapp.commands.execute("
                           "'apputils:change-theme', {theme: name}); }", full)
        self.page.wait_for_function(
            "light => document.body.dataset.jpThemeLight === light",
            arg=str(theme == "light").lower())
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")  # it veils the window
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        path = ARTEFACTS / f"{name}.png"
        (self.page if cell is None else self.cell(cell)).screenshot(path=path)
        return path
