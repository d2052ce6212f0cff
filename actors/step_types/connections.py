"""Named connections: steps name a connection, the system has its address and password."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import SingletonThreadPool, StaticPool

from indelible.actors.step_types.databases import Database, is_same_file, sqlite_file
from indelible.errors import UnknownConnectionError

_ONE_SESSION = (StaticPool, SingletonThreadPool)
_SECRETS = ("key", "pass", "pwd", "secret", "token")


class Connections:
    """The named connections of one system; every method may be called from any thread."""

    def __init__(
        self, addresses: Mapping[str, str | sa.Engine] | None = None, store: str = ""
    ) -> None:
        """Keep database URLs or engines by name; no connection is opened yet.

        Args:
            addresses: The declared connections.
            store: The address of the store whose steps use them.
        """
        self._addresses = dict(addresses or {})
        self._store = sqlite_file(store)
        self._lock = threading.Lock()
        self._open: dict[str, Database] = {}

    def names(self) -> tuple[str, ...]:
        """The declared names, sorted."""
        return tuple(sorted(self._addresses))

    def engine(self, name: str) -> sa.Engine:
        """The engine of ``name``, created on first use.

        Raises:
            UnknownConnectionError: No connection has this name.
            sqlalchemy.exc.ArgumentError: Its URL is malformed.
            ImportError: Its driver is not installed.
        """
        return self._connection(name).engine

    def begin(
        self, name: str, *, writes: bool, session: bool = False
    ) -> AbstractContextManager[sa.Connection]:
        """One transaction on ``name``: committed at the end, rolled back by an exception.

        Changes of its session end with it.  For users' own engines, and for databases other than
        SQLite and PostgreSQL, ``session`` must say whether there are such changes.

        Raises:
            UnknownConnectionError: No connection has this name.
        """
        return self._connection(name).begin(writes=writes, session=session)

    def dialect(self, name: str | None) -> str:
        """The database kind of ``name``, such as ``sqlite``; empty if it is not known.

        ``None`` asks for the common kind of all connections.
        """
        names = self.names() if name is None else (name,)
        kinds = {self._kind(one) for one in names}
        return kinds.pop() if len(kinds) == 1 else ""

    def is_store(self, name: str) -> bool:
        """Whether ``name`` is the file of the system's own store."""
        return self.is_store_file(sqlite_file(self._addresses.get(name, "")))

    def is_store_file(self, file: str) -> bool:
        """Whether ``file`` is the store, under any path."""
        return is_same_file(file, self._store)

    def shares_session(self, name: str) -> bool:
        """Whether all steps share one session of ``name``, an engine that the program has made."""
        address = self._addresses.get(name)
        return isinstance(address, sa.Engine) and isinstance(address.pool, _ONE_SESSION)

    def shown(self, name: str) -> str:
        """The address of ``name`` without its secrets."""
        address = self._addresses[name]
        try:
            url = address.url if isinstance(address, sa.Engine) else sa.make_url(address)
        except (ArgumentError, ValueError):
            return "a malformed URL"
        hidden = {key: "***" for key in url.query if _is_secret(key)}
        return url.update_query_dict(hidden).render_as_string(hide_password=True)

    def scrub(self, name: str, text: str) -> str:
        """``text`` without the secrets of ``name``, which a driver may have quoted."""
        address = self._addresses[name]
        try:
            url = address.url if isinstance(address, sa.Engine) else sa.make_url(address)
        except (ArgumentError, ValueError):
            return text.replace(str(address), "a malformed URL")
        values = [value for key, value in url.query.items() if _is_secret(key)]
        for secret in (str(url.password or ""), *(v for v in values if isinstance(v, str))):
            text = text.replace(secret, "***") if secret else text
        return text

    def close(self) -> None:
        """Close all opened connections; may be called twice, and the object can be used again."""
        with self._lock:
            connections, self._open = list(self._open.values()), {}
        for connection in connections:
            connection.close()

    def _kind(self, name: str) -> str:
        address = self._addresses.get(name, "")
        if isinstance(address, sa.Engine):
            return address.dialect.name
        try:
            return sa.make_url(address).get_backend_name()
        except (ArgumentError, ValueError):
            return ""

    def _connection(self, name: str) -> Database:
        found = self._open.get(name)
        if found is not None:
            return found
        with self._lock:
            if name not in self._addresses:
                raise UnknownConnectionError(name, self.names())
            if name not in self._open:
                self._open[name] = Database(self._addresses[name])
            return self._open[name]


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRETS)
