"""How connections to the database are made: for groups and leases, for reading, for views.

Keeps invariant 1: ``synchronous_commit=on`` wherever events are written.
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
from indelible.events.postgres.connect.watchdog import LOOKS, Watchdog
from indelible.events.postgres.connect.watched_connection import WatchedConnection
from indelible.events.postgres.write.binary_arrays import register_arrays

CONNECT_SECONDS = 5
"""How long to wait for a server that does not answer before it counts as unavailable."""

_log = logging.getLogger(__name__)

_OLDEST = 14  # the oldest that is maintained
_READERS_KEPT, _READERS_MORE = 4, 12  # connections kept open, and made when many threads read
_GONE = {
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 5,  # seconds
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""A server that vanished is noticed within some 10 s, not after hours."""

_SHORTEST = 1.0  # s; what a busy machine may take for an answer, however short leases are


class Engines:
    """Makes the connections of one store, none of which may keep silent for longer than a lease.

    Attributes:
        watchdog: Ends exchanges that get no answer.
        patience: Seconds that most connections may keep silent; those that write have a third.
    """

    def __init__(self, url: sa.URL, lease: float, clock: Clock, name: str) -> None:
        """Connect nowhere yet; ``lease`` is in seconds."""
        self._url = url
        self._lease = lease
        self._short = max(lease / 3, _SHORTEST)  # then a lease can still be renewed elsewhere
        self.patience = max(lease, _SHORTEST)
        self.watchdog = Watchdog(clock, self._short / LOOKS, name)

    def writing(self) -> sa.Engine:
        """Connections for groups and leases; each is closed when it is returned.

        The store says BEGIN and COMMIT itself.  Statements are planned once, not for each group
        anew; they look up rows by their keys, whatever the tables hold.  A transaction that stands
        idle for half a lease, since its process was stopped, is ended by the server, so that its
        locks are in nobody's way; nobody waits longer than that for one either.
        """
        milliseconds = max(100, int(self._lease * 500))
        settings = (
            "SET synchronous_commit = on; SET plan_cache_mode = force_generic_plan; "
            f"SET idle_in_transaction_session_timeout = {milliseconds}; "
            f"SET lock_timeout = {milliseconds}"
        )
        return self._make(settings, self._short, poolclass=sa.NullPool)

    def reading(self) -> sa.Engine:
        """Connections that cannot write; each statement sees what was committed when it began."""
        return self._make("SET default_transaction_read_only = on", self.patience, **self._pool())

    def transactions(self) -> sa.Engine:
        """Connections for transactions beside the log: the inbox, migrations."""
        return self._make("SET synchronous_commit = on", self.patience, **self._pool())

    def views(self) -> sa.Engine:
        """Connections for what the log can make again: their commits do not wait for the disk.

        Statements are planned once: views say the same few ones again and again, by keys.  A
        connection that a restart of the server has ended is not replaced unseen: whoever writes
        tries again, and views look up first what has become of their last commits.
        """
        settings = "SET synchronous_commit = off; SET plan_cache_mode = force_generic_plan"
        return self._make(settings, self.patience, **(self._pool() | {"pool_pre_ping": False}))

    def _pool(self) -> dict[str, Any]:
        return {
            "poolclass": sa.QueuePool,
            "pool_size": _READERS_KEPT,
            "max_overflow": _READERS_MORE,
            "pool_pre_ping": True,  # a restarted server needs no restart of ours
            "pool_timeout": self.patience,
        }

    def _make(self, settings: str, seconds: float, **options: Any) -> sa.Engine:
        url, watchdog = self._url, self.watchdog
        arguments = {"connect_timeout": CONNECT_SECONDS, "application_name": "indelible", **_GONE}
        arguments = {name: value for name, value in arguments.items() if name not in url.query}
        engine = sa.create_engine(
            url, isolation_level="AUTOCOMMIT", connect_args=arguments, **OPTIONS, **options
        )
        log_in_one_line(engine)
        connect_within = min(CONNECT_SECONDS, self._short)

        leave_to_parent(engine)

        @listens_for(engine, "do_connect")
        def _(_dialect: object, _record: object, words: Any, options: Any) -> WatchedConnection:
            try:
                make = partial(WatchedConnection.connect, *words, **options)
                connection = watchdog.connect(partial(connecting, make), connect_within)
            except ConnectionError as error:
                raise psycopg.OperationalError(str(error)) from error
            connection.patience = seconds / watchdog.look_every
            return connection

        @listens_for(engine, "connect")
        def _(connection: Any, _record: object) -> None:
            register_arrays(connection)
            connection.execute(settings)

        return engine


def check_server(connection: sa.Connection) -> None:
    """See that the server is new enough, and say so if it does not keep what it acknowledges.

    Raises:
        StoreUnavailableError: It is older.
    """
    driver: Any = connection.connection.driver_connection
    found = driver.info.server_version // 10_000
    if found < _OLDEST:
        raise StoreUnavailableError(f"the server is PostgreSQL {found}; {_OLDEST} is needed")
    if connection.exec_driver_sql("SHOW fsync").scalar_one() != "on":
        _log.warning("the server runs with fsync=off: a power cut loses what was acknowledged")
