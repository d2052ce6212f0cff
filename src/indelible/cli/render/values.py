"""Output of user values: as JSON, or as a short text."""

from __future__ import annotations

import json
import math
import sys
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

_CUT = "…"


def jsonable(value: Any) -> Any:
    """``value``, converted to types that JSON has.

    A datetime, date or Decimal becomes text (ISO 8601, or its digits), bytes become
    ``{"bytes": BASE64}``, and a float that JSON lacks becomes ``"nan"``, ``"inf"`` or ``"-inf"``.

    >>> jsonable({"due": date(2013, 1, 31), "price": Decimal("9.90"), "raw": b"ab"})
    {'due': '2013-01-31', 'price': '9.90', 'raw': {'bytes': 'YWI='}}
    """
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if kind is bytes:
        return {"bytes": b64encode(value).decode()}
    if isinstance(value, date):
        return value.isoformat()
    if kind is Decimal:
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return value


def dumped(value: Any, *, indent: int | None = 2) -> str:
    """``value`` as JSON text that stdout can encode."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    return json.dumps(jsonable(value), indent=indent, ensure_ascii=encoding != "utf8")


def write_json(value: Any) -> None:
    """Write ``value`` to stdout as one JSON document."""
    sys.stdout.write(dumped(value) + "\n")
    sys.stdout.flush()


def write_json_list(values: Iterable[Any]) -> None:
    """Write a list, one element a line, without holding all of it in memory."""
    separator = "["
    for value in values:
        sys.stdout.write(f"{separator}\n{dumped(value, indent=None)}")
        separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")
    sys.stdout.flush()


def brief(value: Any, width: int = 60) -> str:
    """The beginning of ``value`` in at most ``width`` characters; the rest is not read.

    >>> brief({"rows": [{"n": 1}] * 9_893, "name": "EWR"}, 40)
    '{"rows": [9,893 items], "name": "EWR"}'
    >>> brief("to be or not to be", 12)
    '"to be or n…'
    """
    text = _brief(value, width, 0)
    return text if len(text) <= width else text[: width - 1] + _CUT


def _brief(value: Any, room: int, depth: int) -> str:
    if isinstance(value, str):
        return json.dumps(value[: room + 1], ensure_ascii=False)
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    if isinstance(value, Mapping) and value:
        return _brief_mapping(value, room, depth)
    if isinstance(value, list) and value:
        if depth or len(value) > 20 or isinstance(value[0], list | dict):
            return f"[{len(value):,} items]" if len(value) > 1 else "[1 item]"
        return "[" + ", ".join(_brief(item, room, depth + 1) for item in value) + "]"
    return json.dumps(jsonable(value), ensure_ascii=False)


def _brief_mapping(value: Mapping[Any, Any], room: int, depth: int) -> str:
    if depth > 1:
        return f"{{{len(value):,} keys}}"
    parts: list[str] = []
    for key, item in value.items():
        parts.append(f"{json.dumps(str(key), ensure_ascii=False)}: {_brief(item, room, depth + 1)}")
        room -= len(parts[-1]) + 2
        if room < 0:
            return "{" + ", ".join(parts)
    return "{" + ", ".join(parts) + "}"
