"""Parses JSON text strictly: everything that JSON parsers treat differently is an error.

A repeated key, a number that no float can hold and a constant that JSON does not have are errors.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn


def loads(text: str) -> Any:
    """The value of ``text``.

    Raises:
        ValueError: The text is malformed or ambiguous; the message says where.
        RecursionError: The text is nested too deep.

    >>> loads('{"a": {"b": [1, {"c": 1, "c": 2}]}}')
    Traceback (most recent call last):
    ValueError: the key 'c' is used twice in a.b[1]
    >>> loads('[1e999]')
    Traceback (most recent call last):
    ValueError: 1e999 is out of range
    """
    try:
        return json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_float
        )
    except _TwiceError:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
        raise ValueError(_twice(pairs, "")) from None
    except ValueError as error:
        if "integer string conversion" in str(error):  # its advice is for programmers
            raise ValueError("an int of thousands of digits") from None
        raise


class _TwiceError(Exception):
    """A key is repeated; its place is searched for afterwards."""


class _Pairs(list[tuple[str, Any]]):
    """An object with all its keys."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError
    return found


def _twice(value: Any, path: str) -> str:
    """The text that names the repeated key and its place; empty if there is none."""
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, item in value:
            if key in seen:
                return f"the key {key!r} is used twice in {path or 'the outermost mapping'}"
            seen.add(key)
            if words := _twice(item, f"{path}.{key}" if path else key):
                return words
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if words := _twice(item, f"{path}[{index}]"):
                return words
    return ""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is out of range")
    return number
