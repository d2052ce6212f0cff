"""A thread of the store's own: started when first needed, for what no other should do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

_log = logging.getLogger(__name__)


class Errands:
    """Runs callables one after the other on a daemon thread; any thread may ask."""

    def __init__(self, name: str) -> None:
        """``name`` is the thread's; no thread exists yet."""
        self._name = name
        self._queue: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def run(self, task: Callable[[], object]) -> None:
        """Run ``task`` soon; what it raises is logged."""
        if self._thread is None:
            self._begin()
        self._queue.put(task)

    def stop(self) -> None:
        """Finish what is queued and end the thread; not for the thread itself."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                thread.start()
                self._thread = thread

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            try:
                task()
            except Exception:  # noqa: BLE001 - whatever it is, the next errand is not to blame
                _log.exception("an errand of the %s failed", self._name)
