"""Every notebook runs in a real JupyterLab, and what a reader operates there works.

A notebook's own interactions are functions `check_...(lab)` in `checks_NN.py` beside this file;
they run after Run All, in the order of the file, each reported by name.
"""

import importlib.util
import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

HERE = Path(__file__).resolve().parent
NOTEBOOKS = sorted((HERE.parent.parent / "notebooks").glob("[0-9][0-9]_*.ipynb"))
SECONDS = float(os.environ.get("PRMLAB_SECONDS", "90"))  # what a notebook may take

pytestmark = pytest.mark.browser


def checks(name: str) -> list:
    """The interactions that a notebook's `checks_NN.py` declares."""
    path = HERE / f"checks_{name[:2]}.py"
    if not path.exists():
        return []
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [value for key, value in vars(module).items() if key.startswith("check_")]


@pytest.mark.skipif(not NOTEBOOKS, reason="no notebook is built yet")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs_and_can_be_operated(path, lab, subtests):
    lab.open(path.name)
    seconds = lab.run_all(timeout=2 * SECONDS)
    for theme in ("dark", "light"):
        lab.screenshot(f"{path.stem}-{theme}", theme=theme)
    for check in checks(path.name):
        with subtests.test(check.__name__):
            check(lab)
    assert lab.errors() == []
    assert lab.console_errors == []
    assert lab.outside == []
    assert seconds <= SECONDS


def test_the_sample_runs_and_its_slider_moves_by_keyboard(lab):
    lab.open("98_sample.ipynb")
    lab.run_all()
    assert "the network is off here" in lab.cell_output("create_connection")
    assert "2 + 2 = 4" in lab.cell_output("<table>")
    cell = lab.cell("IntSlider(")
    expect(cell).to_contain_text("three")
    cell.get_by_role("slider").focus()
    lab.page.keyboard.press("ArrowRight")
    expect(cell).to_contain_text("now 4")
    assert lab.screenshot("98_sample-dark", theme="dark", cell="IntSlider(").stat().st_size > 1000
    assert lab.console_errors == []
    assert lab.outside == []


def test_a_failing_cell_a_console_error_and_a_request_outside_are_seen(lab, notebooks):
    text = (notebooks / "98_sample.ipynb").read_text("utf-8")
    (notebooks / "97_failing.ipynb").write_text(text.replace("SEED = 0", "SEED = 1 / 0"))
    lab.open("97_failing.ipynb")
    with pytest.raises(AssertionError, match="ZeroDivisionError: division by zero"):
        lab.run_all()
    lab.page.evaluate("console.error('planted')")
    lab.page.evaluate("fetch('http://192.0.2.1/x').catch(() => null)")
    assert any("planted" in message for message in lab.console_errors)
    assert lab.outside == ["http://192.0.2.1/x"]
