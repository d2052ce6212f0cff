"""Writes many rows in one statement: the driver releases the GIL at each one, so few are fast.

Beside a busy Python thread, each statement may wait 5 ms for the GIL.  The number of rows is
rounded up to one of a few sizes, so that SQLite compiles few statements and the driver caches them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any

MOST = 1_000
"""Rows of one statement: with 12 columns they stay below SQLite's 32,766 parameters."""

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, MOST)

Execute = Callable[..., Any]
"""Executes a statement, with a tuple of parameters if it has any; returns the driver's cursor."""


class ManyRows:
    """A statement over ``{rows}``, a table of values, padded with rows that begin with NULL.

    The statement must ignore a row whose first column is NULL.  Values that all rows share come
    before them, as ?1, ?2 and so on, which saves a parameter in each row.
    """

    def __init__(self, statement: str, columns: int, *, one: str) -> None:
        """``columns`` is the width of a row; ``one`` is a faster statement for a single row."""
        self._statement = statement
        self._columns = columns
        self._texts = {1: one}
        self._padding = (None, *(0,) * (columns - 1))

    def run(self, execute: Execute, values: Sequence[Any], common: Sequence[Any] = ()) -> None:
        """Execute it on ``values``, one flat sequence; ``common`` are the shared values."""
        for part in self._parts(values):
            self._run_once(execute, part, common)

    def fetch(self, execute: Execute, values: Sequence[Any]) -> list[Any]:
        """Execute it as :meth:`run` does, and return the rows of the result."""
        found: list[Any] = []
        for part in self._parts(values):
            found += self._run_once(execute, part).fetchall()
        return found

    def _parts(self, values: Sequence[Any]) -> Iterable[Sequence[Any]]:
        most = MOST * self._columns
        if len(values) <= most:
            return (values,)
        return (values[start : start + most] for start in range(0, len(values), most))

    def _run_once(self, execute: Execute, values: Sequence[Any], common: Sequence[Any] = ()) -> Any:
        rows = len(values) // self._columns
        size = SIZES[bisect_left(SIZES, rows)]
        text = self._texts.get(size)
        if text is None:
            text = self._texts[size] = self._text(size)
        return execute(text, (*common, *values, *self._padding * (size - rows)))

    def _text(self, size: int) -> str:
        row = f"({', '.join('?' * self._columns)})"
        return self._statement.format(rows=f"(VALUES {', '.join([row] * size)})")
