"""A fast check, mostly in C, that accepts nearly every value that can be stored."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from typing import Any

from indelible.events.codec.encoded_size import INT_MAX, INT_MIN, SIZES

_LEVELS = 16
"""Levels of lists and dicts that are checked: a value that contains itself has no last one."""

_MANY = 5_000
"""Lists and dicts of one level above which it pays to check whether a few are repeated."""

_HEAD = 9  # bytes: a number, or the length prefix of a text, a list or a dict, at most
_LETTER = 4  # bytes of UTF-8, at most
_TIME = 48  # bytes of an instant as text, at most
_TIMES = frozenset({datetime, date})
_STORABLE = frozenset({*SIZES, list, dict})
_SHORT = frozenset({type(None), bool, int, float, str, list, dict})
_ONLY_STR = frozenset({str})


def is_surely_storable(value: Any, limit: int) -> bool:
    """Whether ``value`` can be stored in ``limit`` bytes; ``False`` means that it is not known.

    Checks types, keys, integers and lengths, level by level.
    """
    level = [value]
    room = limit - _HEAD
    for _ in range(_LEVELS):
        types = set(map(type, level))
        if not types <= _STORABLE or (int in types and not _ints_fit(level, types)):
            return False
        if str in types:
            texts = level if len(types) == 1 else [item for item in level if type(item) is str]
            room -= _LETTER * sum(map(len, texts))
        if not types <= _SHORT:
            room -= _long(level)
        lists = [item for item in level if type(item) is list] if list in types else ()
        dicts = [item for item in level if type(item) is dict] if dict in types else ()
        if not lists and not dicts:
            return room >= 0
        if len(lists) + len(dicts) > _MANY and _repeat([*lists, *dicts]):
            return False
        room -= _HEAD * sum(map(len, lists))
        if dicts:
            keys = list(chain.from_iterable(dicts))
            if set(map(type, keys)) != _ONLY_STR and keys:
                return False
            room -= 2 * _HEAD * len(keys) + _LETTER * sum(map(len, keys))
        if room < 0:
            return False
        level = list(chain(*lists, *map(dict.values, dicts)))
    return False


def _repeat(parts: list[Any]) -> bool:
    """Whether most of ``parts`` are repeats of a few, whose contents would be checked each time."""
    return 2 * len(set(map(id, parts))) < len(parts)


def _ints_fit(level: list[Any], types: set[type]) -> bool:
    ints = level if len(types) == 1 else [item for item in level if type(item) is int]
    return min(ints) >= INT_MIN and max(ints) <= INT_MAX


def _long(level: list[Any]) -> int:
    """Bytes, at most, of the values in ``level`` whose type is rare and not short."""
    size = 0
    for item in level:
        kind = type(item)
        if kind is bytes:
            size += len(item)
        elif kind is Decimal:
            size += len(str(item))
        elif kind in _TIMES:
            size += _TIME
    return size
