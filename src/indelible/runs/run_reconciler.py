"""Wakes runs whose rows do not match the view, page by page, so that their events decide."""

from __future__ import annotations

import logging
from functools import partial

from indelible.actors.durable.directory import Directory
from indelible.actors.runtime.pool.dispatcher import Dispatcher
from indelible.actors.runtime.pool.serial_queue import SerialQueue
from indelible.actors.runtime.timers import Timers
from indelible.clock import Clock
from indelible.errors import ActorStoppedError, StoreError, StoreUnavailableError
from indelible.runs.mismatched_runs import MismatchedRuns

logger = logging.getLogger("indelible.system")

_AGAIN = 1_000_000
"""Microseconds until a page is read again after the database did not answer."""


class RunReconciler:
    """Wakes mismatched runs; any thread may use it."""

    def __init__(
        self, directory: Directory, dispatcher: Dispatcher, timers: Timers, clock: Clock
    ) -> None:
        """Begin without shards to check."""
        self._directory = directory
        self._timers = timers
        self._clock = clock
        self._queue = SerialQueue(dispatcher, "the reconciliation of runs")

    def begin(self, mismatched_runs: MismatchedRuns, *, later: bool) -> None:
        """Wake the runs page by page on actors' threads, unless ``later`` the first page here.

        A system without work then starts no thread of actors.
        """
        page = partial(self._wake_page, mismatched_runs)
        if later:
            self._queue.add((page,))
        else:
            self._queue.begin(page)

    def _wake_page(self, mismatched_runs: MismatchedRuns) -> None:
        next_page = (partial(self._wake_page, mismatched_runs),)
        try:
            heads = mismatched_runs.page()
            if heads:
                self._directory.wake_together(heads)
        except ActorStoppedError:
            return  # the system is closing; the next open begins with the first page
        except StoreUnavailableError:
            due = self._clock.now() + _AGAIN
            self._timers.at(due, "reconcile", partial(self._queue.add, next_page))
        except StoreError as error:
            logger.warning("runs cannot be compared with the view: %s", error)
        else:
            if not mismatched_runs.finished:
                self._queue.add(next_page)
