"""Blocking calls on a thread that runs an event loop: allowed, with a warning."""

from __future__ import annotations

import asyncio
import sys
import warnings
from types import FrameType

from indelible.errors import BlockingCallWarning


class BlockingCalls:
    """Warns once for each line of a program that blocks an event loop; for any thread."""

    def __init__(self) -> None:
        """Begin with no warnings issued."""
        self._known: set[tuple[str, int]] = set()

    def check(self, method: str, twin: str) -> None:
        """Warn if this thread runs an event loop, which ``method`` blocks and ``twin`` does not."""
        if asyncio._get_running_loop() is not None:
            self._warn(method, twin)

    def _warn(self, method: str, twin: str) -> None:
        frame, level = _caller()
        place = (frame.f_code.co_filename, frame.f_lineno)
        if place in self._known:
            return
        self._known.add(place)
        text = (
            f"{method}() blocks the event loop of this thread until it returns; "
            f"await {twin}() instead"
        )
        warnings.warn(text, BlockingCallWarning, stacklevel=level)


def _caller() -> tuple[FrameType, int]:
    """The first frame outside of this library, and its stack level counted from :meth:`_warn`."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and _is_ours(frame):
        frame, level = frame.f_back, level + 1
    return frame, level


def _is_ours(frame: FrameType) -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0] == "indelible" or name == "contextlib"
