"""Opens the store at an address."""

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
    """Create the store object for ``url`` and open it.

    Args:
        url: ``sqlite:///file.db``, ``postgresql+psycopg://user@host/database``, or ``memory://``
            for a test.
        mode: ``own`` to write, ``read`` to write nothing, ``client`` to send commands only.
        clock: The system's own by default.
        failpoints: Points in the code at which a test injects a failure.
        owner: The name of this process that other processes see.
        shards: On PostgreSQL, the number of shards if this call creates the store; 64 by default.
        lease: On PostgreSQL, seconds after which other processes take over; 10 by default.

    Raises:
        UnknownModeError: ``mode`` is not one of the three.
        StoreError: The store cannot be opened; the subclass says why.
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
        from indelible.events.lease.lease_term import LEASE
        from indelible.events.postgres.store import SHARDS, PostgresEventStore

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
