"""Leases on shards, as rows: conditional SQL by the database's clock, and by no other.

Expiry decides who may acquire; the epoch, which acquiring raises, decides who may write.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from indelible.events.connections.database_clock import POSTGRESQL as NOW
from indelible.events.lease.store_owner import StoreOwner
from indelible.events.postgres.driver_errors import translated
from indelible.events.postgres.write.columns import Integers
from indelible.events.postgres.write.writer import Ends, read_ends

SHARDS_CHANNEL = "indelible_shards"
"""Rung when shards are free, or when processes come and go; a hint, no more."""

_LIVE = f"""
    INSERT INTO processes (id, name, host, pid, since, lease_until, report, reported_at)
    VALUES (%s, %s, %s, %s, {NOW}, {NOW} + %s, '', 0)
    ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
"""
# A shard whose row is locked is being written by a group of ours, which extends the lease, too.
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
_RING = f"SELECT pg_notify('{SHARDS_CHANNEL}', '')"
_SHARDS = f"SELECT shard, left(owner, 100), lease_until - {NOW} FROM shards"
_PROCESSES = f"SELECT id, lease_until - {NOW} FROM processes ORDER BY since, id"

_REMEMBERED = 100
"""Leases after which the row of a process that died is deleted; until then people can see it."""


class LeaseView(msgspec.Struct, frozen=True):
    """What one look at the leases has shown.

    Attributes:
        renewed: Own shards whose lease was extended.
        mine: Shards that are this process's, renewed or not.
        free: How many shards anybody may acquire.
        living: Processes whose lease runs, in the order of their coming.
        next_end: Microseconds until the first lease of another process ends, if any runs.
    """

    renewed: frozenset[int]
    mine: frozenset[int]
    free: int
    living: list[str]
    next_end: int | None


class Leases:
    """One process's leases; any thread may call, one at a time is let through."""

    def __init__(
        self, engine: sa.Engine, url: str, process: str, owner: StoreOwner, lease: int
    ) -> None:
        """Connect on first use; ``lease`` is in microseconds, ``owner`` is for people."""
        self._engine = engine
        self._url = url
        self._process = process
        self._owner = owner
        self._lease = lease
        self._lock = threading.Lock()
        self._connection: sa.Connection | None = None

    def renew(self, owned: Collection[int]) -> LeaseView:
        """Say that this process lives, extend the leases of ``owned``, and look around."""
        me, who = self._process, self._owner
        with self._transaction() as cursor:
            cursor.execute(_LIVE, (me, who.owner, who.host, who.pid, self._lease))
            cursor.execute(_RENEW, (me, Integers(owned), self._lease))
            renewed = frozenset(row[0] for row in cursor.fetchall())
            cursor.execute(_FORGET, (_REMEMBERED * self._lease,))
            shards = cursor.execute(_SHARDS).fetchall()
            processes = cursor.execute(_PROCESSES).fetchall()
        return _view(me, renewed, shards, processes)

    def acquire(self, limit: int, kept_out: Collection[int]) -> Ends:
        """Take up to ``limit`` free shards, none of ``kept_out``; where they end.

        Those whose end is damaged are taken, too: no other process can write them either.
        A shard that is this process's by its row but not in ``kept_out`` counts as free.
        """
        me, who = self._process, self._owner
        values = (me, Integers(kept_out), limit, me, who.host, who.pid, self._lease)
        with self._transaction() as cursor:
            epochs = dict(cursor.execute(_ACQUIRE, values).fetchall())
            return read_ends(cursor, epochs, self._url, raised=1)

    def release(self, shards: Collection[int]) -> None:
        """Let others have ``shards``, and tell them."""
        with self._transaction() as cursor:
            cursor.execute(_RELEASE, (self._process, Integers(shards)))
            cursor.execute(_RING)

    def announce(self) -> None:
        """Tell the others that a process has come."""
        with self._transaction() as cursor:
            cursor.execute(_RING)

    def leave(self) -> None:
        """Let others have everything, and tell them."""
        with self._transaction() as cursor:
            cursor.execute(_RELEASE_ALL, (self._process,))
            cursor.execute(_LEAVE, (self._process,))
            cursor.execute(_RING)

    def close(self) -> None:
        """Close the connection; what is leased stays so until its end."""
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
        if connection is not None:
            with suppress(SQLAlchemyError, psycopg.Error):
                connection.invalidate()
                connection.close()


def _view(
    me: str,
    renewed: frozenset[int],
    shards: list[tuple[int, str, int]],
    processes: list[tuple[str, int]],
) -> LeaseView:
    ends = [left for _, owner, left in shards if owner != me and left >= 0]
    ends += [left for one, left in processes if one != me and left >= 0]
    return LeaseView(
        renewed,
        frozenset(number for number, owner, _ in shards if owner == me),
        sum(left < 0 for _, owner, left in shards if owner != me),
        [one for one, left in processes if left >= 0],
        min(ends, default=None),
    )
