"""Which functions of the library are called, on all threads, in order."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from types import CodeType, FrameType
from typing import Any, NamedTuple, Self


class Called(NamedTuple):
    """A function of the library.

    Attributes:
        module: Its name, ``indelible...``.
        name: Of the function in it, with its class.
    """

    module: str
    name: str


class CallTrace:
    """Takes down calls on this thread, and on threads that start in the block."""

    def __init__(self) -> None:
        """Nothing is called yet."""
        self._called: list[tuple[str, CodeType]] = []

    def __enter__(self) -> Self:
        """Begin."""
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        """Take down no more, but on the threads that have started in the block."""
        sys.setprofile(None)
        threading.setprofile(None)

    def __len__(self) -> int:
        """How many calls there were."""
        return len(self._called)

    def since(self, begin: int = 0) -> Sequence[Called]:
        """The calls but the first ``begin`` ones."""
        return [Called(module, code.co_qualname) for module, code in self._called[begin:]]

    def _note(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            module = frame.f_globals.get("__name__", "")
            if module.startswith("indelible."):
                self._called.append((module, frame.f_code))


def first_not_called(wanted: Sequence[Called], calls: Sequence[Called]) -> Called | None:
    """The first of ``wanted`` without a call behind the calls of those before it, if any."""
    left = iter(calls)
    return next((one for one in wanted if one not in left), None)
