"""SIGINT and SIGTERM as requests to stop: the command checks for one and ends cleanly."""

from __future__ import annotations

import os
import queue
import signal
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

import typer

from indelible.cli.render.console import restore_cursor, say

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """While entered, the first signal is a request to stop; the second ends the process at once.

    Ending at once loses no acknowledged work.  A signal that the parent process ignores stays
    ignored.  On another thread than the main thread no handler is installed.
    """

    def __init__(self) -> None:
        """Begin without a request."""
        self._signal = 0
        self._before: dict[int, Any] = {}
        self._requests: queue.SimpleQueue[None] = (
            queue.SimpleQueue()
        )  # its put() may interrupt itself

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._signal != 0

    def __enter__(self) -> Self:
        """Install the handlers."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Restore the earlier handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self, timeout: float) -> None:
        """Return when a signal comes, or after ``timeout`` seconds."""
        if not self.requested:
            with suppress(queue.Empty):
                self._requests.get(timeout=timeout)

    def announce(self) -> None:
        """Say that running steps are waited for; call it before the system closes."""
        if self.requested:
            say("stopping: running steps and calls have 10 s to return; once more to end at once")

    def leave(self, message: str) -> None:
        """If a signal has come, say ``message`` and end with 130 or 143."""
        if self.requested:
            say(message)
            raise typer.Exit(128 + self._signal)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self._signal:
            restore_cursor()
            os._exit(128 + number)
        self._signal = number
        self._requests.put(None)
