"""User values as bytes: what a step returns and a run is given, exactly or not at all.

Nothing stored is executed, and sizes are capped before decoding (invariant 9).  The types are
None, bool, int (64 bits), float, str, bytes, list, dict with str keys, aware datetime, date and
Decimal; a subclass is another type.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from typing import Any

import msgpack

from indelible.errors import PayloadTooLargeError, ValueDecodeError, ValueNotStorableError

BLOB_THRESHOLD = 64 * 1024
"""Bytes above which a value goes to a blob: larger rows make every scan of the log pay for it."""

INLINE_LIMIT = 1024 * 1024
"""Bytes of a value that must stand inside an event, such as a run's input: one group's cap."""

VALUE_LIMIT = 64 * 1024 * 1024
"""Bytes of any value: it is held whole in memory, encoded and decoded, while it is written."""

DEPTH_LIMIT = 100
"""Lists and dicts inside each other: far below Python's recursion limit of 1,000 frames."""

_NONE: bytes = msgpack.packb(None)
_DATETIME, _DATE, _DECIMAL = 1, 2, 3  # extension codes, for ever
_SCALARS = frozenset({type(None), bool, int, float, str, bytes, datetime, date, Decimal})
_STORABLE = _SCALARS | {list, dict}
_ONLY_STR = frozenset({str})
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_PATH_SHOWN = 200  # characters of a path in a message


def encode_value(value: Any) -> bytes:
    """Encode ``value``; equal values of the same types give equal bytes, dicts keep their order.

    A time zone is reduced to its UTC offset at that instant.

    Raises:
        ValueNotStorableError: Something in it is of another type; the error names the path.
        PayloadTooLargeError: More than :data:`VALUE_LIMIT` bytes.

    >>> decode_value(encode_value({"rows": [1, 2.5, None]}))
    {'rows': [1, 2.5, None]}
    >>> encode_value({"x": [(1, 2)]})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    indelible.errors.values.ValueNotStorableError: $.x[0] is a tuple, which cannot be stored; ...
    """
    if value is None:  # what most functions return
        return _NONE
    if not _is_storable(value):
        raise _why_not(value)
    try:
        data: bytes = msgpack.packb(value, strict_types=True, default=_pack_other)
    except (TypeError, ValueError, OverflowError) as error:
        raise _why_not(value) from error
    if len(data) > VALUE_LIMIT:
        raise PayloadTooLargeError("the value", len(data), VALUE_LIMIT)
    return data


def decode_value(data: bytes) -> Any:
    """Build the value that ``data`` encodes: a fresh one each time.

    Raises:
        ValueDecodeError: The bytes are damaged, or nest deeper than msgpack's own 1,024 levels.
        PayloadTooLargeError: More than :data:`VALUE_LIMIT` bytes; nothing was built.
    """
    if len(data) > VALUE_LIMIT:
        raise PayloadTooLargeError("the stored value", len(data), VALUE_LIMIT)
    try:
        if len(data) > BLOB_THRESHOLD:
            _skip(data)  # a flaw at the end must not cost building all that stands before it
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


def _is_storable(value: Any) -> bool:
    """Look at types, keys, integers and depth, level by level, mostly in C."""
    level = [value]
    room = VALUE_LIMIT  # an element takes a byte or more
    for _ in range(DEPTH_LIMIT + 1):
        types = set(map(type, level))
        if not types <= _STORABLE or (int in types and not _ints_fit(level, types)):
            return False
        lists = [item for item in level if type(item) is list] if list in types else []
        dicts = [item for item in level if type(item) is dict] if dict in types else []
        if not lists and not dicts:
            return True
        if not set(map(type, chain.from_iterable(dicts))) <= _ONLY_STR:
            return False
        room -= sum(map(len, lists)) + sum(map(len, dicts))
        if room < 0:
            raise PayloadTooLargeError("the value", VALUE_LIMIT - room, VALUE_LIMIT)
        level = list(chain(*lists, *map(dict.values, dicts)))
    return False


def _ints_fit(level: list[Any], types: set[type]) -> bool:
    ints = level if len(types) == 1 else [item for item in level if type(item) is int]
    return min(ints) >= _INT_MIN and max(ints) <= _INT_MAX


def _why_not(value: Any) -> ValueNotStorableError:
    path, found, fix = _culprit(value, "$", 0) or ("$", "a value that changed meanwhile", "")
    if len(path) > _PATH_SHOWN:
        path = path[:_PATH_SHOWN] + "..."
    return ValueNotStorableError(path, found, fix)


def _culprit(value: Any, path: str, depth: int) -> tuple[str, str, str] | None:
    """Find the first thing that cannot be stored: its path, what it is, the fix if not usual."""
    kind = type(value)
    if kind is list or kind is dict:
        return _culprit_inside(value, path, depth)
    if kind not in _SCALARS:
        return path, _named(kind), ""
    if kind is int and not _INT_MIN <= value <= _INT_MAX:
        return path, "an int beyond 64 bits", "use a str or a Decimal"
    if kind is datetime and value.utcoffset() is None:
        return path, "a datetime without a time zone", "give it one, such as datetime.UTC"
    if kind is str and not _is_unicode(value):
        return path, "a str with half a surrogate pair", "decode it with errors='replace'"
    return None


def _culprit_inside(value: Any, path: str, depth: int) -> tuple[str, str, str] | None:
    if depth == DEPTH_LIMIT:
        return path, f"nested deeper than {DEPTH_LIMIT} levels", "flatten it"
    if type(value) is list:
        for index, item in enumerate(value):
            if found := _culprit(item, f"{path}[{index}]", depth + 1):
                return found
        return None
    return _culprit_of_dict(value, path, depth)


def _culprit_of_dict(
    value: Mapping[Any, Any], path: str, depth: int
) -> tuple[str, str, str] | None:
    for key, item in value.items():
        if type(key) is not str:
            return f"{path}[{key!r:.80}]", f"{_named(type(key))} as a key", "use a str as the key"
        if not _is_unicode(key):
            return f"{path}[{key!a:.80}]", "a key with half a surrogate pair", "rename it"
        inner = f"{path}.{key}" if key.isidentifier() else f"{path}[{key!r}]"
        if found := _culprit(item, inner, depth + 1):
            return found
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _named(kind: type) -> str:
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    article = "an" if kind.__name__[:1].lower() in "aeiou" else "a"
    return f"{article} {module}{kind.__qualname__}"
