"""From an address to a store."""

from __future__ import annotations

from indelible.clock import Clock
from indelible.errors import StoreNotFoundError
from indelible.events.addresses import Mode, check_mode
from indelible.events.postgres.address import is_postgres
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints


def open_store(
    url: str,
    *,
    mode: Mode = "own",
    clock: Clock | None = None,
    failpoints: Failpoints | None = None,
    owner: str = "",
    shards: int | None = None,
    lease: float | None = None,
) -> EventStore:
    """Make and open the store at ``url``.

    Args:
        url: ``sqlite:///file.db``, ``postgresql+psycopg://user@host/database``, or ``memory://``
            for a test.
        mode: ``own`` to write, ``read`` to write nothing, ``client`` to send commands only.
        clock: The system's own by default.
        failpoints: Places where a test may fail.
        owner: This process's name for others.
        shards: On PostgreSQL, how many the store has if this opening makes it; 64 by default.
        lease: On PostgreSQL, seconds after which others take over; 10 by default.

    Raises:
        UnknownModeError: ``mode`` is none of them.
        StoreError: It cannot be opened; which one says why.
        MissingExtraError: The driver of that database is not installed.
    """
    store: EventStore
    check_mode(mode)
    if url.startswith("memory:"):
        if mode != "own":
            raise StoreNotFoundError(url, "a store in memory has no other process")
        from indelible.events.memory.store import MemoryEventStore

        store = MemoryEventStore(clock=clock, failpoints=failpoints, url=url)
    elif is_postgres(url):
        from indelible.events.postgres.address import parse_address

        parse_address(url)  # before the driver is imported
        from indelible.events.postgres.store import LEASE, SHARDS, PostgresEventStore

        store = PostgresEventStore(
            url,
            mode=mode,
            clock=clock,
            failpoints=failpoints,
            owner=owner,
            shards=SHARDS if shards is None else shards,
            lease=LEASE if lease is None else lease,
        )
    else:
        from indelible.events.sqlite.store import SqlEventStore

        store = SqlEventStore(url, mode=mode, clock=clock, failpoints=failpoints, owner=owner)
    store.open()
    return store
