"""How many rows a step may make: as many as one result can hold, however little is in them."""

from __future__ import annotations

from collections.abc import Iterable

from indelible.errors import StepDataError

RESULT_LIMIT = 64 * 1024 * 1024
"""Bytes: what the log takes as one result."""


def least_bytes(columns: Iterable[str]) -> int:
    """Bytes that a row of these columns takes in the log at least.

    >>> least_bytes(["id", "name"])
    11
    """
    return 1 + sum(len(column) + 2 for column in columns)


def check_size(step: str, rows: int, size: int, fix: str) -> None:
    """Accept ``rows`` that take ``size`` bytes or more.

    Raises:
        StepDataError: They are too many for one result; ``fix`` says what to do.
    """
    if size > RESULT_LIMIT:
        found = f"{rows:,} rows or more, which are too many for one result of 64 MiB"
        raise StepDataError(step, found, fix)
