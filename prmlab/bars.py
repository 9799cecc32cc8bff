"""Progress bars of text for long work: nothing for two seconds, and one line however deep they stand.

Does not know what is counted.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

DELAY = 2.0  # seconds before anything is shown
EVERY = 1.0  # seconds between two pictures of it
WIDE = 80  # characters that each picture covers: none of another bar's shows from under it

_OPEN: set[int] = set()  # the bars that are on the screen, or may come to be


@contextmanager
def bar(total: int | None, unit: str, *, done: int = 0, hidden: bool = False) -> Iterator[Any]:
    """A bar to use in a `with` block; its `update(n)` counts on. Without tqdm nothing is shown.

    One that stands in another's work takes its line while it lasts, and is gone afterwards: a
    notebook has no cursor to move up, and keeps each line below the first for good.

    Args:
        total: how many there are; None if nobody knows.
        unit: what one is called, such as "trace".
        done: how many were done before.
        hidden: show nothing.
    """
    try:
        from tqdm import tqdm  # the `learn` extra brings it
    except ImportError:
        yield SimpleNamespace(update=lambda n=1: None)
        return

    class Turn(tqdm):
        def display(self, msg: str | None = None, pos: int | None = None) -> Any:
            return super().display((str(self) if msg is None else msg).ljust(WIDE), pos)

    shown = Turn(total=total, initial=done, delay=DELAY, mininterval=EVERY, unit=unit,
                 position=0, leave=not _OPEN, disable=hidden)
    if not hidden:
        _OPEN.add(id(shown))
    try:
        with shown:
            yield shown
    finally:
        _OPEN.discard(id(shown))
        if not hidden:
            sys.stderr.flush()  # or the line's end comes after what is printed next
