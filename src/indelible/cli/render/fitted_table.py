"""A table that omits columns, the least important first, if the terminal is too narrow.

Values that people copy, such as the id of a run, are in columns that are never omitted, folded or
cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

_COLUMN_GAP = 2
"""Characters between two columns of a table: one of padding, one of the box."""


class Column(NamedTuple):
    """A column; the highest ``rank`` is omitted first, rank 0 never."""

    name: str
    rank: int = 0
    right: bool = False


class FittedTable:
    """Rows of one line each; a line that is still too wide is cut."""

    _cut = True

    def __init__(self, columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> None:
        """Show ``rows``, each with a cell for each of ``columns``."""
        self._columns = columns
        self._rows = rows
        self._widths = [
            max([len(column.name), *(row[index].cell_len for row in rows)])
            for index, column in enumerate(columns)
        ]

    def __rich_console__(
        self,
        console: Console,
        options: ConsoleOptions,
    ) -> RenderResult:
        """Render the table that fits into ``options``."""
        kept = self._kept(options.max_width)
        made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
        for index in kept:
            column = self._columns[index]
            made.add_column(
                column.name,
                justify="right" if column.right else "left",
                no_wrap=True,
                overflow="ellipsis",
            )
        for row in self._rows:
            made.add_row(*(row[index] for index in kept))
        if not self._cut:
            options = options.update_width(max(options.max_width, self._width(kept)))
        yield from console.render(made, options)

    def _kept(self, width: int) -> list[int]:
        """Indexes of the columns that fit into ``width``."""
        kept = list(range(len(self._columns)))
        while self._width(kept) > width:
            least = max(kept, key=lambda index: self._columns[index].rank)
            if not self._columns[least].rank:
                break
            kept.remove(least)
        return kept

    def _width(self, kept: Sequence[int]) -> int:
        """The width of these columns and of the space between them."""
        return sum(self._widths[index] + _COLUMN_GAP for index in kept) - _COLUMN_GAP


class UncutTable(FittedTable):
    """The same, but lines are never cut, even if the ids alone are wider than the terminal."""

    _cut = False

    def write(self, console: Console) -> None:
        """Write it to ``console``."""
        console.print(self, crop=False)
