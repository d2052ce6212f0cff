"""Who follows the shards of a store: told what it gains and loses, asked to let go."""

from __future__ import annotations

import threading
from collections.abc import Callable

from indelible.events.store import OwnershipListener

Drain = Callable[[frozenset[int]], None]


class ShardFollowers:
    """Listeners and a drain, from one opening of a store to the next; any thread may change them.

    Attributes:
        listeners: Called with shards gained and shards lost.
        drain: Called with shards that are to leave; returns when nothing is appended to them.
    """

    def __init__(self) -> None:
        """Nobody follows."""
        self._lock = threading.Lock()
        self.listeners: tuple[OwnershipListener, ...] = ()
        self.drain: Drain = _nothing_to_drain

    def add(self, listener: OwnershipListener) -> Callable[[], None]:
        """Let ``listener`` follow; the result ends it."""
        with self._lock:
            self.listeners = (*self.listeners, listener)

        def remove() -> None:
            with self._lock:
                self.listeners = tuple(one for one in self.listeners if one is not listener)

        return remove


def _nothing_to_drain(_: frozenset[int]) -> None:
    """Nobody has actors here."""
