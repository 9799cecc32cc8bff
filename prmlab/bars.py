"""Progress bars of text for long work: nothing for two seconds, gone when they stood in another's.

In a terminal a bar within another's stands below it. Elsewhere, as in JupyterLab, no cursor goes
up, and each of its updates would be one more line of output: there the two take turns in one line.
Does not know what is counted.
"""

import sys
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

DELAY, EVERY = 2, 1  # seconds before a bar is shown, and between its updates
WIDE = 80  # characters that a bar covers where bars take turns: none shows from under another


def bar(total: int | None, unit: str) -> AbstractContextManager[Any]:
    """A bar to use in a `with` block; its `update(n)` counts on. Without tqdm nothing is shown."""
    try:
        from tqdm import tqdm  # the `learn` extra brings it
    except ImportError:
        return nullcontext(SimpleNamespace(update=lambda n=1: None))
    options = {"total": total, "delay": DELAY, "mininterval": EVERY, "unit": unit}
    if sys.stderr.isatty():
        return tqdm(**options, leave=None)

    class Turn(tqdm):
        def display(self, msg: str | None = None, pos: int | None = None) -> Any:
            return super().display((str(self) if msg is None else msg).ljust(WIDE), pos)

    return Turn(**options, position=0, leave=not len(getattr(tqdm, "_instances", ())))
