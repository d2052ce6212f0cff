"""Timers: callbacks at given instants, in order of (due, key)."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable
from itertools import count

from indelible.clock import Clock, ManualClock
from indelible.threads import RETRY_S, refusals, start_now

RECHECK_S = 1.0  # the host's clock may be set while a timer waits; this bounds how late it fires
MAX_CANCELLED = 64  # cancelled entries that the heap may hold before it is rebuilt

logger = logging.getLogger(__name__)


class Timer:
    """A handle for :meth:`Timers.cancel`."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        """``callback`` is dropped when it has been called or cancelled."""
        self.callback: Callable[[], None] | None = callback


class Timers:
    """A heap of callbacks, and a thread that waits for the first one.

    The thread is a daemon and starts with the first timer.  A manual clock wakes it when it is
    advanced.  Without a thread only :meth:`run_due` fires timers.  Any thread may call any method.

    The thread also retries to start threads that the host has refused to this process.
    """

    def __init__(self, clock: Clock, name: str = "timers", *, threaded: bool | None = None) -> None:
        """Start no thread yet; by default there is a thread unless ``clock`` is a manual clock."""
        self._clock = clock
        self._name = name
        self._threaded = not isinstance(clock, ManualClock) if threaded is None else threaded
        self._firing = threading.RLock()  # re-entrant: a callback may call run_due()
        self._unsubscribe: Callable[[], None] = _nothing
        if self._threaded and isinstance(clock, ManualClock):
            self._unsubscribe = clock.on_advance(self._clock_advanced)
        self._heap: list[tuple[int, str, int, Timer]] = []
        self._order = count()
        self._cancelled = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def at(self, due_us: int, key: str, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` at ``due_us`` or soon after, on the timers' thread.

        Args:
            due_us: Microseconds UTC; the past means at once.
            key: Orders callbacks of the same instant.
            callback: Must be quick; its exceptions are logged.
        """
        timer = Timer(callback)
        with self._changed:
            if self._closed:
                timer.callback = None
                return timer
            entry = (due_us, key, next(self._order), timer)
            heapq.heappush(self._heap, entry)
            if self._threaded and self._heap[0] is entry:
                self._wake()
        return timer

    def start(self) -> None:
        """Start the thread now.

        Raises:
            ThreadUnavailableError: The host refuses to start a thread.
        """
        with self._changed:
            if self._threaded and self._thread is None and not self._closed:
                thread = self._new_thread()
                start_now(thread)
                self._thread = thread

    def cancel(self, timer: Timer) -> bool:
        """Cancel ``timer``.

        Returns:
            False if it has fired, is firing or was cancelled before.
        """
        with self._changed:
            if timer.callback is None:
                return False
            timer.callback = None
            self._cancelled += 1
            if self._cancelled > MAX_CANCELLED + len(self._heap) // 2:
                self._heap = [entry for entry in self._heap if entry[3].callback is not None]
                heapq.heapify(self._heap)
                self._cancelled = 0
            return True

    def __len__(self) -> int:
        """How many timers have not fired yet."""
        with self._changed:
            return len(self._heap) - self._cancelled

    def next_due(self) -> int | None:
        """When the first timer is due (microseconds UTC); ``None`` without timers."""
        with self._changed:
            self._drop_cancelled()
            return self._heap[0][0] if self._heap else None

    def run_due(self) -> int:
        """Fire all due timers on this thread, in order; returns how many.

        Timers that another thread is firing have fired when this returns.
        """
        fired = 0
        with self._firing:
            while (callback := self._pop_due()) is not None:
                fired += 1
                try:
                    callback()
                except Exception:
                    logger.exception("the callback of a timer raised")
        return fired

    def close(self) -> None:
        """Fire no more and end the thread; may be called twice."""
        self._unsubscribe()
        refusals.forget(self._begin)
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._cancelled = 0
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    # -- inside

    def _pop_due(self) -> Callable[[], None] | None:
        with self._changed:
            self._drop_cancelled()
            if not self._heap or self._heap[0][0] > self._clock.now():
                return None
            timer = heapq.heappop(self._heap)[3]
            callback, timer.callback = timer.callback, None
            return callback

    def _drop_cancelled(self) -> None:
        while self._heap and self._heap[0][3].callback is None:
            heapq.heappop(self._heap)
            self._cancelled -= 1

    def _wake(self) -> None:
        if self._thread is None:
            self._begin()
        else:
            self._changed.notify()

    def _clock_advanced(self) -> None:
        with self._changed:
            self._changed.notify()

    def _begin(self) -> None:
        with self._changed:
            if self._heap and self._thread is None:
                thread = self._new_thread()
                if refusals.start(thread, self._begin):
                    self._thread = thread

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name=self._name, daemon=True)

    def _run(self) -> None:
        while self._wait():
            try:
                self.run_due()
                if refusals:
                    refusals.try_again()
            except BaseException:  # SystemExit, which run_due() does not catch
                logger.exception(
                    "the callback of a timer raised; the timers of its batch fire later"
                )

    def _wait(self) -> bool:
        """Wait until a timer may be due; ``False`` when the thread must end."""
        with self._changed:
            self._drop_cancelled()
            wait = RETRY_S if refusals else RECHECK_S
            if self._heap:
                wait = min(wait, (self._heap[0][0] - self._clock.now()) / 1e6)
            if wait > 0 and not self._closed:
                self._changed.wait(wait)
            return not self._closed


def _nothing() -> None:
    """Do nothing: there is no manual clock to unsubscribe from."""
