"""Converts values from the log for a database driver.

SQLite has neither decimals nor instants, and compares text with numbers without an error: there a
Decimal is bound as a number and an instant in SQLite's own format, or refused.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from indelible.errors import StepDataError

_LARGEST = 2**63 - 1  # SQLite's largest integer
_DIGITS = len(str(_LARGEST))


def to_driver(step: str, what: str, value: Any, dialect: str) -> Any:
    """``value`` in the form for the driver of ``dialect``; lists are converted item by item.

    On SQLite a Decimal becomes a float or int with the same decimal digits; a datetime becomes
    ``YYYY-MM-DD HH:MM:SS[.ffffff]`` in UTC, the format of SQLite's own ``datetime()``, so that text
    order is time order; a date becomes ``YYYY-MM-DD``.

    Raises:
        StepDataError: SQLite would store another value; ``what`` names the parameter.

    >>> to_driver("s", "parameters.x", [Decimal("1.20"), date(2013, 1, 2)], "sqlite")
    [1.2, '2013-01-02']
    """
    if dialect != "sqlite":
        return value
    if isinstance(value, list):
        return [to_driver(step, f"{what}[{i}]", item, dialect) for i, item in enumerate(value)]
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _number(step, what, value)
    if isinstance(value, float) and math.isnan(value):
        raise _no_nan(step, what)
    return value


def _number(step: str, what: str, value: Decimal) -> float | int:
    """A number with the same decimal digits.

    A float if possible, because ``10 / 4`` of two ints would be 2 on SQLite.
    """
    if value.is_nan():
        raise _no_nan(step, what)
    number = float(value)
    if Decimal(repr(number)) == value:
        return number
    if value.adjusted() < _DIGITS and abs(value) <= _LARGEST and value == int(value):
        return int(value)
    found = f"{what} is Decimal('{value}'), which has more digits than SQLite's numbers"
    raise StepDataError(step, found, "round it, or give it as text and keep that in a TEXT column")


def _no_nan(step: str, what: str) -> StepDataError:
    return StepDataError(
        step, f"{what} is NaN, which SQLite would keep as NULL", "give null, or text"
    )
