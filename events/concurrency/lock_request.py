"""A request for a lock that its usual holder would otherwise take again and again."""

from __future__ import annotations

import threading
from types import TracebackType


class LockRequest:
    """Takes a lock, and shows its usual holder that a thread waits for it; for any thread.

    Attributes:
        count: Threads that wait for the lock, or hold it, through this request; while there are
            any, the usual holder does not take the lock.
    """

    def __init__(self, lock: threading.Lock) -> None:
        """Guard ``lock``, which its usual holder takes directly."""
        self.count = 0
        self._lock = lock
        self._counting = threading.Lock()

    def __enter__(self) -> None:
        """Wait for the lock."""
        with self._counting:
            self.count += 1
        try:
            self._lock.acquire()
        except BaseException:  # from a signal handler
            self._leave()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release the lock."""
        self._lock.release()
        self._leave()

    def _leave(self) -> None:
        with self._counting:
            self.count -= 1
