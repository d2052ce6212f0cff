"""Clocks: only the edges of the library read one, and tests replace it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """A source of instants and durations; every method may be called from any thread."""

    def now(self) -> int:
        """Microseconds since 1970-01-01 UTC; may step back when the host's clock is set."""
        ...

    def monotonic(self) -> int:
        """Nanoseconds from an arbitrary start; never steps back."""
        ...

    def cpu(self) -> int:
        """Nanoseconds of processor time that the calling thread has used."""
        ...


class SystemClock:
    """The clocks of this host."""

    __slots__ = ()

    def now(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000

    # The functions themselves: every step reads them several times, and a method costs more.
    monotonic = staticmethod(time.monotonic_ns)
    cpu = staticmethod(time.thread_time_ns)


class ManualClock:
    """A clock that only :meth:`advance` moves, so that weeks pass in a test without waiting.

    Instants and durations move together; processor time stays 0.

    >>> clock = ManualClock(now=1_000_000)
    >>> clock.advance(2.5)
    >>> clock.now(), clock.monotonic()
    (3500000, 2500000000)
    """

    def __init__(self, now: int = 1_700_000_000_000_000) -> None:
        """Start at ``now``, microseconds since 1970-01-01 UTC."""
        self._lock = threading.Lock()
        self._now = now
        self._monotonic = 0
        self._listeners: dict[object, Callable[[], object]] = {}

    def now(self) -> int:
        """Microseconds since 1970-01-01 UTC, as last set."""
        return self._now

    def monotonic(self) -> int:
        """Nanoseconds that :meth:`advance` has added so far."""
        return self._monotonic

    def cpu(self) -> int:
        """Always 0."""
        return 0

    def advance(self, seconds: float) -> None:
        """Move both instants and durations forward by ``seconds`` (>= 0).

        The due timers of open systems with this clock then fire, on those systems' own threads.

        Raises:
            ValueError: ``seconds`` is negative; nothing has moved.
        """
        if seconds < 0:
            raise ValueError(f"cannot advance by {seconds} s: give 0 or more")
        with self._lock:
            self._now += round(seconds * 1_000_000)
            self._monotonic += round(seconds * 1_000_000_000)
            listeners = list(self._listeners.values())
        for listener in listeners:
            listener()

    def on_advance(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call ``listener`` after each :meth:`advance`, on the thread of that call.

        ``listener`` must be quick and may not raise.

        Returns:
            A function that removes ``listener``.
        """
        key = object()
        with self._lock:
            self._listeners[key] = listener

        def remove() -> None:
            with self._lock:
                self._listeners.pop(key, None)

        return remove
