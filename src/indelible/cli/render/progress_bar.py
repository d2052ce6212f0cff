"""Progress on stderr: a bar on a terminal, otherwise a line at intervals."""

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

_LINE_INTERVAL = 2.0
"""Seconds between two lines without a terminal, so that they do not flood a log."""

_OTHER_WIDTH = 52
"""Characters of a terminal's line beside the text about the current work."""


class Display:
    """Shows the progress of some work; on a terminal it disappears at the end.

    It draws only in :meth:`update`, on the caller's thread, so that it does not slow the work.
    Other output appears above the bar.
    """

    def __init__(self, what: str, noun: str) -> None:
        """``what`` names the work, ``noun`` its unit, such as ``step``."""
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
        """Show that ``done`` of ``total`` are done, and the current work ``doing``."""
        if self._bar is not None:
            shown = one_line(doing, max(8, self._width - _OTHER_WIDTH))
            self._bar.update(
                self._task, completed=done, total=total, doing=shown, visible=True, refresh=True
            )
            return
        line = f"{self._what}: {done:,} of {count(total, self._noun)}" + (doing and f"; {doing}")
        now = time.monotonic()
        if line != self._said and now >= self._say_at:
            self._said, self._say_at = line, now + _LINE_INTERVAL
            say(one_line(line, 160))
