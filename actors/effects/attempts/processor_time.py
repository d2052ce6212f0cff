"""Processor time of short pieces of work, without asking the kernel twice for each of them.

Asking was measured to cost one to two microseconds, as much as deciding what a run does next.
"""

from __future__ import annotations

import threading

from indelible.clock import Clock

SHORT = 50_000
"""Nanoseconds: what took no longer was hardly interrupted, and counts as processor time whole."""

FRESH = 100_000
"""Nanoseconds that a reading serves: until then the thread is taken to have been running."""


class ProcessorMeter:
    """Meters work on one thread; what it says is at most ``SHORT`` too much, ``FRESH`` too little.

    >>> from indelible.clock import ManualClock
    >>> meter = ProcessorMeter(ManualClock())
    >>> meter.used(meter.begin(0), 0, 20_000), meter.used(meter.begin(30_000), 30_000, 90_000)
    (20000, 0)
    """

    __slots__ = ("_at", "_clock", "_reading")

    def __init__(self, clock: Clock) -> None:
        """Ask ``clock`` when it must."""
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
    """A meter for each thread that asks.

    Attributes:
        mine: The calling thread's.
    """

    def __init__(self, clock: Clock) -> None:
        """Called once by each thread."""
        self.mine = ProcessorMeter(clock)
