"""Decides when to add threads: while tasks wait, a watcher checks how fast they are begun.

No thread is added while the interpreter lock is the bottleneck: it would not run in parallel.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from indelible.clock import Clock
from indelible.loops import Loop
from indelible.threads import refusals

WATCH_INTERVAL_S = 0.005  # the interpreter's switch interval, by which a busy one delays a look
LATE_S = 1.5 * WATCH_INTERVAL_S  # a look that is later was delayed by running Python code
STALL_S = 0.1  # no task begun for so long: running tasks may wait for queued tasks
MIN_TASKS_BEGUN = 4  # if each thread begins fewer in a look, tasks take over 1.25 ms: they wait


class PoolGrowth:
    """Decides how many threads may run at once, from how fast tasks are begun.

    Only an estimate: any thread may call it at any time, a lost update does no harm.
    """

    def __init__(self, base: int, limit: int) -> None:
        """Begin with ``base`` threads; ``limit`` is the maximum."""
        self._base = base
        self._limit = limit
        self._stalled = 0.0
        self.width = base

    def look(self, begun: int, elapsed: float) -> bool:
        """Adapt the width after ``begun`` tasks in ``elapsed`` seconds while others waited.

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
        if begun >= MIN_TASKS_BEGUN * width * elapsed / WATCH_INTERVAL_S or width >= self._limit:
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
        """Reduce the width after a thread did many tasks in one burst: fewer threads are faster."""
        self.width = max(self._base, self.width // 2)

    def shrink(self, threads: int) -> None:
        """Reduce the width to ``threads``, after idle threads have ended."""
        self.width = max(self._base, min(self.width, threads))


class GrowthWatcher:
    """A daemon thread that calls ``look`` every 5 ms, from an alert until no task waits.

    Attributes:
        alerted: Whether it is watching now: another alert would have no effect.
    """

    def __init__(
        self,
        name: str,
        waiting: Callable[[], bool],
        look: Callable[[float], None],
        clock: Clock,
    ) -> None:
        """Start no thread yet; ``look`` gets the seconds since the last look."""
        self._name = name
        self._waiting = waiting
        self._look = look
        self._clock = clock
        self.alerted = False  # mirrors the event below, whose is_set() costs a call
        self._alarm = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def alert(self) -> None:
        """Start watching; any thread may call; nearly free while it is watching."""
        if self.alerted:
            return
        with self._lock:
            if self._closed.is_set() or not (self._thread or self._begin()):
                return
            self.alerted = True
            self._alarm.set()

    def _begin(self) -> bool:
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        if not refusals.start(thread, self._again):
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
        refusals.forget(self._again)
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
        if self._waiting():  # a task came after the last look
            self.alerted = True
            self._alarm.set()
        return True

    def _watch(self) -> None:
        last = self._clock.monotonic()
        while not self._closed.wait(WATCH_INTERVAL_S) and self._waiting():
            now = self._clock.monotonic()
            self._look(max((now - last) / 1e9, WATCH_INTERVAL_S))  # a manual clock may stand still
            last = now
