"""SIGINT and SIGTERM as a wish to stop: the command sees it at its next look and ends cleanly."""

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
    """While entered, the first signal is noted and the second ends the process at once.

    Ending at once loses nothing that was acknowledged.  A signal that the parent process ignores
    stays ignored.  On another thread than the main one nothing is installed.
    """

    def __init__(self) -> None:
        """Nobody wants to stop."""
        self._signal = 0
        self._before: dict[int, Any] = {}
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put() may interrupt itself

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._signal != 0

    def __enter__(self) -> Self:
        """Take the signals over."""
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
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self, timeout: float) -> None:
        """Return when a signal comes, or after ``timeout`` seconds."""
        if not self.requested:
            with suppress(queue.Empty):
                self._asked.get(timeout=timeout)

    def announce(self) -> None:
        """Say what is waited for now; before the system is left."""
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
        self._asked.put(None)
