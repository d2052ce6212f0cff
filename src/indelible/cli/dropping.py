"""Drops the snapshots of a store, which cost nothing but the time to wake."""

from __future__ import annotations

from contextlib import closing, suppress

from indelible.cli.opening import reading
from indelible.errors import SchemaVersionError
from indelible.events.opening import open_store
from indelible.events.snapshots import drop_snapshots


def drop_all_snapshots(url: str) -> int:
    """Remove all snapshots of the store and return how many there were.

    Raises:
        StoreNotFoundError: There is no store; none was created.
        StoreOwnedError: Another process owns the store.
    """
    with suppress(SchemaVersionError), reading(url):
        pass  # opening it to write migrates it, or says why not
    with closing(open_store(url, mode="own")) as store:
        return drop_snapshots(store)
