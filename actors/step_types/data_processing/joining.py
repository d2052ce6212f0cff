"""Join as in SQL: ``None`` never matches, and a left join keeps every row of the left side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from indelible.actors.step_types.data_processing.comparing import identities
from indelible.actors.step_types.data_processing.table import (
    Row,
    Table,
    as_rows,
    check_column,
    check_columns,
)
from indelible.actors.step_types.row_limit import check_size, least_bytes
from indelible.actors.workflow.definition.field_checks import describe
from indelible.actors.workflow.definition.references import UNKNOWN
from indelible.errors import Problem

_HOW = ("inner", "left")
_SUFFIX = "_right"


def check_join(path: str, params: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems of ``right``, ``on``, ``how``, ``suffix`` and ``columns``."""
    right, on, how = params.get("right"), params.get("on"), params.get("how", "inner")
    if right is not UNKNOWN and not isinstance(right, list):
        yield Problem(f"{path}right", describe(right), "refer to the rows of another step")
    if isinstance(on, Mapping):
        for left, key in on.items():
            yield from check_column(f"{path}on.{left}", key)
    else:
        yield from check_columns(f"{path}on", on)
    if on in ([], {}):
        yield Problem(f"{path}on", "no column", "name the columns that must be equal")
    if how is not UNKNOWN and how not in _HOW:
        yield Problem(f"{path}how", describe(how), f"write {' or '.join(_HOW)}")
    suffix = params.get("suffix", _SUFFIX)
    if suffix is not UNKNOWN and (not isinstance(suffix, str) or not suffix):
        yield Problem(f"{path}suffix", describe(suffix), "write text that is not empty")
    if "columns" in params:
        yield from check_columns(f"{path}columns", params["columns"])


def join(table: Table, params: Mapping[str, Any]) -> Table:
    """Rows of the left side, each with every row of the right side that has equal keys.

    The right side's keys are left out; other columns of the right side whose names the left side
    also has get ``suffix``.  ``columns`` names the columns to take from the right side; a left join
    with an empty right side needs it to know them.

    Raises:
        StepDataError: A column does not exist, or there are too many rows for one result.

    >>> left, right = [{"a": 1}, {"a": 2}], [{"a": 1, "n": "one"}]
    >>> join(Table("s", left), {"right": right, "on": ["a"], "how": "left"}).rows
    [{'a': 1, 'n': 'one'}, {'a': 2, 'n': None}]
    """
    right = Table(table.step, as_rows(table.step, params["right"], "right"))
    on = params["on"]
    pairs = dict(on) if isinstance(on, Mapping) else {name: name for name in on}
    table.need(*pairs)
    right.need(*pairs.values())
    names = _names(table, right, params, pairs)
    left_keys, right_keys = _keys(table, right, pairs)
    matches: dict[tuple[Any, ...], list[Row]] = {}
    for row, key in zip(right.rows, right_keys, strict=True):
        if None not in key:
            taken = {result: row.get(name) for name, result in names.items()}
            matches.setdefault(key, []).append(taken)
    nothing = [dict.fromkeys(names.values())] if params.get("how", "inner") == "left" else []
    columns = [*table.columns, *names.values()]
    least = least_bytes(columns)
    found: list[Row] = []
    for row, key in zip(table.rows, left_keys, strict=True):
        others = nothing if None in key else matches.get(key, nothing)
        count = len(found) + len(others)
        check_size(table.step, count, count * least, "join on more columns, or filter first")
        found.extend(row | other for other in others)
    return Table(table.step, found, columns)


def _names(
    table: Table, right: Table, params: Mapping[str, Any], pairs: Mapping[str, str]
) -> dict[str, str]:
    """The columns to take from the right side, with their names in the result."""
    wanted = params.get("columns")
    if wanted is None:
        wanted = [name for name in right.columns if name not in pairs.values()]
    else:
        right.need(*wanted)
    suffix = params.get("suffix", _SUFFIX)
    names = {name: name + suffix if name in table.columns else name for name in wanted}
    for name, result in names.items():
        if result != name and (result in table.columns or result in right.columns):
            raise table.error(f"two columns would be named {result!r}", "give another suffix")
    return names


def _keys(
    left: Table, right: Table, pairs: Mapping[str, str]
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The keys of all rows of both sides; a key with ``None`` matches nothing."""
    compared: list[Sequence[Sequence[Any]]] = []
    for one, other in pairs.items():
        sides = [row.get(one) for row in left.rows], [row.get(other) for row in right.rows]
        try:
            compared.append(identities(*sides))
        except TypeError:
            found = f"column {one!r} or {other!r} holds a list or mapping"
            raise left.error(found, "join on columns of plain values") from None
    lefts, rights = zip(*compared, strict=True)
    return list(zip(*lefts, strict=True)), list(zip(*rights, strict=True))
