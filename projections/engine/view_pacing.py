"""How long the views wait for larger batches: appends have priority.

A single event is applied at once.  While more arrive, they are collected for some milliseconds, so
that a batch is worth the writer lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from indelible.clock import Clock
from indelible.projections.engine.event_feed import FLOOD, EventFeed

_ENOUGH = 2_000
"""Events that are applied without collecting more: two full batches."""

_FLOOD_BATCH = 15_000
"""Events that end the wait in a flood; memory keeps 20,000, more must be read from the rows."""

_COLLECT = 0.007
"""Seconds after which views show an event while more arrive: below the lag of DESIGN §9."""

_WINDOW = 0.030  # seconds over which a flood is measured: a few groups of a flood's size
_LONGEST_PAUSE = 0.050  # seconds
_LONGEST_FLOOD = 1.0  # seconds for which views wait in a flood
_LONGEST_SILENCE = 0.1  # seconds to the first event of a burst


class ViewPacing:
    """Waits on the views' thread, which holds the lock of ``wake``; ends early for a caller.

    Attributes:
        callers: How many callers wait for the views; under the lock.
        stopping: Whether the views are to stop; under the lock.
    """

    def __init__(
        self,
        feed: EventFeed,
        backlog: Callable[[], int],
        wake: threading.Condition,
        clock: Clock,
    ) -> None:
        """``backlog`` counts the events that the feed has given and no view has applied yet."""
        self._feed = feed
        self._backlog = backlog
        self._wake = wake
        self._clock = clock
        self.callers = 0
        self.stopping = False

    def wait_after_batch(self, began: int, took: float) -> None:
        """Collect events: those that arrive while the next batch is applied wait as well.

        If none has arrived since ``began``, when the last batch was begun, the next event is
        applied at once.  The batch ``took`` so many seconds.
        """
        enough = _ENOUGH - self._backlog()
        if not self.callers and self._feed.pending < enough:
            self._wait_for(enough, min(max(_COLLECT - 2 * took, took), _LONGEST_PAUSE))
        self._wait_out_flood(began)

    def wait_after_sleep(self) -> None:
        """If many events arrive at once, find out whether a flood begins."""
        if self._feed.pending > FLOOD * _WINDOW:
            self._wait_in_window()

    def wait_out_burst(self) -> None:
        """Wait for the first event of a burst that is about to begin, and until a flood ends."""
        if not self._feed.pending and not self._hurried():
            self._wait_for(1, _LONGEST_SILENCE)
        self._wait_in_window()

    def _wait_in_window(self) -> None:
        began = self._clock.monotonic()
        if not self._hurried():
            self._wait_for(_FLOOD_BATCH, _WINDOW)
            self._wait_out_flood(began)

    def _wait_out_flood(self, began: int) -> None:
        """If a flood of events has arrived since ``began``, wait until it ends.

        If it does not end, ``_FLOOD_BATCH`` events end the wait, so that views keep pace.
        """
        feed, left = self._feed, _LONGEST_FLOOD
        room = _FLOOD_BATCH - self._backlog()
        arrived, seconds = feed.pending, (self._clock.monotonic() - began) / 1e9
        while arrived > FLOOD * max(seconds, _WINDOW) and feed.pending < room:
            if left <= 0 or self._hurried():
                return
            before, seconds = feed.pending, _WINDOW
            self._wait_for(room, _WINDOW)
            arrived, left = feed.pending - before, left - _WINDOW

    def _hurried(self) -> bool:
        return bool(self.callers) or self.stopping

    def _wait_for(self, pending: int, timeout: float) -> None:
        feed = self._feed
        feed.wake_at = pending
        self._wake.wait(timeout)
        feed.wake_at = 0
