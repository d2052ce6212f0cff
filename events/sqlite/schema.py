"""Checks the schema of a file and migrates it, in one transaction."""

from __future__ import annotations

from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from indelible.errors import SchemaVersionError, StoreCorruptError, StoreNotFoundError
from indelible.events.sqlite.engines import use_wal
from indelible.failpoints import Failpoints

_NAMES_SHOWN = 3


def check_schema(connection: sa.Connection, url: str) -> None:
    """Check, before reading, that the schema is the one of this version.

    Raises:
        StoreNotFoundError: The file is empty: its first migration has not happened yet.
        SchemaVersionError: The schema is older or newer.
        StoreCorruptError: The file belongs to another program.
    """
    from indelible.migrations import head_revision

    found = _revision(connection, url)
    if found is None:
        raise StoreNotFoundError(url)
    if found != head_revision():
        raise _other_schema(url, found)


def migrate_schema(connection: sa.Connection, url: str, failpoints: Failpoints) -> None:
    """Migrate if needed, in one transaction, which a kill rolls back; for the owner.

    Raises:
        SchemaVersionError: The schema is newer than this version.
        StoreCorruptError: The file belongs to another program.
    """
    from indelible.migrations import head_revision, migrate, revisions

    failpoints.hit("migrate.before")
    found = _revision(connection, url)
    if found is not None and found not in revisions():
        raise _other_schema(url, found)
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
    if not names:
        return None
    if "alembic_version" not in names:
        shown = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if names[_NAMES_SHOWN:] else "")
        raise StoreCorruptError(url, f"it holds the tables of something else ({shown})")
    found = [
        str(row[0]) for row in connection.exec_driver_sql("SELECT version_num FROM alembic_version")
    ]
    if len(found) != 1 or not found[0].isdecimal() or not {"events", "shards"} <= set(names):
        raise StoreCorruptError(url, f"its schema is of something else ({', '.join(found):.80})")
    return found[0]


def _other_schema(url: str, found: str) -> SchemaVersionError:
    from indelible.migrations import head_revision

    known = head_revision()
    newer = found > known
    fix = (
        "run the newer version of indelible that made it"
        if newer
        else "open it once for writing, which migrates it"
    )
    return SchemaVersionError(url, found, known, fix)
