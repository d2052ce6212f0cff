"""Runs one statement of a step: binds values, executes, fetches and counts the rows.

Drivers count differently: SQLite's driver does not detect a write after ``WITH``, and no driver
returns rows from a statement that is executed for many rows at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from indelible.actors.step_types.database_query.checks import check_text
from indelible.actors.step_types.database_query.parameters import to_driver
from indelible.actors.step_types.database_query.placeholders import DriverSql, for_driver
from indelible.actors.step_types.database_query.rows import FetchedRows
from indelible.actors.step_types.database_query.sql import Sql, read_sql
from indelible.actors.step_types.expected_counts import check_expectation
from indelible.actors.workflow.definition.field_checks import describe
from indelible.errors import StepDataError

Values = dict[str, Any]


def execute(database: sa.Connection, step: str, statement: Mapping[str, Any]) -> dict[str, Any]:
    """Run ``statement``; returns ``query, rows_returned, rows``, and for writes ``rows_affected``.

    Raises:
        StepDataError: It is not one statement, data are not valid, or the count is not as expected.
    """
    query = statement["query"]
    sql = read_sql(query, database.dialect.name)
    for problem in check_text(sql):
        raise StepDataError(step, f"query {query!r:.200} is {problem.found}", problem.fix)
    rows = _values(step, sql, statement)
    fetched = FetchedRows(step)
    if sql.is_batch and len(rows) > 1 and not sql.expanded:
        affected = _run_batch(database, step, sql, rows)
    else:
        affected = sum(_run(database, step, sql, values, fetched) for values in rows)
    count = affected if sql.is_counted else len(fetched.rows)
    if "expected_rows" in statement:
        check_expectation(step, "rows", statement["expected_rows"], count)
    done = {"query": query, "rows_returned": len(fetched.rows), "rows": fetched.rows}
    known = sql.writes and not sql.has_unknown_count
    return done | {"rows_affected": affected} if known else done


def _run_batch(database: sa.Connection, step: str, sql: Sql, rows: list[Values]) -> int:
    """Execute for many rows of values at once; drivers return only the total count."""
    prepared = _prepared(database, step, sql, rows[0])
    result = database.exec_driver_sql(prepared.text, [prepared.arrange(row) for row in rows])
    return max(result.rowcount, 0)


def _run(database: sa.Connection, step: str, sql: Sql, values: Values, fetched: FetchedRows) -> int:
    """Execute once; returns the rows inserted, updated or deleted, without those of triggers."""
    prepared = _prepared(database, step, sql, values)
    result = database.exec_driver_sql(prepared.text, prepared.arrange(values))
    returned = fetched.fetch(result) if result.returns_rows else None
    if not sql.is_counted:
        return 0
    if returned is not None:
        return returned
    if result.rowcount < 0 and database.dialect.name == "sqlite":
        return int(database.exec_driver_sql("SELECT changes()").scalar_one())
    return max(result.rowcount, 0)


def _prepared(database: sa.Connection, step: str, sql: Sql, values: Values) -> DriverSql:
    """The statement with the driver's placeholders; lists in ``IN :name`` are expanded."""
    for name in sql.enclosed:
        if isinstance(values[name], list):
            fix = f"write IN :{name}, without parentheses"
            raise StepDataError(step, f"parameter {name!r} is a list inside IN (:{name})", fix)
    lists: list[tuple[str, int]] = []
    for name in sql.expanded:
        if not isinstance(values[name], list):
            found = f"parameter {name!r} is {describe(values[name])} behind IN"
            raise StepDataError(step, found, f"give a list, or write IN (:{name})")
        lists.append((name, len(values[name])))
    return for_driver(sql.query, sql.dialect, database.dialect.paramstyle, frozenset(lists))


def _values(step: str, sql: Sql, statement: Mapping[str, Any]) -> list[Values]:
    """The values to bind: one mapping, or one for each row."""
    shared = _mapping(step, statement.get("parameters", {}), "parameters")
    if "rows" not in statement:
        return [_bound(step, "parameters", shared, sql)]
    rows = statement["rows"]
    if not isinstance(rows, list):
        raise StepDataError(step, f"rows is {describe(rows)}", "give a list of mappings")
    found: list[Values] = []
    for index, row in enumerate(rows):
        what = f"rows[{index}]"
        given = {**shared, **_mapping(step, row, what)}
        found.append(_bound(step, what, given, sql))
    return found


def _bound(step: str, what: str, given: Mapping[str, Any], sql: Sql) -> Values:
    missing = sql.names - given.keys()
    if missing:
        fix = f"give it; there is {', '.join(map(str, given)) or 'nothing'}"
        raise StepDataError(step, f"{what} has no {min(missing)!r}", fix)
    return {name: to_driver(step, f"{what}.{name}", given[name], sql.dialect) for name in sql.names}


def _mapping(step: str, value: Any, what: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise StepDataError(step, f"{what} is {describe(value)}", "give a mapping of name to value")
