"""Equality and order of values, as in PostgreSQL; pure.

Numbers are equal by value, also across types; a float counts as the decimal number that it is
written as, so that 0.1 equals Decimal("0.1").  NaN equals NaN and is greater than every other
number.  A truth value is not a number: ``True`` is not 1.  Values of other different types are
never equal, and comparing them is an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

NUMBERS = frozenset({int, float, Decimal})
_OWN_KEYS = frozenset({type(None), str, int, bytes, date, datetime})
_NAN = (float, "NaN")
_INFINITY = Decimal("Infinity")


def identity(value: Any) -> Any:
    """A hashable key that is the same for equal values, and differs for different values.

    >>> identity(1.0) == identity(Decimal("1.00")) == identity(1) != identity(True)
    True
    """
    kind = type(value)
    if kind in _OWN_KEYS:
        return value
    if kind is float or kind is Decimal:
        return _NAN if is_nan(value) else _exact(value)
    if kind is list:
        return list, tuple(map(identity, value))
    if kind is dict:
        return dict, frozenset((key, identity(item)) for key, item in value.items())
    return kind, value


def identities(*columns: Sequence[Any]) -> Sequence[Sequence[Any]]:
    """The values of columns that are compared with each other, as keys.

    Raises:
        TypeError: A column holds a list or mapping, which cannot be keys.
    """
    kinds = set[type]().union(*(map(type, column) for column in columns))
    if not kinds.isdisjoint({list, dict}):
        raise TypeError("a list or mapping cannot be a key")
    if kinds <= _OWN_KEYS or (kinds - {float} <= _OWN_KEYS and not _has_nan(*columns)):
        return columns
    return [list(map(identity, column)) for column in columns]


def is_nan(value: float | Decimal) -> bool:
    """Whether ``value`` is NaN; works also for a signalling NaN, where ``math.isnan`` raises."""
    return value.is_nan() if isinstance(value, Decimal) else math.isnan(value)


def number_key(number: float | Decimal) -> tuple[bool, int | Decimal]:
    """The sort key of ``number`` in the order of all numbers.

    >>> sorted([float("nan"), float("inf"), Decimal(2), 1.5, -1], key=number_key)
    [-1, 1.5, Decimal('2'), inf, nan]
    """
    if type(number) is int:
        return False, number
    return (True, 0) if is_nan(number) else (False, _exact(number))


def sort_key(values: Sequence[Any]) -> Callable[[Any], Any] | None:
    """A sort key function for ``values``; ``None`` if they can be compared directly.

    Raises:
        TypeError: Their types cannot be compared.
    """
    kinds = set(map(type, values))
    if kinds <= NUMBERS:
        return number_key if Decimal in kinds or _has_nan(values) else None
    if len(kinds) > 1:
        raise TypeError(" and ".join(sorted(kind.__name__ for kind in kinds)))
    return None


def compare(test: Callable[[Any, Any], bool], found: Any, value: Any) -> bool:
    """The result of ``test``, such as ``operator.lt``, for two values.

    Raises:
        TypeError: Their types cannot be compared.
    """
    kind = type(found)
    if kind is type(value) and kind is not Decimal and found == found and value == value:
        return test(found, value)
    if kind in NUMBERS and type(value) in NUMBERS:
        return test(number_key(found), number_key(value))
    raise TypeError("values of types that cannot be compared")


def _has_nan(*columns: Sequence[Any]) -> bool:
    """Whether there is a NaN: a value that does not equal itself."""
    return any(value != value for column in columns for value in column)


def _exact(value: float | Decimal) -> int | Decimal:
    if isinstance(value, Decimal):
        return value
    if math.isinf(value):
        return _INFINITY.copy_sign(Decimal(repr(value)))
    whole = int(value)
    return whole if whole == value else Decimal(repr(value))
