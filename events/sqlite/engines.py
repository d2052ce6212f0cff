"""How connections to the database are made: one that writes at full durability, many that read.

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
"""How long to wait for another program's lock: copies and backups of a file are shorter, and the
commands of many other processes come one after the other."""

_OLDEST = (3, 35, 0)  # the first with RETURNING and UPDATE FROM

_READERS_KEPT = 4  # connections kept open; more are made when more threads read at once

_EVERY = ("PRAGMA foreign_keys=ON", "PRAGMA trusted_schema=OFF")
_WRITER = (
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=0",  # the store's own thread does it, off the hot path
    "PRAGMA journal_size_limit=67108864",  # a WAL that grew behind a slow reader shrinks again
)
_MAC = ("PRAGMA fullfsync=ON", "PRAGMA checkpoint_fullfsync=ON")  # fsync alone reaches no platter


def check_version() -> None:
    """See that the SQLite of this Python is new enough.

    Raises:
        StoreUnavailableError: It is older.
    """
    if sqlite3.sqlite_version_info < _OLDEST:
        found, wanted = sqlite3.sqlite_version, ".".join(map(str, _OLDEST))
        raise StoreUnavailableError(f"this Python has SQLite {found}; {wanted} is needed")


def writing_engine(
    address: Address, seconds: Callable[[], float] = lambda: BUSY_SECONDS
) -> sa.Engine:
    """Connections that write; each is closed when it is returned, and waits ``seconds`` for a lock.

    The store itself says BEGIN and COMMIT: the driver and SQLAlchemy do neither.
    """

    def connect() -> sqlite3.Connection:
        pragmas = (*_EVERY, *_WRITER, *(_MAC if sys.platform == "darwin" else ()))
        return _connect(address.uri("rwc"), pragmas, seconds())

    return _engine(connect, poolclass=sa.NullPool)


def guest_engine(
    address: Address, seconds: Callable[[], float] = lambda: BUSY_SECONDS
) -> sa.Engine:
    """Connections that write into a store which is another process's, and never make one.

    Each waits ``seconds`` for a lock.
    """

    def connect() -> sqlite3.Connection:
        pragmas = (*_EVERY, *_WRITER, *(_MAC if sys.platform == "darwin" else ()))
        return _connect(address.uri("rw"), pragmas, seconds())

    return _engine(connect, poolclass=sa.NullPool)


def watching_connection(address: Address) -> sqlite3.Connection:
    """A connection that only looks whether anything has changed; close it."""
    return _connect(address.uri("ro"), ())


def reading_engine(address: Address, *, immutable: bool = False) -> sa.Engine:
    """Connections that cannot write; ``immutable`` for media on which nobody can.

    Each statement sees what was committed when it began, unless the user begins a transaction.
    """

    def connect() -> sqlite3.Connection:
        uri = address.uri("ro", immutable=immutable)
        return _connect(uri, _EVERY)

    return _engine(connect, poolclass=sa.QueuePool, pool_size=_READERS_KEPT, max_overflow=-1)


@contextmanager
def loading_at_most(size: int, driver: Any) -> Iterator[sqlite3.Connection]:
    """Have the ``driver`` connection load no value of more than ``size`` bytes in the block."""
    assert isinstance(driver, sqlite3.Connection)
    before = driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, size)
    try:
        yield driver
    finally:
        driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, before)


def use_wal(connection: sa.Connection) -> None:
    """Switch the database to a write-ahead log; it stays so, for every later connection.

    Raises:
        StoreUnavailableError: SQLite cannot, such as on a network drive.
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
