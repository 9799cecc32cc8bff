"""Work on a thread of its own, one piece at a time: a later one takes the place of an earlier.

Knows nothing of what is done. Work asks `stopped()` now and then, and returns soon after it is
true; nothing is ever killed.
"""

from collections.abc import Callable
from threading import Event, Lock, Thread

Work = Callable[[Callable[[], bool]], None]


class Background:
    """Runs `work(stopped)`; at most one piece is under way at any time.

    Example:
        >>> done, background = [], Background()
        >>> background.start(lambda stopped: done.append(stopped())).join()
        >>> done
        [False]
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._stop = Event()
        self._thread: Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether work is under way or waits for its turn."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Work) -> Thread:
        """Stop what is under way and begin `work` as soon as that has returned.

        Work that was itself replaced before its turn came is never begun.
        """
        with self._lock:
            self._stop.set()
            before, self._stop = self._thread, Event()
            thread = Thread(target=self._run, args=(work, self._stop, before), daemon=True)
            self._thread = thread
            thread.start()
        return thread

    def stop(self) -> None:
        """Ask the work under way to return."""
        with self._lock:
            self._stop.set()

    @staticmethod
    def _run(work: Work, stop: Event, before: Thread | None) -> None:
        if before is not None:
            before.join()
        if not stop.is_set():
            work(stop.is_set)
