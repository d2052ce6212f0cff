"""Group, aggregate and sum as SQL does: ``None`` is left out, and groups with it are one group.

Floats are added with ``math.fsum``, so that the order of the rows does not show in a sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from indelible.actors.step_types.data_processing.table import (
    Row,
    Table,
    check_column,
    check_columns,
)
from indelible.actors.workflow.definition.fields import close_to, describe
from indelible.actors.workflow.definition.refs import UNKNOWN
from indelible.errors import Problem

AGGREGATES = ("sum", "mean", "min", "max", "count", "count_not_null")


def check_group(path: str, params: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with ``by`` and ``aggregate``."""
    by, aggregate = params.get("by"), params.get("aggregate", {})
    yield from check_columns(f"{path}by", by)
    if aggregate is UNKNOWN:
        return
    if not isinstance(aggregate, Mapping):
        yield Problem(f"{path}aggregate", describe(aggregate), "write {name: {op: …, column: …}}")
        return
    for name, one in aggregate.items():
        place = f"{path}aggregate.{name}"
        if isinstance(by, list) and name in by:
            yield Problem(place, "the name of a column in by", "give the result another name")
        yield from _check_aggregate(place, one)


def group(table: Table, params: Mapping[str, Any]) -> list[Row]:
    """One row a group, in order of first appearance; with no ``by`` the whole input is one.

    >>> rows = [{"k": "a", "n": 1}, {"k": "b", "n": 5}, {"k": "a", "n": None}]
    >>> group(Table("s", rows), {"by": ["k"], "aggregate": {"total": {"op": "sum", "column": "n"}}})
    [{'k': 'a', 'total': 1}, {'k': 'b', 'total': 5}]
    """
    by: list[str] = params["by"]
    aggregate: Mapping[str, Mapping[str, str]] = params.get("aggregate", {})
    table.need(*by, *(one["column"] for one in aggregate.values() if "column" in one))
    groups: dict[tuple[Any, ...], list[Row]] = {} if by else {(): []}
    try:
        for row in table.rows:
            groups.setdefault(tuple([row.get(name) for name in by]), []).append(row)
    except TypeError:
        found = f"a column of {', '.join(by)} holds a list or mapping"
        raise table.wrong(found, "group by columns of plain values") from None
    return [
        dict(zip(by, key, strict=True))
        | {name: _aggregate(table, rows, one) for name, one in aggregate.items()}
        for key, rows in groups.items()
    ]


def check_sum(path: str, params: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with ``column``."""
    yield from check_column(f"{path}column", params.get("column"))


def sum_column(table: Table, params: Mapping[str, Any]) -> list[Row]:
    """One row with the sum of ``column`` under its name; ``None`` when there is nothing to add."""
    column = params["column"]
    table.need(column)
    return [{column: _aggregate(table, table.rows, {"op": "sum", "column": column})}]


def _check_aggregate(path: str, one: Any) -> Iterator[Problem]:
    if one is UNKNOWN:
        return
    if not isinstance(one, Mapping):
        yield Problem(path, describe(one), "write {op: sum, column: …}")
        return
    for key in one:
        if key not in {"op", "column"}:
            yield Problem(f"{path}.{key}", "an unknown field", close_to(key, ("op", "column")))
    op = one.get("op")
    if op is UNKNOWN:
        return
    if not isinstance(op, str) or op not in AGGREGATES:
        yield Problem(f"{path}.op", describe(op), close_to(op, AGGREGATES))
    elif op != "count":
        yield from check_column(f"{path}.column", one.get("column"))
    elif "column" in one:
        fix = "count counts rows; use count_not_null for the values of a column"
        yield Problem(f"{path}.column", describe(one["column"]), fix)


def _aggregate(table: Table, rows: list[Row], one: Mapping[str, str]) -> Any:
    op = one["op"]
    if op == "count":
        return len(rows)
    column = one["column"]
    values = [value for row in rows if (value := row.get(column)) is not None]
    if op == "count_not_null":
        return len(values)
    if not values:
        return None
    try:
        return _OF[op](values)
    except (TypeError, ArithmeticError) as error:
        kinds = ", ".join(sorted({type(value).__name__ for value in values}))
        found = f"{op} of column {column!r}, which holds {kinds}, is impossible ({error})"
        raise table.wrong(found, "filter or convert its values first") from None


def _sum(values: list[Any]) -> Any:
    kinds = {type(value) for value in values}
    if kinds == {int} or kinds == {Decimal}:
        return sum(values)
    if kinds <= {int, float}:
        try:
            return math.fsum(values)
        except (OverflowError, ValueError):  # infinities, or a sum beyond 1e308
            return sum(values)
    if kinds == {int, Decimal}:
        return sum(values)
    raise TypeError("these do not add up")


def _mean(values: list[Any]) -> Any:
    return _sum(values) / len(values)


_OF: dict[str, Callable[[list[Any]], Any]] = {"sum": _sum, "mean": _mean, "min": min, "max": max}
