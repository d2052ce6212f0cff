"""Checks the schema of a file and migrates it, in one transaction."""

from __future__ import annotations

from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from indelible.events.connections.schema_revision import check_current, check_known, revision_of
from indelible.events.sqlite.engines import use_wal
from indelible.failpoints import Failpoints


def check_schema(connection: sa.Connection, url: str) -> None:
    """Check, before reading, that the schema is the one of this version.

    Raises:
        StoreNotFoundError: The file is empty: its first migration has not happened yet.
        SchemaVersionError: The schema is older or newer.
        StoreCorruptError: The file belongs to another program.
    """
    check_current(_revision(connection, url), url)


def migrate_schema(connection: sa.Connection, url: str, failpoints: Failpoints) -> None:
    """Migrate if needed, in one transaction, which a kill rolls back; for the owner.

    Raises:
        SchemaVersionError: The schema is newer than this version.
        StoreCorruptError: The file belongs to another program.
    """
    from indelible.migrations import head_revision, migrate

    failpoints.hit("migrate.before")
    found = _revision(connection, url)
    check_known(found, url)
    use_wal(connection)  # not before the file is known to be a store
    if found == head_revision():
        return
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        migrate(connection, inside=lambda: failpoints.hit("migrate.inside"))
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        with suppress(SQLAlchemyError):  # if the disk failed, SQLite has rolled back itself
            connection.exec_driver_sql("ROLLBACK")
        raise


def _revision(connection: sa.Connection, url: str) -> str | None:
    """Return the revision of the schema, ``None`` if there is no table."""
    tables = connection.exec_driver_sql(
        "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    )
    names = [str(row[0]) for row in tables if not row[0].startswith("sqlite_")]
    return revision_of(connection, url, names)
