"""One SQL statement for many rows, on SQLite and on PostgreSQL.

The driver releases the interpreter lock at every statement, and beside busy threads getting it back
can take 5 ms; so a batch is written by few statements of many rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from indelible.events.postgres.write.columns import Integers, Texts

_VARIABLES = 32_766
"""SQLite's limit of parameters in a statement (its limit 9, SQLITE_MAX_VARIABLE_NUMBER)."""


Rows = Sequence[tuple[object, ...]]
"""Rows of parameters, each with the columns of the statement."""


class MultiRow:
    """A statement over rows of parameters, with few different texts, which drivers prepare once.

    PostgreSQL gets one array for each column.  SQLite gets ``(VALUES (...), (...))``: the number of
    rows is rounded up and padded with NULL rows, so the statement must ignore rows whose
    ``column1`` is NULL.

    Attributes:
        arrays: The text for PostgreSQL.
    """

    def __init__(self, types: Sequence[str], before: str, after: str) -> None:
        """``before`` and ``after`` surround the rows ``v`` with the columns ``column1`` and so on.

        ``types`` are the types of the columns: ``text`` or ``bigint``.
        """
        self._columns = len(types)
        self._kinds: list[type[list[Any]]] = [Texts if t == "text" else Integers for t in types]
        self._before = before
        self._after = after
        self._most = _VARIABLES // self._columns
        self._texts: dict[int, str] = {}
        arrays = ", ".join(f"%s::{kind}[]" for kind in types)
        names = ", ".join(f"column{index}" for index in range(1, self._columns + 1))
        parts = (before.replace("%", "%%"), after.replace("%", "%%"))
        self.arrays = f"{parts[0]} unnest({arrays}) AS v({names}) {parts[1]}"

    def execute(self, connection: sa.Connection, rows: Rows) -> int:
        """Execute it for ``rows`` and return how many rows of the table it changed."""
        if not rows:
            return 0
        if connection.dialect.name == "postgresql":
            return connection.exec_driver_sql(self.arrays, self.columns(rows)).rowcount
        changed = 0
        for start in range(0, len(rows), self._most):
            part = rows[start : start + self._most]
            size = min(_rounded(len(part)), self._most)
            parameters: list[object] = []
            for row in part:
                parameters.extend(row)
            parameters.extend([None] * (self._columns * (size - len(part))))
            changed += connection.exec_driver_sql(self._text(size), tuple(parameters)).rowcount
        return changed

    def columns(self, rows: Rows) -> tuple[list[Any], ...]:
        """Return the parameters of :attr:`arrays`: ``rows``, at least one, by column."""
        columns = zip(*rows, strict=True)
        return tuple(kind(column) for kind, column in zip(self._kinds, columns, strict=True))

    def _text(self, size: int) -> str:
        text = self._texts.get(size)
        if text is None:
            row = "(" + ",".join("?" * self._columns) + ")"
            values = "(VALUES " + ",".join([row] * size) + ")"
            text = self._texts[size] = f"{self._before} {values} AS v {self._after}"
        return text


def insert(table: sa.Table, after: str = "") -> MultiRow:
    """Return an insert into all columns of ``table``, whose first column is never NULL."""
    names = [column.name for column in table.columns]
    types = ["text" if isinstance(c.type, sa.Text) else "bigint" for c in table.columns]
    values = ", ".join(f"column{index}" for index in range(1, len(names) + 1))
    return MultiRow(
        types,
        f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {values} FROM",
        f"WHERE column1 IS NOT NULL {after}",
    )


def _rounded(count: int) -> int:
    """Round up to the next of 1, 2, 3, 4, 6, 8, 12, 16, 24 ...

    >>> [_rounded(count) for count in (1, 2, 3, 5, 7, 9, 17, 1000)]
    [1, 2, 3, 6, 8, 12, 24, 1024]
    """
    power = 1 << (count - 1).bit_length()
    between = power * 3 // 4
    return between if count <= between and power >= 4 else power
