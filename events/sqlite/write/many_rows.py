"""One statement for many rows: the driver gives up the GIL at every statement, so few is fast.

With a busy Python thread beside it, each statement may wait 5 ms to go on.  The number of rows is
rounded up to one of few, so that SQLite compiles few statements and the driver keeps them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any

MOST = 1_000
"""Rows of one statement: times 12 columns it stays below SQLite's 32,766 parameters."""

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, MOST)

Execute = Callable[..., Any]
"""Runs a statement, with a tuple of parameters if it has any; gives the driver's cursor."""


class ManyRows:
    """A statement over ``{rows}``, a table of values, filled up with rows that begin with NULL.

    The statement must do nothing for a row whose first column is NULL.  What is the same for all
    rows comes before them, as ?1, ?2 and so on: a parameter less to bind and to compile in each.
    """

    def __init__(self, statement: str, columns: int, *, one: str) -> None:
        """``columns`` is the width of a row; ``one`` does the same for one row, a bit faster."""
        self._statement = statement
        self._columns = columns
        self._texts = {1: one}
        self._padding = (None, *(0,) * (columns - 1))  # of which only the first column is looked at

    def run(self, execute: Execute, values: Sequence[Any], common: Sequence[Any] = ()) -> None:
        """Run it on ``values``, in one flat sequence, behind what all rows have in common."""
        for part in self._parts(values):
            self._run_once(execute, part, common)

    def fetch(self, execute: Execute, values: Sequence[Any]) -> list[Any]:
        """As :meth:`run`; the rows that it finds."""
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
