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
        >>> found, background = [], Background()
        >>> background.start(lambda stopped: found.append(stopped())).wait()
        True
        >>> found
        [False]
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._stop, self._done = Event(), Event()
        self._done.set()

    @property
    def busy(self) -> bool:
        """Whether work is under way or waits for its turn."""
        return not self._done.is_set()

    def start(self, work: Work) -> Event:
        """Stop what is under way and begin `work` as soon as that has returned.

        Returns an event that is set when the work has returned, or was itself replaced before its
        turn came: then it is never begun.
        """
        # Events, because a join that Ctrl-C interrupts takes its thread for dead (Python 3.11).
        with self._lock:
            self._stop.set()
            before, self._stop, self._done = self._done, Event(), Event()
            given = (work, self._stop, before, self._done)
            Thread(target=self._run, args=given, daemon=True).start()
            return self._done

    def stop(self) -> None:
        """Ask the work under way to return."""
        with self._lock:
            self._stop.set()

    @staticmethod
    def _run(work: Work, stop: Event, before: Event, done: Event) -> None:
        before.wait()
        try:
            if not stop.is_set():
                work(stop.is_set)
        finally:
            done.set()
