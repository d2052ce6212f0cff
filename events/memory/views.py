"""The database for the views of the store in memory: views are tables in every store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.event import listens_for


class MemoryViews:
    """A private SQLite database in memory with the migrated schema, made on first use."""

    def __init__(self) -> None:
        """No database yet."""
        self._lock = threading.Lock()
        self._engine: sa.Engine | None = None

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Begin a transaction, one at a time, on the only connection."""
        with self._lock:
            if self._engine is None:
                self._engine = _migrated()
            with self._engine.begin() as connection:
                yield connection


def _migrated() -> sa.Engine:
    from indelible.migrations import migrate

    engine = sa.create_engine(
        "sqlite://",
        poolclass=sa.StaticPool,
        connect_args={"check_same_thread": False, "isolation_level": None},
    )

    @listens_for(engine, "begin")
    def _(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as connection:
        migrate(connection)
    return engine
