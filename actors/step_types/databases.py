"""One database of a named connection: each step has its own session; SQLite writers take turns.

For parallel steps on SQLite, a writer takes the write lock when its transaction begins and waits
for its turn, so that no step fails with "database is locked".  Changes of a session end with the
step: SQLite sessions are opened for one step each, PostgreSQL sessions are reset.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, PoolResetState

from indelible.events.connections.pool_log import OPTIONS, log_in_one_line
from indelible.events.connections.unfinished_connections import connecting

SQLITE_WAIT = 60.0
"""Seconds that a connection waits for another process; writers of this process queue before it."""

_POOL_SIZE = 16  # connections that stay open
_OVERFLOW = 48  # further connections: in total as many as threads for blocking steps
_POOL_WAIT = 300.0  # seconds for a free connection; a slow query of another step is no error
_MEMDB = (3, 36)  # first SQLite version with shared memdb; a shared cache also shares settings
_WRITES = "indelible_writes"
_OPTIONS = {"sqlite_raw_colnames": True}  # a column "a.b" keeps its name


class Database:
    """An engine, and the lock for SQLite's writers; any thread may use it.

    Attributes:
        engine: The engine given by the user, or created by this object.
    """

    def __init__(self, address: str | sa.Engine) -> None:
        """Create an engine for a URL; nothing is connected yet, unless it is in memory."""
        from indelible.events.connections.forked_connections import leave_to_parent  # loads ctypes

        self._own = not isinstance(address, sa.Engine)
        self._resets = False
        self._write_turn: AbstractContextManager[Any] = nullcontext()
        self._read_turn: AbstractContextManager[Any] = nullcontext()
        self._keeps = False
        self._keeping = threading.Lock()
        self._keeper: sa.PoolProxiedConnection | None = None
        if isinstance(address, sa.Engine):
            self.engine = address
            return
        url = sa.make_url(address)
        kind = url.get_backend_name()
        self._resets = kind in {"sqlite", "postgresql"}
        if kind != "sqlite":
            self.engine = _pooled(url)
            leave_to_parent(self.engine)
            event.listen(self.engine, "do_connect", _connect)
            return
        self._write_turn = threading.Lock()
        self.engine = _sqlite(url, id(self))
        leave_to_parent(self.engine)
        self._keeps = True
        if _is_memory(url):
            self._read_turn = self._write_turn  # SQLite's locks in memory do not wait
            self._keeper = self.engine.raw_connection()  # keeps the data in memory alive

    @contextmanager
    def begin(self, *, writes: bool, session: bool) -> Iterator[sa.Connection]:
        """One transaction; ``session`` says that it also changes the session."""
        turn = self._write_turn if writes else self._read_turn
        with turn, self.engine.connect() as connection:
            connection.execution_options(**_OPTIONS, **{_WRITES: writes})  # modifies it in place
            try:
                with connection.begin():
                    yield connection
            finally:
                if session and not self._resets and not connection.invalidated:
                    connection.invalidate()  # closes it: the next step must not get it
            if self._keeps and self._keeper is None:
                self._keep()

    def _keep(self) -> None:
        """Keep a connection open: SQLite empties the WAL when the last connection closes.

        Emptying it takes several times as long as a small step.
        """
        with self._keeping:
            if self._keeper is not None:
                return
            keeper = self.engine.raw_connection()
            try:
                cursor = keeper.cursor()
                cursor.execute("PRAGMA busy_timeout = 0")
                cursor.execute("PRAGMA schema_version")
                cursor.fetchall()
                cursor.close()
            except sqlite3.OperationalError:  # another process has a lock; the next step retries
                keeper.close()
            else:
                self._keeper = keeper

    def close(self) -> None:
        """Close all connections that this object has opened."""
        if self._keeper is not None:
            self._keeper.close()
        if self._own:
            self.engine.dispose()


def sqlite_file(address: str | sa.Engine) -> str:
    """The file of a SQLite database; empty for other databases.

    >>> sqlite_file("sqlite:///a.db"), sqlite_file("postgresql://h/a"), sqlite_file("sqlite://")
    ('a.db', '', '')
    """
    try:
        url = address.url if isinstance(address, sa.Engine) else sa.make_url(address)
    except (ArgumentError, ValueError):
        return ""
    if url.get_backend_name() != "sqlite" or _is_memory(url):
        return ""
    file = url.database or ""
    return unquote(file.removeprefix("file:").partition("?")[0]) if "uri" in url.query else file


def is_same_file(one: str, other: str) -> bool:
    """Whether two paths lead to the same file, which need not exist yet."""
    if not one or not other:
        return False
    try:
        return Path(one).samefile(other)
    except OSError:
        return Path(one).resolve() == Path(other).resolve()


def _pooled(url: sa.URL) -> sa.Engine:
    resets = url.get_backend_name() == "postgresql"
    psycopg = url.get_dialect().driver == "psycopg"
    engine = sa.create_engine(
        url,
        # DISCARD ALL would drop statements that psycopg has prepared, itself included.
        connect_args={"prepare_threshold": None} if psycopg else {},
        pool_size=_POOL_SIZE,
        max_overflow=_OVERFLOW,
        pool_timeout=_POOL_WAIT,
        hide_parameters=True,
        pool_reset_on_return=None if resets else "rollback",
        **OPTIONS,
    )
    log_in_one_line(engine)
    if resets:
        event.listen(engine, "reset", _reset_session)
    return engine


def _connect(dialect: sa.Dialect, _record: object, words: Any, options: Any) -> Any:
    return connecting(lambda: dialect.connect(*words, **options))


def _reset_session(connection: Any, record: object, state: PoolResetState) -> None:  # noqa: ARG001 - SQLAlchemy's signature
    """Reset the session after a step: settings, temporary tables, locks, cursors."""
    connection.rollback()
    if state.terminate_only:
        return
    connection.autocommit = True  # DISCARD ALL is refused in a transaction
    cursor = connection.cursor()
    cursor.execute("DISCARD ALL")
    cursor.close()
    connection.autocommit = False


def _sqlite(url: sa.URL, number: int) -> sa.Engine:
    if _is_memory(url) and url.query.get("cache") != "shared":
        shared = (
            "vfs=memdb" if sqlite3.sqlite_version_info >= _MEMDB else "mode=memory&cache=shared"
        )
        url = sa.make_url(f"sqlite:///file:/indelible-{number:x}?{shared}&uri=true")
    engine = sa.create_engine(
        url,
        connect_args={
            "timeout": SQLITE_WAIT,
            "check_same_thread": False,
            "isolation_level": None,
        },
        poolclass=NullPool,
        hide_parameters=True,
    )
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, True)
    if not writes:
        connection.exec_driver_sql("PRAGMA query_only = 1")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_memory(url: sa.URL) -> bool:
    return url.database in {None, "", ":memory:"} or "memory" in url.query.get("mode", "")
