"""The encoded size of a single value in msgpack, or the error why it cannot be stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from indelible.errors import ValueNotStorableError

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


def head(length: int, short: int, middle: int = 2**16) -> int:
    """Bytes of a length prefix: one below ``short``, else a type byte and the number."""
    return 1 if length < short else 3 if length < middle else 5


def _int_size(value: int) -> int:
    if not INT_MIN <= value <= INT_MAX:
        raise ValueNotStorableError("", "an int beyond 64 bits", "use a str or a Decimal")
    if -32 <= value < 128:
        return 1
    bits = value.bit_length() if value > 0 else (-value - 1).bit_length() + 1
    return 2 if bits <= 8 else 3 if bits <= 16 else 5 if bits <= 32 else 9


def text_size(value: str) -> int:
    """Bytes of a str, its length prefix included.

    Raises:
        ValueNotStorableError: The str has no UTF-8 encoding; the path is empty.
    """
    try:
        length = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError:
        raise ValueNotStorableError(
            "", "a str with half a surrogate pair", "decode it with errors='replace'"
        ) from None
    return length + (2 if 32 <= length < 256 else head(length, 32))


def _bytes_size(value: bytes) -> int:
    return len(value) + (2 if len(value) < 256 else head(len(value), 0))


def _time_size(value: datetime) -> int:
    if value.utcoffset() is None:
        raise ValueNotStorableError(
            "", "a datetime without a time zone", "give it one, such as datetime.UTC"
        )
    return _extended(value.isoformat())


def _extended(text: str) -> int:
    """Bytes of a value that is stored as ``text`` with an extension code."""
    length = len(text)
    if length in (1, 2, 4, 8, 16):
        return length + 2
    return length + (3 if length < 256 else 4 if length < 2**16 else 6)


SIZES: Mapping[type, Callable[[Any], int]] = {
    type(None): lambda _: 1,
    bool: lambda _: 1,
    int: _int_size,
    float: lambda _: 9,
    str: text_size,
    bytes: _bytes_size,
    datetime: _time_size,
    date: lambda value: _extended(value.isoformat()),
    Decimal: lambda value: _extended(str(value)),
}
"""The function for the size of a value, by type; lists and dicts are not here."""
