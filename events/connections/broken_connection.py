"""Closes a connection after an error, whatever its state and that of the database."""

from __future__ import annotations

from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError


def discard(connection: sa.Connection | None) -> None:
    """Close ``connection``, which no pool may give out again.

    A server ends the transaction of a closed connection.  SQLite does not while a cursor is left,
    to which an error's traceback may refer: the transaction and its lock would stay until that
    error is freed, and so it is rolled back first.
    """
    if connection is None:
        return
    errors = (SQLAlchemyError, connection.dialect.loaded_dbapi.Error)
    if connection.dialect.name == "sqlite":
        with suppress(*errors):
            connection.connection.rollback()
    with suppress(*errors):
        connection.invalidate()
        connection.close()
