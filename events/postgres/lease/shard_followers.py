"""Listeners for the shards that a store gains and loses, and the drain before it releases some."""

from __future__ import annotations

import threading
from collections.abc import Callable

from indelible.events.store import OwnershipListener

Drain = Callable[[frozenset[int]], None]


class ShardFollowers:
    """Listeners and a drain, which stay when a store closes; any thread may change them.

    Attributes:
        listeners: Called with the shards gained and the shards lost.
        drain: Called with shards before their release; returns when nothing more is appended.
    """

    def __init__(self) -> None:
        """Start without a listener."""
        self._lock = threading.Lock()
        self.listeners: tuple[OwnershipListener, ...] = ()
        self.drain: Drain = _nothing_to_drain

    def add(self, listener: OwnershipListener) -> Callable[[], None]:
        """Call ``listener`` from now on; the result ends it."""
        with self._lock:
            self.listeners = (*self.listeners, listener)

        def remove() -> None:
            with self._lock:
                self.listeners = tuple(one for one in self.listeners if one is not listener)

        return remove


def _nothing_to_drain(_: frozenset[int]) -> None:
    """Do nothing: no drain is registered."""
