"""The contract of the event store, kept by every store there is."""

from __future__ import annotations

from pathlib import Path

from indelible.clock import ManualClock
from indelible.events.memory import MemoryEventStore
from indelible.events.sqlite.store import SqlEventStore
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints
from indelible.testing.store_contract import EventStoreContract


class TestMemory(EventStoreContract):
    def make_store(self, path: Path, clock: ManualClock, failpoints: Failpoints) -> EventStore:
        return MemoryEventStore(clock=clock, failpoints=failpoints)


class TestSqlite(EventStoreContract):
    def make_store(self, path: Path, clock: ManualClock, failpoints: Failpoints) -> EventStore:
        url = f"sqlite:///{path / 'store.db'}"
        return SqlEventStore(url, clock=clock, failpoints=failpoints)
