"""Loops of our own threads: none ends by an error, which is logged once and shows in health.

The list of those that fail is the process's, as that of the threads it waits for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from indelible.errors.logged import log_error
from indelible.forks import process_wide

FIRST_PAUSE, LAST_PAUSE = 0.05, 1.0
"""Seconds until a loop goes on after an error; doubled from one to the next."""

logger = logging.getLogger(__name__)

_lock = process_wide(threading.Lock())  # held for look-ups alone
_failing: dict[Loop, BaseException] = {}


def failing_loops() -> list[str]:
    """The loops of this process whose last turn has failed, and why; in words."""
    with _lock:
        return [f"{loop.name} ({type(e).__name__}: {e})" for loop, e in _failing.items()]


class Loop:
    """The loop of one thread.

    Attributes:
        name: The thread's.
    """

    def __init__(self, name: str) -> None:
        """Nothing has failed yet."""
        self.name = name
        self._failed = False

    def run(self, turn: Callable[[], bool], pause: Callable[[float], object]) -> None:
        """Call ``turn`` until it says ``False``, whatever it raises.

        Args:
            turn: A part of the loop; or all of it, if it calls :meth:`well` now and then.
            pause: Waits some seconds after an error, and returns early when the loop shall end.
        """
        wait = FIRST_PAUSE
        try:
            while True:
                try:
                    if not turn():
                        return
                except BaseException as error:  # noqa: BLE001 - SystemExit too; failed() logs it
                    wait = min(2 * wait, LAST_PAUSE) if self._failed else FIRST_PAUSE
                    self.failed(error)
                    pause(wait)
                else:
                    self.well()
        finally:
            self.well()

    def failed(self, error: BaseException) -> None:
        """Show ``error`` in health until :meth:`well`, and log the first one."""
        if not self._failed:
            log_error(logger, error, "%s failed and goes on after a pause", self.name)
        self._failed = True
        with _lock:
            _failing[self] = error

    def well(self) -> None:
        """Take note that a turn has gone well; nearly free."""
        if self._failed:
            self._failed = False
            with _lock:
                _failing.pop(self, None)
