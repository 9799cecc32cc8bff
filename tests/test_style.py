"""What STYLE.md refuses and a machine can see; the linter (ruff) sees the rest."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "prmlab").rglob("*.py"))
TEXTS = {".py", ".md", ".toml", ".txt", ".yml", ".ipynb", ".json", ".jsonl", ".js", ".mjs",
         ".css", ".cff", ".sh", ""}
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:home|Users|root|work|mnt)/[\w.-]+")


def tracked() -> list[Path]:
    """The files that git knows, or all of them where this is no checkout."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    names = done.stdout.split("\0") if done.returncode == 0 else []
    paths = [ROOT / name for name in names if name] or ROOT.rglob("*")
    return [path for path in paths if path.is_file() and ".venv" not in path.parts]


def complaints(text: str) -> list[str]:
    """What a Python module does that STYLE.md refuses, as sentences."""
    found, tree = [], ast.parse(text)
    if text.count("\n") > 400:
        found.append(f"{text.count(chr(10))} lines, allowed are 400")
    if not ast.get_docstring(tree):
        found.append("module without a docstring")
    for node in ast.walk(tree):
        where = f"line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            if length > 60:
                found.append(f"{where}: {node.name} has {length} lines, allowed are 60")
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("eval", "exec"):
            found.append(f"{where}: {node.func.id}")
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append(f"{where}: bare except")
        if isinstance(node, ast.Import) and any(a.name == "pickle" for a in node.names):
            found.append(f"{where}: pickle")
    return found + [f"line {node.lineno}: {node.name} {lack}" for node in public(tree)
                    for lack in lacks(node)]


def public(tree: ast.Module) -> list[ast.FunctionDef | ast.ClassDef]:
    """Public functions and classes of a module, and the public methods of the latter."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    found = [node for node in tree.body if isinstance(node, kinds) and node.name[0] != "_"]
    for owner in [node for node in found if isinstance(node, ast.ClassDef)]:
        methods = [node for node in owner.body if isinstance(node, kinds)]
        found += [node for node in methods if node.name[0] != "_"]
    return found


def lacks(node: ast.FunctionDef | ast.ClassDef) -> list[str]:
    """What a public function or class should have and has not."""
    found = [] if ast.get_docstring(node) else ["has no docstring"]
    if isinstance(node, ast.ClassDef):
        return found
    arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
    bare = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
    found += [f"has no type for {name}" for name in bare]
    if node.returns is None:
        found.append("has no return type")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_modules_keep_the_rules(path):
    assert complaints(path.read_text("utf-8")) == []


@pytest.mark.parametrize(("text", "complaint"), [
    ('"""D."""\n' + "\n" * 401, "402 lines"),
    ("X = 1\n", "module without a docstring"),
    ('"""D."""\ndef _f():\n' + "    x = 1\n" * 61, "_f has 62 lines"),
    ('"""D."""\neval("1")\n', "line 2: eval"),
    ('"""D."""\ntry:\n    pass\nexcept:\n    pass\n', "line 4: bare except"),
    ('"""D."""\ndef f() -> None:\n    pass\n', "f has no docstring"),
    ('"""D."""\ndef f(x) -> None:\n    """D."""\n', "f has no type for x"),
    ('"""D."""\nclass A:\n    """D."""\n    def m(self):\n        """D."""\n',
     "m has no return type"),
])
def test_the_rules_can_be_broken(text, complaint):
    assert any(complaint in sentence for sentence in complaints(text)), complaints(text)


@pytest.mark.parametrize("path", [p for p in tracked() if p.suffix in (".js", ".mjs")],
                         ids=lambda p: p.name)
def test_javascript_holds_no_raw_html_and_no_network(path):
    text = path.read_text("utf-8")
    assert not re.search(r"\b(inner|outer)HTML\b|insertAdjacentHTML|document\.write", text)
    assert not re.search(r"""(?:import|from|fetch)\s*\(?\s*["'`]https?:""", text)
    assert path.parent.name != "static" or text.count("\n") <= 300


def test_no_tracked_file_holds_a_path_of_one_machine():
    wrong = []
    for path in tracked():
        if path.suffix not in TEXTS:
            continue
        match = MACHINE_PATH.search(path.read_text("utf-8", errors="replace"))
        if match:
            wrong.append(f"{path.relative_to(ROOT)}: {match.group()}")
    assert wrong == []


def test_the_search_for_machine_paths_can_fail():
    assert MACHINE_PATH.search('open("' + "/home" + '/ana/x.txt")')
    assert not MACHINE_PATH.search("see docs/home/page and work/home/x")
