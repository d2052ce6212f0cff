"""Reading tables for verification, so that a row which cannot be read leaves the others readable.

SQLite takes any value for any column, and its driver answers text that is no UTF-8, or a value too
large to be loaded, with an error for all rows of a statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from indelible.errors import StoreCorruptError
from indelible.events.sqlite.driver_errors import is_of_a_row, meaning
from indelible.events.sqlite.engines import loading_at_most

PAGE = 1_000
"""Rows read at once."""

Connect = Callable[[], AbstractContextManager[sa.Connection]]
Columns = Sequence[str]
Row = Sequence[Any]

_BY_INDEX = ("enable_seqscan", "enable_sort")
_WORDS = 200  # characters of what a driver says


class Unreadable:
    """Stands for a value that the driver cannot give."""

    def __init__(self, why: str) -> None:
        """``why`` are the driver's words."""
        self._why = why

    def __repr__(self) -> str:
        """What a sentence about the value says of it."""
        return f"unreadable ({self._why:.{_WORDS}})"


class Rows:
    """Reads in short transactions, none of which stays open between two pages."""

    def __init__(self, connect: Connect, most: int) -> None:
        """``connect`` begins a transaction that only reads.

        SQLite loads no value of more than ``most`` bytes; on PostgreSQL the columns say so.
        """
        self._connect = connect
        self._most = most

    def every(
        self, table: str, columns: Columns, key: Columns, limit: int = PAGE
    ) -> Iterator[Sequence[Row]]:
        """All rows of ``table``, page by page, in the order of ``key``.

        On SQLite in the order of the rows' own numbers: a key may be damaged, too.
        """
        with self._connect() as connection:
            key = ("rowid",) if is_lite(connection) else key
        order = f"ORDER BY {', '.join(key)} LIMIT :limit"
        marks = ", ".join(f":after{number}" for number in range(len(key)))
        which, after = order, dict[str, Any]()
        while page := self.page(table, (*key, *columns), which, limit=limit, **after):
            yield [row[len(key) :] for row in page]
            which = f"WHERE ({', '.join(key)}) > ({marks}) {order}"
            after = {f"after{number}": page[-1][number] for number in range(len(key))}

    def page(self, table: str, columns: Columns, which: str, **values: Any) -> Sequence[Row]:
        """Those rows of ``table`` that ``which`` says; of a damaged one what can be read."""
        try:
            return self._all(_select(columns, table, which), values)
        except StoreCorruptError:
            with self._connect() as connection:
                if not is_lite(connection):
                    raise
            numbers = self._all(_select(["rowid"], table, which), values)
        rows = (self._alone(table, columns, number) for (number,) in numbers)
        return [row for row in rows if row is not None]

    def _alone(self, table: str, columns: Columns, number: int) -> Row | None:
        """One row, ``None`` if it is there no more."""
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
        except DBAPIError as error:  # a value too large to be loaded
            if is_of_a_row(error):
                raise meaning(error, "") from error
            raise

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        with self._connect() as connection:
            if not is_lite(connection):
                do_without(connection, _BY_INDEX)
                yield connection
                return
            with loading_at_most(self._most, connection.connection.driver_connection):
                yield connection


def _select(columns: Columns, table: str, which: str) -> str:
    return " ".join(("SELECT", ", ".join(columns), "FROM", table, which))


def do_without(connection: sa.Connection, ways: Sequence[str]) -> None:
    """Have PostgreSQL do without some ways of finding rows, in this transaction."""
    for way in ways:
        connection.exec_driver_sql(f"SET LOCAL {way} = off")


def is_lite(connection: sa.Connection) -> bool:
    """Whether it leads to SQLite, where a statement itself says which way it takes."""
    return connection.dialect.name == "sqlite"
