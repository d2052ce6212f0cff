"""The flag of a stopped actor: a ``threading.Event`` that costs little until a thread waits."""

from __future__ import annotations

import threading

from indelible.actors.runtime.future import let_others_run
from indelible.forks import process_wide

# One lock for all flags, taken only for a flag's first waiter: saves memory for each flag.
_first_wait = process_wide(threading.RLock())


class StoppedFlag(threading.Event):
    """An event whose lock and condition are made by the first :meth:`wait`.

    A standard event takes about 1 KiB, which is too much for 100,000 actors.
    """

    def __init__(self) -> None:
        """Start clear; the base's constructor is not called on purpose."""
        self._is_set = False
        self._event: threading.Event | None = None

    def is_set(self) -> bool:
        """Whether the flag is set."""
        return self._is_set

    def set(self) -> None:
        """Set the flag and wake all waiters."""
        self._is_set = True  # first, so that a new waiter sees it
        if self._event is not None:
            self._event.set()

    def clear(self) -> None:
        """Clear the flag."""
        self._is_set = False
        if self._event is not None:
            self._event.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is set; False after ``timeout`` seconds."""
        if self._is_set:
            return True
        with _first_wait:
            if self._event is None:
                self._event = threading.Event()
        if self._is_set:
            return True
        with let_others_run(None, forever=timeout is None):
            return self._event.wait(timeout)
