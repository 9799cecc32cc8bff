"""What all tests share, and the nbval route: `pytest --nbval-lax --nbval-current-env notebooks`.

Cells marked `# NBVAL_CHECK_OUTPUT` must print again what the notebook shows. Pictures are not
compared (fonts and rounding differ from machine to machine), progress bars neither.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

collect_ignore = ["tests/data"]  # samples, not tests
collect_ignore_glob = ["*conftest.py"]  # --doctest-modules would import several of that name
settings.register_profile("prmlab", deadline=None)  # a busy machine is no failure
settings.load_profile("prmlab")

ROOT = Path(__file__).resolve().parent
NOT_COMPARED = ("application/vnd.plotly.v1+json", "image/svg+xml", "stderr")


def pytest_configure(config: pytest.Config) -> None:
    """Kernels started by nbval run this checkout's package, without a network."""
    if config.option.nbval_lax or config.option.nbval:
        paths = (ROOT / "scripts" / "offline", ROOT, os.environ.get("PYTHONPATH", ""))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, map(str, paths)))
        os.environ["HF_HUB_OFFLINE"] = "1"
        shutil.rmtree(Path(tempfile.gettempdir()) / "prmlab-offline", ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Seconds of each notebook that nbval ran."""
    seconds: dict[str, float] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            name = getattr(report, "nodeid", "").partition("::")[0]
            if name.endswith(".ipynb") and hasattr(report, "duration"):
                seconds[name] = seconds.get(name, 0) + report.duration
    for name, spent in sorted(seconds.items()):
        terminalreporter.write_line(f"{name} {spent:.0f} s")


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Tell nbval which kinds of output not to compare."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += NOT_COMPARED
