"""What this machine has and lacks for PRMLab, one finding each, with a one-line mend.

Owns the checks behind `python -m prmlab doctor` and notebook 00's first table. Changes nothing
and asks no network. Does not know what a notebook needs beyond the extras of pyproject.toml.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from prmlab import catalog
from prmlab.markup import COLOURS, MARKS, escape

MARK = {"ok": MARKS["right"], "warn": "!", "fail": MARKS["wrong"]}
_COLOUR = {"ok": "right", "warn": "unknown", "fail": "wrong"}
OLDEST = (3, 11)
REINSTALL = "python -m pip install -r requirements.txt"
ON_REQUEST = ("lora", "serve", "ray")  # extras that no notebook needs, and `make lab` leaves out
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
            "chrome.exe", "msedge", "microsoft-edge")
# Widgets are drawn by these; each must agree with its Python package to so many version parts.
FRONT_ENDS = {"@jupyter-widgets/jupyterlab-manager": ("jupyterlab-widgets", 1),
              "anywidget": ("anywidget", 2), "jupyterlab-plotly": ("plotly", 1)}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `state` is ok, warn (works, with less) or fail (a notebook will stop).

    Example:
        >>> print(Finding("Disk", "warn", "1 GB free", "free 2 GB"))
        ! warn  Disk: 1 GB free. Mend: free 2 GB
    """

    name: str
    state: str
    says: str
    mend: str = ""

    def __str__(self) -> str:
        mend = f". Mend: {self.mend}" if self.mend else ""
        return f"{MARK[self.state]} {self.state:5} {self.name}: {self.says}{mend}"


@dataclass(frozen=True, repr=False)
class Report:
    """All findings; shows itself as lines of text, or as a table in a notebook."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """True if nothing failed."""
        return all(each.state != "fail" for each in self.findings)

    def __repr__(self) -> str:
        return "\n".join(map(str, self.findings))

    def _repr_html_(self) -> str:
        cell = '<td style="text-align:left;vertical-align:top">'
        rows = "".join(
            f"<tr>{cell}<strong style=\"color:{_colour(each.state)}\">{MARK[each.state]} "
            f"{each.state}</strong></td><th scope=\"row\" style=\"text-align:left\">"
            f"{escape(each.name)}</th>{cell}{escape(each.says)}</td>{cell}{escape(each.mend)}</td>"
            "</tr>" for each in self.findings)
        heads = "".join(f'<th scope="col">{name}</th>' for name in ("", "what", "found", "mend"))
        return f"<table><caption>This machine</caption><tr>{heads}</tr>{rows}</table>"


def _colour(state: str) -> str:
    colour = COLOURS[_COLOUR[state]]
    return f"light-dark({colour.light},{colour.dark})"


def examine() -> Report:
    """Look at everything; a check that itself breaks is a finding, not an exception."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python, _packages, _kernel, _server, _front_ends, _browser, _gpu, _room, _data)
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check()
        except (OSError, ValueError, RuntimeError, ImportError, subprocess.SubprocessError) as why:
            name = check.__name__.strip("_").replace("_", " ").capitalize()
            findings.append(Finding(name, "warn", f"could not be looked at ({why})", REINSTALL))
    return Report(tuple(findings))


def _python() -> Iterator[Finding]:
    says = f"{platform.python_version()} in {Path(sys.prefix).name}"
    if sys.version_info < OLDEST:
        yield Finding("Python", "fail", says, "install 3.11 or newer, remove .venv, make lab")
    elif sys.prefix == sys.base_prefix and not os.environ.get("CONDA_PREFIX"):
        yield Finding("Python", "warn", f"{says}, no environment of its own", "make lab makes one")
    else:
        yield Finding("Python", "ok", says)


def _packages() -> Iterator[Finding]:
    try:
        from packaging.requirements import Requirement
    except ImportError:  # comes with JupyterLab and with transformers
        yield Finding("Packages", "fail", "packaging is not installed", REINSTALL)
        return
    groups: dict[str, list[Requirement]] = {}
    for line in _requirements():
        requirement = Requirement(line)
        extra = re.search(r"extra == ['\"](\w+)", str(requirement.marker))
        groups.setdefault(extra[1] if extra else "base", []).append(requirement)
    for group, requirements in groups.items():
        good, bad = [], []
        for each in requirements:
            version = _version(each.name)
            if version is None:
                bad.append(f"{each.name} is not installed")
            elif not each.specifier.contains(version, prereleases=True):
                bad.append(f"{each.name} {version}, needed is {each.specifier}")
            else:
                good.append(f"{each.name} {version}")
        state = "warn" if group in ("test", "answers", *ON_REQUEST) else "fail"
        mend = f"python -m pip install prmlab[{group}]" if group in ON_REQUEST else REINSTALL
        if bad and group in ON_REQUEST and all("is not installed" in each for each in bad):
            yield Finding(f"Packages: {group}", "ok",
                          f"{'; '.join(bad)}, and needed only on request: {mend}")
            continue
        yield Finding(f"Packages: {group}", state if bad else "ok", "; ".join(bad or good),
                      mend if bad else "")


def _requirements() -> list[str]:
    """The requirements of the package with their extras, from the checkout or its installation."""
    project = Path(__file__).resolve().parent.parent / "pyproject.toml"
    if not project.is_file():
        return metadata.requires("prmlab") or []
    import tomllib

    table = tomllib.loads(project.read_text("utf-8"))["project"]
    extras = table["optional-dependencies"]
    return table["dependencies"] + [f'{line} ; extra == "{extra}"'
                                    for extra, lines in extras.items() for line in lines]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _kernel() -> Iterator[Finding]:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    mend = "python -m ipykernel install --sys-prefix"
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        yield Finding("Kernel", "fail", "JupyterLab finds no kernel named python3", mend)
        return
    program = spec.argv[0]
    if program != "python" and _prefix_of(program) != sys.prefix:
        yield Finding("Kernel", "fail", f"python3 starts {program}, which is not this Python", mend)
    else:
        yield Finding("Kernel", "ok", f"python3 starts {sys.executable}")


def _server() -> Iterator[Finding]:
    """Whether the JupyterLab that runs, or would be started by name, is this environment's."""
    command = _parent_command() if "JPY_PARENT_PID" in os.environ else []
    words = "this notebook's server"
    if not command:
        words, found = "jupyter-lab on the PATH", shutil.which("jupyter-lab")
        if found is None:
            yield Finding("Server", "ok", "started as python -m jupyterlab; none is on the PATH")
            return
        first = Path(found).read_bytes()[:300].splitlines()[0].decode(errors="replace")
        command = [first.removeprefix("#!").strip()]
    prefix = _prefix_of(command[0])
    if prefix == sys.prefix:
        yield Finding("Server", "ok", f"{words} is of the same environment as this Python")
    else:
        yield Finding("Server", "warn", f"{words} runs {command[0]}, another environment: widgets "
                      "need the same versions there", "start it with make lab")


def _parent_command() -> list[str]:
    """The command line of the server that started this kernel, where the system shows it."""
    file = Path("/proc") / os.environ["JPY_PARENT_PID"] / "cmdline"
    return file.read_text().split("\0") if file.exists() else []


def _prefix_of(program: str) -> str | None:
    """The environment that a Python program belongs to, as it says itself."""
    if os.path.abspath(program) == sys.executable:
        return sys.prefix
    done = subprocess.run([program, "-c", "import sys; print(sys.prefix)"], capture_output=True,
                          text=True, timeout=30)
    return done.stdout.strip() or None


def _front_ends() -> Iterator[Finding]:
    from jupyter_core.paths import jupyter_path

    good, bad = [], []
    for name, (package, parts) in FRONT_ENDS.items():
        places = [Path(folder) / name / "package.json" for folder in jupyter_path("labextensions")]
        file = next((place for place in places if place.is_file()), None)
        version = _version(package)
        if file is None:
            bad.append(f"{name} is not installed in JupyterLab")
        elif version is not None:
            there = json.loads(file.read_text("utf-8"))["version"]
            same = package == "jupyterlab-widgets" or (
                there.split(".")[:parts] == version.split(".")[:parts])
            (good if same else bad).append(f"{name} {there}" if same else
                                           f"{name} {there} does not match {package} {version}")
    yield Finding("Widgets in JupyterLab", "fail" if bad else "ok", "; ".join(bad or good),
                  REINSTALL + ", then start JupyterLab anew" if bad else "")


def browser() -> str | None:
    """The program of an installed Chromium or Chrome: PRMLAB_BROWSER, the PATH, Playwright's."""
    named = os.environ.get("PRMLAB_BROWSER")
    if named:
        return shutil.which(named)
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    caches = [os.environ.get("PLAYWRIGHT_BROWSERS_PATH"), "~/.cache/ms-playwright",
              "~/Library/Caches/ms-playwright", "~/AppData/Local/ms-playwright"]
    patterns = ("chromium-*/chrome-*/chrome", "chromium-*/chrome-*/chrome.exe",
                "chromium-*/chrome-*/*.app/Contents/MacOS/*")
    own = [path for cache in caches if cache for pattern in patterns
           for path in sorted(Path(cache).expanduser().glob(pattern), reverse=True)]
    return found or (str(own[0]) if own else None)


def _browser() -> Iterator[Finding]:
    found = browser()
    if found:
        yield Finding("Browser for the tests", "ok", found)
    else:
        yield Finding("Browser for the tests", "warn", "no Chromium or Chrome; only the browser "
                      "tests need it", "install one, or: python -m playwright install chromium")


def _gpu() -> Iterator[Finding]:
    if _version("torch") is None:
        yield Finding("GPU", "warn", "torch is not installed", REINSTALL)
        return
    import torch  # slow to load, and asked for only here

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        says = f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB"
    elif torch.backends.mps.is_available():
        says = "Apple GPU (mps)"
    else:
        says = "none, and none is needed: everything runs on the processor"
    yield Finding("GPU", "ok", says)


def _room() -> Iterator[Finding]:
    free = shutil.disk_usage(Path(__file__).resolve().parent).free / 1e9
    says = f"{os.cpu_count()} processor cores, {free:.0f} GB of disk free"
    yield Finding("Machine", "ok" if free >= 2 else "warn", says, "" if free >= 2 else "free 2 GB")


def _data() -> Iterator[Finding]:
    try:
        folder, entries, wrong = catalog.data_folder(), catalog.entries(), catalog.verify()
    except ValueError as error:
        yield Finding("Data", "fail", str(error), "git restore data")
        return
    if wrong or not entries:
        says = "; ".join(wrong[:3]) + (f"; and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        yield Finding("Data", "fail", says or f"{folder} holds no MANIFEST.json",
                      "git restore data")
        return
    size = sum(entry.bytes for entry in entries) / 1e6
    yield Finding("Data", "ok", f"{len(entries)} files, {size:.0f} MB, all hashes agree")


def run(_: Any = None) -> int:
    """Print the report; 0 if nothing failed, else 1."""
    report = examine()
    print(report)
    print("Ready." if report.ok else "Something here will stop a notebook: see 'fail' above.")
    return 0 if report.ok else 1
