"""Wakes runs whose rows do not match the view, page by page, so that their events decide."""

from __future__ import annotations

import logging
import threading
from collections import deque

from indelible.actors.durable.directory import Directory
from indelible.actors.runtime.pool.dispatcher import Dispatcher, schedule_unless_closed
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
        self._dispatcher = dispatcher
        self._timers = timers
        self._clock = clock
        self._lock = threading.Lock()
        self._pages: deque[MismatchedRuns] = deque()

    def __str__(self) -> str:
        """Its name in errors."""
        return "the reconciliation of runs"

    def begin(self, mismatched_runs: MismatchedRuns, *, later: bool) -> None:
        """Wake the runs page by page on actors' threads, unless ``later`` the first page here.

        A system without work then starts no thread of actors.
        """
        if later:
            self._again(mismatched_runs, 0)
            return
        with self._lock:
            self._pages.append(mismatched_runs)
        self.run_activation()

    def run_activation(self) -> None:
        """Wake the runs of one page; for the dispatcher."""
        with self._lock:
            if not self._pages:
                return
            mismatched_runs = self._pages.popleft()
        try:
            heads = mismatched_runs.page()
            if heads:
                self._directory.wake_together(heads)
        except ActorStoppedError:
            return  # the system is closing; the next open begins with the first page
        except StoreUnavailableError:
            self._again(mismatched_runs, self._clock.now() + _AGAIN)
        except StoreError as error:
            logger.warning("runs cannot be compared with the view: %s", error)
        else:
            if not mismatched_runs.finished:
                self._again(mismatched_runs, 0)

    def _again(self, mismatched_runs: MismatchedRuns, due: int) -> None:
        with self._lock:
            self._pages.append(mismatched_runs)
        if due:
            self._timers.at(due, "reconcile", self._schedule)
        else:
            self._schedule()

    def _schedule(self) -> None:
        schedule_unless_closed(self._dispatcher, self)
