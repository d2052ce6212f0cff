"""Deadlines for writing to shards, by this host's monotonic clock; a thread reports passed ones.

The thread does not use the database, which may be out of reach when a lease ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from indelible.clock import Clock
from indelible.loops import Loop
from indelible.threads import start_now


class LeaseDeadlines:
    """The deadlines of shards; any thread may set them."""

    def __init__(
        self, clock: Clock, on_passed: Callable[[frozenset[int]], None], name: str
    ) -> None:
        """``on_passed`` gets the shards whose deadline has passed; quick, never raises."""
        self._clock = clock
        self._on_passed = on_passed
        self._name = name
        self._changed = threading.Condition()
        self._until: dict[int, int] = {}
        self._stopped = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread.

        Raises:
            ThreadUnavailableError: The host gives no thread.
        """
        thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        start_now(thread)
        self._thread = thread

    def stop(self) -> None:
        """Stop the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def extend(self, number: int, until: int) -> bool:
        """Set the deadline to ``until``, monotonic ns; ``False`` if it is later already."""
        with self._changed:
            if until <= self._until.get(number, until - 1):
                return False
            self._until[number] = until
            self._changed.notify()
            return True

    def forget(self, numbers: Collection[int]) -> None:
        """Remove the deadlines of the shards ``numbers``."""
        with self._changed:
            for number in numbers:
                self._until.pop(number, None)

    def _work(self) -> None:
        Loop(self._name).run(self._turn, self._rest)

    def _turn(self) -> bool:
        passed = self._wait()
        if passed:
            self._on_passed(passed)
        return passed is not None

    def _rest(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, seconds)

    def _wait(self) -> frozenset[int] | None:
        """Wait for the first deadline and return the shards past theirs, ``None`` once stopped."""
        with self._changed:
            if self._stopped:
                return None
            now = self._clock.monotonic()
            first = min(self._until.values(), default=None)
            if first is None or first > now:
                self._changed.wait(None if first is None else (first - now) / 1e9)
                return None if self._stopped else frozenset()
            passed = frozenset(n for n, until in self._until.items() if until <= now)
            for number in passed:
                del self._until[number]
            return passed
