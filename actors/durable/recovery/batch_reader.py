"""Reads batches of streams one after the other, and wakes the actors of each batch after its read.

A recovering actor then finds its events in memory.  If the first actor of a batch read it, the
other actors would block threads until then, and a pool with blocked threads grows.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable

from indelible.actors.durable.recovery.read_ahead import ReadAhead
from indelible.actors.runtime.pool.dispatcher import Dispatcher, schedule_unless_closed

logger = logging.getLogger("indelible.actors")


class BatchReader:
    """Reads on the threads of actors, one batch in each activation; any thread may add batches."""

    def __init__(self, dispatcher: Dispatcher, wake: Callable[[str], object]) -> None:
        """Read nothing yet; ``wake`` gets each stream of a batch when the batch has been read."""
        self._dispatcher = dispatcher
        self._wake = wake
        self._lock = threading.Lock()
        self._batches: deque[ReadAhead] = deque()
        self._scheduled = False

    def __str__(self) -> str:
        """The name for errors."""
        return "the reader of batches"

    def add(self, batches: Iterable[ReadAhead]) -> None:
        """Read ``batches`` after the batches that were added before."""
        with self._lock:
            self._batches.extend(batches)
            begins = bool(self._batches) and not self._scheduled
            self._scheduled |= begins
        if begins:
            schedule_unless_closed(self._dispatcher, self)

    def run_activation(self) -> None:
        """Read one batch; called by the dispatcher."""
        with self._lock:
            if not self._batches:
                self._scheduled = False
                return
            batch = self._batches.popleft()
        try:
            batch.load()
        except Exception as error:  # noqa: BLE001 - each actor reads for itself, and says what is wrong
            logger.debug("a batch of streams was not read, its actors will read it: %r", error)
        for stream in batch.streams:
            self._wake(stream)
        # after the actors of this batch, so that few batches are in memory
        schedule_unless_closed(self._dispatcher, self)
