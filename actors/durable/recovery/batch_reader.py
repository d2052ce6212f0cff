"""Reads batches of streams one after the other, and wakes the actors of each batch after its read.

A recovering actor then finds its events in memory.  If the first actor of a batch read it, the
other actors would block threads until then, and a pool with blocked threads grows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial

from indelible.actors.durable.recovery.read_ahead import ReadAhead
from indelible.actors.runtime.pool.dispatcher import Dispatcher
from indelible.actors.runtime.pool.serial_queue import SerialQueue

logger = logging.getLogger("indelible.actors")


class BatchReader:
    """Reads on the threads of actors; few batches are in memory, since actors come in between."""

    def __init__(self, dispatcher: Dispatcher, wake: Callable[[str], object]) -> None:
        """Read nothing yet; ``wake`` gets each stream of a batch when the batch has been read."""
        self._wake = wake
        self._queue = SerialQueue(dispatcher, "the reader of batches")

    def add(self, batches: Iterable[ReadAhead]) -> None:
        """Read ``batches`` after the batches that were added before; from any thread."""
        self._queue.add(partial(self._read, batch) for batch in batches)

    def _read(self, batch: ReadAhead) -> None:
        try:
            batch.load()
        except Exception as error:  # noqa: BLE001 - each actor reads for itself, and says what is wrong
            logger.debug("a batch of streams was not read, its actors will read it: %r", error)
        for stream in batch.streams:
            self._wake(stream)
