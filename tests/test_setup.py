"""`make lab` and `make test` say in words what a machine lacks."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("sh", "dirname", "cksum", "cat", "mkdir", "rm", "ln")


@pytest.fixture
def clone(tmp_path):
    """A folder with the set-up's files, and a function that runs it with only these programs."""
    folder, bin_folder = tmp_path / "a clone", tmp_path / "bin"
    (folder / "scripts").mkdir(parents=True)
    bin_folder.mkdir()
    for name in ("requirements.txt", "pyproject.toml", "scripts/setup.sh"):
        shutil.copy(ROOT / name, folder / name)
    for name in NEEDED:
        (bin_folder / name).symlink_to(shutil.which(name))

    def run(**programs: str) -> subprocess.CompletedProcess:
        for name, text in programs.items():
            (bin_folder / name).write_text("#!/bin/sh\n" + text)
            (bin_folder / name).chmod(0o755)
        env = {"PATH": str(bin_folder), "HOME": os.environ.get("HOME", "/")}
        return subprocess.run([str(bin_folder / "sh"), str(folder / "scripts" / "setup.sh")],
                              env=env, capture_output=True, text=True)

    return run


def test_no_python(clone):
    done = clone()
    assert done.returncode == 1
    assert "needs Python 3.11 or newer; python3 here is missing" in done.stderr
    assert "PYTHON=/path/to/python make lab" in done.stderr


def test_an_old_python(clone):
    done = clone(python3='[ "$1" = --version ] && echo Python 3.9.2 || exit 1\n')
    assert done.returncode == 1
    assert "python3 here is Python 3.9.2" in done.stderr


def test_a_python_without_venv(clone):
    done = clone(python3='case "$2" in *ensurepip*) exit 1;; esac\n')
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr


def test_a_failed_installation_is_tried_again(clone):
    makes_venv = ('case "$2" in venv) mkdir -p .venv/bin; ln -s "$0" .venv/bin/python;;'
                  ' pip) [ "$3" = --version ] || exit 1;; esac\n')
    for _ in range(2):
        done = clone(python3=makes_venv)
        assert done.returncode == 1
        assert "could not install requirements.txt" in done.stderr


def test_a_finished_set_up_is_not_repeated(clone):
    works = 'case "$2" in venv) mkdir -p .venv/bin; ln -s "$0" .venv/bin/python;; esac\n'
    first = clone(python3=works)
    assert first.returncode == 0, first.stderr
    assert "Installing the pinned packages" in first.stdout
    again = clone(python3=works)
    assert (again.returncode, again.stdout) == (0, "")
