"""The event store on PostgreSQL: many processes write, each to its own shards (DESIGN §4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

import sqlalchemy as sa

from indelible.clock import Clock, SystemClock
from indelible.errors import ForkedError, StoreCorruptError
from indelible.events.addresses import Mode
from indelible.events.commit.group_commit import GroupCommit
from indelible.events.database_store import CLOSING, DatabaseStore
from indelible.events.inbox.inbox import Inbox
from indelible.events.lease.lease_term import LEASE
from indelible.events.lease.store_owner import StoreOwner
from indelible.events.postgres.address import parse_address
from indelible.events.postgres.connect.engines import Engines, check_server
from indelible.events.postgres.connect.long_statements import while_server_works
from indelible.events.postgres.driver_errors import translated, translated_failures
from indelible.events.postgres.inbox import INBOX_CHANNEL, PostgresInbox
from indelible.events.postgres.lease.lease_rows import SHARDS_CHANNEL
from indelible.events.postgres.lease.membership import Membership
from indelible.events.postgres.notify.listener import NotifyListener, OnHint
from indelible.events.postgres.notify.notifier import EVENTS_CHANNEL
from indelible.events.postgres.reader import PostgresReader
from indelible.events.postgres.schema import check_schema, migrate_schema
from indelible.events.read.lost_streams import shards_with_lost_streams
from indelible.events.store import OwnershipListener
from indelible.failpoints import Failpoints
from indelible.forks import watch

SHARDS = 64
"""Shards of a new store: enough to give tens of processes equal shares, few enough to keep a cursor
over all of them small."""


class PostgresEventStore(DatabaseStore[PostgresReader]):
    """A database of which this process writes some shards; its methods are for any thread."""

    def __init__(
        self,
        url: str,
        *,
        mode: Mode = "own",
        clock: Clock | None = None,
        failpoints: Failpoints | None = None,
        owner: str = "",
        shards: int = SHARDS,
        lease: float = LEASE,
    ) -> None:
        """No I/O and no thread yet.

        Args:
            url: ``postgresql+psycopg://user:password@host/database``; ``+psycopg`` may be left out.
            mode: ``own`` takes shards and writes to them, ``client`` reads and writes only commands
                for the owners, ``read`` writes nothing.
            clock: For ``recorded_at``, and for when to stop writing; leases follow the server's.
            failpoints: Points in the code at which a test injects a failure.
            owner: The name of this process that other processes see.
            shards: The number of shards, if this store creates the database.
            lease: Seconds.

        Raises:
            StoreNotFoundError: ``url`` is not the address of a PostgreSQL database.
            MissingExtraError: The driver is not installed.
            ValueError: ``shards`` or ``lease`` is not positive.
            UnknownModeError: There is no such mode.
        """
        if shards < 1 or lease <= 0:
            raise ValueError(f"{shards} shards with a lease of {lease} s: give more than 0 of each")
        self._address = parse_address(url)
        super().__init__(self._address.render_as_string(), mode, failpoints)  # without its password
        self._wanted_shards = shards
        self._remote: dict[object, Callable[[], object]] = {}
        self._listener: NotifyListener | None = None
        clock = clock or SystemClock()
        name = f"event store ({self._address.database}): watchdog"
        self._engines = Engines(self._address, lease, clock, name)
        self._watchdog = self._engines.watchdog
        self._transactions = self._engines.transactions()
        self._views = self._engines.views()
        self._member = Membership(
            self._address,
            self.url,
            self._engines,
            clock=clock,
            failpoints=self._failpoints,
            owner=owner,
            lease=lease,
        )
        self._group: GroupCommit = self._member.group
        self._inbox = PostgresInbox(write=self._write, read=self._read_inbox)
        watch(self)

    @property
    def shards(self) -> int:
        """The number of shards; known when the store is open."""
        return self._member.writer.shards

    # -- life

    def open(self) -> None:
        """Migrate if needed, join the writing processes, take a share of the free shards.

        Or open for reading, as the mode says.  It does not wait for leases: shards of other
        processes are not taken, and those of a dead process are taken later, when its lease ends.

        Raises:
            StoreNotFoundError: The database does not exist, or has nothing to read.
            StoreReadOnlyError: This user may not write there.
            SchemaVersionError: A newer version made it, or it must be migrated before reading.
            StoreCorruptError: The database belongs to another program.
            StoreUnavailableError: The server is not reached, or is too old.
        """
        self.check_process()
        with self._opening:
            if self._reader is not None:
                return
            reader = PostgresReader(self._engines.reading(), self.url)
            self._watchdog.start()
            try:
                with translated(self.url):
                    self._join() if self._mode == "own" else self._open_for_reading(reader)
            except BaseException:
                reader.engine.dispose()
                self._dispose()
                self._watchdog.stop()
                raise
            self._reader = reader
            self._listener = self._new_listener()
            if self._mode == "own":
                self._listener.start()

    def close(self) -> None:
        """Commit the queued appends, refuse later ones, release the shards to other processes.

        May be called twice.  It waits at most 5 s for a database that does not answer; the leases
        end later then.
        """
        self.check_process()
        self._watchdog.end_within(CLOSING)
        with self._opening:
            self._member.leave()
            listener, self._listener = self._listener, None
            if listener is not None:
                listener.stop()
            reader, self._reader = self._reader, None
            if reader is not None:
                reader.engine.dispose()
            self._dispose()
            self._watchdog.stop()

    def _dispose(self) -> None:
        for engine in (self._transactions, self._views):
            engine.dispose()

    def _join(self) -> None:
        with self._transactions.connect() as connection:
            check_server(connection)
        shards = migrate_schema(
            self._transactions,
            self.url,
            self._wanted_shards,
            self._failpoints,
            self._engines.silence_limit,
        )
        engine, limit = self._transactions, self._engines.silence_limit
        with engine.connect() as connection, while_server_works(connection, engine, limit):
            self._group.closed = shards_with_lost_streams(connection, self.url)
        self._member.join(shards)

    def _open_for_reading(self, reader: PostgresReader) -> None:
        with reader.engine.connect() as connection:
            self._member.writer.shards = check_schema(connection, self.url)
        self._group.end(self._read_only())

    def _new_listener(self) -> NotifyListener:
        channels: dict[str, OnHint] = {
            EVENTS_CHANNEL: self._on_hint,
            INBOX_CHANNEL: self._inbox.wake,
        }
        if self._mode == "own":
            channels[SHARDS_CHANNEL] = self._member.wake
        engine = self._engines.reading()
        return NotifyListener(engine, channels, self.url, self._engines.silence_limit)

    def _abandon(self, error: ForkedError) -> None:
        self._watchdog.reset()
        self._member.abandon(error)
        self._inherited = (self._reader, self._listener)
        self._reader = self._listener = None

    # -- a database that does not answer

    @property
    def trouble(self) -> str:
        """Why appends are not committed now, as text; empty if no trouble is known."""
        return self._group.trouble or self._member.trouble

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Limit how long this thread waits for the database in the block."""
        return self._watchdog.within(seconds)

    def end_within(self, seconds: float) -> None:
        """Limit how long any thread waits for the database, until the store is opened again."""
        self._watchdog.end_within(seconds)

    def _without_time_limit(self, connection: sa.Connection) -> AbstractContextManager[None]:
        engine = self._open_reader().engine
        return while_server_works(connection, engine, self._engines.silence_limit)

    # -- shards

    def owned(self) -> frozenset[int]:
        """The shards that this process may write now."""
        return self._member.owned()

    def set_aside(self) -> Mapping[int, StoreCorruptError]:
        """The shards that this process leases but cannot write, with the damage of their ends."""
        return self._member.set_aside()

    def holds(self, stream: str) -> bool:
        """Whether this process may act for ``stream`` at this instant, by the monotonic clock."""
        return self._group.holds(self.shard_of(stream))

    def on_ownership(self, listener: OwnershipListener) -> Callable[[], None]:
        """Call ``listener`` with shards gained and lost from now on; the result ends it.

        Called on one thread of the store's own, in the order of the changes.
        """
        return self._member.followers.add(listener)

    def on_drain(self, drain: Callable[[frozenset[int]], None]) -> None:
        """Call ``drain`` before this process gives shards away, on a thread of the store."""
        self._member.followers.drain = drain

    # -- other processes

    @property
    def process(self) -> str:
        """Id of this process's row in ``processes``; empty until it has joined."""
        return self._member.process

    def on_remote(self, on_hint: Callable[[], object]) -> Callable[[], None]:
        """Call ``on_hint`` when another process has committed; a hint may come late or never.

        ``on_hint`` runs on a thread of the store's own; it is quick and never raises.  The result
        ends the calls.
        """
        key = object()
        self._remote[key] = on_hint
        listener = self._listener
        if listener is not None:
            listener.start()

        def end() -> None:  # takes no lock: the garbage collector may call it anywhere
            self._remote.pop(key, None)

        return end

    def _on_hint(self, payload: str) -> None:
        self._inbox.wake()  # appends may have answered commands
        if not payload or payload.partition(":")[0] != self._member.process:
            for on_hint in list(self._remote.values()):
                on_hint()

    @property
    def inbox(self) -> Inbox:
        """The inbox: commands of other processes, for the owners of the shards.

        Raises:
            StoreReadOnlyError: The store is open for reading.
        """
        self._check_sends_commands()
        if self._listener is not None:
            self._listener.start()
        return self._inbox

    def owners(self) -> Sequence[StoreOwner]:
        """Return the processes whose lease has not ended."""
        return self._open_reader().owners()

    # -- views

    @contextmanager
    def write_views(self) -> Iterator[sa.Connection]:
        """Open a transaction for views and cursors, beside the appends; clients have cursors too.

        It commits without waiting for the disk: a crash of the server may undo it, and the views
        then catch up again.

        Raises:
            StoreReadOnlyError: The store is open for reading.
            StoreUnavailableError: The database failed; nothing was written.
        """
        self._check_sends_commands()
        with self._begin(self._views) as connection:
            yield connection

    @contextmanager
    def read_views(self) -> Iterator[sa.Connection]:
        """Open a read-only transaction that sees one state of the database; keep it short."""
        with self._open_reader().transaction() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with self._begin(self._transactions) as connection:
            yield connection

    @contextmanager
    def _begin(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        engine = engine.execution_options(isolation_level="READ COMMITTED")
        with translated_failures(self.url), engine.begin() as connection:
            yield connection

    @contextmanager
    def _read_inbox(self) -> Iterator[sa.Connection]:
        """Open a read-only connection without a transaction around its statements."""
        engine = self._open_reader().engine
        with translated_failures(self.url), engine.connect() as connection:
            yield connection
