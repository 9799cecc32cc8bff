"""Fixtures of the browser tests: a JupyterLab server, a Chromium, and `lab`, a notebook in both."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import jupytext
import pytest

from prmlab import doctor

collect_ignore = ["lab_config.py"]  # JupyterLab reads it, not pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
STRICT = os.environ.get("PRMLAB_REQUIRE_BROWSER") == "1" or os.environ.get("CI") == "true"


def free_port() -> int:
    """A port of this machine's loopback that nothing uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def notebooks(tmp_path_factory):
    """The folder that JupyterLab serves: copies of notebooks/*.ipynb and of the sample."""
    folder = tmp_path_factory.mktemp("notebooks")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(path, folder)
    sample = jupytext.read(ROOT / "tests" / "data" / "notebooks" / "src" / "98_sample.py")
    sample.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    jupytext.write(sample, folder / "98_sample.ipynb")
    return folder


@pytest.fixture(scope="session")
def server(notebooks, tmp_path_factory):
    """The address of a JupyterLab without network, settings or kernels of this machine's user."""
    home, port = tmp_path_factory.mktemp("home"), free_port()
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(
        {"checkForUpdates": False, "doNotDisturbMode": True, "fetchNews": "false"}))
    paths = [str(ROOT / "scripts" / "offline"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)),
           "PRMLAB_TEST_PORT": str(port), "PRMLAB_TEST_SETTINGS": str(home / "settings"),
           "JUPYTERLAB_GALATA_ROOT_DIR": str(notebooks), "JUPYTER_CONFIG_DIR": str(home),
           "JUPYTER_DATA_DIR": str(home), "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
           "IPYTHONDIR": str(home / "ipython"), "HF_HUB_OFFLINE": "1",
           "PRMLAB_PROGRESS": str(home / "progress.json")}
    log = home / "server.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--config", str(HERE / "lab_config.py")],
            env=env, stdout=stream, stderr=subprocess.STDOUT, cwd=notebooks)
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{base}/api/status", timeout=2).close()
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, f"JupyterLab stopped:\n{log.read_text()[-3000:]}"
                time.sleep(0.2)
        else:
            pytest.fail(f"JupyterLab did not answer in a minute:\n{log.read_text()[-3000:]}")
        yield base
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def chromium():
    """An installed Chromium or Chrome, headless; without one the tests are skipped, not in CI."""
    from playwright.sync_api import sync_playwright

    executable = doctor.browser()
    if executable is None:
        message = "no Chromium or Chrome found; see: python -m prmlab doctor"
        pytest.fail(message) if STRICT else pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, headless=True,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking",
                  "--disable-component-update", "--force-color-profile=srgb"])
        yield browser
        browser.close()


@pytest.fixture
def lab(server, chromium, request):
    """A fresh window on JupyterLab: see `lab.Lab` for what it can do."""
    from lab import ARTEFACTS, Lab

    context = chromium.new_context(viewport={"width": 1280, "height": 900},
                                   reduced_motion="reduce")
    page = context.new_page()
    opened = Lab(page, server)
    yield opened
    if getattr(request.node, "failed", False):
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=ARTEFACTS / f"failed-{request.node.name}.png")
    context.close()
    stop_kernels(server)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Let the fixture `lab` know that its test failed: it then keeps a screenshot."""
    report = yield
    if report.when == "call" and report.failed:
        item.failed = True
    return report


def stop_kernels(base: str) -> None:
    """End the sessions that a test began, so that their memory is free for the next."""
    with urllib.request.urlopen(f"{base}/api/sessions", timeout=10) as answer:
        sessions = json.load(answer)
    for session in sessions:
        urllib.request.urlopen(urllib.request.Request(
            f"{base}/api/sessions/{session['id']}", method="DELETE"), timeout=20).close()
