"""The rows of leases on shards: conditional SQL by the database's clock only.

Expiry decides which process may acquire a shard; the epoch, which acquiring raises, decides which
process may write to it.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
import sqlalchemy as sa

from indelible.events.connections.broken_connection import discard
from indelible.events.connections.database_clock import POSTGRESQL as NOW
from indelible.events.lease.store_owner import StoreOwner
from indelible.events.postgres.driver_errors import translated
from indelible.events.postgres.write.columns import Integers
from indelible.events.postgres.write.writer import Ends, read_ends

SHARDS_CHANNEL = "indelible_shards"
"""Channel of hints that shards are free, or that a process has joined or left."""

_RENEW_PROCESS = f"""
    INSERT INTO processes (id, name, host, pid, since, lease_until, report, reported_at)
    VALUES (%s, %s, %s, %s, {NOW}, {NOW} + %s, '', 0)
    ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
"""
# A locked row is being written by a group of this process, which extends the lease too.
_RENEW = f"""
    WITH mine AS MATERIALIZED (
        SELECT shard FROM shards WHERE owner = %s AND shard = ANY (%s::bigint[])
        ORDER BY shard FOR UPDATE SKIP LOCKED
    )
    UPDATE shards SET lease_until = {NOW} + %s FROM mine WHERE shards.shard = mine.shard
    RETURNING shards.shard
"""
_ACQUIRE = f"""
    WITH free AS MATERIALIZED (
        SELECT shard FROM shards
        WHERE (lease_until < {NOW} OR owner = %s) AND NOT shard = ANY (%s::bigint[])
        ORDER BY shard LIMIT %s FOR UPDATE SKIP LOCKED
    )
    UPDATE shards SET owner = %s, host = %s, pid = %s, since = {NOW}, epoch = epoch + 1,
        lease_until = {NOW} + %s
    FROM free WHERE shards.shard = free.shard
    RETURNING shards.shard, epoch
"""
_RELEASE = """
    UPDATE shards SET lease_until = 0, owner = '' WHERE owner = %s AND shard = ANY (%s::bigint[])
"""
_RELEASE_ALL = "UPDATE shards SET lease_until = 0, owner = '' WHERE owner = %s"
_LEAVE = "DELETE FROM processes WHERE id = %s"
_FORGET = f"DELETE FROM processes WHERE lease_until < {NOW} - %s"
_NOTIFY = f"SELECT pg_notify('{SHARDS_CHANNEL}', '')"
_SHARDS = f"SELECT shard, left(owner, 100), lease_until - {NOW} FROM shards"
_PROCESSES = f"SELECT id, lease_until - {NOW} FROM processes ORDER BY since, id"

_REMEMBERED = 100
"""Leases after which the row of a dead process is deleted; until then people can see it."""


class LeaseView(msgspec.Struct, frozen=True):
    """The leases of all processes at one moment.

    Attributes:
        renewed: Own shards whose lease was extended.
        mine: Own shards, renewed or not.
        free: How many shards any process may acquire.
        living: Processes whose lease has not ended, in the order of joining.
        next_end: Microseconds until the next lease of another process ends, ``None`` without one.
    """

    renewed: frozenset[int]
    mine: frozenset[int]
    free: int
    living: list[str]
    next_end: int | None


class Leases:
    """One process's leases; for any thread, one at a time."""

    def __init__(
        self, engine: sa.Engine, url: str, process: str, owner: StoreOwner, lease: int
    ) -> None:
        """Connect on first use; ``lease`` is in microseconds, ``owner`` is for people to read."""
        self._engine = engine
        self._url = url
        self._process = process
        self._owner = owner
        self._lease = lease
        self._lock = threading.Lock()
        self._connection: sa.Connection | None = None

    def renew(self, owned: Collection[int]) -> LeaseView:
        """Extend the leases of this process and of ``owned``, and read all leases.

        The renewal is a transaction of its own, so that the rows of ``owned`` are locked for as
        short as can be: if the connection goes silent meanwhile, the writer must wait for them.
        """
        process, owner = self._process, self._owner
        values = (process, owner.owner, owner.host, owner.pid, self._lease)
        with self._transaction() as cursor:
            cursor.execute(_RENEW_PROCESS, values)
            cursor.execute(_RENEW, (process, Integers(owned), self._lease))
            rows = cursor.fetchall()
        renewed = frozenset(row[0] for row in rows)
        with self._transaction() as cursor:
            cursor.execute(_FORGET, (_REMEMBERED * self._lease,))
            shards = cursor.execute(_SHARDS).fetchall()
            processes = cursor.execute(_PROCESSES).fetchall()
        return _view(process, renewed, shards, processes)

    def acquire(self, limit: int, excluded: Collection[int]) -> Ends:
        """Acquire up to ``limit`` free shards, none of ``excluded``, and return their ends.

        Shards with a damaged end are acquired too: no other process can write them either.
        A shard that this process owns by its row counts as free if it is not in ``excluded``.
        """
        process, owner = self._process, self._owner
        values = (process, Integers(excluded), limit, process, owner.host, owner.pid, self._lease)
        with self._transaction() as cursor:
            epochs = dict(cursor.execute(_ACQUIRE, values).fetchall())
            return read_ends(cursor, epochs, self._url, raised=1)

    def release(self, shards: Collection[int]) -> None:
        """Release ``shards``, and notify the other processes."""
        with self._transaction() as cursor:
            cursor.execute(_RELEASE, (self._process, Integers(shards)))
            cursor.execute(_NOTIFY)

    def announce(self) -> None:
        """Notify the other processes that this one has joined."""
        with self._transaction() as cursor:
            cursor.execute(_NOTIFY)

    def leave(self) -> None:
        """Release all shards, delete the row of this process, and notify the others."""
        with self._transaction() as cursor:
            cursor.execute(_RELEASE_ALL, (self._process,))
            cursor.execute(_LEAVE, (self._process,))
            cursor.execute(_NOTIFY)

    def close(self) -> None:
        """Close the connection; leases that are not released end by themselves."""
        with self._lock:
            self._discard()

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Cursor[Any]]:
        with self._lock, translated(self._url):
            try:
                if self._connection is None:
                    self._connection = self._engine.connect()
                driver: Any = self._connection.connection.driver_connection
                with driver.cursor(binary=True) as cursor:
                    cursor.execute("BEGIN")
                    yield cursor
                    cursor.execute("COMMIT")
            except BaseException:
                self._discard()
                raise

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        discard(connection)


def _view(
    process: str,
    renewed: frozenset[int],
    shards: list[tuple[int, str, int]],
    processes: list[tuple[str, int]],
) -> LeaseView:
    ends = [left for _, owner, left in shards if owner != process and left >= 0]
    ends += [left for id_, left in processes if id_ != process and left >= 0]
    return LeaseView(
        renewed,
        frozenset(number for number, owner, _ in shards if owner == process),
        sum(left < 0 for _, owner, left in shards if owner != process),
        [id_ for id_, left in processes if left >= 0],
        min(ends, default=None),
    )
