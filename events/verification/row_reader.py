"""Reads tables for verification, so that an unreadable row does not hide the others.

SQLite takes any value for any column.  For text that is not UTF-8, or a value too large to load,
its driver raises an error for all rows of the statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from indelible.errors import StoreCorruptError
from indelible.events.sqlite.driver_errors import is_row_error, translate
from indelible.events.sqlite.engines import loading_at_most

PAGE = 1_000
"""Rows read at once."""

Connect = Callable[[], AbstractContextManager[sa.Connection]]
Columns = Sequence[str]
Row = Sequence[Any]

_TABLE_SCANS = ("enable_seqscan", "enable_sort")
_MESSAGE_LIMIT = 200  # characters of a driver's message


class Unreadable:
    """Replaces a value that the driver cannot read."""

    def __init__(self, why: str) -> None:
        """``why`` is the driver's message."""
        self._why = why

    def __repr__(self) -> str:
        """Return the words for the value in a finding."""
        return f"unreadable ({self._why:.{_MESSAGE_LIMIT}})"


class RowReader:
    """Reads pages of rows, each in a short transaction of its own."""

    def __init__(self, connect: Connect, limit: int) -> None:
        """``connect`` begins a read-only transaction.

        On SQLite a value of more than ``limit`` bytes is unreadable; on PostgreSQL the columns
        that a caller gives bound the values.
        """
        self._connect = connect
        self._limit = limit

    def every(
        self, table: str, columns: Columns, key: Columns, limit: int = PAGE
    ) -> Iterator[Sequence[Row]]:
        """Return all rows of ``table``, page by page, in the order of ``key``.

        On SQLite in the order of ``rowid``, since a key may be damaged too.
        """
        with self._connect() as connection:
            key = ("rowid",) if is_sqlite(connection) else key
        order = f"ORDER BY {', '.join(key)} LIMIT :limit"
        marks = ", ".join(f":after{number}" for number in range(len(key)))
        which, after = order, dict[str, Any]()
        while page := self.page(table, (*key, *columns), which, limit=limit, **after):
            yield [row[len(key) :] for row in page]
            which = f"WHERE ({', '.join(key)}) > ({marks}) {order}"
            after = {f"after{number}": page[-1][number] for number in range(len(key))}

    def page(self, table: str, columns: Columns, which: str, **values: Any) -> Sequence[Row]:
        """Return the rows of ``table`` for the clauses ``which``; unreadable values replaced."""
        try:
            return self._all(_select(columns, table, which), values)
        except StoreCorruptError:
            with self._connect() as connection:
                if not is_sqlite(connection):
                    raise
            numbers = self._all(_select(["rowid"], table, which), values)
        rows = (self._row(table, columns, number) for (number,) in numbers)
        return [row for row in rows if row is not None]

    def _row(self, table: str, columns: Columns, number: int) -> Row | None:
        """Read one row, column by column; ``None`` if it has been deleted."""
        values: list[Any] = []
        for column in columns:
            statement = _select([column], table, "WHERE rowid = :number")
            try:
                found = self._all(statement, {"number": number})
            except StoreCorruptError as error:
                found = [(Unreadable(error.found),)]
            if not found:
                return None
            values.append(found[0][0])
        return values

    def _all(self, statement: str, values: dict[str, Any]) -> Sequence[Row]:
        try:
            with self._begin() as connection:
                return connection.execute(sa.text(statement), values).all()
        except DBAPIError as error:  # a value is too large to load
            if is_row_error(error):
                raise translate(error, "") from error
            raise

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        with self._connect() as connection:
            if not is_sqlite(connection):
                disable_plans(connection, _TABLE_SCANS)
                yield connection
                return
            with loading_at_most(self._limit, connection.connection.driver_connection):
                yield connection


def _select(columns: Columns, table: str, which: str) -> str:
    return " ".join(("SELECT", ", ".join(columns), "FROM", table, which))


def disable_plans(connection: sa.Connection, settings: Sequence[str]) -> None:
    """Turn off settings of PostgreSQL's planner in this transaction, so that it avoids them."""
    for setting in settings:
        connection.exec_driver_sql(f"SET LOCAL {setting} = off")


def is_sqlite(connection: sa.Connection) -> bool:
    """Whether the database is SQLite, where a statement itself names its index."""
    return connection.dialect.name == "sqlite"
