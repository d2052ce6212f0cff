"""What steps return and runs are given, in kinds that the log has: the stated rule.

A value of another kind is stored as the nearest kind that loses nothing, once, before the append;
what later steps read is that, live and after recovery alike.  What has no such kind is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

import msgspec

from indelible.events.codec.encoded_size import SIZES
from indelible.events.codec.values import encode_value

_EXACT = 2**53 / 1e6
"""Seconds, 285 years, up to which a float holds every microsecond."""

_TEXTS = (UUID, PurePath)
_BYTES = (bytearray, memoryview)
_BUILT_IN = (str, int, float, bytes, list, dict, datetime, date, Decimal)
"""Types of which a subclass is stored as one of them; datetime before date, which it is, too."""

PLAIN = frozenset({*SIZES, list, dict})
"""Types that the rule leaves alone."""

_BY_RULE = (*_BUILT_IN, *_TEXTS, *_BYTES, tuple, timedelta, Enum, msgspec.Struct)


def encode_given(value: Any) -> bytes:
    """Encode ``value`` by the rule of this module, as ``encode_value`` does otherwise.

    ============================================  =====================================
    given                                         stored as
    ============================================  =====================================
    tuple, NamedTuple                             list
    Enum                                          its value
    UUID, Path                                    str
    timedelta                                     float, seconds
    bytearray, memoryview                         bytes
    dataclass, msgspec Struct, pydantic model     dict of its fields by name
    numpy number, truth value, text               the Python one
    subclass of str, int, dict and the like       that type
    ============================================  =====================================

    Raises:
        ValueNotStorableError: Something in it is of another kind; the error names the path.
        PayloadTooLargeError: It is larger than any value may be.

    >>> from indelible.events.codec.values import decode_value
    >>> decode_value(encode_given({"at": (1, timedelta(minutes=1.5))}))
    {'at': [1, 90.0]}
    """
    return encode_value(value, plainer)


def plainer(value: Any) -> Any:
    """``value`` one step nearer to what can be stored, or as it is if the rule has none."""
    kind = type(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, _TEXTS):
        return str(value)
    if isinstance(value, _BYTES):
        return bytes(value)
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        return seconds if abs(seconds) < _EXACT else value
    if _is_numpy(kind):
        return value.item() if _is_plain_number(value) else value
    if dataclasses.is_dataclass(kind):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(kind)}
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if is_model(kind):
        return value.model_dump()
    return _as_built_in(value)


def has_rule(kind: type) -> bool:
    """Whether values of this type are stored, as they are or by the rule.

    >>> has_rule(tuple), has_rule(UUID), has_rule(set)
    (True, True, False)
    """
    return (
        kind in SIZES
        or issubclass(kind, _BY_RULE)
        or dataclasses.is_dataclass(kind)
        or is_model(kind)
        or _is_numpy(kind)
    )


def is_model(kind: type) -> bool:
    """Whether this is a class as pydantic makes them."""
    return callable(getattr(kind, "model_dump", None)) and hasattr(kind, "model_fields")


def _is_numpy(kind: type) -> bool:
    """Whether this is a scalar of numpy, which need not be installed."""
    return any(base.__name__ == "generic" and base.__module__ == "numpy" for base in kind.__mro__)


def _is_plain_number(value: Any) -> bool:
    """Whether Python has the like: a moment of numpy would become a bare number."""
    return value.dtype.kind in "biufUS"


def _as_built_in(value: Any) -> Any:
    """A value of a subclass as one of the type itself, whatever the subclass overrides."""
    for base in _BUILT_IN:
        if isinstance(value, base):
            plain = _COPY[base](value)
            return plain if type(plain) is base else value
    return value


def _same_instant(value: datetime) -> Any:
    """Without what a datetime cannot hold: nanoseconds, a moment that is none."""
    plain = datetime.fromisoformat(datetime.isoformat(value))
    return plain if plain == value else value


_COPY: Mapping[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    bytes: lambda value: bytes(memoryview(value)),
    list: lambda value: list(list.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
    datetime: _same_instant,
    date: lambda value: date(value.year, value.month, value.day),
    Decimal: Decimal,
}
