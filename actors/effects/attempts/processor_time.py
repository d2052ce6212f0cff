"""Processor time of short tasks, without two system calls for each task.

One such call was measured to take one to two microseconds, as long as a decision of a run.
"""

from __future__ import annotations

import threading

from indelible.clock import Clock

SHORT = 50_000
"""Nanoseconds: a task that took no longer was hardly interrupted; its time counts as a whole."""

FRESH = 100_000
"""Nanoseconds for which a reading is used: the thread is assumed to have run since then."""


class ProcessorMeter:
    """Meters tasks on one thread; a result is at most ``SHORT`` too high or ``FRESH`` too low.

    >>> from indelible.clock import ManualClock
    >>> meter = ProcessorMeter(ManualClock())
    >>> meter.used(meter.begin(0), 0, 20_000), meter.used(meter.begin(30_000), 30_000, 90_000)
    (20000, 0)
    """

    __slots__ = ("_at", "_clock", "_reading")

    def __init__(self, clock: Clock) -> None:
        """Read the processor time from ``clock``."""
        self._clock = clock
        self._at = -1 - FRESH  # monotonic ns of the newest reading
        self._reading = 0

    def begin(self, now: int) -> int:
        """Nanoseconds of processor time that the thread has used at ``now``, monotonic ns."""
        since = now - self._at
        if since > FRESH:
            self._reading = self._clock.cpu()
            self._at, since = now, 0
        return self._reading + since

    def used(self, begun: int, started: int, ended: int) -> int:
        """Nanoseconds of processor time from ``started``, when it was ``begun``, to ``ended``."""
        took = ended - started
        if took <= SHORT:
            return took
        self._reading, self._at = self._clock.cpu(), ended
        return max(0, min(self._reading - begun, took))


class ProcessorMeters(threading.local):
    """A meter for each thread.

    Attributes:
        current: The calling thread's meter.
    """

    def __init__(self, clock: Clock) -> None:
        """Called once by each thread."""
        self.current = ProcessorMeter(clock)
