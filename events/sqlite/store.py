"""The event store in a SQLite file: one process owns it, any may read it (DESIGN §4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from indelible.clock import Clock, SystemClock
from indelible.errors import ForkedError, StoreNotFoundError, SystemClosedError
from indelible.events.addresses import Mode
from indelible.events.codec.values import VALUE_LIMIT
from indelible.events.commit.group_commit import GroupCommit
from indelible.events.concurrency.fair_lock import FairLock
from indelible.events.database_store import CLOSING, DatabaseStore
from indelible.events.inbox.inbox import Inbox
from indelible.events.lease.store_owner import StoreOwner
from indelible.events.sqlite.address import check_file, parse_address
from indelible.events.sqlite.driver_errors import (
    NO_SHARED_MEMORY,
    primary_code,
    translate,
    translated,
    translated_failures,
)
from indelible.events.sqlite.engines import (
    check_version,
    loading_at_most,
    reading_engine,
    writing_engine,
)
from indelible.events.sqlite.fork_guard import check_not_in_use_at_fork, note_use_at_fork
from indelible.events.sqlite.inbox import Guest, sqlite_inbox
from indelible.events.sqlite.lock_wait import LockWait
from indelible.events.sqlite.owner_lock import OwnerLock, read_owner, this_process
from indelible.events.sqlite.read.reader import SqliteReader
from indelible.events.sqlite.schema import check_schema, migrate_schema
from indelible.events.sqlite.write.writer import SqliteWriter
from indelible.failpoints import Failpoints
from indelible.forks import watch


class SqlEventStore(DatabaseStore[SqliteReader]):
    """The store in one SQLite file; its methods are for any thread."""

    def __init__(
        self,
        url: str,
        *,
        mode: Mode = "own",
        clock: Clock | None = None,
        failpoints: Failpoints | None = None,
        owner: str = "",
    ) -> None:
        """No I/O and no thread yet; ``owner`` is the name of this process that others see.

        Mode ``client`` reads, and writes only commands for the owner.

        Raises:
            StoreNotFoundError: ``url`` is not the address of a SQLite file.
            UnknownModeError: There is no such mode.
        """
        super().__init__(url, mode, failpoints)
        self._address = parse_address(url)
        self._clock = clock or SystemClock()
        self._owner = owner
        self._lock = OwnerLock(self._address.owner, url)
        self._lock_wait = LockWait()
        self._writing = writing_engine(self._address, lambda: self._lock_wait.seconds)
        self._writer_lock = FairLock()  # of the writing connection: for groups, views and probes
        self._writer = SqliteWriter(
            self._writing, url, self._failpoints, self._writer_lock, self._lock_wait
        )
        self._guest = Guest(self._address, url, self._lock_wait)
        write = self._write_inbox if mode == "own" else self._guest.write
        self._inbox = sqlite_inbox(self._address, self._clock, write=write, read=self._read_inbox)
        name = f"event store ({self._address.database.name})"
        self._group = GroupCommit(
            self._writer, self._clock, self._failpoints, self._writer_lock, name
        )
        watch(self)

    # -- life

    def open(self) -> None:
        """Take ownership, migrate and raise the epoch; or open for reading, as the mode says.

        Raises:
            StoreOwnedError: Another process, or another store of this one, owns it.
            StoreNotFoundError: The directory, or the file to read, does not exist.
            StoreLinkedError: The file has several names.
            StoreReadOnlyError: The files cannot be written here.
            SchemaVersionError: A newer version made it, or it must be migrated before reading.
            StoreCorruptError: The file is not a store.
            StoreUnavailableError: Another program holds its lock, or the disk is full.
            ForkedError: SQLite was in use when this process was forked.
        """
        self.check_process()
        check_not_in_use_at_fork()
        with self._opening:
            if self._reader is not None:
                return
            check_version()
            check_file(self._address, self.url)
            if self._mode != "own":
                self._reader = self._open_for_reading()
                self._lock_wait.open()
            else:
                self._reader = self._own()

    def close(self) -> None:
        """Commit the queued appends, refuse later ones, give up ownership; may be called twice.

        Waits at most 5 s for the lock of another program.
        """
        self.check_process()
        self._lock_wait.end_within(CLOSING)
        with self._opening:
            self._group.end(SystemClosedError("the event store", f"{self.url} is closed"))
            reader, self._reader = self._reader, None
            if reader is not None:
                reader.engine.dispose()
            with self._writer_lock:
                self._writer.discard()  # closing the last connection copies back the WAL
            self._guest.close()
            self._lock.release()
            self._lock_wait.close()

    def _own(self) -> SqliteReader:
        """Take the lock and the database; if that fails, leave the files as they were."""
        self._lock.acquire(this_process(self._owner, self._clock))
        existed = self._address.database.exists()
        try:
            return self._take_over()
        except BaseException:
            self._writer.discard()
            if not existed:
                with suppress(OSError):
                    self._address.remove()
            self._lock.undo()
            raise

    def _take_over(self) -> SqliteReader:
        with translated(self.url):
            migrate_schema(self._writer.connection(), self.url, self._failpoints)
        shards = self._writer.raise_epoch(this_process(self._owner, self._clock))
        self._group.closed = self._writer.closed()
        self._writer.make_room()
        self._lock_wait.open()
        self._writer.wait_for(self._lock_wait.seconds)
        self._group.begin(shards)
        return SqliteReader(reading_engine(self._address), self.url)

    def _open_for_reading(self) -> SqliteReader:
        if not self._address.database.is_file():
            raise StoreNotFoundError(self.url)
        try:
            reader = self._try_reading(immutable=False)
        except DBAPIError as error:
            # Without a WAL, and if none can be made, no process writes: SQLite needs no locks then.
            wal = self._address.wal
            if self._mode == "client":
                raise translate(error, self.url) from error
            if primary_code(error) not in NO_SHARED_MEMORY or (wal.exists() and wal.stat().st_size):
                raise translate(error, self.url) from error
            with translated(self.url):
                reader = self._try_reading(immutable=True)
        self._group.end(self._read_only())
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

    def _abandon(self, error: ForkedError) -> None:
        note_use_at_fork(self.url, error.parent)
        self._lock.drop()
        self._group.abandon(error)
        self._inherited, self._reader = self._reader, None

    def end_within(self, seconds: float) -> None:
        """Limit how long any thread waits for another program's lock."""
        self._lock_wait.end_within(seconds)

    # -- other processes

    @property
    def inbox(self) -> Inbox:
        """The inbox: commands of other processes."""
        self._check_sends_commands()
        return self._inbox

    def owners(self) -> Sequence[StoreOwner]:
        """Return the process that owns the store, as the file beside the database says."""
        owner = read_owner(self._address.owner)
        return () if owner is None else (owner,)

    @contextmanager
    def _read_inbox(self) -> Iterator[sa.Connection]:
        """Open a read-only connection without a transaction, so that no statement keeps a lock."""
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
        """Open a transaction for views and cursors; it excludes appends.

        It commits at NORMAL: a power cut may undo it, and the views then catch up again.

        Raises:
            StoreReadOnlyError: The store is open for reading.
            StoreUnavailableError: The database failed; nothing was written.
        """
        self._open_reader()
        if self._group.state == "closed" and self._mode == "own":  # another owner has taken it
            raise SystemClosedError("the event store", f"{self.url} has another owner")
        if self._mode != "own":
            raise self._read_only()
        with self._writer_lock, self._writer.relaxed() as connection:
            yield connection

    @contextmanager
    def read_views(self) -> Iterator[sa.Connection]:
        """Open a read-only transaction that sees one state of the database; keep it short."""
        with translated_failures(self.url), self._open_reader().engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection
