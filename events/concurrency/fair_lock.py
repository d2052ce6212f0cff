"""A lock that is handed over in the order in which it was asked for, so that nobody starves."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class FairLock:
    """One holder at a time, first come, first served; not re-entrant.

    ``threading.Lock`` may be taken again and again by the thread that has just released it: a
    leader with a long queue would keep the views out for good.
    """

    def __init__(self) -> None:
        """Start free."""
        self.reset()

    def reset(self) -> None:
        """Be free again, whoever held it: in a forked child, where its holder does not exist."""
        self._mutex = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        """Wait for the turn."""
        with self._mutex:
            if not self._held:
                self._held = True
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        try:
            gate.acquire()  # opened by whoever hands over; the turn is held all the time
        except BaseException:  # a signal's exception: leave the queue, or pass the turn on
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
        """Hand over to the one who has waited longest."""
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False
