"""Progress bars of text for long work: nothing for two seconds, gone when they stood in another's.

Does not know what is counted.
"""

from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any


def bar(total: int | None, unit: str) -> AbstractContextManager[Any]:
    """A bar to use in a `with` block; its `update(n)` counts on. Without tqdm nothing is shown."""
    try:
        from tqdm import tqdm  # the `learn` extra brings it
    except ImportError:
        return nullcontext(SimpleNamespace(update=lambda n=1: None))
    return tqdm(total=total, delay=2, mininterval=1, unit=unit, leave=None)
