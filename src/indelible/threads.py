"""Starting threads when the host may refuse one: a refused thread is tried again.

The limit (pids of a container, RLIMIT_NPROC of a user) applies to the process, so the list of
refused threads belongs to the process too; its lock is held only for look-ups.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from indelible.errors import ThreadUnavailableError
from indelible.forks import renew_in_child

Again = Callable[[], object]
"""Starts a thread with :meth:`ThreadRefusals.start` if it is still needed; quick."""

RETRY_S = 0.05
"""Seconds between two tries: a refusal costs about 20 us, and a run waits for the thread."""

_REFUSED = (RuntimeError, MemoryError)  # Thread.start() raises one of them

logger = logging.getLogger(__name__)


class ThreadRefusals:
    """Threads that the host refused, each with a function that tries again; for any thread."""

    def __init__(self) -> None:
        """Begin with an empty list."""
        self._lock = threading.RLock()  # re-entrant: a finaliser may send a message at any point
        self._waiting: dict[Again, tuple[str, int]] = {}  # name and number of refusals

    def __bool__(self) -> bool:
        """Whether any thread was refused and is still needed."""
        return bool(self._waiting)

    def names(self) -> list[str]:
        """Names of the threads that could not be started."""
        with self._lock:
            return [name for name, _ in self._waiting.values()]

    def start(self, thread: threading.Thread, again: Again) -> bool:
        """Start ``thread``; if the host refuses, have ``again`` called until a thread has started.

        Returns:
            False if the host refuses the thread: drop ``thread``.
        """
        try:
            thread.start()
        except _REFUSED as error:
            self.add(thread.name, error, again)
            return False
        if self._waiting:
            self.forget(again)
        return True

    def add(self, name: str, error: BaseException, again: Again) -> None:
        """Have ``again`` called: the thread ``name`` could not be started because of ``error``."""
        with self._lock:
            _, count = self._waiting.get(again, ("", 0))
            self._waiting[again] = (name, count + 1)
        if not count:
            logger.warning("thread %s could not be started (%s); it is tried again", name, error)

    def forget(self, again: Again) -> None:
        """Stop calling ``again``: its thread runs, or is not needed any more."""
        with self._lock:
            self._waiting.pop(again, None)

    def try_again(self) -> None:
        """Try to start every refused thread, on the calling thread."""
        with self._lock:
            waiting = list(self._waiting.items())
        for again, (name, count) in waiting:
            try:
                again()
            except Exception:
                logger.exception("thread %s could not be started", name)
            with self._lock:
                if self._waiting.get(again) == (name, count):  # not needed any more
                    del self._waiting[again]

    def reset(self) -> None:
        """In a forked child: empty the list, which is the parent's."""
        self._lock, self._waiting = threading.RLock(), {}  # the parent's lock may never be released


refusals = ThreadRefusals()
"""The refused threads of this process; each thread that reads a clock calls ``try_again``."""

renew_in_child(refusals.reset)


def start_now(thread: threading.Thread) -> None:
    """Start ``thread``, which its owner needs to begin.

    Raises:
        ThreadUnavailableError: The host gives no more threads; ``thread`` was not started.
    """
    try:
        thread.start()
    except _REFUSED as error:
        raise ThreadUnavailableError(thread.name, str(error)) from error
