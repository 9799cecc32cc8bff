"""Imports only go down, light floors load nothing heavy, and both tests can fail."""

import ast
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "prmlab"

# In order: a module imports only from entries above its own. Modules inside `families` and
# `widgets` may import each other, but not in a circle.
FLOORS = {
    "0 ground": ("markup", "catalog", "arithmetic", "answers", "traces", "verdicts", "chains",
                 "claims", "families", "problems", "checker", "datasets", "rules", "scoring",
                 "intervals", "metrics", "curves", "votes", "thresholds", "calibrators",
                 "benchmarks", "agreement", "budget", "samples", "spending"),
    "1 algorithms": ("protocols", "recorded_scores", "usage", "bars", "endpoints", "toys",
                     "trees", "evidence", "journal", "estimates", "growing", "choosing",
                     "lockstep", "search", "wrong_turns", "scorers", "judging", "executors",
                     "ray_executor", "labels"),
    "2 learning": ("tokens", "last_layer", "sharding", "checkpoints", "muon", "gguf_files",
                   "pretrained", "attention", "decoding", "sampling", "verifiers", "public_prms", "rewards",
                   "prefix_memory", "targets", "packing", "block_masks", "batches",
                   "gauges", "stepping", "validating", "starting", "encoding", "loop",
                   "training"),
    "3 pictures": ("svg", "theme", "plots", "search_charts", "label_charts", "claim_charts",
                   "widgets"),
    "top": ("banks", "progress", "checks", "exercises", "doctor", "inputs", "commands", "__main__"),
}
ORDER = [entry for entries in FLOORS.values() for entry in entries]
LEARNING = ("torch", "transformers", "tokenizers", "accelerate", "safetensors")
PICTURES = ("pandas", "plotly", "ipywidgets", "anywidget", "IPython", "sympy")


def modules(package: Path) -> dict[str, Path]:
    """Every module of the package by its dotted name inside it; `__init__` is the folder."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path
    return found


def own_imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The own modules that a file imports, anywhere in it; relative imports are refused."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name}:{node.lineno}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    own = {name.partition(".")[2] for name in names if name.startswith("prmlab.")}
    return {name for name in own if name in known}


def upward(package: Path) -> list[str]:
    """Every import that does not go down, and every module that has no floor, as sentences."""
    known, wrong = modules(package), []
    imports = {name: own_imports(path, known) for name, path in known.items()}
    for name, targets in imports.items():
        entry = name.split(".")[0]
        if name and entry not in ORDER:
            wrong.append(f"{name} stands on no floor: add it to FLOORS")
            continue
        for target in sorted(targets):
            below = target.split(".")[0]
            if not name:
                wrong.append(f"prmlab/__init__.py imports {target}")
            elif below != entry and below in ORDER and ORDER.index(below) > ORDER.index(entry):
                wrong.append(f"{name} imports {target}, which is above it")
    wrong += [f"{' -> '.join(circle)} is a circle" for circle in circles(imports)]
    return wrong


def circles(imports: dict[str, set[str]]) -> list[tuple[str, ...]]:
    """Modules that import each other in a circle."""
    found, done = [], set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            found.append(path[path.index(name):] + (name,))
        elif name not in done:
            for target in sorted(imports.get(name, ())):
                walk(target, (*path, name))
            done.add(name)

    for name in imports:
        walk(name, ())
    return found


def load(names: list[str], package: Path) -> tuple[float, set[str]]:
    """Processor seconds to import the modules in a fresh Python, and what that loaded."""
    code = ("import importlib, json, sys, time\n"
            "began = time.process_time()\n"
            f"for name in {names!r}: importlib.import_module(name)\n"
            "spent = time.process_time() - began\n"
            "print(json.dumps([spent, sorted({m.split('.')[0] for m in sys.modules})]))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          cwd=package.parent, env={**os.environ, "PYTHONPATH": "."})
    assert done.returncode == 0, done.stderr
    spent, loaded = json.loads(done.stdout.splitlines()[-1])
    return spent, set(loaded)


def on_floors(*floors: str) -> list[str]:
    """The dotted names of the modules that exist on these floors."""
    entries = {entry for floor in floors for entry in FLOORS[floor]}
    return [f"prmlab.{name}" for name in modules(PACKAGE) if name.split(".")[0] in entries]


def test_imports_only_go_down():
    assert upward(PACKAGE) == []


@pytest.mark.parametrize(("floors", "forbidden", "libraries"), [
    (("0 ground", "1 algorithms"), LEARNING + PICTURES, ["numpy"]),
    (("3 pictures",), LEARNING + ("sympy",), ["numpy", "anywidget"]),
], ids=["floors 0 and 1", "floor 3"])
def test_light_floors_load_nothing_heavy_and_quickly(floors, forbidden, libraries):
    """Each in 0.3 s, or on a slower machine in 2.5 times what the libraries below take there."""
    names = on_floors(*floors)
    loaded = load(names, PACKAGE)[1]  # this also compiles them
    assert not loaded & set(forbidden), sorted(loaded & set(forbidden))
    if not is_quick(names, libraries, chances=1):  # all together are more than anybody imports
        slow = [name for name in names if not is_quick([name], libraries)]
        assert not slow, f"too slow to import: {', '.join(slow)}"


def is_quick(names: list[str], libraries: list[str], chances: int = 5) -> bool:
    """Whether the modules load in time; a busy machine is given more chances, spaced."""
    best = yardstick = float("inf")
    for chance in range(chances):
        time.sleep(chance / 2)
        best = min(best, load(names, PACKAGE)[0])
        if best <= 0.3:
            return True
        yardstick = min(yardstick, load(libraries, PACKAGE)[0])
        if best <= 2.5 * yardstick:
            return True
    return False


@pytest.fixture
def planted(tmp_path):
    """A package of three well-behaved modules, and a function that writes one more."""
    package = tmp_path / "prmlab"

    def plant(name: str, text: str) -> Path:
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return package

    plant("__init__.py", "")
    plant("traces.py", "import json\n")
    plant("families/__init__.py", "")
    plant("families/stories.py", "from prmlab.traces import Problem\n")
    assert upward(package) == []
    return plant


@pytest.mark.parametrize(("name", "text", "complaint"), [
    ("markup.py", "from prmlab import traces\n", "markup imports traces, which is above it"),
    ("answers.py", "def f():\n    import prmlab.traces\n", "answers imports traces"),
    ("traces.py", "from prmlab.families.stories import make\n",
     "traces imports families.stories"),
    ("search.py", "from prmlab.tokens import encode\n", None),  # tokens is not there: nothing
    ("helpers.py", "", "helpers stands on no floor"),
    ("__init__.py", "from prmlab.traces import Trace\n", "__init__.py imports traces"),
    ("families/other.py", "from prmlab.families import stories\n", None),
    ("families/stories.py", "from prmlab.families import stories\n",
     "families.stories -> families.stories is a circle"),
])
def test_the_test_of_imports_can_fail(planted, name, text, complaint):
    wrong = upward(planted(name, text))
    assert complaint in "; ".join(wrong) if complaint else wrong == []


def test_relative_imports_are_refused(planted):
    with pytest.raises(AssertionError, match="relative import"):
        upward(planted("scoring.py", "from . import traces\n"))


def test_the_test_of_loading_can_fail(planted, tmp_path):
    (tmp_path / "torch.py").write_text("")
    package = planted("scoring.py", "import torch\nsum(range(3_000_000))\n")
    spent, loaded = load(["prmlab.scoring"], package)
    assert "torch" in loaded
    assert spent > load(["prmlab.traces"], package)[0]
