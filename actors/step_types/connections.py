"""Named connections: steps say a name, the system knows the address and its password.

SQLite databases are made fit for parallel steps: a writer takes its lock when it begins and waits
its turn, so that nobody meets "database is locked".  Engines that a user gives are left alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import StaticPool

from indelible.errors import UnknownConnectionError

SQLITE_WAIT = 60.0
"""Seconds a SQLite connection waits for one of another process; ours queue before that."""

_KEPT = 16  # connections that stay open
_MORE = 48  # and with these as many as there are threads for blocking steps
_POOL_WAIT = 300.0  # seconds for a free one; long, since a slow query of another step is no error
_SECRETS = ("key", "pass", "pwd", "secret", "token")
_WRITES = "indelible_writes"


class Connections:
    """The named connections of one system; every method may be called from any thread."""

    def __init__(self, addresses: Mapping[str, str | sa.Engine] | None = None) -> None:
        """Keep database URLs or engines by name; nothing is connected yet."""
        self._addresses = dict(addresses or {})
        self._lock = threading.Lock()
        self._open: dict[str, _Connection] = {}

    def names(self) -> tuple[str, ...]:
        """The declared names, sorted."""
        return tuple(sorted(self._addresses))

    def engine(self, name: str) -> sa.Engine:
        """The engine of ``name``, made on first use.

        Raises:
            UnknownConnectionError: No connection has this name.
            sqlalchemy.exc.ArgumentError: Its URL is malformed.
            ImportError: Its driver is not installed.
        """
        return self._connection(name).engine

    def begin(self, name: str, *, writes: bool) -> AbstractContextManager[sa.Connection]:
        """One transaction on ``name``: committed at the end, rolled back by an exception.

        Raises:
            UnknownConnectionError: No connection has this name.
        """
        return self._connection(name).begin(writes=writes)

    def shown(self, name: str) -> str:
        """The address of ``name``, without what should stay secret."""
        address = self._addresses[name]
        try:
            url = address.url if isinstance(address, sa.Engine) else sa.make_url(address)
        except ArgumentError:
            return "a malformed URL"
        hidden = {key: "***" for key in url.query if _is_secret(key)}
        return url.update_query_dict(hidden).render_as_string(hide_password=True)

    def scrub(self, name: str, text: str) -> str:
        """``text`` without the secrets of ``name``, should a driver have quoted them."""
        address = self._addresses[name]
        try:
            url = address.url if isinstance(address, sa.Engine) else sa.make_url(address)
        except ArgumentError:
            return text.replace(str(address), "a malformed URL")
        values = [value for key, value in url.query.items() if _is_secret(key)]
        for secret in (str(url.password or ""), *(v for v in values if isinstance(v, str))):
            text = text.replace(secret, "***") if secret else text
        return text

    def close(self) -> None:
        """Close what this object has opened; may be called twice, and it can be used again."""
        with self._lock:
            connections, self._open = list(self._open.values()), {}
        for connection in connections:
            connection.close()

    def _connection(self, name: str) -> _Connection:
        found = self._open.get(name)
        if found is not None:
            return found
        with self._lock:
            if name not in self._addresses:
                raise UnknownConnectionError(name, self.names())
            if name not in self._open:
                self._open[name] = _Connection(self._addresses[name])
            return self._open[name]


class _Connection:
    """An engine, with the turns that SQLite's writers take."""

    def __init__(self, address: str | sa.Engine) -> None:
        self._own = not isinstance(address, sa.Engine)
        self._write_turn: AbstractContextManager[Any] = nullcontext()
        self._read_turn: AbstractContextManager[Any] = nullcontext()
        if isinstance(address, sa.Engine):
            self.engine = address
            return
        url = sa.make_url(address)
        if url.get_backend_name() != "sqlite":
            self.engine = sa.create_engine(
                url,
                pool_size=_KEPT,
                max_overflow=_MORE,
                pool_timeout=_POOL_WAIT,
                hide_parameters=True,
            )
            return
        self._write_turn = threading.Lock()
        if _is_memory(url):  # one connection, which only one thread may use at a time
            self._read_turn = self._write_turn
        self.engine = _sqlite(url)

    @contextmanager
    def begin(self, *, writes: bool) -> Iterator[sa.Connection]:
        turn = self._write_turn if writes else self._read_turn
        with turn, self.engine.connect() as connection:
            connection.execution_options(**{_WRITES: writes})  # changes it in place
            with connection.begin():
                yield connection

    def close(self) -> None:
        if self._own:
            self.engine.dispose()


def _sqlite(url: sa.URL) -> sa.Engine:
    arguments = {"timeout": SQLITE_WAIT, "check_same_thread": False, "isolation_level": None}
    if _is_memory(url):
        engine = sa.create_engine(
            url, connect_args=arguments, poolclass=StaticPool, hide_parameters=True
        )
    else:
        engine = sa.create_engine(
            url,
            connect_args=arguments,
            pool_size=_KEPT,
            max_overflow=_MORE,
            pool_timeout=_POOL_WAIT,
            hide_parameters=True,
        )
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_memory(url: sa.URL) -> bool:
    return url.database in {None, "", ":memory:"} or "memory" in url.query.get("mode", "")


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRETS)
