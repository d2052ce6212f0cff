"""Probes a database that failed, again and again, until it takes writes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from indelible.loops import Loop
from indelible.threads import refusals

_FIRST_PAUSE, _LAST_PAUSE = 0.01, 1.0  # seconds; doubled from one probe to the next


class DatabaseProbe:
    """A daemon thread that runs while the database is unavailable; any thread may begin it."""

    def __init__(self, probe: Callable[[], bool], name: str) -> None:
        """``probe`` returns whether the database works; it never raises.  No thread exists yet."""
        self._probe = probe
        self._name = name
        self._lock = threading.Lock()
        self._wanted = False
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._pause = 0.0

    def begin(self) -> None:
        """Probe at once, or after a pause if the last probe succeeded and writing failed again."""
        with self._lock:
            self._wanted = True
        self._begin()

    def reset_pause(self) -> None:
        """Note that a write has succeeded: the next probe follows without a pause."""
        self._pause = 0.0

    def stop(self) -> None:
        """Stop probing, and wait for the probe under way."""
        with self._lock:
            self._stopped.set()
            thread = self._thread
        refusals.forget(self._begin)
        if thread is not None:
            thread.join()

    def _begin(self) -> None:
        with self._lock:
            if self._wanted and self._thread is None and not self._stopped.is_set():
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                if refusals.start(thread, self._begin):
                    self._thread = thread

    def _work(self) -> None:
        Loop(self._name).run(self._turn, self._stopped.wait)

    def _turn(self) -> bool:
        if not self._is_wanted():
            return False
        available = False
        try:
            while not available and not self._stopped.wait(self._pause):
                self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LAST_PAUSE)
                available = self._probe()
        except BaseException:
            with self._lock:
                self._wanted = True  # the probe ended without a result
            raise
        return True

    def _is_wanted(self) -> bool:
        with self._lock:
            wanted, self._wanted = self._wanted and not self._stopped.is_set(), False
            if not wanted:
                self._thread = None
            return wanted
