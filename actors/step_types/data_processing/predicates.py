"""Row predicates as data, in SQL's three-valued logic: a comparison with ``None`` is unknown.

``{"all": […]}``, ``{"any": […]}``, ``{"not": …}`` or ``{"column": …, "op": …, "value": …}``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from indelible.actors.step_types.data_processing.comparing import compare, identity
from indelible.actors.step_types.data_processing.table import Row, Table, check_column
from indelible.actors.workflow.definition.field_checks import close_to, describe
from indelible.actors.workflow.definition.references import UNKNOWN
from indelible.errors import Problem

Truth = bool | None
Predicate = Callable[[Row], Truth]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
_LISTS = ("in", "not_in")
_NULLS = ("is_null", "not_null")
OPS = ("eq", "ne", *_ORDER, *_LISTS, *_NULLS, "contains", "starts_with")


def check_predicate(path: str, where: Any) -> Iterator[Problem]:
    """Problems of a predicate; :data:`UNKNOWN` may stand for any part."""
    if where is UNKNOWN:
        return
    if not isinstance(where, Mapping):
        yield Problem(path, describe(where), "write {column: …, op: …, value: …}")
        return
    joined = [key for key in ("all", "any", "not") if key in where]
    if not joined:
        yield from _check_comparison(path, where)
        return
    if len(where) > 1:
        yield Problem(path, f"{joined[0]!r} with other keys", "write it alone, and nest the others")
        return
    inner = where[joined[0]]
    if joined == ["not"]:
        yield from check_predicate(f"{path}.not", inner)
    elif isinstance(inner, list):
        for index, part in enumerate(inner):
            yield from check_predicate(f"{path}.{joined[0]}[{index}]", part)
    elif inner is not UNKNOWN:
        yield Problem(f"{path}.{joined[0]}", describe(inner), "write a list of predicates")


def build_predicate(table: Table, where: Mapping[str, Any]) -> Predicate:
    """A function from a row to ``True``, ``False`` or, for unknown, ``None``.

    Raises:
        StepDataError: A column does not exist; the function raises it if values do not compare.

    >>> rows = [{"n": 1}, {"n": None}, {"n": 3}]
    >>> above = build_predicate(Table("s", rows), {"column": "n", "op": "gt", "value": 1})
    >>> [above(row) for row in rows]
    [False, None, True]
    """
    if "all" in where:
        parts = [build_predicate(table, part) for part in where["all"]]
        return lambda row: _combine(parts, row, stop=False)
    if "any" in where:
        parts = [build_predicate(table, part) for part in where["any"]]
        return lambda row: _combine(parts, row, stop=True)
    if "not" in where:
        inner = build_predicate(table, where["not"])
        return lambda row: None if (truth := inner(row)) is None else not truth
    column, op = where["column"], where["op"]
    table.need(column)
    if op == "is_null":
        return lambda row: row.get(column) is None
    if op == "not_null":
        return lambda row: row.get(column) is not None
    value = where["value"]
    if op in _LISTS:
        return _membership(column, value, wanted=op == "in")
    if op in {"eq", "ne"}:
        return _equality(column, value, wanted=op == "eq")
    test = partial(compare, _ORDER[op]) if op in _ORDER else _SEARCH[op]
    return _comparison(table, column, op, test, value)


def _check_comparison(path: str, where: Mapping[str, Any]) -> Iterator[Problem]:
    for key in where:
        if key not in {"column", "op", "value"}:
            known = ("column", "op", "value", "all", "any", "not")
            yield Problem(f"{path}.{key}", "an unknown field", close_to(key, known))
    if "column" not in where:
        yield Problem(f"{path}.column", "nothing", "name the column to compare")
    else:
        yield from check_column(f"{path}.column", where["column"])
    op = where.get("op")
    if not isinstance(op, str) or op not in OPS:
        yield Problem(f"{path}.op", describe(op), close_to(op, OPS))
    elif op not in _NULLS:
        yield from _check_value(f"{path}.value", op, where.get("value"))
    elif "value" in where:
        yield Problem(f"{path}.value", describe(where["value"]), f"{op} takes none; remove it")


def _check_value(path: str, op: str, value: Any) -> Iterator[Problem]:
    if value is UNKNOWN:
        return
    if value is None:
        fix = "give a value; use is_null or not_null for missing ones"
        yield Problem(path, "nothing", fix)
    elif op in _LISTS and not isinstance(value, list):
        yield Problem(path, describe(value), f"{op} takes a list")
    elif op == "starts_with" and not isinstance(value, str):
        yield Problem(path, describe(value), f"{op} takes text")


def _combine(parts: list[Predicate], row: Row, *, stop: bool) -> Truth:
    """``stop`` if a part has this value; else unknown if a part is unknown; else the opposite."""
    unknown = False
    for part in parts:
        truth = part(row)
        if truth is stop:
            return stop
        unknown = unknown or truth is None
    return None if unknown else not stop


def _membership(column: str, values: list[Any], *, wanted: bool) -> Predicate:
    known = {identity(value) for value in values if value is not None}
    absent: Truth = None if None in values else not wanted

    def test(row: Row) -> Truth:
        value = row.get(column)
        if value is None and values:
            return None
        return wanted if identity(value) in known else absent

    return test


def _equality(column: str, value: Any, *, wanted: bool) -> Predicate:
    key = identity(value)

    def test(row: Row) -> Truth:
        found = row.get(column)
        return None if found is None else (identity(found) == key) is wanted

    return test


def _comparison(
    table: Table, column: str, op: str, test: Callable[[Any, Any], bool], value: Any
) -> Predicate:
    def compare(row: Row) -> Truth:
        found = row.get(column)
        if found is None:
            return None
        try:
            return test(found, value)
        except TypeError:
            raise table.error(
                f"column {column!r} holds {describe(found)}, which is not {op} {describe(value)}",
                "filter out such rows first, or compare with a value of the same type",
            ) from None

    return compare


def _contains(found: Any, value: Any) -> bool:
    if isinstance(found, list):
        return identity(value) in map(identity, found)
    if isinstance(found, str) and isinstance(value, str):
        return value in found
    raise TypeError


def _starts_with(found: Any, value: Any) -> bool:
    if isinstance(found, str):
        return found.startswith(value)
    raise TypeError


_SEARCH: dict[str, Callable[[Any, Any], bool]] = {
    "contains": _contains,
    "starts_with": _starts_with,
}
