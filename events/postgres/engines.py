"""How connections to the database are made: for groups and leases, for reading, for views.

Keeps invariant 1: ``synchronous_commit=on`` wherever events are written.
"""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy as sa
from sqlalchemy.event import listens_for

from indelible.errors import StoreUnavailableError
from indelible.events.postgres.arrays import register_arrays

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


def writing_engine(url: sa.URL, idle_seconds: float) -> sa.Engine:
    """Connections for groups and leases; each is closed when it is returned.

    The store says BEGIN and COMMIT itself.  Statements are planned once, not for each group anew;
    they look up rows by their keys, whatever the tables hold.  A transaction that stands idle for
    ``idle_seconds``, since its process was stopped, is ended by the server, so that its locks are
    in nobody's way; nobody waits longer than that for one either.
    """
    milliseconds = max(100, int(idle_seconds * 1_000))
    return _engine(
        url,
        "SET synchronous_commit = on; SET plan_cache_mode = force_generic_plan; "
        f"SET idle_in_transaction_session_timeout = {milliseconds}; "
        f"SET lock_timeout = {milliseconds}",
        poolclass=sa.NullPool,
    )


def reading_engine(url: sa.URL) -> sa.Engine:
    """Connections that cannot write; each statement sees what was committed when it began."""
    return _engine(url, "SET default_transaction_read_only = on", **_POOL)


def transaction_engine(url: sa.URL) -> sa.Engine:
    """Connections for transactions beside the log: the inbox, migrations."""
    return _engine(url, "SET synchronous_commit = on", **_POOL)


def views_engine(url: sa.URL) -> sa.Engine:
    """Connections for what the log can make again: their commits do not wait for the disk.

    Statements are planned once: views say the same few ones again and again, by keys.  A connection
    that a restart of the server has ended is not replaced unseen: whoever writes tries again, and
    views look up first what has become of their last commits.
    """
    settings = "SET synchronous_commit = off; SET plan_cache_mode = force_generic_plan"
    return _engine(url, settings, **(_POOL | {"pool_pre_ping": False}))


_POOL: dict[str, Any] = {
    "poolclass": sa.QueuePool,
    "pool_size": _READERS_KEPT,
    "max_overflow": _READERS_MORE,
    "pool_pre_ping": True,  # a restarted server needs no restart of ours
}


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


def _engine(url: sa.URL, settings: str, **options: Any) -> sa.Engine:
    arguments = {"connect_timeout": CONNECT_SECONDS, "application_name": "indelible", **_GONE}
    arguments = {name: value for name, value in arguments.items() if name not in url.query}
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", connect_args=arguments, **options)

    @listens_for(engine, "connect")
    def _(connection: Any, _record: object) -> None:
        register_arrays(connection)
        connection.execute(settings)

    return engine
