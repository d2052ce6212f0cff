"""Makes connections to the database: one that writes at full durability, many that read.

Keeps invariant 1: WAL with ``synchronous=FULL``.  (NORMAL was measured to lose acknowledged
commits at a power cut.)
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from indelible.errors import StoreUnavailableError
from indelible.events.connections.forked_connections import leave_to_parent
from indelible.events.sqlite.address import Address

BUSY_SECONDS = 30.0
"""Seconds to wait for another program's lock: a copy or backup of the file takes less, and so do
commands that many other processes submit one after the other."""

_OLDEST = (3, 35, 0)  # the first version with RETURNING and UPDATE FROM

_READERS_KEPT = 4  # connections kept open; more are made if more threads read at once

_EVERY = ("PRAGMA foreign_keys=ON", "PRAGMA trusted_schema=OFF")
_WRITER = (
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=0",  # the store's own thread does it, off the hot path
    "PRAGMA journal_size_limit=67108864",  # a WAL that a slow reader let grow shrinks again
)
_MAC = ("PRAGMA fullfsync=ON", "PRAGMA checkpoint_fullfsync=ON")  # fsync alone does not suffice


def check_version() -> None:
    """Check that the SQLite of this Python is new enough.

    Raises:
        StoreUnavailableError: It is too old.
    """
    if sqlite3.sqlite_version_info < _OLDEST:
        found, wanted = sqlite3.sqlite_version, ".".join(map(str, _OLDEST))
        raise StoreUnavailableError(f"this Python has SQLite {found}; {wanted} is needed")


def writing_engine(
    address: Address, seconds: Callable[[], float] = lambda: BUSY_SECONDS
) -> sa.Engine:
    """Make connections that write; each waits ``seconds`` for a lock and is never pooled.

    The store itself executes BEGIN and COMMIT; the driver and SQLAlchemy do not.
    """

    def connect() -> sqlite3.Connection:
        pragmas = (*_EVERY, *_WRITER, *(_MAC if sys.platform == "darwin" else ()))
        return _connect(address.uri("rwc"), pragmas, seconds())

    return _engine(connect, poolclass=sa.NullPool)


def guest_engine(
    address: Address, seconds: Callable[[], float] = lambda: BUSY_SECONDS
) -> sa.Engine:
    """Make connections that write to another process's store, and never create a file.

    Each waits ``seconds`` for a lock.
    """

    def connect() -> sqlite3.Connection:
        pragmas = (*_EVERY, *_WRITER, *(_MAC if sys.platform == "darwin" else ()))
        return _connect(address.uri("rw"), pragmas, seconds())

    return _engine(connect, poolclass=sa.NullPool)


def watching_connection(address: Address) -> sqlite3.Connection:
    """Open a connection that only checks for changes; the caller closes it."""
    return _connect(address.uri("ro"), ())


def reading_engine(address: Address, *, immutable: bool = False) -> sa.Engine:
    """Make connections that cannot write; ``immutable`` is for media that cannot be written.

    Each statement sees the commits before its begin, unless the caller begins a transaction.
    """

    def connect() -> sqlite3.Connection:
        uri = address.uri("ro", immutable=immutable)
        return _connect(uri, _EVERY)

    return _engine(connect, poolclass=sa.QueuePool, pool_size=_READERS_KEPT, max_overflow=-1)


@contextmanager
def loading_at_most(size: int, driver: Any) -> Iterator[sqlite3.Connection]:
    """Make loading a value of more than ``size`` bytes an error in the block."""
    assert isinstance(driver, sqlite3.Connection)
    before = driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, size)
    try:
        yield driver
    finally:
        driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, before)


def use_wal(connection: sa.Connection) -> None:
    """Switch the database to a write-ahead log; later connections keep it.

    Raises:
        StoreUnavailableError: SQLite has no WAL mode there, for example on a network drive.
    """
    mode = connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar_one()
    if mode != "wal":
        raise StoreUnavailableError(f"SQLite has no WAL mode here, only {mode!r}; use a local disk")


def _engine(connect: Callable[[], sqlite3.Connection], **options: Any) -> sa.Engine:
    engine = sa.create_engine("sqlite://", creator=connect, **options)
    leave_to_parent(engine)
    return engine


def _connect(
    uri: str, pragmas: tuple[str, ...], seconds: float | None = None
) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri,
        uri=True,
        timeout=BUSY_SECONDS if seconds is None else seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for pragma in pragmas:
            connection.execute(pragma).close()
    except BaseException:
        connection.close()
        raise
    return connection
