"""Converts values of other types to types that the log can store.

A step's result or a run's input is converted once, before the append, to the nearest type that
loses nothing; later steps read the converted value, live and after recovery.  A value without
such a type is refused.
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
"""Seconds (285 years) up to which a float holds every microsecond."""

_TEXTS = (UUID, PurePath)
_BYTES = (bytearray, memoryview)
_BUILT_IN = (str, int, float, bytes, list, dict, datetime, date, Decimal)
"""A value of a subclass is stored as the first of these that fits; a datetime is also a date."""

PLAIN = frozenset({*SIZES, list, dict})
"""Types that are stored without conversion."""

_BY_RULE = (*_BUILT_IN, *_TEXTS, *_BYTES, tuple, timedelta, Enum, msgspec.Struct)


def encode_given(value: Any) -> bytes:
    """Encode ``value`` as ``encode_value`` does, after the conversions of this table.

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
        ValueNotStorableError: A part of ``value`` has another type; the error names its path.
        PayloadTooLargeError: ``value`` is larger than ``VALUE_LIMIT``.

    >>> from indelible.events.codec.values import decode_value
    >>> decode_value(encode_given({"at": (1, timedelta(minutes=1.5))}))
    {'at': [1, 90.0]}
    """
    return encode_value(value, convert_once)


def convert_once(value: Any) -> Any:
    """Convert ``value`` one step towards a storable type; return it unchanged if none is known."""
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
    """Whether values of this type can be stored, with or without a conversion.

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
    """Whether this class is a pydantic model."""
    return callable(getattr(kind, "model_dump", None)) and hasattr(kind, "model_fields")


def _is_numpy(kind: type) -> bool:
    """Whether this is a scalar type of numpy, which need not be installed."""
    return any(base.__name__ == "generic" and base.__module__ == "numpy" for base in kind.__mro__)


def _is_plain_number(value: Any) -> bool:
    """Whether Python has an equal type; a numpy datetime would become a bare number."""
    return value.dtype.kind in "biufUS"


def _as_built_in(value: Any) -> Any:
    """Convert a value of a subclass to the built-in type, ignoring the subclass's overrides."""
    for base in _BUILT_IN:
        if isinstance(value, base):
            plain = _COPY[base](value)
            return plain if type(plain) is base else value
    return value


def _same_instant(value: datetime) -> Any:
    """Convert to a plain datetime, unless it loses something, such as nanoseconds or NaT."""
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
