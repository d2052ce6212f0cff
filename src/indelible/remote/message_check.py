"""Checks that a message to a user's actor arrives as it was sent, in this process or another.

Within one process a message is handed over as it is.  A part that would arrive in another process
as another type is refused here, too, so that what works in one process works in two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from indelible.errors import ValueNotStorableError
from indelible.events.codec.storable_check import make_storable, named
from indelible.events.codec.storable_shortcut import is_surely_storable
from indelible.events.codec.values import VALUE_LIMIT

_STORED = frozenset({type(None), bool, int, float, str, bytes, datetime, date, Decimal})
_ALIKE = (str, bytes, bytearray, memoryview, int, float, list, tuple, dict, date, Decimal)
"""What of these classes, or below them, is not stored as it is would arrive as another type."""

_PLAIN = frozenset({type(None), bool, int, float, str, bytes})
_FIX = "give the field a type, or use None, bool, int, float, str, bytes, list or dict"


def check_message(message: Any, types: Mapping[str, type[msgspec.Struct]]) -> None:
    """Refuse a message that would arrive in another process with a part of another type.

    Nothing is encoded.  An object of any other class, which cannot be sent to another process at
    all, may be sent within one.

    Args:
        message: The message.
        types: The message types of its recipient, by name.

    Raises:
        ValueNotStorableError: A part would arrive changed, as a tuple would.
    """
    kind = type(message)
    if types.get(kind.__name__) is kind:
        for name in untyped_fields(kind):
            for other in _other_types(getattr(message, name), _PLAIN):
                raise ValueNotStorableError(f"a part of $.{name}", named(other), _FIX)
    elif not is_surely_storable(message, VALUE_LIMIT) and any(
        issubclass(other, _ALIKE) for other in _other_types(message, _STORED)
    ):
        make_storable(message, VALUE_LIMIT)  # says why, in the words for another process


def _other_types(value: Any, kept: frozenset[type]) -> Iterator[type]:
    """The types in ``value`` that are neither ``kept`` nor a list or a dict."""
    waiting, seen = [value], {id(value)}
    for part in waiting:
        kind = type(part)
        if kind is list or kind is dict:
            inside = [*part, *part.values()] if kind is dict else part
            fresh = [one for one in inside if id(one) not in seen]
            seen.update(map(id, fresh))
            waiting += fresh
        elif kind not in kept:
            yield kind


@cache
def untyped_fields(cls: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields of ``cls`` whose annotation leaves open the type of a part.

    Such a part is decoded as what its bytes look like: a tuple becomes a list, a date a text.

    Raises:
        NameError: An annotation cannot be resolved.
        TypeError: An annotation is no type that msgspec can decode.

    >>> class Order(msgspec.Struct):
    ...     items: tuple[str, int]
    ...     details: dict[str, Any]
    >>> untyped_fields(Order)
    ('details',)
    """
    from msgspec import inspect  # takes some milliseconds: only if there is a message type

    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    return tuple(field.name for field in info.fields if _is_open(field.type, {cls}))


def _is_open(node: Any, seen: set[type]) -> bool:
    """Whether ``node``, a description of a type by msgspec, leaves open the type of a part."""
    from msgspec import inspect

    if isinstance(node, inspect.AnyType):
        return True
    cls = getattr(node, "cls", None)
    if cls in seen:
        return False
    if cls is not None:
        seen.add(cls)
    parts: list[Any] = []
    for name in node.__struct_fields__:
        value = getattr(node, name)
        parts += value if isinstance(value, tuple) else (value,)
    parts = [part.type if isinstance(part, inspect.Field) else part for part in parts]
    return any(_is_open(part, seen) for part in parts if isinstance(part, inspect.Type))
