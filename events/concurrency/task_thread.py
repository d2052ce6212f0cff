"""A thread for the store's own tasks, started when first needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from indelible.errors.error_log import log_error
from indelible.threads import refusals

logger = logging.getLogger(__name__)

Task = Callable[[], object]


class TaskThread:
    """Runs callables one after the other on a daemon thread; any thread may add one."""

    def __init__(self, name: str) -> None:
        """Give the thread a ``name``; it is not started yet."""
        self._name = name
        self._queue: SimpleQueue[Task | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def run(self, task: Task) -> None:
        """Run ``task`` soon; its errors are logged.  It waits while the host gives no thread."""
        self._queue.put(task)
        if self._thread is None:
            self._begin()

    def stop(self) -> None:
        """Finish the queued tasks and end the thread; not for the thread itself.

        Tasks for which the host gave no thread are run on the calling thread.
        """
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()
            return
        refusals.forget(self._begin)
        while True:
            try:
                task = self._queue.get_nowait()
            except Empty:
                return
            if task is not None:
                self._do(task)

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None and not self._queue.empty():
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                if refusals.start(thread, self._begin):
                    self._thread = thread

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            self._do(task)

    def _do(self, task: Task) -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - SystemExit too: the next task still runs
            log_error(logger, error, "a task of the %s failed", self._name)
