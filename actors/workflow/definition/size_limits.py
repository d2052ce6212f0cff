"""Limits for the size and depth of a definition; also finds a definition that contains itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from indelible.errors import Problem
from indelible.events.codec.storable_check import DEPTH_LIMIT

MAX_BYTES = 16 * 1024 * 1024
"""Encoded size: a definition is stored whole in the first event of every run."""

MAX_NODES = 100_000
"""Ten times the widest run asked for (10,000 steps), with room for blocks."""

MAX_DEPTH = DEPTH_LIMIT
"""Lists and mappings inside each other, as in any value."""

MAX_BLOCKS = 40
"""Blocks inside each other: two levels each, which leaves some for parameters."""

_SINGLE = frozenset({str, int, float, bool, type(None), bytes})  # most values, checked quickly
_MAPPING = (dict, Mapping)  # dict first: a check by the abstract class takes four times as long
_MANY = (list, *_MAPPING)
_SHOWN = 3  # parts of the path that an error shows


class _LimitExceeded(Exception):  # noqa: N818 - control flow inside this module
    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found)
        self.problem = Problem("", found, fix)


def measure(source: Mapping[str, Any]) -> Problem | None:
    """The problem if ``source`` is too deep, too large or contains itself; otherwise ``None``.

    Each list and mapping is visited once, even if it is shared, so that a few nested aliases cannot
    lead to billions of visits.

    >>> loop = {"steps": []}
    >>> loop["steps"].append(loop)
    >>> measure(loop).found
    'a part of the definition that contains itself'
    """
    walk = _SizeWalk()
    try:
        walk.visit(source)
    except _LimitExceeded as stop:
        shown = walk.trail[:_SHOWN]
        path = "".join(shown).removeprefix(".") + ("…" if len(walk.trail) > _SHOWN else "")
        return stop.problem._replace(path=path or "definition")
    return None


class _SizeWalk:
    """One walk, depth first; ``trail`` is the path to the current value."""

    def __init__(self) -> None:
        self.trail: list[str] = []
        self._open: set[int] = set()
        self._known: dict[int, tuple[int, int]] = {}  # by id: (minimal bytes encoded, height)

    def visit(self, value: Any) -> tuple[int, int]:
        """The minimal size of ``value`` in encoded bytes, and its height."""
        if not isinstance(value, _MANY):
            return _size(value), 0
        key = id(value)
        if key in self._open:
            raise _LimitExceeded(
                "a part of the definition that contains itself", "write it out instead"
            )
        known = self._known.get(key)
        if known is None:
            self._open.add(key)
            known = self._known[key] = self._inside(value)
            self._open.remove(key)
        size, height = known
        if len(self.trail) + height > MAX_DEPTH:
            raise _LimitExceeded(
                f"more than {MAX_DEPTH} levels", f"nest blocks at most {MAX_BLOCKS} deep"
            )
        if size > MAX_BYTES:
            raise _LimitExceeded(
                f"more than {MAX_BYTES:,} bytes", "move data into the input or a file"
            )
        return known

    def _inside(self, value: Any) -> tuple[int, int]:
        if len(self.trail) > MAX_DEPTH:
            return 1, 1
        size, height = 1, 0
        is_mapping = isinstance(value, _MAPPING)
        for key, item in value.items() if is_mapping else enumerate(value):
            if is_mapping:
                size += _size(key)
            if type(item) in _SINGLE:
                size += _size(item)
                continue
            self.trail.append(f".{key}" if is_mapping else f"[{key}]")
            below, levels = self.visit(item)
            self.trail.pop()
            size += below
            height = max(height, levels + 1)
        return size, height


def _size(value: Any) -> int:
    """The minimal number of encoded bytes of a single value; at least half of the true number."""
    kind = type(value)
    if kind is str:
        return 1 + (len(value) if value.isascii() else len(value.encode(errors="surrogatepass")))
    if kind is bytes:
        return 1 + len(value)
    if kind is float:
        return 9
    return 1 + (value.bit_length() >> 3) if kind is int else 1
