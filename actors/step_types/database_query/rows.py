"""Converts rows from a database for the log.

Results are None, bool, int, float, str, bytes, Decimal, date, aware datetime, and lists and
mappings of them; UUID and time become text.  An instant without a time zone is an error, because
its true time would be lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from indelible.actors.step_types.row_limit import check_size, least_bytes
from indelible.errors import StepDataError

_PLAIN = frozenset({type(None), bool, int, float, str, bytes, Decimal})
_BATCH = 1_000  # rows fetched at a time


class FetchedRows:
    """The rows that one statement returns, in one or several executions.

    Attributes:
        rows: Mappings of values that the log can store.
    """

    def __init__(self, step: str) -> None:
        """Start without rows."""
        self.rows: list[dict[str, Any]] = []
        self._step = step
        self._size = 0

    def fetch(self, result: sa.CursorResult[Any]) -> int:
        """Add all rows of ``result``; returns how many it had.

        Raises:
            StepDataError: A value cannot be stored, two columns have the same name, or the rows are
                too many or too large for one result.
        """
        keys = list(result.keys())
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            found = f"two columns are named {twice[0]!r}"
            raise StepDataError(self._step, found, "name one of them with AS")
        before, least = len(self.rows), least_bytes(keys)
        while batch := result.fetchmany(_BATCH):
            kinds = set(map(type, chain.from_iterable(batch)))
            self._size += len(batch) * least + _text_bytes(batch, kinds)
            count = len(self.rows) + len(batch)
            check_size(self._step, count, self._size, "aggregate in SQL, or add LIMIT")
            values: Sequence[Sequence[Any]] = batch
            if not kinds <= _PLAIN:
                values = [_storable_row(self._step, keys, row) for row in batch]
            self.rows.extend(dict(zip(keys, row, strict=True)) for row in values)
        return len(self.rows) - before


def _text_bytes(batch: Sequence[Sequence[Any]], kinds: set[type]) -> int:
    """Minimal bytes of the texts in ``batch``, which take most of the memory of rows."""
    if kinds.isdisjoint({str, bytes}):
        return 0
    return sum(len(v) for v in chain.from_iterable(batch) if type(v) is str or type(v) is bytes)


def _storable_row(step: str, keys: Sequence[str], row: Sequence[Any]) -> Sequence[Any]:
    return [_storable(step, key, value) for key, value in zip(keys, row, strict=True)]


def _storable(step: str, column: str, value: Any) -> Any:
    if type(value) in _PLAIN or type(value) is date:
        return value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            fix = "use a column with time zone, or select it as text"
            raise StepDataError(step, f"column {column!r} holds an instant without time zone", fix)
        return value
    if isinstance(value, UUID | time):
        return str(value)
    if isinstance(value, memoryview | bytearray):
        return bytes(value)
    if isinstance(value, list | tuple):
        return [_storable(step, column, item) for item in value]
    if isinstance(value, dict):
        return {str(key): _storable(step, column, item) for key, item in value.items()}
    found = f"column {column!r} holds a {type(value).__name__}, which cannot be stored"
    raise StepDataError(step, found, "cast it in SQL, for example to text")
