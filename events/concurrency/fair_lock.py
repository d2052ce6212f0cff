"""A first-come, first-served lock, so that no thread starves."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class FairLock:
    """A lock that threads get in the order of their requests; not re-entrant.

    A thread that has just released a ``threading.Lock`` may take it again and again: with a long
    queue, the leader of the group commit would keep the views waiting for ever.
    """

    def __init__(self) -> None:
        """Start unlocked."""
        self.reset()

    def reset(self) -> None:
        """Unlock whatever the state: for a forked child, in which the holder does not exist."""
        self._mutex = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        """Wait for the lock."""
        with self._mutex:
            if not self._held:
                self._held = True
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        try:
            gate.acquire()  # released by the holder when it hands the lock over
        except BaseException:  # from a signal handler: leave the queue, or hand the lock on
            with self._mutex:
                if gate in self._waiting:
                    self._waiting.remove(gate)
                    raise
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Hand the lock to the thread that has waited longest."""
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False
