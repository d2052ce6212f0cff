"""The event store on a SQLite file: owned by one process, read by any (DESIGN §4)."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from indelible.clock import Clock, SystemClock
from indelible.errors import (
    ForkedError,
    StoreNotFoundError,
    StoreReadOnlyError,
    SystemClosedError,
)
from indelible.events.addresses import Mode, check_mode
from indelible.events.codec.values import VALUE_LIMIT
from indelible.events.commit.group_commit import GroupCommit
from indelible.events.concurrency.fair_lock import FairLock
from indelible.events.inbox.inbox import Inbox
from indelible.events.lease.store_owner import StoreOwner
from indelible.events.read.stored_log import StoredLog
from indelible.events.sqlite.address import check_file, parse_address
from indelible.events.sqlite.driver_errors import (
    NO_SHARED_MEMORY,
    meaning,
    of_the_database,
    primary_code,
    translated,
)
from indelible.events.sqlite.engines import (
    check_version,
    loading_at_most,
    reading_engine,
    writing_engine,
)
from indelible.events.sqlite.fork_guard import carry_over, check_not_carried_over
from indelible.events.sqlite.inbox import Guest, sqlite_inbox
from indelible.events.sqlite.lock_wait import LockWait
from indelible.events.sqlite.owner_lock import OwnerLock, this_process, who_owns
from indelible.events.sqlite.read.reader import SqliteReader
from indelible.events.sqlite.schema import bring_up, check_schema
from indelible.events.sqlite.write.writer import SqliteWriter
from indelible.failpoints import Failpoints
from indelible.forks import watch

_CLOSING = 5.0  # s; a commit takes milliseconds


class SqlEventStore(StoredLog):
    """One SQLite file; any thread may call any method."""

    def __init__(
        self,
        url: str,
        *,
        mode: Mode = "own",
        clock: Clock | None = None,
        failpoints: Failpoints | None = None,
        owner: str = "",
    ) -> None:
        """Touch no file and start no thread yet; ``owner`` is this process's name for others.

        Mode ``client`` reads, and writes nothing but commands for the owner.

        Raises:
            StoreNotFoundError: Not the address of a SQLite file.
            UnknownModeError: No such mode.
        """
        check_mode(mode)
        self._address = parse_address(url)
        self.url = url
        self._mode = mode
        self._clock = clock or SystemClock()
        self._failpoints = failpoints or Failpoints()
        self._owner = owner
        self._opening = threading.Lock()
        self._lock = OwnerLock(self._address.owner, url)
        self._reader: SqliteReader | None = None
        self._patience = LockWait()
        self._writing = writing_engine(self._address, lambda: self._patience.seconds)
        self._writer_lock = (
            FairLock()
        )  # on the writer connection: a group, a batch of views, a probe
        self._writer = SqliteWriter(
            self._writing, url, self._failpoints, self._writer_lock, self._patience
        )
        self._guest = Guest(self._address, url, self._patience)
        write = self._write_inbox if mode == "own" else self._guest.write
        self._inbox = sqlite_inbox(self._address, self._clock, write=write, read=self._look_once)
        name = f"event store ({self._address.database.name})"
        self._group = GroupCommit(
            self._writer, self._clock, self._failpoints, self._writer_lock, name
        )
        watch(self)

    @property
    def state(self) -> str:
        """One of "closed", "open", "reading" and "unavailable"."""
        if self._reader is None:
            return "closed"
        return self._group.state if self._mode == "own" else "reading"

    # -- life

    def open(self) -> None:
        """Take ownership, migrate, raise the epoch; or open for reading, if made so.

        Raises:
            StoreOwnedError: Another process, or another store of this one, owns it.
            StoreNotFoundError: No such directory, or nothing to read.
            StoreLinkedError: The file has several names.
            StoreReadOnlyError: The files cannot be written here.
            SchemaVersionError: Made by a newer version, or to be migrated before reading.
            StoreCorruptError: Not a store.
            StoreUnavailableError: Locked by another program, or the disk is full.
            ForkedError: SQLite was in use when this process was forked.
        """
        self.check_process()
        check_not_carried_over()
        with self._opening:
            if self._reader is not None:
                return
            check_version()
            check_file(self._address, self.url)
            if self._mode != "own":
                self._reader = self._open_for_reading()
                self._patience.open()
            else:
                self._reader = self._own()

    def close(self) -> None:
        """Commit what is queued, fail what comes later, give up ownership; may be called twice.

        The lock of another program is waited for 5 s, no more.
        """
        self.check_process()
        self._patience.end_within(_CLOSING)
        with self._opening:
            self._group.end(SystemClosedError("the event store", f"{self.url} is closed"))
            reader, self._reader = self._reader, None
            if reader is not None:
                reader.engine.dispose()
            with self._writer_lock:
                self._writer.discard()  # the last connection copies the WAL back and removes it
            self._guest.close()
            self._lock.release()
            self._patience.close()

    def _own(self) -> SqliteReader:
        """Take the lock and the database over, or leave all as it was."""
        self._lock.acquire(this_process(self._owner, self._clock))
        was_there = self._address.database.exists()
        try:
            return self._take_over()
        except BaseException:
            self._writer.discard()
            if not was_there:
                with suppress(OSError):
                    self._address.remove()
            self._lock.undo()
            raise

    def _take_over(self) -> SqliteReader:
        with translated(self.url):
            bring_up(self._writer.connection(), self.url, self._failpoints)
        shards = self._writer.raise_epoch(this_process(self._owner, self._clock))
        self._group.closed = self._writer.closed()
        self._writer.make_room()
        self._patience.open()
        self._writer.wait_for(self._patience.seconds)
        self._group.begin(shards)
        return SqliteReader(reading_engine(self._address), self.url)

    def _open_for_reading(self) -> SqliteReader:
        if not self._address.database.is_file():
            raise StoreNotFoundError(self.url)
        try:
            reader = self._try_reading(immutable=False)
        except DBAPIError as error:
            # Without a WAL, and where none can be made, nobody writes: then SQLite can do without.
            wal = self._address.wal
            if self._mode == "client":
                raise meaning(error, self.url) from error
            if primary_code(error) not in NO_SHARED_MEMORY or (wal.exists() and wal.stat().st_size):
                raise meaning(error, self.url) from error
            with translated(self.url):
                reader = self._try_reading(immutable=True)
        self._group.end(StoreReadOnlyError(self.url, f'it is open with mode="{self._mode}"'))
        return reader

    def _try_reading(self, *, immutable: bool) -> SqliteReader:
        engine = reading_engine(self._address, immutable=immutable)
        try:
            with engine.connect() as connection:
                check_schema(connection, self.url)
        except BaseException:
            engine.dispose()
            raise
        return SqliteReader(engine, self.url)

    def _forked(self, parent: int) -> None:
        """In a child that inherits the lock's file and the connections, and may use neither."""
        unused = self.state == "closed" and not self._opening.locked()
        self._opening = threading.Lock()
        if unused:
            return
        self._parent = parent
        carry_over(self.url, parent)
        self._lock.drop()
        self._group.abandon(ForkedError("the event store", self.url, parent))
        self._inherited, self._reader = self._reader, None

    def end_within(self, seconds: float) -> None:
        """Have no thread wait longer than that for another program's lock."""
        self._patience.end_within(seconds)

    # -- other processes

    @property
    def inbox(self) -> Inbox:
        """Commands of other processes."""
        self._open_reader()
        if self._mode == "read":
            raise StoreReadOnlyError(self.url, 'it is open with mode="read"')
        return self._inbox

    def owners(self) -> Sequence[StoreOwner]:
        """The process that owns the store, as the file beside it says."""
        owner = who_owns(self._address.owner)
        return () if owner is None else (owner,)

    @contextmanager
    def _look_once(self) -> Iterator[sa.Connection]:
        """A read-only connection without a transaction: each statement stands alone."""
        engine = self._open_reader().engine
        with (
            translated(self.url),
            engine.connect() as connection,
            loading_at_most(VALUE_LIMIT, connection.connection.driver_connection),
        ):
            yield connection

    @contextmanager
    def _write_inbox(self) -> Iterator[sa.Connection]:
        with self._writer_lock, self._writer.durable() as connection:
            yield connection

    # -- views

    @contextmanager
    def write_views(self) -> Iterator[sa.Connection]:
        """One transaction for views and cursors, taking turns with the appends.

        It commits at NORMAL: a power cut may undo it, which costs the views a little catching up.

        Raises:
            StoreReadOnlyError: Opened for reading.
            StoreUnavailableError: The database failed; nothing of it happened.
        """
        self._open_reader()
        if self._group.state == "closed" and self._mode == "own":  # another owner's, by now
            raise SystemClosedError("the event store", f"{self.url} has another owner")
        if self._mode != "own":
            raise StoreReadOnlyError(self.url, f'it is open with mode="{self._mode}"')
        with self._writer_lock, self._writer.relaxed() as connection:
            yield connection

    @contextmanager
    def read_views(self) -> Iterator[sa.Connection]:
        """A read-only connection that sees one state of the database; not for keeping."""
        with of_the_database(self.url), self._open_reader().engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection

    def _open_reader(self) -> SqliteReader:
        reader = self._reader
        if reader is None:
            self.check_process()
            raise SystemClosedError("the event store", f"{self.url} is not open")
        return reader
