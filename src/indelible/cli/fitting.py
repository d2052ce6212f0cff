"""A table that leaves out columns, the least important first, where a terminal is too narrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from indelible.cli.output import table


class Column(NamedTuple):
    """A column; that of the highest ``rank`` is left out first, those of 0 never."""

    name: str
    rank: int = 0
    right: bool = False


class Fitting:
    """Rows of one line each, at any width; what is still too wide is cut."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> None:
        """Show ``rows``, which have a cell for each of ``columns``."""
        self._columns = columns
        self._rows = rows

    def __rich_console__(
        self,
        console: Console,
        options: ConsoleOptions,
    ) -> RenderResult:
        """Give the table that fits into ``options``."""
        kept = self._kept(options.max_width)
        columns = [self._columns[index] for index in kept]
        made = table(
            *(column.name for column in columns),
            right=[column.name for column in columns if column.right],
        )
        for row in self._rows:
            made.add_row(*(row[index] for index in kept))
        yield made

    def _kept(self, width: int) -> list[int]:
        """Indexes of the columns that fit into ``width``, which each needs a space after it."""
        widths = [
            1 + max([len(column.name), *(row[index].cell_len for row in self._rows)])
            for index, column in enumerate(self._columns)
        ]
        kept = list(range(len(self._columns)))
        while sum(widths[index] for index in kept) > width:
            least = max(kept, key=lambda index: self._columns[index].rank)
            if not self._columns[least].rank:
                break
            kept.remove(least)
        return kept
