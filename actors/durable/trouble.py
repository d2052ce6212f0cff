"""Why an actor must read its stream again, and what waits until it has."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any


class Trouble:
    """Exists only while an actor has no state to decide on; most actors never have one.

    Attributes:
        error: What happened; ``None`` if the state has just not been read yet.
        returned: Messages whose append failed; older than the stash.  The commit's leader adds.
        stash: Messages that came meanwhile.  The actor's own thread adds.
        paused: Whether the stream cannot be read now, and a timer will wake the actor.
    """

    __slots__ = ("error", "paused", "returned", "stash")

    def __init__(self, error: BaseException | None) -> None:
        """Nothing waits yet."""
        self.error = error
        self.paused = False
        self.returned: deque[Any] = deque()
        self.stash: deque[Any] = deque()

    def take_all(self) -> list[Any]:
        """Remove and return what waits, oldest first."""
        waiting = [*self.returned, *self.stash]
        self.returned.clear()
        self.stash.clear()
        return waiting

    def keep(self, items: Iterable[Any]) -> None:
        """Let ``items`` wait."""
        self.stash.extend(items)
