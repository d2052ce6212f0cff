"""Values on their way between the log and a database driver.

Out of a database come None, bool, int, float, str, bytes, Decimal, date, aware datetime, and lists
and mappings of them; UUID and time become text.  An instant without a time zone is an error, as
nobody could say later when it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from indelible.errors import StepDataError

_PLAIN = frozenset({type(None), bool, int, float, str, bytes, Decimal})
_RESULT_LIMIT = 64 * 1024 * 1024  # bytes: what the log takes as one result
_BATCH = 1_000  # rows fetched at a time


def to_driver(value: Any, dialect: str) -> Any:
    """A value as the driver of ``dialect`` takes it; SQLite has no dates and decimals but text.

    >>> to_driver(Decimal("1.20"), "sqlite")
    '1.20'
    """
    if dialect != "sqlite":
        return value
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def fetch_rows(step: str, result: sa.CursorResult[Any]) -> list[dict[str, Any]]:
    """All rows, as mappings of values that the log can hold.

    Raises:
        StepDataError: A value cannot be stored, a column stands twice, or there are too many rows.
    """
    keys = list(result.keys())
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise StepDataError(step, f"two columns are named {twice[0]!r}", "name one of them with AS")
    least = 1 + sum(len(key) + 2 for key in keys)  # bytes of a row, encoded, whatever it holds
    rows: list[dict[str, Any]] = []
    while batch := result.fetchmany(_BATCH):
        if (len(rows) + len(batch)) * least > _RESULT_LIMIT:
            found = f"more than {len(rows):,} rows, too many for one result"
            raise StepDataError(step, found, "aggregate in SQL, or add LIMIT")
        rows.extend(dict(zip(keys, _storable_row(step, keys, row), strict=True)) for row in batch)
    return rows


def _storable_row(step: str, keys: Sequence[str], row: Sequence[Any]) -> Sequence[Any]:
    for value in row:
        if type(value) not in _PLAIN:
            return [_storable(step, key, value) for key, value in zip(keys, row, strict=True)]
    return row


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
