"""Timers of streams in memory: each has a key in its stream, and ends with its actor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from indelible.actors.runtime.timers import Timer, Timers


class StreamTimers:
    """The timers of this process, by stream and key; any thread may use it."""

    def __init__(self, timers: Timers) -> None:
        """Use ``timers``."""
        self._timers = timers
        self._lock = threading.Lock()
        self._set: dict[str, dict[str, tuple[int, Timer]]] = {}

    def __len__(self) -> int:
        """How many timers wait."""
        with self._lock:
            return sum(map(len, self._set.values()))

    def set(self, stream: str, key: str, due: int, fire: Callable[[], None]) -> None:
        """Call ``fire`` at ``due`` (microseconds UTC); replaces a timer with the same key."""
        with self._lock:
            of_stream = self._set.setdefault(stream, {})
            before, timer = of_stream.get(key, (-1, None))
            if before == due:
                return  # the same timer, issued again
            if timer is not None:
                self._timers.cancel(timer)
            late = partial(self._fire, stream, key, due, fire)
            of_stream[key] = due, self._timers.at(due, f"{stream}#{key}", late)

    def cancel(self, stream: str, key: str) -> None:
        """Forget a timer, if it is set."""
        timer = self._pop(stream, key)
        if timer is not None:
            self._timers.cancel(timer)

    def forget(self, stream: str) -> None:
        """Forget all timers of ``stream``, which has left memory or this process."""
        if stream not in self._set:  # the usual case
            return
        with self._lock:
            of_stream = self._set.pop(stream, {})
        for _, timer in of_stream.values():
            self._timers.cancel(timer)

    def _fire(self, stream: str, key: str, due: int, fire: Callable[[], None]) -> None:
        self._pop(stream, key, due)
        fire()

    def _pop(self, stream: str, key: str, due: int | None = None) -> Timer | None:
        """Remove a timer, if it is due at ``due``."""
        with self._lock:
            of_stream = self._set.get(stream, {})
            found, timer = of_stream.get(key, (-1, None))
            if timer is None or due not in (None, found):
                return None
            del of_stream[key]
            if not of_stream:
                del self._set[stream]
            return timer
