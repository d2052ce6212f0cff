"""Encodes user values, such as a step's result or a run's input, exactly or not at all.

Nothing stored is executed, and sizes are capped before decoding (invariant 9).  The types are
None, bool, int (64 bits), float, str, bytes, list, dict with str keys, aware datetime, date and
Decimal; a subclass is another type.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgpack

from indelible.errors import PayloadTooLargeError, ValueDecodeError, ValueNotStorableError
from indelible.events.codec.storable_check import Rule, make_storable, unchanged
from indelible.events.codec.storable_shortcut import is_surely_storable

BLOB_THRESHOLD = 64 * 1024
"""Bytes above which a value is stored as a blob: larger rows slow down every scan of the log."""

INLINE_LIMIT = 1024 * 1024
"""Bytes of a value that must be inside an event, such as a run's input: one group's limit."""

VALUE_LIMIT = 64 * 1024 * 1024
"""Bytes of any value: it is whole in memory, encoded and decoded, while it is written."""

_NONE: bytes = msgpack.packb(None)
_DATETIME, _DATE, _DECIMAL = 1, 2, 3  # extension codes; stored, so they never change


def encode_value(value: Any, rule: Rule = unchanged) -> bytes:
    """Encode ``value``; equal values of the same types give equal bytes, dicts keep their order.

    A time zone is reduced to its UTC offset at that instant.

    Args:
        value: The value to encode.
        rule: Converts values of other types to storable ones; by default it converts nothing.

    Raises:
        ValueNotStorableError: A part of ``value`` has another type; the error names its path.
        PayloadTooLargeError: More than :data:`VALUE_LIMIT` bytes; nothing was encoded.

    >>> decode_value(encode_value({"rows": [1, 2.5, None]}))
    {'rows': [1, 2.5, None]}
    >>> encode_value({"x": [(1, 2)]})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    indelible.errors.values.ValueNotStorableError: $.x[0] is a tuple, which cannot be stored; ...
    """
    if value is None:  # the result of most functions
        return _NONE
    if not is_surely_storable(value, VALUE_LIMIT):
        value = make_storable(value, VALUE_LIMIT, rule)
    try:
        data: bytes = msgpack.packb(value, strict_types=True, default=_pack_other)
    except (TypeError, ValueError, OverflowError) as error:
        failed = error
    else:
        return data
    make_storable(value, VALUE_LIMIT, rule)  # says why
    raise ValueNotStorableError("$", "a value that changed meanwhile") from failed


def decode_value(data: bytes) -> Any:
    """Decode ``data`` to a new value.

    Raises:
        ValueDecodeError: The bytes are damaged, or nest deeper than msgpack's own 1,024 levels.
        PayloadTooLargeError: More than :data:`VALUE_LIMIT` bytes; nothing was decoded.
    """
    if len(data) > VALUE_LIMIT:
        raise PayloadTooLargeError("the stored value", len(data), VALUE_LIMIT)
    try:
        if len(data) > BLOB_THRESHOLD:
            _skip(data)  # finds damage at the end before the values in front are built
        return msgpack.unpackb(data, ext_hook=_unpack_other, timestamp=3)
    except (ValueError, TypeError, ArithmeticError, msgpack.UnpackException) as error:
        raise ValueDecodeError(str(error) or type(error).__name__) from error


def _pack_other(value: Any) -> msgpack.ExtType:
    kind = type(value)
    if kind is datetime and value.utcoffset() is not None:
        return msgpack.ExtType(_DATETIME, value.isoformat().encode())
    if kind is date:
        return msgpack.ExtType(_DATE, value.isoformat().encode())
    if kind is Decimal:
        return msgpack.ExtType(_DECIMAL, str(value).encode())
    raise TypeError(kind.__name__)


def _unpack_other(code: int, data: bytes) -> Any:
    if code == _DATETIME:
        return datetime.fromisoformat(data.decode())
    if code == _DATE:
        return date.fromisoformat(data.decode())
    if code == _DECIMAL:
        return Decimal(data.decode())
    raise ValueError(f"extension code {code} is unknown")


def _skip(data: bytes) -> None:
    unpacker = msgpack.Unpacker(max_buffer_size=len(data))
    unpacker.feed(data)
    unpacker.skip()
