"""Build notebooks/NN_name.ipynb from notebooks/src/NN_name.py: execute, clean, save.

    python scripts/make_notebooks.py            all of them
    python scripts/make_notebooks.py 00 03      these
    python scripts/make_notebooks.py --check    only say which differ from their source

A source is a jupytext `py:percent` file: cells begin with `# %%` or `# %% [markdown]`. Its
first cell holds the title and this table, which tests/test_notebooks.py reads:

    | | |
    | --- | --- |
    | **You will** | compare an ORM with a PRM, explain ... |
    | **Before this** | notebook 00 |
    | **To read** | 25 minutes |
    | **To run** | 40 seconds on two cores |
    | **Live** | every trace and score on this page |
    | **Recorded** | the accuracy curves (data/curves.jsonl) |

Execution is without a network, in notebooks/. What changes from run to run is removed: timings,
progress bars, widget state, and the live view of a widget where its output also has a picture or
HTML.
"""

import argparse
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
HEADER = ("You will", "Before this", "To read", "To run", "Live", "Recorded")
WIDGET = "application/vnd.jupyter.widget-view+json"
# A bar of tqdm's: "48%|███ | 193/400 [00:06<00:06, 31.88trace/s]", "8round [00:02, 3.2round/s]".
BAR = re.compile(r"\s*(\d+%\|.*\|\s*\d+/\d+|\d+\w*) \[\d+:\d\d.*\](\x1b\[A)?\s*")


def sources(only: list[str], folder: Path = NOTEBOOKS) -> list[Path]:
    """The sources whose names begin with one of `only`; all of them without any."""
    found = sorted((folder / "src").glob("[0-9][0-9]_*.py"))
    missing = [word for word in only if not any(path.name.startswith(word) for path in found)]
    if missing:
        raise SystemExit(f"no notebooks/src/{missing[0]}*.py; there are: "
                         + ", ".join(path.stem for path in found))
    return [path for path in found if not only or path.name.startswith(tuple(only))]


def target(source: Path) -> Path:
    """Where the notebook of a source is written."""
    return source.parent.parent / f"{source.stem}.ipynb"


def read_source(source: Path) -> nbformat.NotebookNode:
    """The notebook that a source describes, without outputs; cell ids come from the content."""
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict({
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    })
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        cell.metadata = nbformat.from_dict(
            {"tags": cell.metadata.tags} if "tags" in cell.metadata else {})
    return notebook


def inputs(notebook: nbformat.NotebookNode) -> list[tuple]:
    """What a notebook's author wrote: kind, text and tags of each cell."""
    return [(c.cell_type, c.source, tuple(c.metadata.get("tags", ()))) for c in notebook.cells]


def drifted(source: Path) -> bool:
    """True if the notebook is not the one that its source describes."""
    built = target(source)
    return not built.exists() or inputs(read_source(source)) != inputs(
        nbformat.read(built, as_version=4))


def header(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """The rows of the table in the first cell, by their bold names."""
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \|$", notebook.cells[0].source, re.MULTILINE)
    return dict(rows)


def offline_environment() -> dict[str, str]:
    """The environment in which notebooks run: this checkout's package, and no network."""
    paths = [str(ROOT / "scripts" / "offline"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def execute(notebook: nbformat.NotebookNode, folder: Path, *, timeout: int = 300) -> float:
    """Run every cell, outputs into the notebook; the seconds it took."""
    shutil.rmtree(Path(tempfile.gettempdir()) / "prmlab-offline", ignore_errors=True)
    client = NotebookClient(notebook, timeout=timeout, kernel_name="python3",
                            store_widget_state=False, record_timing=False,
                            resources={"metadata": {"path": str(folder)}})
    began = time.perf_counter()
    client.execute(env=offline_environment())
    return time.perf_counter() - began


def clean(notebook: nbformat.NotebookNode) -> None:
    """Remove from the outputs what changes from run to run or is dead once saved."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = nbformat.from_dict({"name": "python"})
    for cell in notebook.cells:
        outputs = []
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                last = outputs[-1] if outputs else {}
                if last.get("output_type") == "stream" and last.name == output.name:
                    last.text += output.text
                    continue
            elif "data" in output:
                if WIDGET in output.data and len(output.data) > 2:
                    del output.data[WIDGET]
                output.data = nbformat.from_dict({
                    kind: placeless(data) if isinstance(data, str) else data
                    for kind, data in output.data.items()})
            outputs.append(output)
        for output in outputs:
            if output.output_type == "stream":  # a bar's updates come as many pieces
                lines = map(settled, output.text.split("\n"))
                output.text = placeless("\n".join(
                    line for line in lines if not BAR.fullmatch(line)))
        if "outputs" in cell:
            cell.outputs = [output for output in outputs if output.get("name") != "stderr"
                            or output.text.strip()]


def placeless(text: str) -> str:
    """A text without the folders of the machine that built the notebook."""
    return text.replace(sys.prefix, ".venv").replace(str(ROOT), "prmlab")


def settled(line: str) -> str:
    """A line of output as it stands at last: what a carriage return overwrote is gone."""
    return line.rstrip("\r").rpartition("\r")[2]


def failures(notebook: nbformat.NotebookNode) -> list[str]:
    """What the doctor called a failure in the outputs, a line each; none should be saved."""
    return [line for cell in notebook.cells for output in cell.get("outputs", ())
            if output.output_type == "stream" for line in output.text.split("\n")
            if line.startswith("fail ")]


def build(source: Path) -> list[str]:
    """Execute and write one notebook; a row of the table that `main` prints."""
    notebook = read_source(source)
    seconds = execute(notebook, source.parent.parent)
    clean(notebook)
    if failed := failures(notebook):
        raise SystemExit(f"{source.name}: the doctor found failures, mend them and build again; "
                         "its notebook was left as it was.\n" + "\n".join(failed))
    nbformat.validate(notebook)
    nbformat.write(notebook, target(source))
    stated = re.match(r"\d+", header(notebook).get("To run", ""))
    checked = sum("# NBVAL_CHECK_OUTPUT" in cell.source for cell in notebook.cells)
    kilobytes = target(source).stat().st_size / 1000
    return [source.stem, str(len(notebook.cells)), str(checked),
            stated.group() if stated else "-", f"{seconds:.0f}", f"{kilobytes:.0f}"]


def main() -> None:
    """Build or check the notebooks that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", help="numbers or beginnings of names; default: all")
    parser.add_argument("--check", action="store_true", help="compare inputs, execute nothing")
    args = parser.parse_args()
    chosen = sources(args.only)
    if args.check:
        stale = [source.stem for source in chosen if drifted(source)]
        sys.exit(f"differ from notebooks/src, run make notebooks: {', '.join(stale)}"
                 if stale else 0)
    row = "{:34} {:>5} {:>7} {:>8} {:>8} {:>6}".format
    print(row("notebook", "cells", "checked", "stated s", "took s", "kB"))
    for source in chosen:
        try:
            print(row(*build(source)), flush=True)
        except CellExecutionError as error:
            sys.exit(f"{source.name} stopped; its notebook was left as it was.\n{error}")


if __name__ == "__main__":
    main()
