"""The rows of an operation: mappings of column to value, where an absent value is ``None``.

A column that no row has is an error, which lists the existing columns.  An operation that leaves no
row keeps the columns; if the input has no rows its columns are unknown, and any column is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from indelible.actors.workflow.definition.field_checks import describe
from indelible.actors.workflow.definition.references import UNKNOWN
from indelible.errors import Problem, StepDataError

Row = dict[str, Any]

_SHOWN = 40  # columns that an error lists


class Table:
    """Rows, and the name of their step for errors."""

    __slots__ = ("_columns", "rows", "step")

    def __init__(self, step: str, rows: list[Row], columns: Iterable[str] | None = None) -> None:
        """Own ``rows``; operations may change them in place.

        An operation that determines the columns passes ``columns``, also if it leaves no row.
        """
        self.step = step
        self.rows = rows
        self._columns = None if columns is None else dict.fromkeys(columns)

    def with_rows(self, rows: list[Row]) -> Table:
        """Some of the rows, or all in another order, with the same columns."""
        return Table(self.step, rows, self.columns)

    @property
    def columns(self) -> dict[str, None]:
        """The given columns, or the columns of all rows in order of first appearance."""
        if self._columns is None:
            columns: dict[str, None] = {}
            for row in self.rows:
                if row.keys() != columns.keys():
                    columns.update(dict.fromkeys(row))
            self._columns = columns
        return self._columns

    def need(self, *names: str) -> None:
        """Check that columns exist.

        Raises:
            StepDataError: A column does not exist.
        """
        if not self.rows and not self.columns:
            return
        for name in names:
            if name not in self.columns:
                has = ", ".join(list(self.columns)[:_SHOWN])
                raise self.error(f"no column {name!r}", f"the columns are {has or 'none'}")

    def error(self, found: str, fix: str) -> StepDataError:
        """An error about this step's data."""
        return StepDataError(self.step, found, fix)


def as_rows(step: str, value: Any, what: str = "input") -> list[Row]:
    """The rows in ``value``: a list of mappings, or lists of them, which are concatenated.

    Raises:
        StepDataError: ``value`` is something else.
    """
    if isinstance(value, list):
        if all(type(row) is dict for row in value):
            return value
        if all(type(part) is list for part in value):
            return [row for part in value for row in as_rows(step, part, what)]
        odd = next(i for i, row in enumerate(value) if type(row) is not dict)
        fix = "give a list of mappings, column to value"
        raise StepDataError(step, f"{what}[{odd}] is {describe(value[odd])}", fix)
    fix = "give a list of mappings, column to value"
    if isinstance(value, dict):
        lists = [key for key in ("rows", "data") if isinstance(value.get(key), list)]
        fix = f"refer to its {lists[0]!r}" if lists else fix
    raise StepDataError(step, f"{what} is {describe(value)}", fix)


def check_column(path: str, value: Any) -> Iterator[Problem]:
    """Check that ``value`` is the name of a column, or a reference."""
    if value is not UNKNOWN and not isinstance(value, str):
        yield Problem(path, describe(value), "write the name of a column")


def check_columns(path: str, value: Any) -> Iterator[Problem]:
    """Check that ``value`` is a list of different names of columns."""
    if value is UNKNOWN:
        return
    if not isinstance(value, list):
        yield Problem(path, describe(value), "write a list of columns")
        return
    seen: list[Any] = []
    for index, name in enumerate(value):
        yield from check_column(f"{path}[{index}]", name)
        if name is not UNKNOWN and name in seen:
            yield Problem(f"{path}[{index}]", describe(name), "it is used twice; remove one")
        seen.append(name)
