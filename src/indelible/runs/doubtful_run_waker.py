"""Has doubtful runs looked at: a page where shards are taken, the others beside the work."""

from __future__ import annotations

import logging
import threading
from collections import deque

from indelible.actors.durable.directory import Directory
from indelible.actors.runtime.pool.dispatcher import Dispatcher
from indelible.actors.runtime.timers import Timers
from indelible.clock import Clock
from indelible.errors import ActorStoppedError, StoreError, StoreUnavailableError
from indelible.runs.doubtful_rows import Doubts

logger = logging.getLogger("indelible.system")

_AGAIN = 1_000_000
"""Microseconds until a database that did not answer is asked again."""


class DoubtfulRunWaker:
    """Wakes the runs that are doubtful; any thread may use it."""

    def __init__(
        self, directory: Directory, dispatcher: Dispatcher, timers: Timers, clock: Clock
    ) -> None:
        """Doubt nothing yet."""
        self._directory = directory
        self._dispatcher = dispatcher
        self._timers = timers
        self._clock = clock
        self._lock = threading.Lock()
        self._doubts: deque[Doubts] = deque()

    def __str__(self) -> str:
        """The name that errors have for it."""
        return "the look at doubtful runs"

    def begin(self, doubts: Doubts) -> None:
        """Look at the first page of ``doubts`` on this thread, at the others on actors' threads."""
        with self._lock:
            self._doubts.append(doubts)
        self.run_activation()

    def run_activation(self) -> None:
        """Look at one page; for the dispatcher."""
        with self._lock:
            if not self._doubts:
                return
            doubts = self._doubts.popleft()
        try:
            heads = doubts.page()
            if heads:
                self._directory.wake_together(heads)
        except ActorStoppedError:
            return  # the system is closing; the next one looks from the first
        except StoreUnavailableError:
            self._again(doubts, self._clock.now() + _AGAIN)
        except StoreError as error:
            logger.warning("the view of runs cannot be asked which of them go on: %s", error)
        else:
            if not doubts.over:
                self._again(doubts, 0)

    def _again(self, doubts: Doubts, due: int) -> None:
        with self._lock:
            self._doubts.append(doubts)
        if due:
            self._timers.at(due, "doubts", self._schedule)
        else:
            self._schedule()

    def _schedule(self) -> None:
        try:
            self._dispatcher.schedule(self)
        except ActorStoppedError:
            return  # as above
