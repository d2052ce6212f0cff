"""Starting threads where the host may have none to give: what is refused is tried again.

The limit (pids of a container, RLIMIT_NPROC of a user) is the process's, so the list of what waits
for it is the process's too; it holds nothing else, and its lock is held for table look-ups alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from indelible.errors import ThreadUnavailableError
from indelible.forks import renew_in_child

Again = Callable[[], object]
"""Starts a thread by :meth:`WantedThreads.start`, if it is still needed; quick."""

RETRY_S = 0.05
"""Seconds between two tries: a refusal costs some 20 us, and a run waits for the thread."""

_REFUSED = (RuntimeError, MemoryError)  # what Thread.start() raises

logger = logging.getLogger(__name__)


class WantedThreads:
    """Threads that the host refused, and how to try again; any thread may call any method."""

    def __init__(self) -> None:
        """Nothing waits for a thread."""
        self._lock = threading.RLock()  # re-entrant: a finaliser may send a message at any place
        self._waiting: dict[Again, tuple[str, int]] = {}  # name and number of refusals

    def __bool__(self) -> bool:
        """Whether anything waits for a thread."""
        return bool(self._waiting)

    def names(self) -> list[str]:
        """What the threads that could not be started are called."""
        with self._lock:
            return [name for name, _ in self._waiting.values()]

    def start(self, thread: threading.Thread, again: Again) -> bool:
        """Start ``thread``, or have ``again`` called until it has started what was needed.

        Returns:
            False if the host gives no thread: ``thread`` is to be dropped.
        """
        try:
            thread.start()
        except _REFUSED as error:
            self.refused(thread.name, error, again)
            return False
        if self._waiting:
            self.forget(again)
        return True

    def refused(self, name: str, error: BaseException, again: Again) -> None:
        """Have ``again`` called: ``error`` has kept the thread ``name`` from being started."""
        with self._lock:
            _, refusals = self._waiting.get(again, ("", 0))
            self._waiting[again] = (name, refusals + 1)
        if not refusals:
            logger.warning("%s waits for a thread (%s); it is tried again", name, error)

    def forget(self, again: Again) -> None:
        """Call ``again`` no more: it is needed no more, or its thread runs."""
        with self._lock:
            self._waiting.pop(again, None)

    def try_again(self) -> None:
        """Try to start all that waits, on this thread."""
        with self._lock:
            waiting = list(self._waiting.items())
        for again, (name, refusals) in waiting:
            try:
                again()
            except Exception:
                logger.exception("%s cannot be started", name)
            with self._lock:
                if self._waiting.get(again) == (name, refusals):  # it wanted none any more
                    del self._waiting[again]

    def reset(self) -> None:
        """In a forked child: forget what the parent's threads waited for."""
        self._lock, self._waiting = threading.RLock(), {}  # a parent's lock may be held for ever


wanted = WantedThreads()
"""What this process waits for; whoever has a thread that looks at a clock tries again."""

renew_in_child(wanted.reset)


def start_now(thread: threading.Thread) -> None:
    """Start ``thread``, without which its owner cannot begin.

    Raises:
        ThreadUnavailableError: The host gives no more threads; nothing has been started.
    """
    try:
        thread.start()
    except _REFUSED as error:
        raise ThreadUnavailableError(thread.name, str(error)) from error
