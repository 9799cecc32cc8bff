"""The doctor finds what is missing, says so in words, and names a mend."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from prmlab import catalog, doctor
from prmlab.doctor import Finding, Report

ROOT = Path(__file__).resolve().parent.parent


def only(findings, name):
    """The one finding of that name."""
    found = [each for each in findings if each.name == name]
    assert len(found) == 1, [each.name for each in findings]
    return found[0]


def test_a_report_is_ok_unless_something_failed():
    good, odd = Finding("a", "ok", "x"), Finding("b", "warn", "y", "z")
    bad = Finding("c", "fail", "")
    assert Report((good, odd)).ok
    assert not Report((good, bad)).ok
    assert repr(Report((good, odd))) == "✓ ok    a: x\n! warn  b: y. Mend: z"


def test_the_table_has_words_and_escapes_what_it_shows():
    page = Report((Finding("<b>", "fail", "a & b", "mend it"),))._repr_html_()
    assert "✗ fail" in page
    assert "&lt;b&gt;" in page
    assert "a &amp; b" in page
    assert "<b>" not in page


def test_every_warning_and_failure_here_names_a_mend():
    findings = doctor.examine().findings
    assert {each.name for each in findings} >= {
        "Python", "Packages: base", "Packages: lab", "Kernel", "Server", "Widgets in JupyterLab",
        "Browser for the tests", "GPU", "Machine", "Data"}
    assert all(each.says for each in findings)
    assert [each for each in findings if each.state != "ok" and not each.mend] == []


def test_missing_and_unfit_packages(monkeypatch):
    monkeypatch.setattr(doctor, "_requirements", lambda: [
        "numpy>=999", 'nothing-like-it>=1 ; extra == "lab"', 'pytest ; extra == "test"',
        'math-verify>=99 ; extra == "answers"', 'nor-like-this>=1 ; extra == "ray"',
        'numpy>=999 ; extra == "lora"'])
    found = list(doctor._packages())
    assert only(found, "Packages: base").state == "fail"
    assert "needed is >=999" in only(found, "Packages: base").says
    assert only(found, "Packages: lab").says == "nothing-like-it is not installed"
    assert only(found, "Packages: lab").state == "fail"
    assert only(found, "Packages: test").state == "ok"
    assert only(found, "Packages: answers").state == "warn"
    asked_for = only(found, "Packages: ray")
    assert asked_for.state == "ok" and not asked_for.mend
    assert asked_for.says == ("nor-like-this is not installed, and needed only on request: "
                              "python -m pip install prmlab[ray]")
    unfit = only(found, "Packages: lora")
    assert (unfit.state, unfit.mend) == ("warn", "python -m pip install prmlab[lora]")


def test_what_is_left_out_on_request_is_not_pinned():
    """An extra that `make lab` installs must be there; one that it does not need not be."""
    pinned = (ROOT / "requirements.txt").read_text("utf-8").lower()
    groups = {}
    for line in doctor._requirements():
        name, _, extra = line.partition(" ; extra == ")
        if extra:
            groups.setdefault(extra.strip('"'), []).append(re.match(r"[\w-]+", name)[0])
    for group, names in groups.items():
        here = all(re.search(rf"^{name}\b", pinned, re.MULTILINE) for name in names)
        assert here or group in doctor.ON_REQUEST, f"{group}: {names}"


def test_a_kernel_of_another_python(monkeypatch, tmp_path):
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho /elsewhere\n")
    other.chmod(0o755)
    spec = tmp_path / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(json.dumps(
        {"argv": [str(other), "-m", "ipykernel"], "display_name": "P", "language": "p"}))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    kernel = only(doctor._kernel(), "Kernel")
    assert kernel.state == "fail"
    assert "is not this Python" in kernel.says
    assert kernel.mend == "python -m ipykernel install --sys-prefix"


def test_a_server_of_another_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    for name, text in (("python", "#!/bin/sh\necho /elsewhere\n"),
                       ("jupyter-lab", f"#!{tmp_path}/python\nmain()\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    server = only(doctor._server(), "Server")
    assert server.state == "warn"
    assert "another environment" in server.says
    assert server.mend == "start it with make lab"


def test_a_front_end_that_does_not_match_its_package(monkeypatch):
    assert only(doctor._front_ends(), "Widgets in JupyterLab").state == "ok"
    monkeypatch.setattr(doctor, "_version", lambda package: "0.10.3")
    widgets = only(doctor._front_ends(), "Widgets in JupyterLab")
    assert widgets.state == "fail"
    assert "does not match anywidget 0.10.3" in widgets.says
    monkeypatch.setattr(doctor, "FRONT_ENDS", {"no-such": ("anywidget", 2)})
    assert "no-such is not installed" in only(doctor._front_ends(), "Widgets in JupyterLab").says


def test_no_browser_is_a_warning(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PRMLAB_BROWSER", "PLAYWRIGHT_BROWSERS_PATH"):
        monkeypatch.delenv(name, raising=False)
    assert only(doctor._browser(), "Browser for the tests").state == "warn"
    own = tmp_path / ".cache/ms-playwright/chromium-1200/chrome-linux64/chrome"
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert doctor.browser() == str(own)
    monkeypatch.setenv("PRMLAB_BROWSER", "/no/such/browser")
    assert doctor.browser() is None


def test_damaged_data_is_a_failure(monkeypatch, tmp_path):
    monkeypatch.setenv("PRMLAB_DATA", str(tmp_path))
    assert only(doctor._data(), "Data").state == "fail"
    (tmp_path / "MANIFEST.json").write_text("{")
    assert "damaged" in only(doctor._data(), "Data").says
    monkeypatch.setattr(catalog, "entries", lambda: [catalog.Entry("x", 1, "0")])
    assert only(doctor._data(), "Data").says == "x is missing"


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def broken():
        raise OSError("no such device")
        yield

    monkeypatch.setattr(doctor, "_gpu", broken)
    found = only(doctor.examine().findings, "Broken")
    assert found.state == "warn"
    assert found.says == "could not be looked at (no such device)"


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (["--help"], 0, "is everything here that the notebooks need?"),
    (["doctor", "--help"], 0, "Changes nothing"),
    (["--version"], 0, "prmlab "),
    ([], 2, "COMMAND"),
    (["docter"], 2, "invalid choice"),
])
def test_the_command_line_teaches(arguments, code, words):
    done = subprocess.run([sys.executable, "-m", "prmlab", *arguments], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == code
    assert words in done.stdout + done.stderr


def test_the_exit_code_tells_of_failures(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda: Report((Finding("a", "fail", "b", "c"),)))
    assert doctor.run() == 1
    assert "✗ fail  a: b. Mend: c" in capsys.readouterr().out
    monkeypatch.setattr(doctor, "examine", lambda: Report((Finding("a", "warn", "b", "c"),)))
    assert doctor.run() == 0
