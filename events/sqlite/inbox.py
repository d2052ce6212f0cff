"""The inbox in a SQLite file: the owner writes under its lock, others on their own connections."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from indelible.clock import Clock
from indelible.events.connections.broken_connection import discard
from indelible.events.inbox.inbox import InboxWatcher
from indelible.events.inbox.sql_inbox import Begin, SqlInbox
from indelible.events.sqlite.address import Address
from indelible.events.sqlite.driver_errors import translated_failures
from indelible.events.sqlite.engines import guest_engine, watching_connection
from indelible.events.sqlite.lock_wait import LockWait

_BUSY, _IDLE = 0.002, 0.025
"""Seconds between polls: one poll costs some 20 microseconds, so 1 % of a core while commands
arrive and 0.1 % when none do."""


_WAITING = "SELECT EXISTS (SELECT 1 FROM inbox WHERE answered_at = 0 AND awaits = '')"


def sqlite_inbox(address: Address, clock: Clock, *, write: Begin, read: Begin) -> SqlInbox:
    """Return the inbox of a file; all its processes are on one host and share its clock."""
    return SqlInbox(
        write=write,
        read=read,
        now=sa.bindparam("now", type_=sa.BigInteger, callable_=clock.now),
        watch=lambda for_commands: _watch(address, for_commands),
    )


class Guest:
    """A connection that writes commands to a store which another process owns.

    It waits for the owner's lock, and commits at full durability.
    """

    def __init__(self, address: Address, url: str, lock_wait: LockWait) -> None:
        """Connect on first use."""
        self._engine = guest_engine(address, lambda: lock_wait.seconds)
        self._begin = lock_wait.begin
        self._url = url
        self._lock = threading.Lock()
        self._connection: sa.Connection | None = None

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Open a transaction at full durability; one thread at a time."""
        with self._lock:
            try:
                with translated_failures(self._url):
                    if self._connection is None:
                        self._connection = self._engine.connect()
                    connection = self._connection
                    self._begin(connection.exec_driver_sql)
                    yield connection
                    connection.exec_driver_sql("COMMIT")
            except BaseException:
                self._discard()
                raise

    def close(self) -> None:
        """Close the connection; the next use opens a new one."""
        with self._lock:
            self._discard()

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        discard(connection)


def _watch(address: Address, for_commands: bool) -> InboxWatcher:
    """Return a watcher that polls SQLite's counter of commits, which costs less than a query."""
    versions = _Versions(address, for_commands)
    return InboxWatcher(versions.changed, busy=_BUSY, idle=_IDLE, end=versions.close)


class _Versions:
    """``PRAGMA data_version`` on a connection that does nothing else; for one thread."""

    def __init__(self, address: Address, for_commands: bool) -> None:
        self._address = address
        self._for_commands = for_commands
        self._connection: sqlite3.Connection | None = None
        self._seen = 0

    def changed(self) -> bool:
        """Whether there was a commit since the last call; ``True`` if SQLite cannot tell.

        The owner's groups are commits too, so a watcher for commands also queries for one.
        """
        try:
            if self._connection is None:
                self._connection = watching_connection(self._address)
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
            changed, self._seen = version != self._seen, version
            if changed and self._for_commands:
                changed = bool(self._connection.execute(_WAITING).fetchone()[0])
        except sqlite3.Error:
            return True
        return changed

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
