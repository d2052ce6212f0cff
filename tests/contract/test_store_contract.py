"""The contract of the event store, kept by every store there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from indelible.clock import ManualClock
from indelible.events.memory.store import MemoryEventStore
from indelible.events.postgres.store import PostgresEventStore
from indelible.events.sqlite.store import SqlEventStore
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints
from indelible.testing.store_contract import EventStoreContract
from postgres_server import connect


class TestMemory(EventStoreContract):
    def make_store(self, path: Path, clock: ManualClock, failpoints: Failpoints) -> EventStore:
        return MemoryEventStore(clock=clock, failpoints=failpoints)


class TestSqlite(EventStoreContract):
    def make_store(self, path: Path, clock: ManualClock, failpoints: Failpoints) -> EventStore:
        url = f"sqlite:///{path / 'store.db'}"
        return SqlEventStore(url, clock=clock, failpoints=failpoints)


class TestPostgres(EventStoreContract):
    @pytest.fixture(autouse=True)
    def _database(self, postgres_url: str) -> None:
        self.url = postgres_url

    def make_store(self, path: Path, clock: ManualClock, failpoints: Failpoints) -> EventStore:
        # No test moves the clock by an hour, which is when a store stops that does not renew.
        return PostgresEventStore(
            self.url, clock=clock, failpoints=failpoints, shards=1, lease=3_600
        )

    def pass_time(self, store: EventStore, clock: ManualClock, seconds: float) -> None:
        """The server's clock is nobody's to move: what was written becomes that much older."""
        past = round(seconds * 1_000_000)
        with connect(self.url) as connection:
            connection.execute(
                "UPDATE inbox SET submitted_at = submitted_at - %(past)s, "
                "deadline = CASE deadline WHEN 0 THEN 0 ELSE deadline - %(past)s END, "
                "answered_at = CASE answered_at WHEN 0 THEN 0 ELSE answered_at - %(past)s END",
                {"past": past},
            )
