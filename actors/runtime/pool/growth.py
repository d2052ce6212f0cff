"""When to add threads: while work waits, a watcher looks whether the threads get through it.

No thread is added while the interpreter itself is the bottleneck, for it would only take turns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from indelible.clock import Clock
from indelible.loops import Loop
from indelible.threads import wanted

LOOK_S = 0.005  # the interpreter's switch interval: a busy one makes a look late by as much
LATE_S = 1.5 * LOOK_S  # a look that took longer was kept waiting by running Python code
STALL_S = 0.1  # busy, yet nothing begun for so long: whatever runs may wait for what is queued
TASKS_A_LOOK = 4  # fewer begun by each thread in one look: they take over 1.25 ms, so they wait


class PoolGrowth:
    """Decides how many threads may run at once, from how fast tasks are begun.

    Guesses only: any thread may call it at any time, a lost update does no harm.
    """

    def __init__(self, base: int, limit: int) -> None:
        """Begin at ``base`` threads, never say more than ``limit``."""
        self._base = base
        self._limit = limit
        self._stalled = 0.0
        self.width = base

    def look(self, begun: int, elapsed: float) -> bool:
        """Take note of ``begun`` tasks in ``elapsed`` seconds while others waited.

        Returns:
            Whether the width has grown.

        >>> growth = PoolGrowth(base=2, limit=64)
        >>> growth.look(begun=100, elapsed=0.005), growth.width  # tasks are quick
        (False, 2)
        >>> growth.look(begun=2, elapsed=0.005), growth.width  # tasks wait for something
        (True, 4)
        >>> growth.look(begun=2, elapsed=0.010), growth.width  # the interpreter is busy
        (False, 4)
        """
        width = self.width
        self._stalled = 0.0 if begun else self._stalled + elapsed
        if begun >= TASKS_A_LOOK * width * elapsed / LOOK_S or width >= self._limit:
            return False
        if elapsed < LATE_S:
            self.width = min(2 * width, self._limit)
            return True
        if self._stalled < STALL_S:
            return False
        self._stalled = 0.0
        self.width = width + 1
        return True

    def quick(self) -> None:
        """Take note of a thread that did many tasks in one burst: fewer threads are better."""
        self.width = max(self._base, self.width // 2)

    def shrink(self, threads: int) -> None:
        """Take note that only ``threads`` are left, the others having had nothing to do."""
        self.width = max(self._base, min(self.width, threads))


class GrowthWatcher:
    """A daemon thread that calls ``look`` every 5 ms from an alert on until nothing waits.

    Attributes:
        alerted: Whether it looks now: another alert would change nothing.
    """

    def __init__(
        self,
        name: str,
        waiting: Callable[[], bool],
        look: Callable[[float], None],
        clock: Clock,
    ) -> None:
        """Start no thread yet; ``look`` gets the seconds since the look before it."""
        self._name = name
        self._waiting = waiting
        self._look = look
        self._clock = clock
        self.alerted = False  # as the event below says, which costs a call to ask
        self._alarm = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def alert(self) -> None:
        """Have it look, from any thread; nearly free while it already does."""
        if self.alerted:
            return
        with self._lock:
            if self._closed.is_set() or not (self._thread or self._begin()):
                return
            self.alerted = True
            self._alarm.set()

    def _begin(self) -> bool:
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        if not wanted.start(thread, self._again):
            return False
        self._thread = thread
        return True

    def _again(self) -> None:
        if self._waiting():
            self.alert()

    def close(self) -> None:
        """End the thread and wait for it."""
        with self._lock:
            self._closed.set()
            self._alarm.set()
            thread = self._thread
        wanted.forget(self._again)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        Loop(self._name).run(self._turn, self._closed.wait)

    def _turn(self) -> bool:
        self._alarm.wait()
        self._watch()
        if self._closed.is_set():
            return False
        self._alarm.clear()
        self.alerted = False
        if self._waiting():  # came between the last look and here
            self.alerted = True
            self._alarm.set()
        return True

    def _watch(self) -> None:
        last = self._clock.monotonic()
        while not self._closed.wait(LOOK_S) and self._waiting():
            now = self._clock.monotonic()
            self._look(max((now - last) / 1e9, LOOK_S))  # a manual clock may stand still
            last = now
