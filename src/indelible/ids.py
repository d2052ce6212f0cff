"""Identifiers: time-ordered and unique under any concurrency (UUID version 7, RFC 9562 §5.7)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from random import Random
from struct import Struct
from uuid import UUID

from indelible.clock import Clock, SystemClock
from indelible.forks import watch

_COUNTER_BITS = 12
_VARIANT = 0x8000_0000_0000_0000
_TAIL = 0x3FFF_FFFF_FFFF_FFFF

_DRAWS = 256
"""Random tails read from the host at once: a read was measured to cost 40 microseconds in a busy
process, because it releases the interpreter lock and another thread takes it."""

_pack = Struct(">QQ").pack
_tails = Struct(f">{_DRAWS}Q").unpack


class Ids:
    """Makes UUIDv7 values that rise within one instance.

    The 12 bits after the millisecond are a counter (RFC 9562 §6.2, method 1): more than 4,096 ids
    in one millisecond use the next one.  The random tail is drawn for each millisecond and
    incremented within it (method 2).  Any thread may call the methods.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Take milliseconds from ``clock`` and the random tail from ``random_bytes``."""
        self._clock = clock or SystemClock()
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._stamp = 0  # milliseconds << 12 | counter
        self._tail = 0
        self._drawn = -1  # the millisecond for which the tail was drawn
        self._tails: list[int] = []  # for the next milliseconds, last first
        self._process = -1  # the process that drew them: a forked child must draw its own
        watch(self)

    def uuid7(self) -> bytes:
        """16 bytes, greater than every earlier result of this instance."""
        milliseconds = self._clock.now() // 1_000
        with self._lock:
            stamp = self._stamp + 1
            if stamp < milliseconds << _COUNTER_BITS:
                stamp = milliseconds << _COUNTER_BITS
            self._stamp = stamp
            if milliseconds != self._drawn:
                self._drawn = milliseconds
                self._tail = self._draw()
            self._tail = tail = (self._tail + 1) & _TAIL
        high = (stamp >> _COUNTER_BITS) << 16 | 0x7000 | (stamp & 0xFFF)
        return _pack(high, _VARIANT | tail)

    def _draw(self) -> int:
        process = os.getpid()
        if not self._tails or self._process != process:
            self._process = process
            self._tails = [*reversed(_tails(self._random_bytes(8 * _DRAWS)))]
        return self._tails.pop()

    def _forked(self, _parent: int) -> None:
        """In a forked child: replace the lock, which the parent may hold, and draw a new tail."""
        self._lock = threading.Lock()
        self._drawn = -1

    def text(self) -> str:
        """A fresh id in the usual 36-character form."""
        return str(UUID(bytes=self.uuid7()))


class SeededIds(Ids):
    """Ids that a seed reproduces; for simulation only, never for a real store."""

    def __init__(self, seed: int, clock: Clock) -> None:
        """Draw the random tail from ``seed``."""
        super().__init__(clock, Random(seed).randbytes)
