"""From an address to a store."""

from __future__ import annotations

from typing import Literal

from indelible.clock import Clock
from indelible.errors import StoreNotFoundError
from indelible.events.memory import MemoryEventStore
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints


def open_store(
    url: str,
    *,
    mode: Literal["own", "read"] = "own",
    clock: Clock | None = None,
    failpoints: Failpoints | None = None,
    owner: str = "",
) -> EventStore:
    """Make and open the store at ``url``: ``sqlite:///file.db``, or ``memory://`` for a test."""
    store: EventStore
    if url.startswith("memory:"):
        if mode == "read":
            raise StoreNotFoundError(url)
        store = MemoryEventStore(clock=clock, failpoints=failpoints, url=url)
    else:
        from indelible.events.sqlite.store import SqlEventStore

        store = SqlEventStore(url, mode=mode, clock=clock, failpoints=failpoints, owner=owner)
    store.open()
    return store
