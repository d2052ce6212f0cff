"""Checks a value part by part: names the path of a part that cannot be stored, sums up the size.

The size is known before anything is encoded, so that refusing a value which is too large, or
contains itself, takes no memory beyond the value's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import time, timedelta
from types import MappingProxyType
from typing import Any

from indelible.errors import PayloadTooLargeError, ValueNotStorableError
from indelible.events.codec.encoded_size import SIZES, head, text_size

DEPTH_LIMIT = 100
"""Lists and dicts inside each other: far below Python's recursion limit of 1,000 frames."""

Rule = Callable[[Any], Any]
"""Converts a value of another type towards a storable type, or returns it unchanged."""

_PATH_SHOWN = 200  # characters of a path in a message
_KEY_SHOWN = 80


def unchanged(value: Any) -> Any:
    """Return ``value``: the rule that changes nothing."""
    return value


def make_storable(value: Any, limit: int, rule: Rule = unchanged) -> Any:
    """Return ``value`` with ``rule`` applied to its parts; a repeated part is checked once.

    Raises:
        ValueNotStorableError: A part has another type, or contains itself; the error names its
            path.
        PayloadTooLargeError: More than ``limit`` bytes; the rest was not checked.
    """
    return _Fitting(limit, rule).visit(value)[0]


class _Fitting:
    """One walk over a value, depth first; ``_trail`` is the path of the current part."""

    def __init__(self, limit: int, rule: Rule) -> None:
        self.size = 0  # bytes so far, encoded
        self._limit = limit
        self._rule = rule
        self._trail: list[str | int] = []
        self._open: set[int] = set()
        # by id: the value (kept alive so that its id stays), its conversion, its size and height
        self._known: dict[int, tuple[Any, Any, int, int]] = {}

    def visit(self, value: Any) -> tuple[Any, int]:
        """Return the value to store, and its height: how many lists and dicts it nests."""
        kind = type(value)
        try:
            size = SIZES.get(kind)
            if size is None:
                return self._whole(value, kind)
            self._add(size(value))
        except ValueNotStorableError as unfit:
            if unfit.path.startswith("$"):
                raise
            raise self._refusal(unfit) from None
        return value, 0

    def _whole(self, value: Any, kind: type) -> tuple[Any, int]:
        key = id(value)
        if key in self._open:
            raise _unfit(f"{named(kind)} that contains itself", "refer to it by a name")
        known = self._known.get(key)
        if known is None:
            before = self.size
            self._open.add(key)
            plain, height = self._inside(value, kind)
            self._open.discard(key)
            self._known[key] = value, plain, self.size - before, height
            return plain, height
        _, plain, size, height = known
        self._add(size)
        if len(self._trail) + height > DEPTH_LIMIT:
            raise _too_deep()
        return plain, height

    def _inside(self, value: Any, kind: type) -> tuple[Any, int]:
        if kind is not list and kind is not dict:
            nearer = self._rule(value)
            if type(nearer) is kind:
                raise _unfit(named(kind), advice(kind))
            return self.visit(nearer)
        if len(self._trail) >= DEPTH_LIMIT:
            raise _too_deep()
        self._add(head(len(value), 16))
        self._trail.append("")
        whole, height = self._list(value) if kind is list else self._dict(value)
        self._trail.pop()
        return whole, height + 1

    def _list(self, value: list[Any]) -> tuple[list[Any], int]:
        whole, highest = [], 0
        for index, item in enumerate(value):
            self._trail[-1] = index
            plain, height = self.visit(item)
            whole.append(plain)
            highest = max(highest, height)
        return whole, highest

    def _dict(self, value: dict[Any, Any]) -> tuple[dict[str, Any], int]:
        whole: dict[str, Any] = {}
        highest = 0
        for key, item in value.items():
            try:
                name = self._key(key)
                if name in whole:
                    raise _unfit("the second such key", "rename it", f"[{name!r:.{_KEY_SHOWN}}]")
            except ValueNotStorableError:
                self._trail.pop()  # the error names the key itself
                raise
            self._trail[-1] = name
            whole[name], height = self.visit(item)
            highest = max(highest, height)
        return whole, highest

    def _key(self, key: Any) -> str:
        name = key if type(key) is str else self._rule(key)
        if type(name) is not str:
            found = f"{named(type(key))} as a key"
            raise _unfit(found, "use a str as the key", f"[{key!r:.{_KEY_SHOWN}}]")
        try:
            self._add(text_size(name))
        except ValueNotStorableError:
            last = f"[{name!a:.{_KEY_SHOWN}}]"
            raise _unfit("a key with half a surrogate pair", "rename it", last) from None
        return name

    def _add(self, size: int) -> None:
        self.size += size
        if self.size > self._limit:
            seen = "the value, as far as it was looked at,"
            raise PayloadTooLargeError(seen, self.size, self._limit)

    def _refusal(self, unfit: ValueNotStorableError) -> ValueNotStorableError:
        """Return ``unfit`` with its whole path."""
        path = "$" + "".join(map(_step, self._trail)) + unfit.path
        if len(path) > _PATH_SHOWN:
            path = path[:_PATH_SHOWN] + "..."
        return ValueNotStorableError(path, unfit.found, unfit.fix)


def _too_deep() -> ValueNotStorableError:
    return _unfit(f"nested deeper than {DEPTH_LIMIT} levels", "flatten it")


def _unfit(found: str, fix: str, last: str = "") -> ValueNotStorableError:
    """Return an error for the current part; ``last`` is the end of its path."""
    return ValueNotStorableError(last, found, fix)


def _step(name: str | int) -> str:
    if isinstance(name, int):
        return f"[{name}]"
    return f".{name}" if name.isidentifier() else f"[{name!r}]"


def named(kind: type) -> str:
    """Return the name of a class with its article, for error messages."""
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    article = "an" if kind.__name__[:1].lower() in "aeiou" else "a"
    return f"{article} {module}{kind.__qualname__}"


def advice(kind: type) -> str:
    """Return how to convert a value of this type; empty if the usual advice fits."""
    for method in ("tolist", "to_dict"):  # of arrays and of tables
        if hasattr(kind, method):
            return f"use its {method}()"
    return _ADVICE.get(kind, "")


_NO_ORDER = "sort it into a list: a set has no order"
_ADVICE: Mapping[type, str] = {
    set: _NO_ORDER,
    frozenset: _NO_ORDER,
    time: "use its isoformat()",
    timedelta: "use its total_seconds()",
    complex: "use a list of two floats",
    range: "use list() on it",
    MappingProxyType: "use dict() on it",
}
