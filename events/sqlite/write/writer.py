"""The writer: one connection, one transaction for each group, few statements.

Keeps invariant 3: every group moves the shard's head, which requires the owner's epoch.  The
connection is SQLAlchemy's; constant SQL goes to the driver's cursor, since ``exec_driver_sql`` was
measured to add 35 microseconds to a single append, a fifth of its time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from indelible.errors import StaleEpochError, StoreCorruptError
from indelible.events.commit.shard_ends import End
from indelible.events.commit.shard_plan import SHARD, Closed, Head, Shard, ShardPlan, damaged_head
from indelible.events.concurrency.fair_lock import FairLock
from indelible.events.connections.broken_connection import discard
from indelible.events.inbox.inbox import Command
from indelible.events.lease.store_owner import StoreOwner
from indelible.events.model.hash_chain import GENESIS
from indelible.events.model.stream_names import is_text
from indelible.events.read.lost_streams import shards_with_lost_streams
from indelible.events.sqlite.driver_errors import is_row_error, translated, translated_failures
from indelible.events.sqlite.lock_wait import LockWait
from indelible.events.sqlite.write import statements as sql
from indelible.events.sqlite.write.many_rows import Execute
from indelible.events.sqlite.write.wal_checkpoint import WAL_GROWTH, WalGrowth, copy_back
from indelible.events.sqlite.write.wal_preallocation import make_room
from indelible.failpoints import Failpoints

_HEAD_TYPES = (int, str, str, int, str, int)

_PROBE_BYTES = 64 * 1024  # more than one or two freed pages, so that a full disk is noticed


class SqliteWriter:
    """The backend of the group commit; used by one thread at a time."""

    shards = 1

    def __init__(
        self,
        engine: sa.Engine,
        url: str,
        failpoints: Failpoints,
        writer_lock: FairLock,
        lock_wait: LockWait,
    ) -> None:
        """Connect on first use."""
        self._begin = lock_wait.begin
        self._engine = engine
        self._writer_lock = writer_lock
        self._url = url
        self._hit = failpoints.hit
        self._connection: sa.Connection | None = None
        self._cursor: Any = None  # the driver's
        self._inherited: sa.Connection | None = None  # never closed
        self._epoch = 0
        self._growth = WalGrowth()  # growth of the WAL since it was last copied back

    def connection(self) -> sa.Connection:
        """Return the only writing connection, without a transaction."""
        if self._connection is None:
            self._connection = self._engine.connect()
            self._cursor = self._connection.connection.cursor()
        return self._connection

    def _statements(self) -> Execute:
        """Return the function that executes a statement on it; one result at a time."""
        self.connection()
        execute: Execute = self._cursor.execute
        return execute

    def discard(self) -> None:
        """Close the connection, whatever its state."""
        connection, self._connection, self._cursor = self._connection, None, None
        discard(connection)

    # -- ownership

    def raise_epoch(self, owner: StoreOwner) -> Mapping[int, Shard]:
        """Raise the epoch, which fences earlier writers; durable on return.

        Raises:
            StoreCorruptError: The shard's row and its last event contradict each other.
        """
        with translated(self._url):
            execute = self._statements()
            self._begin(execute)
            values = (SHARD, GENESIS, owner.owner, owner.host, owner.pid, owner.since)
            self._epoch = execute(sql.RAISE_EPOCH, values).fetchall()[0][0]
            shards = self._load(raised=1)
            execute("COMMIT")
        return shards

    def closed(self) -> Mapping[int, Closed]:
        """Return the shard, and why no stream can begin in it, if rows of streams are lost."""
        with translated(self._url):
            return shards_with_lost_streams(self.connection(), self._url)

    def wait_for(self, seconds: float) -> None:
        """Have the open connection wait ``seconds`` for another program's lock in one try."""
        with translated(self._url):
            self._statements()(f"PRAGMA busy_timeout={round(seconds * 1_000)}")

    def make_room(self) -> None:
        """Give the WAL its usual size."""
        with translated(self._url):
            make_room(self._statements())

    def load(self) -> Mapping[int, Shard]:
        """Return the shard, if its epoch is still the one of this writer."""
        return self._load(raised=0)

    def _load(self, raised: int) -> Mapping[int, Shard]:
        with translated(self._url):
            execute = self._statements()
            rows = execute(sql.LOAD, (SHARD,)).fetchall()
            epoch, head, chain, streams, highest = rows[0] if rows else (0, 0, GENESIS, 0, 0)
            rows = execute(sql.LAST, (SHARD,)).fetchall()
            last, last_chain, last_epoch, recorded_at = rows[0] if rows else (0, None, 0, 0)
        if epoch != self._epoch:
            raise StaleEpochError(SHARD, self._epoch)
        place = (last, last_chain, last_epoch, recorded_at, highest, raised)
        end = End(SHARD, epoch, head, chain, streams, *place)
        if end.wrong:
            found = f"shard {SHARD} cannot be written: {end.wrong}; it can be read and verified"
            raise StoreCorruptError(self._url, found)
        return {SHARD: end.as_shard}

    # -- appends

    def find_heads(self, names: Sequence[str]) -> Sequence[Head]:
        """Return the heads of the streams in ``names`` that exist, in one query."""
        names = [name for name in names if is_text(name)]
        with translated(self._url):
            execute = self._statements()
            try:
                return [self._head(row) for row in sql.FIND.fetch(execute, names)]
            except sqlite3.Error as error:
                if not is_row_error(error):
                    raise
            return [head for name in names for head in self._find_alone(execute, name)]

    def _find_alone(self, execute: Execute, name: str) -> Sequence[Head]:
        """Return the head of ``name`` if it exists; a damaged row affects this stream alone."""
        try:
            return [self._head(row) for row in sql.FIND.fetch(execute, (name,))]
        except sqlite3.Error as error:
            if not is_row_error(error):
                raise
            return [damaged_head(StoreCorruptError(self._url, str(error), stream=name))]

    def _head(self, row: Sequence[Any]) -> Head:
        """Convert a row of ``streams``, in which SQLite takes any type for any column."""
        if tuple(map(type, row)) == _HEAD_TYPES:
            return Head(*row)
        found = f"its row in streams is {tuple(row[2:])!r:.200}"
        return damaged_head(StoreCorruptError(self._url, found, stream=str(row[1])))

    def event_ids(self, places: Sequence[tuple[int, int]]) -> Sequence[bytes | None]:
        """Return the event id at each (stream id, version)."""
        values = [part for place in places for part in place]
        with translated(self._url):
            rows = sql.EVENT_IDS.fetch(self._statements(), values)
            found = {(stream, version): event_id for stream, version, event_id in rows}
        return [found.get(place) for place in places]

    def write(self, plans: Sequence[ShardPlan]) -> None:
        """Write a group in one transaction; if it raises, the caller discards the connection."""
        (plan,) = plans
        events = _event_values(plan)
        before, after = plan.before, plan.after
        with translated(self._url):
            execute = self._statements()
            self._begin(execute)
            self._hit("commit.begun")
            moved = execute(
                sql.MOVE_HEAD,
                (after.head, after.chain, after.streams, SHARD, before.epoch, before.head),
            )
            if moved.rowcount != 1:
                execute("ROLLBACK")
                self.load()  # raises StaleEpochError if another owner has raised the epoch
                raise StoreCorruptError(self._url, f"shard {SHARD} does not end at {before.head}")
            if events:
                sql.EVENTS.run(execute, events, (SHARD, after.epoch, after.recorded_at))
            if plan.new:
                sql.NEW.run(execute, _flat_heads(plan.new))
            if plan.moved:
                sql.MOVED.run(
                    execute, [part for head in plan.moved for part in (head.id, head.version)]
                )
            if plan.restated:
                sql.RESTATED.run(execute, _restated_values(plan.restated))
            for blob in plan.blobs.items():
                execute(sql.BLOB, blob)
            _write_inbox(plan, execute)
            self._hit("commit.before")
            execute("COMMIT")
        self._hit("commit.after")
        self._growth.commit(after.head - before.head + len(plan.commands) + len(plan.done))

    @contextmanager
    def relaxed(self) -> Iterator[sa.Connection]:
        """Open a transaction at NORMAL durability, for data that can be rebuilt.

        Errors of the block's own statements are raised unchanged, unless the database failed.
        """
        try:
            with translated_failures(self._url):
                connection = self.connection()
                execute = connection.exec_driver_sql
                execute("PRAGMA synchronous=NORMAL")
                self._begin(execute)
                yield connection
                execute("COMMIT")
                execute("PRAGMA synchronous=FULL")
        except BaseException:
            self.discard()  # rolls back; the next connection uses FULL again
            raise
        self._growth.views()

    @contextmanager
    def durable(self) -> Iterator[sa.Connection]:
        """Open a transaction at full durability; the caller holds the writer lock."""
        try:
            with translated_failures(self._url):
                connection = self.connection()
                self._begin(connection.exec_driver_sql)
                yield connection
                connection.exec_driver_sql("COMMIT")
        except BaseException:
            self.discard()
            raise
        self._growth.commit(0)

    @property
    def wants_upkeep(self) -> bool:
        """Whether the WAL has grown enough to be copied back."""
        return self._growth.pages > WAL_GROWTH

    def upkeep(self) -> None:
        """Copy the WAL back; on a thread of its own, without the writer lock."""
        counted = self._growth.take()
        with translated(self._url):
            self._growth.correct(counted, copy_back(self._engine, self._writer_lock))

    def probe(self) -> None:
        """Write and commit something that leaves no trace."""
        with translated(self._url):
            execute = self._statements()
            self._begin(execute)
            self._hit("commit.begun")
            execute(sql.BLOB, (b"", bytes(_PROBE_BYTES)))
            execute(sql.NO_BLOB, (b"",))
            execute(sql.SAME_HEAD, (SHARD,))
            execute("COMMIT")


def _write_inbox(plan: ShardPlan, execute: Execute) -> None:
    now = plan.after.recorded_at
    if plan.late is not None:
        if late := [part for answer in plan.late.answers() for part in answer]:
            sql.LATE_ANSWERS.run(execute, late, (now,))
        if awaiting := [part for row in plan.late.awaiting() for part in row]:
            sql.AWAITING.run(execute, awaiting)
    if plan.answers:
        answers = [part for answer in plan.answers for part in answer]
        sql.ANSWERS.run(execute, answers, (now,))
    if plan.done:
        sql.DONE.run(execute, plan.done)
    if plan.commands:
        sql.COMMANDS.run(execute, _command_values(plan.commands), (now,))


def _event_values(plan: ShardPlan) -> list[Any]:
    """Return the values of the plan's events as one flat list.

    Bytes become bytearrays: for any other type than a number, a text or a bytearray, the driver
    first looks for an adapter, which costs more than the copy.
    """
    values: list[Any] = []
    for stream, events in zip(plan.ids, plan.events, strict=True):
        for event in events:
            values += (
                event.position,
                stream,
                event.version,
                bytearray(event.event_id),
                event.type,
                event.schema,
                bytearray(event.payload),
                bytearray(event.metadata),
                bytearray(event.chain),
            )
    return values


def _flat_heads(heads: Sequence[Head]) -> list[Any]:
    values: list[Any] = []
    for head in heads:
        values += (head.id, head.name, head.category, head.version, head.status, head.wake_at)
    return values


def _restated_values(heads: Sequence[Head]) -> list[Any]:
    values: list[Any] = []
    for head in heads:
        values += (head.id, head.version, head.status, head.wake_at)
    return values


def _command_values(commands: Sequence[Command]) -> list[Any]:
    values: list[Any] = []
    for command in commands:
        values += (
            command.message_id,
            command.shard,
            command.stream,
            command.kind,
            bytearray(command.body),
            command.sender,
            bytearray(command.context),
        )
    return values
