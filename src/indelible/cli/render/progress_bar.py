"""Progress on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from indelible.cli.render.console import count, err, one_line, say

_BETWEEN_LINES = 2.0
"""Seconds from one line to the next where there is no terminal: a log is not to be flooded."""

_BESIDES = 52
"""Columns that a terminal's line needs beside the words about what is being done."""


class Display:
    """Shows how far something has come; on a terminal it vanishes at the end.

    It draws only when told, on the caller's thread, so that it takes nothing from the work.
    What others print meanwhile goes above the bar.
    """

    def __init__(self, what: str, noun: str) -> None:
        """``what`` is done, counted in ``noun``, such as ``step``."""
        self._what = what
        self._noun = noun
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._width = 0
        self._said = ""
        self._say_at = 0.0

    def __enter__(self) -> Self:
        """Begin to show."""
        console = err()
        if console.is_terminal:
            self._width = console.width
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(20),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[doing]}", markup=False, style="dim"),
                console=console,
                auto_refresh=False,
                transient=True,
            )
            self._task = self._bar.add_task(one_line(self._what, 20), visible=False, doing="")
            self._bar.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int, doing: str = "") -> None:
        """Show that ``done`` of ``total`` are done, and what is being done now."""
        if self._bar is not None:
            shown = one_line(doing, max(8, self._width - _BESIDES))
            self._bar.update(
                self._task, completed=done, total=total, doing=shown, visible=True, refresh=True
            )
            return
        line = f"{self._what}: {done:,} of {count(total, self._noun)}" + (doing and f"; {doing}")
        now = time.monotonic()
        if line != self._said and now >= self._say_at:
            self._said, self._say_at = line, now + _BETWEEN_LINES
            say(one_line(line, 160))
