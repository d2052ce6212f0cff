"""An event's payload as msgpack: in one pass where its types allow, else by way of plain values."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgpack
import msgspec
from msgspec import inspect

from indelible.events.model.event import Event

_BYTES = (bytes,)
_SINGLE = (
    inspect.StrType,
    inspect.IntType,
    inspect.FloatType,
    inspect.BoolType,
    inspect.BytesType,
    inspect.NoneType,
    inspect.LiteralType,
)
_MANY = (inspect.ListType, inspect.VarTupleType)


@lru_cache(1_000)  # to look takes 0.2 ms a class, and each system asks for the same ones
def encoder_of(cls: type[Event]) -> Callable[[Event], bytes]:
    """What encodes events of ``cls``; the bytes are the same by either way.

    msgspec alone takes an eighth of the time.  It has encodings of its own for times and the
    like, so that these go the longer way, as text.
    """
    return _ENCODER.encode if _is_plain(inspect.type_info(cls), ()) else _by_plain_values


_ENCODER = msgspec.msgpack.Encoder()


def _by_plain_values(event: Event) -> bytes:
    payload: bytes = msgpack.packb(msgspec.to_builtins(event, builtin_types=_BYTES))
    return payload


def _is_plain(kind: inspect.Type, within: tuple[Any, ...]) -> bool:
    """Whether all values of ``kind`` have one encoding; it may contain itself."""
    if isinstance(kind, _SINGLE):
        return True
    if isinstance(kind, _MANY):
        return _is_plain(kind.item_type, within)
    if isinstance(kind, inspect.TupleType):
        return all(_is_plain(item, within) for item in kind.item_types)
    if isinstance(kind, inspect.DictType):
        keys = isinstance(kind.key_type, inspect.StrType)
        return keys and _is_plain(kind.value_type, within)
    if isinstance(kind, inspect.UnionType):
        return all(_is_plain(one, within) for one in kind.types)
    if isinstance(kind, inspect.StructType | inspect.NamedTupleType):
        inside = (*within, kind.cls)
        return kind.cls in within or all(_is_plain(field.type, inside) for field in kind.fields)
    return False
