"""Waiting for the inbox of a store, whatever it waits for itself."""

from __future__ import annotations

from indelible.events.store import EventStore


def wait_until_empty(store: EventStore) -> None:
    """Wait until this process owns every shard, and nothing in the inbox waits for an answer."""
    watcher = store.inbox.watch()
    shards = frozenset(range(store.shards))
    try:
        while store.owned() != shards or store.inbox.waiting(shards, 1):
            watcher.wait(min(watcher.busy, 0.05))  # of what an append deletes nobody is told
    finally:
        watcher.close()
