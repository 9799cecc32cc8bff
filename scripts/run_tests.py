"""Run every test, one stage after the other, and say how long each took.

    make test                                 all stages
    make test TEST_ARGS="unit notebooks"      some

lint        ruff
javascript  node --test on the pure parts of the widgets
unit        pytest: the package, its docstrings' examples, the rules of the notebooks
notebooks   every notebook through nbval: marked cells print again what they show
browser     every notebook in a real JupyterLab in Chromium, operated by keyboard

A stage whose program is missing is skipped loudly; with CI=true or PRMLAB_REQUIRE_BROWSER=1 a
browser that cannot be had is a failure. PRMLAB_SECONDS is what a notebook may take in the
browser, 90 unless told: more on a machine that is slower than two cores, or busy.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from prmlab import doctor

ROOT = Path(__file__).resolve().parent.parent
STRICT = os.environ.get("PRMLAB_REQUIRE_BROWSER") == "1" or os.environ.get("CI") == "true"
PYTEST = [sys.executable, "-m", "pytest", "-q", "--durations=5", "--durations-min=5"]


def run(*command: str) -> str:
    """Run a command in the checkout; ok or failed."""
    print("+", " ".join(command[1:] if command[0] == sys.executable else command), flush=True)
    return "ok" if subprocess.run(command, cwd=ROOT).returncode == 0 else "failed"


def lint() -> str:
    """Style, by the linter."""
    return run(sys.executable, "-m", "ruff", "check", ".")


def javascript() -> str:
    """The widgets' pure functions, by Node's own runner."""
    tests = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/js/*.test.mjs"))
    if not tests:
        return "skipped: no JavaScript test"
    if shutil.which("node") is None:
        return "skipped: node is not installed"
    return run("node", "--test", *tests)


def unit() -> str:
    """The package, its docstrings' examples, and the rules of the notebooks."""
    return run(*PYTEST)


def notebooks() -> str:
    """Every notebook through nbval."""
    built = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("notebooks/*.ipynb"))
    if not built:
        return "skipped: no notebook is built"
    # Not the folder: collecting doctests there would import, and so run, every source in src.
    return run(*PYTEST, "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=120", *built)


def browser() -> str:
    """Every notebook in JupyterLab in Chromium."""
    if not have_browser():
        return "failed: no browser" if STRICT else (
            "skipped: no Chromium or Chrome, and none could be installed")
    return run(*PYTEST, "-m", "browser", "tests/browser")


def have_browser() -> bool:
    """True if there is a browser, after trying Playwright's install and then the system's."""
    installs = [[[sys.executable, "-m", "playwright", "install", "chromium"]]]
    if shutil.which("apt-get") and os.geteuid() == 0:
        installs.append([["apt-get", "update", "-qq"],
                         ["apt-get", "install", "-y", "-qq", "chromium"]])
    for commands in installs:
        if doctor.browser():
            break
        for command in commands:
            print("No Chromium or Chrome here. Trying:", " ".join(command), flush=True)
            subprocess.run(command, stdin=subprocess.DEVNULL, timeout=600, check=False,
                           env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    return doctor.browser() is not None


STAGES = {stage.__name__: stage for stage in (lint, javascript, unit, notebooks, browser)}


def main() -> int:
    """Run the chosen stages; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", metavar="STAGE", choices=[[], *STAGES],
                        help="default: all of " + ", ".join(STAGES))
    chosen = parser.parse_args().stages or list(STAGES)
    results, began = [], time.perf_counter()
    for name in chosen:
        print(f"\n== {name}: {STAGES[name].__doc__.splitlines()[0]}", flush=True)
        start = time.perf_counter()
        results.append((name, STAGES[name](), time.perf_counter() - start))
    print("\n== summary")
    for name, outcome, seconds in results:
        print(f"{name:12} {seconds:7.1f} s  {outcome}")
    print(f"{'all':12} {time.perf_counter() - began:7.1f} s")
    counts = {word: sum(outcome.startswith(word) for _, outcome, _ in results)
              for word in ("ok", "failed", "skipped")}
    print(f"stages: {counts['ok']} passed, {counts['failed']} failed, "
          f"{counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
