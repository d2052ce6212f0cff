"""Asking for a lock whose holder would take it again and again."""

from __future__ import annotations

import threading
from types import TracebackType


class LockRequest:
    """Takes a lock and lets its usual holder see, meanwhile, that somebody waits; any thread may.

    Attributes:
        now: How many wait for the lock, or hold it; who finds some there leaves it to them.
    """

    def __init__(self, lock: threading.Lock) -> None:
        """Ask for ``lock``, which its usual holder takes without asking."""
        self.now = 0
        self._lock = lock
        self._counting = threading.Lock()

    def __enter__(self) -> None:
        """Wait for the lock."""
        with self._counting:
            self.now += 1
        try:
            self._lock.acquire()
        except BaseException:  # a signal's
            self._leave()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give it back."""
        self._lock.release()
        self._leave()

    def _leave(self) -> None:
        with self._counting:
            self.now -= 1
