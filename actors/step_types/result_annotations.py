"""Checks that a function's return annotation can be stored, when the function becomes a step."""

from __future__ import annotations

import typing
from collections.abc import Callable
from types import SimpleNamespace, UnionType
from typing import Any

from indelible.events.codec.conversions import has_rule
from indelible.events.codec.storable_check import advice, named

_FORMS = (UnionType, typing.Union, typing.Annotated)
"""Forms that combine types and are not types themselves."""

_ANY_OF = (list, dict, str, int, float, bytes)
"""An abstract base class of one of these, such as ``Mapping``, may stand for this type."""


def check_result(function: Callable[..., Any], step: str) -> None:
    """Check the return annotation of ``function``, if it has one that can be evaluated.

    Raises:
        TypeError: It names a type that cannot be stored as a step's result.
    """
    refused = _refused(_returned(function))
    if refused is not None:
        fix = advice(refused) or "return a dict, a list or a dataclass of what can be stored"
        raise TypeError(f"step {step!r} returns {named(refused)}, which cannot be stored; {fix}")


def _returned(function: Callable[..., Any]) -> Any:
    """The evaluated annotation; ``Any`` if it cannot be evaluated."""
    plain = function if hasattr(function, "__annotations__") else type(function).__call__
    written = getattr(plain, "__annotations__", {}).get("return", Any)
    if not isinstance(written, str):
        return written
    holder = SimpleNamespace(__annotations__={"return": written})
    try:
        return typing.get_type_hints(holder, getattr(plain, "__globals__", {}))["return"]
    except Exception:  # noqa: BLE001 - a name for type checkers only, or other users' code
        return Any


def _refused(annotation: Any) -> type | None:
    """The first type in ``annotation`` that cannot be stored."""
    origin = typing.get_origin(annotation)
    if annotation is Any or origin is typing.Literal:
        return None
    parts = typing.get_args(annotation)
    for part in parts[:1] if origin is typing.Annotated else parts:
        if (found := _refused(part)) is not None:
            return found
    kind = annotation if origin is None else origin
    if kind in _FORMS or not isinstance(kind, type) or typing.is_typeddict(kind):
        return None
    return None if has_rule(kind) or _may_stand_for_one(kind) else kind


def _may_stand_for_one(kind: type) -> bool:
    try:
        return any(issubclass(known, kind) for known in _ANY_OF)
    except TypeError:
        return True  # a protocol
