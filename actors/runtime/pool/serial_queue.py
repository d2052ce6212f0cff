"""Runs tasks on a dispatcher one after the other, each behind the actors that the last one woke."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from indelible.actors.runtime.pool.dispatcher import Dispatcher, schedule_unless_closed
from indelible.actors.runtime.pool.task_queue import Task


class SerialQueue:
    """Runs one task in each activation; any thread may add tasks, also a task that runs.

    After the dispatcher was closed, no further task runs.
    """

    def __init__(self, dispatcher: Dispatcher, name: str) -> None:
        """Start empty; ``name`` is for errors."""
        self._dispatcher = dispatcher
        self._name = name
        self._lock = threading.Lock()
        self._tasks: deque[Task] = deque()
        self._busy = False  # whether an activation is scheduled or runs

    def __str__(self) -> str:
        """Its name."""
        return self._name

    def add(self, tasks: Iterable[Task]) -> None:
        """Run ``tasks`` after those that were added before."""
        if self._put(tasks):
            schedule_unless_closed(self._dispatcher, self)

    def begin(self, task: Task) -> None:
        """Run ``task`` on this thread, or as :meth:`add` if other tasks wait or run.

        If that is all, the dispatcher needs no thread.
        """
        if self._put((task,)):
            self.run_activation()

    def _put(self, tasks: Iterable[Task]) -> bool:
        """Add ``tasks``; returns whether an activation must follow."""
        with self._lock:
            self._tasks.extend(tasks)
            begins = bool(self._tasks) and not self._busy
            self._busy |= begins
        return begins

    def run_activation(self) -> None:
        """Run one task; for the dispatcher."""
        task = self._tasks.popleft()  # only one activation takes tasks
        try:
            task()
        finally:
            with self._lock:
                self._busy = more = bool(self._tasks)
            if more:
                schedule_unless_closed(self._dispatcher, self)
