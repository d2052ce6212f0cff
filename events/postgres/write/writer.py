"""The writer: one connection, and for each group one transaction and one round trip.

Keeps invariant 3: every group moves the heads of its shards, which requires the owner's epochs.
The connection is SQLAlchemy's; constant SQL goes to the driver's cursor, prepared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
import sqlalchemy as sa

from indelible.clock import Clock
from indelible.errors import StaleEpochError, StoreCorruptError
from indelible.events.commit.shard_ends import End
from indelible.events.commit.shard_plan import Head, Shard, ShardPlan
from indelible.events.connections.broken_connection import discard
from indelible.events.model.stream_names import is_text
from indelible.events.postgres.driver_errors import sqlstate, translated
from indelible.events.postgres.write import statements as sql
from indelible.events.postgres.write.columns import Blobs, Integers, Texts
from indelible.events.postgres.write.group_statements import Statement, statements_of
from indelible.failpoints import Failpoints

_PROBE_BYTES = 64 * 1024  # more than one or two freed pages, so that a full disk is noticed


class PostgresWriter:
    """The backend of the group commit; for one thread at a time unless a method says otherwise."""

    wants_upkeep = False

    def __init__(
        self, engine: sa.Engine, url: str, clock: Clock, failpoints: Failpoints, lease: int
    ) -> None:
        """Connect on first use; a group extends the leases of its shards by ``lease``, in us."""
        self._engine = engine
        self._url = url
        self._clock = clock
        self._failpoints = failpoints
        self._lease = lease
        self._connection: sa.Connection | None = None
        self._driver: psycopg.Connection[Any] | None = None
        self._cursor: psycopg.Cursor[Any] | None = None
        self._inherited: sa.Connection | None = None  # never closed
        self._unfinished = False  # whether the server may still execute a group of this writer
        self._epochs: dict[int, int] = {}
        self.shards = 1
        self.extended: dict[int, int] = {}
        """When the last group of each shard was sent, monotonic ns; it extended the lease."""
        self.on_written: Callable[[Collection[int]], None] = _ignore
        """Called with the shards of each committed group; quick, never raises."""

    # -- the owned shards

    def own(self, number: int, epoch: int) -> None:
        """Write to a shard from now on; called on the keeper's thread."""
        self._epochs[number] = epoch

    def disown(self, number: int) -> None:
        """Stop writing to a shard; called on the keeper's thread."""
        self._epochs.pop(number, None)
        self.extended.pop(number, None)

    def load(self) -> Mapping[int, Shard]:
        """Return the owned shards; raises their epochs if the server may still execute a group."""
        with translated(self._url):
            cursor = self._open()
            if self._unfinished:
                self._raise_epochs(cursor)
                self._unfinished = False
            epochs = dict(self._epochs)
            ends = read_ends(cursor, epochs, self._url).shards  # the keeper finds damaged ones
        return {n: shard for n, shard in ends.items() if shard.epoch == epochs[n]}

    def _raise_epochs(self, cursor: psycopg.Cursor[Any]) -> None:
        epochs = dict(self._epochs)
        values = (self._lease, Integers(epochs), Integers(epochs.values()))
        raised = dict(cursor.execute(sql.RAISE_EPOCHS, values).fetchall())
        for number in epochs:
            if number in raised:
                self._epochs[number] = raised[number]
            else:
                self._epochs.pop(number, None)

    # -- the connection

    def _open(self) -> psycopg.Cursor[Any]:
        if self._cursor is None:
            self._connection = self._engine.connect()
            driver = self._connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            self._driver, self._cursor = driver, driver.cursor(binary=True)
        return self._cursor

    def discard(self) -> None:
        """Close the connection, whatever its state; the server may still write a group of it."""
        connection, self._connection = self._connection, None
        self._cursor = self._driver = None
        if connection is not None:
            self._unfinished = True
            discard(connection)

    def close(self) -> None:
        """Close the connection, on which no group is under way, and own no shard any more."""
        self.discard()
        self._unfinished = False
        self._epochs, self.extended = {}, {}

    # -- appends

    def find_heads(self, names: Sequence[str]) -> Sequence[Head]:
        """Return the heads of the streams in ``names`` that exist, in one query."""
        texts = Texts(name for name in names if is_text(name))
        with translated(self._url):
            rows = self._open().execute(sql.FIND, (texts,), prepare=True).fetchall()
        return [Head(*row) for row in rows]

    def event_ids(self, places: Sequence[tuple[int, int]]) -> Sequence[bytes | None]:
        """Return the event id at each (stream id, version)."""
        streams, versions = Integers(p[0] for p in places), Integers(p[1] for p in places)
        with translated(self._url):
            rows = self._open().execute(sql.EVENT_IDS, (streams, versions)).fetchall()
        found = {(stream, version): event_id for stream, version, event_id in rows}
        return [found.get(place) for place in places]

    def write(self, plans: Sequence[ShardPlan]) -> None:
        """Write a group in one transaction; if it raises, the caller discards the connection.

        After StaleEpochError the transaction is rolled back, and the connection can still be used.
        """
        statements = statements_of(plans, self._lease, self._epochs)
        with translated(self._url):
            cursor = self._open()
            sent = self._clock.monotonic()
            try:
                self._send(cursor, statements)
            except psycopg.Error as error:
                if sqlstate(error) != sql.DIVISION_BY_ZERO:
                    raise
                cursor.execute("ROLLBACK")
                self._explain(cursor, plans)
        numbers = [plan.before.number for plan in plans]
        self.extended.update(dict.fromkeys(numbers, sent))
        self.on_written(numbers)
        self._failpoints.hit("commit.after")

    def _send(self, cursor: psycopg.Cursor[Any], statements: Sequence[Statement]) -> None:
        if self._failpoints.armed:
            self._send_slowly(cursor, statements)
        elif len(statements) == 1:  # its own transaction
            cursor.execute(*statements[0], prepare=True)
        else:
            assert self._driver is not None
            with self._driver.pipeline():
                cursor.execute("BEGIN", prepare=True)
                for statement, values in statements:
                    cursor.execute(statement, values, prepare=True)
                cursor.execute("COMMIT", prepare=True)

    def _send_slowly(self, cursor: psycopg.Cursor[Any], statements: Sequence[Statement]) -> None:
        """Send the statements one by one, so that a failpoint can stop between them."""
        cursor.execute("BEGIN")
        self._failpoints.hit("commit.begun")
        for statement, values in statements:
            cursor.execute(statement, values, prepare=True)
        self._failpoints.hit("commit.before")
        cursor.execute("COMMIT")

    def _explain(self, cursor: psycopg.Cursor[Any], plans: Sequence[ShardPlan]) -> None:
        """Raise the error that names the shard which another process has taken."""
        befores = {plan.before.number: plan.before for plan in plans}
        for number, epoch, head in cursor.execute(sql.EPOCHS, (Integers(befores),)).fetchall():
            if epoch != befores[number].epoch:
                raise StaleEpochError(number, befores[number].epoch)
            if head != befores[number].head:
                found = f"shard {number} ends at {head}, not at {befores[number].head}"
                raise StoreCorruptError(self._url, found)
        raise StoreCorruptError(self._url, f"some of the shards {sorted(befores)} are missing")

    def probe(self) -> None:
        """Write and commit something that leaves no trace."""
        with translated(self._url):
            cursor = self._open()
            cursor.execute("BEGIN")
            self._failpoints.hit("commit.begun")
            cursor.execute(sql.BLOBS, (Blobs([b""]), Blobs([bytes(_PROBE_BYTES)])))
            cursor.execute(sql.NO_BLOB, (b"",))
            cursor.execute("COMMIT")

    def upkeep(self) -> None:
        """Do nothing: the server does its own maintenance."""


def _ignore(_: Collection[int]) -> None:
    """Do nothing: no callback is set."""


class Ends(NamedTuple):
    """The ends of shards: of those that can be written, and the damage of the others."""

    shards: dict[int, Shard]
    damaged: dict[int, StoreCorruptError]


def read_ends(
    cursor: psycopg.Cursor[Any], numbers: Mapping[int, int], url: str, raised: int = 0
) -> Ends:
    """Return the ends of the shards ``numbers``, whose epochs this transaction has ``raised``."""
    ends = Ends({}, {})
    for row in cursor.execute(sql.ENDS, (Integers(numbers),)).fetchall():
        end = End(*row)._replace(raised=raised)
        if end.wrong:
            found = f"the shard cannot be written: {end.wrong}"
            place = min(end.head, end.last) + 1
            ends.damaged[end.shard] = StoreCorruptError(url, found, shard=end.shard, position=place)
        else:
            ends.shards[end.shard] = end.as_shard
    return ends
