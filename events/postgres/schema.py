"""Checks the schema of a database and migrates it, also if several processes do so at once."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from indelible.errors import StoreCorruptError, StoreNotFoundError
from indelible.events.connections.schema_revision import (
    check_current,
    check_known,
    revision_of,
    stored_revisions,
)
from indelible.events.model.hash_chain import GENESIS
from indelible.events.postgres.connect.long_statements import while_server_works
from indelible.events.postgres.driver_errors import sqlstate
from indelible.failpoints import Failpoints

_LOST_RACES = frozenset({"23505", "42P07"})  # another process has just made the same table
_TRIES = 10

_TABLES = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = current_schema() ORDER BY table_name
"""
_VERSION_TABLE = """
    CREATE TABLE IF NOT EXISTS alembic_version (
        version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
    )
"""
_SHARDS = """
    INSERT INTO shards (shard, epoch, head, chain, streams, owner, host, pid, since, lease_until)
    SELECT number, 0, 0, %s, 0, '', '', 0, 0, 0 FROM generate_series(0, %s - 1) AS number
"""


def check_schema(connection: sa.Connection, url: str) -> int:
    """Check that the schema is the one of this version, and return the number of shards.

    Raises:
        StoreNotFoundError: The database is empty: its first migration has not happened yet.
        SchemaVersionError: The schema is older or newer.
        StoreCorruptError: The database belongs to another program.
    """
    check_current(_revision(connection, url), url)
    shards = _count(connection)
    if not shards:
        raise StoreNotFoundError(url)
    return shards


def migrate_schema(
    engine: sa.Engine, url: str, shards: int, failpoints: Failpoints, silence_limit: float
) -> int:
    """Migrate and make the shards if needed, and return their number, which never changes.

    It is one transaction under a lock on alembic's own table: if several processes open an empty
    database at once, one makes the schema and the others find it.  It may take long: after
    ``silence_limit`` seconds without an answer the server is asked whether it still works on it.

    Raises:
        SchemaVersionError: The schema is newer than this version.
        StoreCorruptError: The database belongs to another program.
    """
    failpoints.hit("migrate.before")
    for _ in range(_TRIES):
        try:
            with (
                engine.execution_options(isolation_level="READ COMMITTED").begin() as connection,
                while_server_works(connection, engine, silence_limit),
            ):
                return _migrate_schema(connection, url, shards, failpoints)
        except DBAPIError as error:
            if sqlstate(error) not in _LOST_RACES:
                raise
    raise StoreCorruptError(url, "its schema is being changed by others all the time")


def _migrate_schema(
    connection: sa.Connection, url: str, shards: int, failpoints: Failpoints
) -> int:
    from indelible.migrations import head_revision, migrate

    found = _known_revision(connection, url)
    if found == head_revision() and (count := _count(connection)):
        return count
    connection.exec_driver_sql(_VERSION_TABLE)
    connection.exec_driver_sql("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
    if _known_revision(connection, url) != head_revision():  # no other process was faster
        migrate(connection)
    if not _count(connection):
        connection.exec_driver_sql(_SHARDS, (GENESIS, shards))
    failpoints.hit("migrate.inside")
    return _count(connection)


def _known_revision(connection: sa.Connection, url: str) -> str | None:
    found = _revision(connection, url)
    check_known(found, url)
    return found


def _count(connection: sa.Connection) -> int:
    return int(connection.exec_driver_sql("SELECT count(*) FROM shards").scalar_one())


def _revision(connection: sa.Connection, url: str) -> str | None:
    """Return the revision of the schema, ``None`` if there is at most alembic's empty table."""
    names = [str(row[0]) for row in connection.exec_driver_sql(_TABLES)]
    if names == ["alembic_version"] and not stored_revisions(connection):
        return None
    return revision_of(connection, url, names)
