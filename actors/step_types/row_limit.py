"""The limit of rows that a step may return: as many as fit into one result."""

from __future__ import annotations

from collections.abc import Iterable

from indelible.errors import StepDataError

RESULT_LIMIT = 64 * 1024 * 1024
"""Bytes of one result in the log."""


def least_bytes(columns: Iterable[str]) -> int:
    """Minimal bytes of a row with these columns in the log.

    >>> least_bytes(["id", "name"])
    11
    """
    return 1 + sum(len(column) + 2 for column in columns)


def check_size(step: str, rows: int, size: int, fix: str) -> None:
    """Check ``rows`` rows of at least ``size`` bytes.

    Raises:
        StepDataError: They do not fit into one result; ``fix`` says what to do.
    """
    if size > RESULT_LIMIT:
        found = f"{rows:,} rows or more, which are too many for one result of 64 MiB"
        raise StepDataError(step, found, fix)
