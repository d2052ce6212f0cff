"""Sends independent statements of one transaction in one round trip to the server.

A round trip to PostgreSQL costs more than most of these statements: a batch for two views takes
half as long as with a round trip for each, and appends wait less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from indelible.projections.sql.multi_row import MultiRow, Rows

Check = Callable[[int], object]
"""Gets how many rows a statement has changed; if it raises, the transaction must not commit."""


class PipelinedStatements:
    """Statements that change different rows; :meth:`run` executes all of them.

    Attributes:
        connection: The transaction's connection, for statements that cannot wait.
    """

    def __init__(self, connection: sa.Connection) -> None:
        """Start without a statement."""
        self.connection = connection
        self._work: list[tuple[MultiRow, Rows, Check | None]] = []

    def add(self, statement: MultiRow, rows: Rows, check: Check | None = None) -> None:
        """Add ``statement`` for ``rows``; ``check`` gets the number of changed rows."""
        if rows:
            self._work.append((statement, rows, check))

    def run(self) -> None:
        """Execute the added statements; if it raises, the transaction must not commit."""
        work, self._work = self._work, []
        if len(work) > 1 and self.connection.dialect.name == "postgresql":
            changed = self._run_at_once(work)
        else:
            changed = [statement.execute(self.connection, rows) for statement, rows, _ in work]
        for (_, _, check), count in zip(work, changed, strict=True):
            if check is not None:
                check(count)

    def _run_at_once(self, work: list[tuple[MultiRow, Rows, Check | None]]) -> list[int]:
        parts, counts, columns = list[str](), list[str](), list[list[Any]]()
        for number, (statement, rows, _) in enumerate(work):
            parts.append(f"part{number} AS ({statement.arrays} RETURNING 1)")
            counts.append(f"(SELECT count(*) FROM part{number})")  # noqa: S608 - a number
            columns += statement.columns(rows)
        text = f"WITH {', '.join(parts)} SELECT {', '.join(counts)}"
        return list(self.connection.exec_driver_sql(text, tuple(columns)).one())
