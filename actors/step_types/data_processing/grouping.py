"""Group, aggregate and sum as in SQL: aggregates skip ``None``; ``None`` keys form one group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from indelible.actors.step_types.data_processing.arithmetic import mean, total
from indelible.actors.step_types.data_processing.comparing import identities, sort_key
from indelible.actors.step_types.data_processing.table import (
    Row,
    Table,
    check_column,
    check_columns,
)
from indelible.actors.workflow.definition.field_checks import close_to, describe
from indelible.actors.workflow.definition.references import UNKNOWN
from indelible.errors import Problem

AGGREGATES = ("sum", "mean", "min", "max", "count", "count_not_null")


def check_group(path: str, params: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems of ``by`` and ``aggregate``."""
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


def group(table: Table, params: Mapping[str, Any]) -> Table:
    """One row for each group, in order of first appearance; without ``by`` there is one group.

    >>> rows = [{"k": "a", "n": 1}, {"k": "b", "n": 5}, {"k": "a", "n": None}]
    >>> aggregate = {"total": {"op": "sum", "column": "n"}}
    >>> group(Table("s", rows), {"by": ["k"], "aggregate": aggregate}).rows
    [{'k': 'a', 'total': 1}, {'k': 'b', 'total': 5}]
    """
    by: list[str] = params["by"]
    aggregate: Mapping[str, Mapping[str, str]] = params.get("aggregate", {})
    table.need(*by, *(one["column"] for one in aggregate.values() if "column" in one))
    found = [
        {name: rows[0].get(name) for name in by}
        | {name: _aggregate(table, rows, one) for name, one in aggregate.items()}
        for rows in _groups(table, by)
    ]
    return Table(table.step, found, [*by, *aggregate])


def _groups(table: Table, by: list[str]) -> Iterable[list[Row]]:
    """The rows of each group, in order of first appearance."""
    if not by:
        return [table.rows]
    columns = [[row.get(name) for row in table.rows] for name in by]
    try:
        keys = [identities(column)[0] for column in columns]
    except TypeError:
        found = f"a column of {', '.join(by)} holds a list or mapping"
        raise table.error(found, "group by columns of plain values") from None
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row, key in zip(table.rows, zip(*keys, strict=True), strict=True):
        groups.setdefault(key, []).append(row)
    return groups.values()


def check_sum(path: str, params: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems of ``column``."""
    yield from check_column(f"{path}column", params.get("column"))


def sum_column(table: Table, params: Mapping[str, Any]) -> Table:
    """One row with the sum of ``column`` under its name; ``None`` if there are no values."""
    column = params["column"]
    table.need(column)
    added = _aggregate(table, table.rows, {"op": "sum", "column": column})
    return Table(table.step, [{column: added}], [column])


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
        return _AGGREGATE_FUNCTIONS[op](values)
    except (TypeError, ArithmeticError) as error:
        kinds = ", ".join(sorted({type(value).__name__ for value in values}))
        found = f"{op} of column {column!r}, which holds {kinds}, is impossible ({error})"
        raise table.error(found, "filter or convert its values first") from None


def _least(values: list[Any]) -> Any:
    return min(values, key=sort_key(values))


def _greatest(values: list[Any]) -> Any:
    return max(values, key=sort_key(values))


_AGGREGATE_FUNCTIONS: dict[str, Callable[[list[Any]], Any]] = {
    "sum": total,
    "mean": mean,
    "min": _least,
    "max": _greatest,
}
