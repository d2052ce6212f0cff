"""The event store on PostgreSQL: many processes write, each to its own shards (DESIGN §4)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

import sqlalchemy as sa

from indelible.clock import Clock, SystemClock
from indelible.errors import (
    ForkedError,
    StoreCorruptError,
    StoreReadOnlyError,
    SystemClosedError,
)
from indelible.events.addresses import Mode, check_mode
from indelible.events.commit.group_commit import GroupCommit
from indelible.events.inbox.inbox import Inbox
from indelible.events.lease.store_owner import StoreOwner
from indelible.events.postgres.address import parse_address
from indelible.events.postgres.connect.engines import Engines, check_server
from indelible.events.postgres.connect.long_statements import attended
from indelible.events.postgres.driver_errors import of_the_database, translated
from indelible.events.postgres.inbox import INBOX_CHANNEL, PostgresInbox
from indelible.events.postgres.lease.lease_rows import SHARDS_CHANNEL
from indelible.events.postgres.lease.membership import Membership
from indelible.events.postgres.notify.listener import Heard, NotifyListener
from indelible.events.postgres.notify.notifier import EVENTS_CHANNEL
from indelible.events.postgres.reader import PostgresReader
from indelible.events.postgres.schema import bring_up, check_schema
from indelible.events.read.lost_streams import shards_with_lost_streams
from indelible.events.read.stored_log import StoredLog
from indelible.events.store import OwnershipListener
from indelible.failpoints import Failpoints
from indelible.forks import watch

SHARDS = 64
"""Shards of a new store: enough for some tens of processes to have equal shares, and few enough
that a cursor over all of them stays small."""

LEASE = 10.0
"""Seconds after which others take over from a process that died: long enough for a stopped virtual
machine or a failing-over server, short enough not to be noticed by a person."""

_CLOSING = 5.0  # s; a commit takes milliseconds


class PostgresEventStore(StoredLog):
    """One database, of which this process writes some shards; any thread may call any method."""

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
        """Ask no server and start no thread yet.

        Args:
            url: ``postgresql+psycopg://user:password@host/database``; a ``+psycopg`` left out is
                added.
            mode: ``own`` takes shards and writes to them, ``client`` reads and writes nothing but
                commands for the owners, ``read`` writes nothing at all.
            clock: For ``recorded_at`` and for when to stop writing; leases are the server's matter.
            failpoints: Places where a test may fail.
            owner: This process's name for others.
            shards: How many the store has, if it is this opening that makes it.
            lease: Seconds.

        Raises:
            StoreNotFoundError: Not the address of a PostgreSQL database.
            MissingExtraError: The driver is not installed.
            ValueError: No shards, or no lease.
            UnknownModeError: No such mode.
        """
        check_mode(mode)
        if shards < 1 or lease <= 0:
            raise ValueError(f"{shards} shards with a lease of {lease} s: give more than 0 of each")
        self._address = parse_address(url)
        self.url = self._address.render_as_string()  # without its password
        self._mode = mode
        self._failpoints = failpoints or Failpoints()
        self._wanted_shards = shards
        self._opening = threading.Lock()
        self._remote: dict[object, Callable[[], object]] = {}
        self._listening: NotifyListener | None = None
        self._reader: PostgresReader | None = None
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
        self._inbox = PostgresInbox(write=self._write, read=self._look_once)
        watch(self)

    @property
    def state(self) -> str:
        """One of "closed", "open", "reading" and "unavailable"."""
        if self._reader is None:
            return "closed"
        return self._group.state if self._mode == "own" else "reading"

    @property
    def shards(self) -> int:
        """How many shards the store has; known when it is open."""
        return self._member.writer.shards

    # -- life

    def open(self) -> None:
        """Migrate if need be, join those who write, take a share of the free shards.

        Or open for reading, if made so.  It waits for nobody: shards that are another's are not
        taken, and those of a process that died follow when its lease ends.

        Raises:
            StoreNotFoundError: No such database, or nothing to read in it.
            StoreReadOnlyError: This user may not write there.
            SchemaVersionError: Made by a newer version, or to be migrated before reading.
            StoreCorruptError: The database is something else's.
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
                    self._join() if self._mode == "own" else self._look(reader)
            except BaseException:
                reader.engine.dispose()
                self._dispose()
                self._watchdog.stop()
                raise
            self._reader = reader
            self._listening = self._new_listening()
            if self._mode == "own":
                self._listening.start()

    def close(self) -> None:
        """Commit what is queued, fail what comes later, let others have the shards at once.

        May be called twice.  A database that does not answer costs 5 s, no more: then leases run
        out by themselves.
        """
        self.check_process()
        self._watchdog.end_within(_CLOSING)
        with self._opening:
            self._member.leave()
            listening, self._listening = self._listening, None
            if listening is not None:
                listening.stop()
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
        shards = bring_up(
            self._transactions,
            self.url,
            self._wanted_shards,
            self._failpoints,
            self._engines.patience,
        )
        engine, patience = self._transactions, self._engines.patience
        with engine.connect() as connection, attended(connection, engine, patience):
            self._group.closed = shards_with_lost_streams(connection, self.url)
        self._member.join(shards)

    def _look(self, reader: PostgresReader) -> None:
        with reader.engine.connect() as connection:
            self._member.writer.shards = check_schema(connection, self.url)
        self._group.end(StoreReadOnlyError(self.url, f'it is open with mode="{self._mode}"'))

    def _new_listening(self) -> NotifyListener:
        channels: dict[str, Heard] = {EVENTS_CHANNEL: self._heard, INBOX_CHANNEL: self._inbox.ring}
        if self._mode == "own":
            channels[SHARDS_CHANNEL] = self._member.look
        engine = self._engines.reading()
        return NotifyListener(engine, channels, self.url, self._engines.patience)

    def _forked(self, parent: int) -> None:
        """In a child that inherits the connections and may use none."""
        unused = self.state == "closed" and not self._opening.locked()
        self._opening = threading.Lock()
        if unused:
            return
        self._parent = parent
        self._watchdog.reset()
        self._member.abandon(ForkedError("the event store", self.url, parent))
        self._inherited = (self._reader, self._listening)
        self._reader = self._listening = None

    # -- a database that does not answer

    @property
    def trouble(self) -> str:
        """What keeps appends from being committed now, in words; empty if nothing is known."""
        return self._group.trouble or self._member.trouble

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Have this thread wait no longer than that for the database in the block."""
        return self._watchdog.within(seconds)

    def end_within(self, seconds: float) -> None:
        """Have no thread wait longer than that for the database, until it is opened again."""
        self._watchdog.end_within(seconds)

    def _at_length(self, connection: sa.Connection) -> AbstractContextManager[None]:
        return attended(connection, self._open_reader().engine, self._engines.patience)

    # -- shards

    def owned(self) -> frozenset[int]:
        """The shards that this process may write now."""
        return self._member.owned()

    def set_aside(self) -> Mapping[int, StoreCorruptError]:
        """Shards that this process has and cannot write, and why."""
        return self._member.set_aside()

    def holds(self, stream: str) -> bool:
        """Whether this process may act for ``stream`` at this instant, by the monotonic clock."""
        return self._group.holds(self.shard_of(stream))

    def on_ownership(self, listener: OwnershipListener) -> Callable[[], None]:
        """Call ``listener`` with shards gained and lost from now on; the result ends it.

        Always on one thread of the store's own, in the order in which it happened.
        """
        return self._member.followers.add(listener)

    def on_drain(self, drain: Callable[[frozenset[int]], None]) -> None:
        """Before shards are given to another process, call ``drain``, on a thread of the store."""
        self._member.followers.drain = drain

    # -- other processes

    @property
    def process(self) -> str:
        """Id of this process's row in ``processes``; empty until it has joined."""
        return self._member.process

    def on_remote(self, heard: Callable[[], object]) -> Callable[[], None]:
        """Call ``heard`` when another process has committed: a hint, which may come late or never.

        On a thread of the store's own; quick, and never raises.  The result ends it.
        """
        key = object()
        self._remote[key] = heard
        listening = self._listening
        if listening is not None:
            listening.start()

        def end() -> None:  # takes no lock: the garbage collector may call it anywhere
            self._remote.pop(key, None)

        return end

    def _heard(self, said: str) -> None:
        self._inbox.ring()  # its answers come with events
        if not said or said.partition(":")[0] != self._member.process:
            for heard in list(self._remote.values()):
                heard()

    @property
    def inbox(self) -> Inbox:
        """Commands of other processes, for the owners of their shards.

        Raises:
            StoreReadOnlyError: Opened for reading.
        """
        self._open_reader()
        if self._mode == "read":
            raise StoreReadOnlyError(self.url, 'it is open with mode="read"')
        if self._listening is not None:
            self._listening.start()
        return self._inbox

    def owners(self) -> Sequence[StoreOwner]:
        """The processes whose lease runs."""
        return self._open_reader().owners()

    # -- views

    @contextmanager
    def write_views(self) -> Iterator[sa.Connection]:
        """One transaction for views and cursors, beside the appends; clients have cursors too.

        It commits without waiting for the disk: a crash of the server may undo it, which costs the
        views a little catching up.

        Raises:
            StoreReadOnlyError: Opened for reading.
            StoreUnavailableError: The database failed; nothing of it happened.
        """
        self._open_reader()
        if self._mode == "read":
            raise StoreReadOnlyError(self.url, 'it is open with mode="read"')
        with self._begin(self._views) as connection:
            yield connection

    @contextmanager
    def read_views(self) -> Iterator[sa.Connection]:
        """A read-only connection that sees one state of the database; not for keeping."""
        with self._open_reader().transaction() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with self._begin(self._transactions) as connection:
            yield connection

    @contextmanager
    def _begin(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        engine = engine.execution_options(isolation_level="READ COMMITTED")
        with of_the_database(self.url), engine.begin() as connection:
            yield connection

    @contextmanager
    def _look_once(self) -> Iterator[sa.Connection]:
        """A read-only connection without a transaction: each statement stands alone."""
        engine = self._open_reader().engine
        with of_the_database(self.url), engine.connect() as connection:
            yield connection

    def _open_reader(self) -> PostgresReader:
        reader = self._reader
        if reader is None:
            self.check_process()
            raise SystemClosedError("the event store", f"{self.url} is not open")
        return reader
