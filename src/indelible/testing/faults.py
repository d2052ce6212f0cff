"""Injected faults: an action for a failpoint that raises only while it is armed."""

from __future__ import annotations

import threading


class InjectedError(Exception):
    """Raised by an armed :class:`Fault`, in place of an error of the database."""


class Fault:
    """An action for :class:`~indelible.failpoints.Failpoints` that raises while armed."""

    def __init__(self) -> None:
        """Begin disarmed."""
        self._lock = threading.Lock()
        self._left = 0

    def arm(self, times: int = 1) -> None:
        """Raise at the next ``times`` calls."""
        with self._lock:
            self._left = times

    def __call__(self) -> None:
        """Raise :class:`InjectedError`, if armed."""
        with self._lock:
            if self._left == 0:
                return
            self._left -= 1
        raise InjectedError("injected")
