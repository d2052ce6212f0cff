"""Faults on demand: an action for a failpoint that fails only while it is armed."""

from __future__ import annotations

import threading


class InjectedError(Exception):
    """Raised by an armed :class:`Fault`, standing for a database that failed."""


class Fault:
    """An action for :class:`~indelible.failpoints.Failpoints` that raises while armed."""

    def __init__(self) -> None:
        """Let everything pass."""
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
