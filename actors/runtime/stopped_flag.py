"""The flag of a stopped actor: a ``threading.Event`` that costs little until somebody waits."""

from __future__ import annotations

import threading

from indelible.actors.runtime.future import let_others_run
from indelible.forks import process_wide

# Taken only when a flag gets its first waiter, by all of them, so that each is a lock smaller.
_inflating = process_wide(threading.RLock())


class StoppedFlag(threading.Event):
    """An event whose lock and condition are made by the first :meth:`wait`.

    A real one takes about 1 KiB, which 100,000 actors would feel.
    """

    def __init__(self) -> None:
        """Be clear; the base's constructor is left out on purpose."""
        self._is_set = False
        self._event: threading.Event | None = None

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it and let all waiters go."""
        self._is_set = True  # first, so that a waiter that comes now sees it
        if self._event is not None:
            self._event.set()

    def clear(self) -> None:
        """Clear it."""
        self._is_set = False
        if self._event is not None:
            self._event.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; False after ``timeout`` seconds."""
        if self._is_set:
            return True
        with _inflating:
            if self._event is None:
                self._event = threading.Event()
        if self._is_set:
            return True
        with let_others_run(None, forever=timeout is None):
            return self._event.wait(timeout)
