"""Makes connections to the database: for groups and leases, for reading, for views.

Keeps invariant 1: ``synchronous_commit=on`` for all connections that write events.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.event import listens_for

from indelible.clock import Clock
from indelible.errors import StoreUnavailableError
from indelible.events.connections.forked_connections import leave_to_parent
from indelible.events.connections.pool_log import OPTIONS, log_in_one_line
from indelible.events.connections.unfinished_connections import connecting
from indelible.events.postgres.connect.watchdog import CHECKS, Watchdog
from indelible.events.postgres.connect.watched_connection import WatchedConnection
from indelible.events.postgres.write.binary_arrays import register_arrays

CONNECT_SECONDS = 5
"""Seconds to wait for an answer of the server before it counts as unavailable."""

_log = logging.getLogger(__name__)

_OLDEST = 14  # the oldest version that is maintained
_READERS_KEPT, _READERS_MORE = 4, 12  # connections kept open, and made if many threads read
_KEEPALIVES = {
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 5,  # seconds
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""They show within some 10 s, not hours, that a server has vanished."""

_SHORTEST = 1.0  # seconds that a busy machine may take for an answer, also with shorter leases


class Engines:
    """Makes the connections of one store, which may be silent for a lease at most.

    Attributes:
        watchdog: Cuts exchanges that get no answer.
        silence_limit: Seconds that most connections may be silent; writing ones have a third.
    """

    def __init__(self, url: sa.URL, lease: float, clock: Clock, name: str) -> None:
        """No connection yet; ``lease`` is in seconds."""
        self._url = url
        self._lease = lease
        self._short_limit = max(lease / 3, _SHORTEST)  # time is left to renew on a new connection
        self.silence_limit = max(lease, _SHORTEST)
        self.watchdog = Watchdog(clock, self._short_limit / CHECKS, name)

    def writing(self) -> sa.Engine:
        """Make connections for groups and leases; each is closed when it is returned.

        The store executes BEGIN and COMMIT itself.  Statements are planned once, not for each
        group: they look up rows by their keys, whatever the tables hold.  If a transaction is idle
        for half a lease, because its process was paused, the server ends it, so that its locks
        block no other process.  A wait for a lock ends after the same time.
        """
        milliseconds = max(100, int(self._lease * 500))
        settings = (
            "SET synchronous_commit = on; SET plan_cache_mode = force_generic_plan; "
            f"SET idle_in_transaction_session_timeout = {milliseconds}; "
            f"SET lock_timeout = {milliseconds}"
        )
        return self._make(settings, self._short_limit, poolclass=sa.NullPool)

    def reading(self) -> sa.Engine:
        """Make connections that cannot write; each statement sees the commits before its begin."""
        settings = "SET default_transaction_read_only = on"
        return self._make(settings, self.silence_limit, **self._pool())

    def transactions(self) -> sa.Engine:
        """Make connections for transactions beside the log: of the inbox and of migrations."""
        return self._make("SET synchronous_commit = on", self.silence_limit, **self._pool())

    def views(self) -> sa.Engine:
        """Make connections for views, which can be rebuilt: commits do not wait for the disk.

        Statements are planned once: views execute the same few statements, by keys.  A connection
        that a restart of the server has closed raises an error instead of being replaced silently:
        the caller tries again, and the views first check whether their last commits are lost.
        """
        settings = "SET synchronous_commit = off; SET plan_cache_mode = force_generic_plan"
        options = self._pool() | {"pool_pre_ping": False}
        return self._make(settings, self.silence_limit, **options)

    def _pool(self) -> dict[str, Any]:
        return {
            "poolclass": sa.QueuePool,
            "pool_size": _READERS_KEPT,
            "max_overflow": _READERS_MORE,
            "pool_pre_ping": True,  # a restart of the server needs no restart of this process
            "pool_timeout": self.silence_limit,
        }

    def _make(self, settings: str, seconds: float, **options: Any) -> sa.Engine:
        url, watchdog = self._url, self.watchdog
        arguments = {"connect_timeout": CONNECT_SECONDS, "application_name": "indelible"}
        arguments |= _KEEPALIVES
        arguments = {name: value for name, value in arguments.items() if name not in url.query}
        engine = sa.create_engine(
            url, isolation_level="AUTOCOMMIT", connect_args=arguments, **OPTIONS, **options
        )
        log_in_one_line(engine)
        connect_within = min(CONNECT_SECONDS, self._short_limit)

        leave_to_parent(engine)

        @listens_for(engine, "do_connect")
        def _(_dialect: object, _record: object, words: Any, options: Any) -> WatchedConnection:
            try:
                make = partial(WatchedConnection.connect, *words, **options)
                connection = watchdog.connect(partial(connecting, make), connect_within)
            except ConnectionError as error:
                raise psycopg.OperationalError(str(error)) from error
            connection.silence_limit = seconds / watchdog.interval
            return connection

        @listens_for(engine, "connect")
        def _(connection: Any, _record: object) -> None:
            register_arrays(connection)
            connection.execute(settings)

        return engine


def check_server(connection: sa.Connection) -> None:
    """Check that the server is new enough, and warn if ``fsync`` is off.

    Raises:
        StoreUnavailableError: The server is too old.
    """
    driver: Any = connection.connection.driver_connection
    found = driver.info.server_version // 10_000
    if found < _OLDEST:
        raise StoreUnavailableError(f"the server is PostgreSQL {found}; {_OLDEST} is needed")
    if connection.exec_driver_sql("SHOW fsync").scalar_one() != "on":
        _log.warning("the server runs with fsync=off: a power cut loses what was acknowledged")
