"""Loops of our own threads: an error does not end a loop; it is logged once and shown in health.

The list of failing loops belongs to the process, like the list of threads that it waits for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from indelible.errors.error_log import log_error
from indelible.forks import process_wide

FIRST_PAUSE, LAST_PAUSE = 0.05, 1.0
"""Seconds until a loop continues after an error; doubled with each further error."""

logger = logging.getLogger(__name__)

_lock = process_wide(threading.Lock())  # held only for look-ups
_failing: dict[Loop, BaseException] = {}


def failing_loops() -> list[str]:
    """The loops of this process whose last turn failed, each with its error, as text."""
    with _lock:
        return [f"{loop.name} ({type(e).__name__}: {e})" for loop, e in _failing.items()]


class Loop:
    """The loop of one thread.

    Attributes:
        name: Name of the thread.
    """

    def __init__(self, name: str) -> None:
        """Begin without an error."""
        self.name = name
        self._failed = False

    def run(self, turn: Callable[[], bool], pause: Callable[[float], object]) -> None:
        """Call ``turn`` until it returns ``False``; an error does not end the loop.

        Args:
            turn: One turn of the loop; or the whole loop, if it calls :meth:`succeeded` now and
                then.
            pause: Waits some seconds after an error, and returns early when the loop is to end.
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
                    self.succeeded()
        finally:
            self.succeeded()

    def failed(self, error: BaseException) -> None:
        """Show ``error`` in health until :meth:`succeeded`, and log the first one."""
        if not self._failed:
            log_error(logger, error, "%s failed and goes on after a pause", self.name)
        self._failed = True
        with _lock:
            _failing[self] = error

    def succeeded(self) -> None:
        """Record that a turn succeeded; nearly free."""
        if self._failed:
            self._failed = False
            with _lock:
                _failing.pop(self, None)
