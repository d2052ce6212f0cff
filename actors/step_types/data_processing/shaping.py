"""Operations on single rows and on their order: filter, project, map, sort, limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from indelible.actors.step_types.data_processing.comparing import sort_key
from indelible.actors.step_types.data_processing.predicates import build_predicate, check_predicate
from indelible.actors.step_types.data_processing.table import (
    Row,
    Table,
    check_column,
    check_columns,
)
from indelible.actors.workflow.definition.field_checks import close_to, describe
from indelible.actors.workflow.definition.references import UNKNOWN
from indelible.errors import Problem

RowFunction = Callable[[Row], Row]


def check_filter(path: str, params: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems of ``where``."""
    yield from check_predicate(f"{path}where", params.get("where"))


def filter_rows(table: Table, params: Mapping[str, Any]) -> Table:
    """The rows for which ``where`` is true, not false or unknown."""
    test = build_predicate(table, params["where"])
    return table.with_rows([row for row in table.rows if test(row) is True])


def check_project(path: str, params: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems of ``columns``."""
    columns, place = params.get("columns"), f"{path}columns"
    if columns is UNKNOWN:
        return
    if not isinstance(columns, list | Mapping) or not columns:
        yield Problem(place, describe(columns), "write a list of columns, or {new: old}")
        return
    if isinstance(columns, Mapping):
        for new, old in columns.items():
            yield from check_column(f"{place}.{new}", old)
        return
    names: list[Any] = []
    for index, one in enumerate(columns):
        if isinstance(one, Mapping) and len(one) == 1:
            yield from check_column(f"{place}[{index}]", next(iter(one.values())))
            names.extend(one)
        else:
            names.append(one)
    yield from check_columns(place, names)


def project(table: Table, params: Mapping[str, Any]) -> Table:
    """Rows with only some columns.

    A mapping of new to old names gives sorted columns; a list may contain such mappings with one
    key each, and keeps its order.

    >>> project(Table("s", [{"a": 1, "b": 2}]), {"columns": ["b", {"first": "a"}]}).rows
    [{'b': 2, 'first': 1}]
    """
    columns = params["columns"]
    pairs: list[tuple[str, str]] = []
    for one in columns if isinstance(columns, list) else [columns]:
        pairs.extend(one.items() if isinstance(one, Mapping) else [(one, one)])
    table.need(*(old for _, old in pairs))
    rows = [{new: row.get(old) for new, old in pairs} for row in table.rows]
    return Table(table.step, rows, [new for new, _ in pairs])


def check_sort(path: str, params: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems of ``by``."""
    yield from check_columns(f"{path}by", params.get("by"))


def sort(table: Table, params: Mapping[str, Any]) -> Table:
    """Rows sorted by ``by``; ``-name`` is descending.  Stable; ``None`` is always last.

    >>> sort(Table("s", [{"n": 1}, {"n": None}, {"n": 2}]), {"by": ["-n"]}).rows
    [{'n': 2}, {'n': 1}, {'n': None}]
    """
    rows = table.rows
    for name in reversed(params["by"]):
        column = name.removeprefix("-")
        table.need(column)
        present = [row for row in rows if row.get(column) is not None]
        absent = [row for row in rows if row.get(column) is None]
        try:
            present.sort(key=_key(present, column), reverse=name.startswith("-"))
        except TypeError as error:
            found = f"column {column!r} holds values that do not compare ({error})"
            raise table.error(found, "convert or filter them first") from None
        rows = present + absent
    return table.with_rows(rows)


def _key(rows: list[Row], column: str) -> Callable[[Row], Any]:
    order = sort_key([row[column] for row in rows])
    return itemgetter(column) if order is None else lambda row: order(row[column])


def check_limit(path: str, params: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems of ``count``."""
    count = params.get("count")
    if count is not UNKNOWN and (type(count) is not int or count < 0):
        yield Problem(f"{path}count", describe(count), "write a whole number from 0")


def limit(table: Table, params: Mapping[str, Any]) -> Table:
    """The first ``count`` rows."""
    return table.with_rows(table.rows[: params["count"]])


def check_function(
    path: str, params: Mapping[str, Any], functions: Mapping[str, RowFunction]
) -> Iterator[Problem]:
    """Problems of ``function``."""
    name = params.get("function")
    if name is not UNKNOWN and (not isinstance(name, str) or name not in functions):
        fix = close_to(name, functions) + "; or register it: system.register_function"
        yield Problem(f"{path}function", f"{describe(name)}, which is not registered", fix)


def map_rows(
    table: Table, params: Mapping[str, Any], functions: Mapping[str, RowFunction]
) -> Table:
    """The function's result for each row; the function may change the row.

    Raises:
        StepDataError: The function returns something other than a dict.
    """
    name = params["function"]
    function = functions[name]
    found: list[Row] = []
    for index, row in enumerate(table.rows):
        try:
            result = function(row)
        except Exception as error:
            error.add_note(f"in function {name!r}, for row {index} of step {table.step!r}")
            raise
        if type(result) is not dict:
            raise table.error(
                f"function {name!r} returned {describe(result)} for row {index}",
                "return a dict, column to value",
            )
        found.append(result)
    return Table(table.step, found)
