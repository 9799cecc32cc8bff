"""The notebooks keep the rules of the course, and are what their sources say.

The cells themselves run by two other routes: nbval (conftest.py at the root) and JupyterLab in
a browser (tests/browser).
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SAMPLE = ROOT / "tests" / "data" / "notebooks" / "src" / "98_sample.py"
LIVE = ("application/vnd.plotly.v1+json", "application/vnd.jupyter.widget-view+json")
TWINS = ("image/svg+xml", "image/png", "text/html")

spec = importlib.util.spec_from_file_location("make_notebooks",
                                              ROOT / "scripts" / "make_notebooks.py")
make_notebooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_notebooks)


def complaints(notebook: nbformat.NotebookNode) -> list[str]:
    """What a built notebook does that the course refuses, as sentences."""
    rows = make_notebooks.header(notebook)
    wrong = [f"header without {name!r}" for name in make_notebooks.HEADER if name not in rows]
    for name, form in (("To read", r"\d+ minutes"), ("To run", r"\d+ seconds on two cores")):
        if name in rows and not re.fullmatch(form, rows[name]):
            wrong.append(f"header: {name!r} reads {rows[name]!r}, not as {form}")
    if "widgets" in notebook.metadata:
        wrong.append("metadata.widgets is set: some viewers refuse the whole file")
    wrong += [f"saved with what the doctor called a failure: {line}"
              for line in make_notebooks.failures(notebook)]
    wrong += [f"cell {number} is empty" for number, cell in enumerate(notebook.cells)
              if not cell.source.strip()]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code or not re.search(r"^SEED = \d+", code[0].source, re.MULTILINE):
        wrong.append("the first code cell sets no SEED")
    if sum("# NBVAL_CHECK_OUTPUT" in cell.source for cell in code) < 5:
        wrong.append("fewer than 5 cells with # NBVAL_CHECK_OUTPUT")
    for number, cell in enumerate(code):
        wrong += [f"code cell {number}: {what}" for what in cell_complaints(cell)]
    return wrong


def cell_complaints(cell: nbformat.NotebookNode) -> list[str]:
    """What one code cell does that the course refuses."""
    wrong = []
    lines = cell.source.count("\n") + 1
    if lines > 25:
        wrong.append(f"{lines} lines, allowed are 25")
    if re.search(r"^\s*from\s+\S+\s+import\s+\*", cell.source, re.MULTILINE):
        wrong.append("star import")
    if "# NBVAL_CHECK_OUTPUT" in cell.source and not cell.outputs:
        wrong.append("marked as checked, but has no output to check")
    for output in cell.outputs:
        if output.output_type == "error":
            wrong.append(f"saved an error, {output.ename}")
        data = output.get("data", {})
        if any(kind in data for kind in LIVE) and not any(kind in data for kind in TWINS):
            wrong.append("a live figure or widget without a static picture or HTML beside it")
        if any(kind in data for kind in (*LIVE, "image/svg+xml", "image/png")):
            plain = data.get("text/plain", "")
            if len(plain) < 20 or plain.startswith("<") or re.match(r"\w+\(", plain):
                wrong.append(f"a figure whose text/plain is no sentence: {plain[:60]!r}")
    return wrong


@pytest.mark.skipif(not NOTEBOOKS, reason="no notebook is built yet")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_keeps_the_rules(path):
    assert complaints(nbformat.read(path, as_version=4)) == []
    assert path.stat().st_size <= 1_000_000


def test_notebooks_are_what_their_sources_say():
    sources = make_notebooks.sources([])
    assert {path.stem for path in NOTEBOOKS} == {source.stem for source in sources}
    assert [source.name for source in sources if make_notebooks.drifted(source)] == []


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The sample notebook, built in a folder of its own."""
    folder = tmp_path_factory.mktemp("note books")
    (folder / "src").mkdir()
    source = Path(shutil.copy(SAMPLE, folder / "src"))
    make_notebooks.build(source)
    return source


def nbval(path: Path) -> subprocess.CompletedProcess:
    """The nbval route over one notebook."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-current-env",
         "--nbval-cell-timeout=120", "-c", str(ROOT / "pyproject.toml"), "-p", "conftest",
         str(path)], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_building_runs_without_a_network_and_leaves_what_lasts(sample):
    notebook = nbformat.read(make_notebooks.target(sample), as_version=4)
    first, second, third = [cell for cell in notebook.cells if cell.cell_type == "code"]
    texts = {output.name: output.text for output in first.outputs}
    assert texts == {"stdout": "the network is off here: no connection to 192.0.2.1\n",
                     "stderr": "bar 2/2\n"}
    assert "execution" not in first.metadata
    assert "widgets" not in notebook.metadata
    assert third.outputs[0].data["text/html"].startswith("<table>")
    assert [cell.id for cell in notebook.cells] == [
        cell.id for cell in make_notebooks.read_source(sample).cells]
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    # A sample is no lesson: too few checked cells, and a widget that has no twin.
    assert complaints(notebook) == [
        "fewer than 5 cells with # NBVAL_CHECK_OUTPUT",
        "code cell 1: a live figure or widget without a static picture or HTML beside it",
        "code cell 1: a figure whose text/plain is no sentence: "
        + repr(second.outputs[0].data["text/plain"][:60]),
    ]


def test_the_nbval_route_passes_and_can_fail(sample):
    built = make_notebooks.target(sample)
    done = nbval(built)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
    planted = built.with_name("99_planted.ipynb")
    planted.write_text(built.read_text("utf-8").replace("the network is off", "the cat is off"))
    done = nbval(planted)
    assert done.returncode == 1, done.stdout
    assert "1 failed, 2 passed" in done.stdout


def test_progress_bars_are_not_saved():
    def stream(name, text):
        return nbformat.v4.new_output("stream", name=name, text=text)

    bars = ("  0%|          | 0/80 [00:02<?, ?trace/s]\r\n 80%|████████  | 1788/2224 [00:02<00:00, "
            "891.44trace/s]\x1b[A\n100%|██████████| 80/80 [00:03<00:00, 23.32trace/s] \n"
            "8round [00:02,  3.23round/s]\n")
    cell = nbformat.v4.new_code_cell("pass", outputs=[
        stream("stderr", bars), stream("stdout", "8round [00:02]?\n\n2 of 3\n"),
        stream("stderr", "\n"), stream("stderr", bars + "UserWarning: [00:02]\n")])
    make_notebooks.clean(nbformat.v4.new_notebook(cells=[cell]))
    assert [(output.name, output.text.strip()) for output in cell.outputs] == [
        ("stdout", "8round [00:02]?\n\n2 of 3"), ("stderr", "UserWarning: [00:02]")]


def test_a_failure_of_the_doctor_is_not_saved(tmp_path):
    (tmp_path / "src").mkdir()
    source = tmp_path / "src" / "97_failing.py"
    source.write_text('# %%\nprint("ok    Python")\nprint("fail  Data   restore")\n')
    with pytest.raises(SystemExit, match="fail  Data"):
        make_notebooks.build(source)
    assert not make_notebooks.target(source).exists()


def test_drift_is_seen(sample, tmp_path):
    folder = tmp_path / "src"
    folder.mkdir()
    source = Path(shutil.copy(sample, folder))
    assert make_notebooks.drifted(source), "not built yet"
    shutil.copy(make_notebooks.target(sample), tmp_path)
    assert not make_notebooks.drifted(source)
    source.write_text(source.read_text("utf-8").replace("three", "four"))
    assert make_notebooks.drifted(source)


def planted_notebook(**changes):
    """A small notebook that keeps all rules, and then the changes to its fields."""
    table = "\n".join(f"| **{name}** | {text} |" for name, text in zip(
        make_notebooks.HEADER,
        ("see", "nothing", "1 minutes", "2 seconds on two cores", "all", "none")))
    cells = [nbformat.v4.new_markdown_cell(f"# T\n\n{table}")]
    source = "# NBVAL_CHECK_OUTPUT\nSEED = 0\nprint(1)"
    for _ in range(5):
        cells.append(nbformat.v4.new_code_cell(
            source, outputs=[nbformat.v4.new_output("stream", text="1\n")]))
    if "header" in changes:
        cells[0].source = cells[0].source.replace(*changes["header"])
    if "source" in changes:
        cells[1].source = changes["source"]
    if "words" in changes:
        cells.append(nbformat.v4.new_markdown_cell(changes["words"]))
    if "data" in changes:
        cells[2].outputs = [nbformat.v4.new_output("display_data", changes["data"])]
    if "outputs" in changes:
        cells[2].outputs = changes["outputs"]
    return nbformat.v4.new_notebook(cells=cells, metadata=changes.get("metadata", {}))


SENTENCE = "Accuracy rises from 0.4 to 0.6 as N grows."


@pytest.mark.parametrize(("changes", "complaint"), [
    ({}, None),
    ({"data": {LIVE[0]: {}, "image/svg+xml": "<svg/>", "text/plain": SENTENCE}}, None),
    ({"header": ("**Live**", "**Alive**")}, "header without 'Live'"),
    ({"header": ("2 seconds on two cores", "quick")}, "'To run' reads 'quick'"),
    ({"source": "# NBVAL_CHECK_OUTPUT\nx = 1"}, "sets no SEED"),
    ({"source": "SEED = 0"}, "fewer than 5"),
    ({"words": " \n"}, "cell 6 is empty"),
    ({"source": "# NBVAL_CHECK_OUTPUT\nSEED = 0" + "\n" * 25}, "27 lines"),
    ({"source": "# NBVAL_CHECK_OUTPUT\nSEED = 0\nfrom math import *"}, "star import"),
    ({"metadata": {"widgets": {}}}, "metadata.widgets"),
    ({"outputs": []}, "no output to check"),
    ({"outputs": [nbformat.v4.new_output("error", ename="ValueError")]}, "saved an error"),
    ({"outputs": [nbformat.v4.new_output("stream", text="ok    GPU\nfail  Data   restore\n")]},
     "the doctor called a failure: fail  Data"),
    ({"data": {LIVE[0]: {}, "text/plain": SENTENCE}}, "without a static picture"),
    ({"data": {LIVE[1]: {}, "text/html": "<p>", "text/plain": "VBox(children=(IntSlider()))"}},
     "is no sentence"),
    ({"data": {"image/png": "", "text/plain": "<Figure size 640x480>"}}, "is no sentence"),
])
def test_each_rule_can_be_broken(changes, complaint):
    found = complaints(planted_notebook(**changes))
    assert [complaint in sentence for sentence in found] == ([True] if complaint else [])
