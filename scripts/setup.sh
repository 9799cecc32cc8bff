#!/bin/sh
# Make .venv with a Python >= 3.11 and install what requirements.txt pins, once.
# PYTHON=/path/to/python chooses the Python. Run again it does nothing until
# requirements.txt, pyproject.toml or the folder's own place has changed.
set -eu
cd "$(dirname "$0")/.."
stop() { printf '\nSet-up stopped. %s\n' "$1" >&2; exit 1; }

venv=.venv/bin/python
want="$(pwd) $(cksum requirements.txt pyproject.toml)"
if [ -x $venv ] && $venv -c '' 2>/dev/null && [ "$(cat .venv/installed 2>/dev/null)" = "$want" ]
then exit 0; fi

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

if ! { [ -x $venv ] && new_enough $venv && $venv -m pip --version >/dev/null 2>&1; }; then
  python=
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14 python; do
    if new_enough "$candidate"; then python=$candidate; break; fi
  done
  [ -n "$python" ] || stop "PRMLab needs Python 3.11 or newer; python3 here is \
$(python3 --version 2>/dev/null || echo missing). Install one (for example: apt-get install python3 \
python3-venv, or a download from python.org), then run this again, or name it: PYTHON=/path/to/python make lab"
  "$python" -c 'import venv, ensurepip' 2>/dev/null || stop "$python has no venv module with pip. \
On Debian and Ubuntu: apt-get install python3-venv; then run this again."
  echo "Making .venv with $("$python" --version) ..."
  "$python" -m venv --clear .venv
fi

echo "Installing the pinned packages into .venv (once; minutes, and 1.8 GB of disk) ..."
$venv -m pip install --disable-pip-version-check --progress-bar off -r requirements.txt || stop "pip could not \
install requirements.txt; its message is above. Without a network, see the README, 'Start'."
$venv -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
printf '%s\n' "$want" > .venv/installed
