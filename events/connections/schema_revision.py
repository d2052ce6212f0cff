"""Whether the tables of a database are a store's, and of which revision of the schema."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from indelible.errors import SchemaVersionError, StoreCorruptError, StoreNotFoundError

_NAMES_SHOWN = 3


def revision_of(connection: sa.Connection, url: str, tables: Sequence[str]) -> str | None:
    """Return the revision of the schema with ``tables``, which are sorted; ``None`` without any.

    Raises:
        StoreCorruptError: The tables belong to another program.
    """
    if not tables:
        return None
    if "alembic_version" not in tables:
        shown = ", ".join(tables[:_NAMES_SHOWN]) + (", ..." if tables[_NAMES_SHOWN:] else "")
        raise StoreCorruptError(url, f"it holds the tables of something else ({shown})")
    found = stored_revisions(connection)
    if len(found) != 1 or not found[0].isdecimal() or not {"events", "shards"} <= set(tables):
        raise StoreCorruptError(url, f"its schema is of something else ({', '.join(found):.80})")
    return found[0]


def stored_revisions(connection: sa.Connection) -> Sequence[str]:
    """Return all rows of alembic's table; a store has one."""
    rows = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
    return [str(row[0]) for row in rows]


def check_current(found: str | None, url: str) -> None:
    """Check, before reading, that the revision ``found`` is the one of this version.

    Raises:
        StoreNotFoundError: There is none: the first migration has not happened yet.
        SchemaVersionError: It is older or newer.
    """
    from indelible.migrations import head_revision

    if found is None:
        raise StoreNotFoundError(url)
    if found != head_revision():
        raise _other_revision(url, found)


def check_known(found: str | None, url: str) -> None:
    """Check, before migrating, that this version has the revision ``found``, if there is one.

    Raises:
        SchemaVersionError: It is newer.
    """
    from indelible.migrations import revisions

    if found is not None and found not in revisions():
        raise _other_revision(url, found)


def _other_revision(url: str, found: str) -> SchemaVersionError:
    from indelible.migrations import head_revision

    known = head_revision()
    fix = (
        "run the newer version of indelible that made it"
        if found > known
        else "open it once for writing, which migrates it"
    )
    return SchemaVersionError(url, found, known, fix)
