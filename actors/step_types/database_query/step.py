"""The step type ``database_query``: SQL on a named connection, in one transaction a step.

SQL stands in the definition and values are bound to it; nothing is ever formatted into it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from indelible.actors.step_types.connections import SQLITE_WAIT, Connections
from indelible.actors.step_types.database_query.checks import check_query
from indelible.actors.step_types.database_query.sql import (
    bind_names,
    expanded_names,
    listed_names,
    reads_only,
)
from indelible.actors.step_types.database_query.values import fetch_rows, to_driver
from indelible.actors.step_types.expectations import check_expectation
from indelible.actors.workflow.definition.fields import close_to, describe
from indelible.actors.workflow.definition.refs import UNKNOWN, blank_refs
from indelible.clock import Clock, SystemClock
from indelible.errors import Problem, StepDataError

_DRIVER_ERRORS = (SQLAlchemyError, sqlite3.Warning, OverflowError, ImportError)


class DatabaseQuery:
    """Runs ``query``, or ``statements`` in one transaction, on ``connection``.

    ``parameters`` are bound by name; ``rows`` runs the statement once for each.  A list goes into
    ``column IN :name``, without parentheses.  ``expected_rows`` is compared with the rows that
    came back, or were written where none come back; on a mismatch nothing stays written.

    The result has ``query, rows_returned, rows, execution_time_ms``, with ``rows_affected`` when
    it wrote, and with ``statements`` the counts of each; ``query`` is then the last one and
    ``rows`` are those of the last one that gave any.
    """

    name = "database_query"
    blocking = True

    def __init__(self, connections: Connections, clock: Clock | None = None) -> None:
        """Run on ``connections``, measured by ``clock``."""
        self._connections = connections
        self._clock = clock or SystemClock()

    def validate(self, params: Mapping[str, Any]) -> Iterator[Problem]:
        """What is wrong with ``params`` as far as it shows before a run."""
        params = blank_refs(params)
        known = self._connections.names()
        connection = params.get("connection", "default")
        if connection is not UNKNOWN and connection not in known:
            fix = close_to(connection, known) + "; pass connections={...} to ActorSystem"
            yield Problem("connection", f"{describe(connection)}, which is not declared", fix)
        yield from check_query(params)

    def run(self, context: Any, step: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the port's signature
        """Run the statements and return what they gave; on any error all are undone.

        Raises:
            UnknownConnectionError: No connection has the name.
            StepDataError: The database refused, or data do not fit.
        """
        params = step["params"]
        name = step.get("name", "")
        connection = params.get("connection", "default")
        statements = params.get("statements", [params])
        writes = not all(reads_only(statement["query"]) for statement in statements)
        begun = self._clock.monotonic()
        try:
            with self._connections.begin(connection, writes=writes) as database:
                results = [_execute(database, name, statement) for statement in statements]
        except _DRIVER_ERRORS as error:
            raise self._refusal(name, connection, error) from None
        elapsed = round((self._clock.monotonic() - begun) / 1_000_000, 3)
        return _merge(results, elapsed, several="statements" in params)

    def _refusal(self, step: str, connection: str, error: Exception) -> StepDataError:
        """The driver's own words, without what it repeats of parameters and addresses."""
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        if isinstance(cause, sqlite3.OperationalError) and _is_busy(cause):
            found = f"another process has kept the database busy for {SQLITE_WAIT:g} s"
            fix = "let it finish, and retry"
        elif isinstance(cause, ImportError):
            found, fix = f"the database's driver is missing: {cause}", "install it"
        else:
            said = self._connections.scrub(connection, str(cause))
            found, fix = f"the database refused: {said}", "correct the query or the data"
        at = f"connection {connection!r}, {self._connections.shown(connection)}"
        return StepDataError(step, f"{found} ({at})", fix)


def _is_busy(error: sqlite3.OperationalError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the extended codes share the low byte
    return code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _execute(database: sa.Connection, step: str, statement: Mapping[str, Any]) -> dict[str, Any]:
    """Run one statement; its rows are fetched before the next one runs."""
    query = statement["query"]
    parameters = _mapping(step, statement.get("parameters", {}), "parameters")
    rows: list[dict[str, Any]] = []
    affected = 0
    values = _values(step, statement, parameters, database.dialect.name)
    if values or "rows" not in statement:
        result = database.execute(_clause(step, query, parameters), values)
        affected = max(result.rowcount, 0)
        if result.returns_rows:
            rows = fetch_rows(step, result)
            affected = len(rows)
    check_expectation(step, "rows", statement.get("expected_rows"), affected)
    done = {"query": query, "rows_returned": len(rows), "rows": rows}
    return done if reads_only(query) else done | {"rows_affected": affected}


def _clause(step: str, query: str, parameters: Mapping[str, Any]) -> sa.TextClause:
    """The statement, with the names that take a list marked."""
    lists = {name for name, value in parameters.items() if isinstance(value, list)}
    for name in lists & listed_names(query):
        fix = f"write IN :{name}, without parentheses"
        raise StepDataError(step, f"parameter {name!r} is a list inside IN (:{name})", fix)
    expanded = lists & expanded_names(query)
    clause = sa.text(query)
    return clause.bindparams(*(sa.bindparam(name, expanding=True) for name in expanded))


def _values(
    step: str, statement: Mapping[str, Any], parameters: Mapping[str, Any], dialect: str
) -> dict[str, Any] | list[dict[str, Any]]:
    """What to bind: one mapping, or one a row; of the names that the query has."""
    names = bind_names(statement["query"])
    if "rows" not in statement:
        return _bound(step, "parameters", parameters, names, dialect)
    rows = statement["rows"]
    if not isinstance(rows, list):
        raise StepDataError(step, f"rows is {describe(rows)}", "give a list of mappings")
    return [
        _bound(
            step,
            (what := f"rows[{index}]"),
            {**parameters, **_mapping(step, row, what)},
            names,
            dialect,
        )
        for index, row in enumerate(rows)
    ]


def _bound(
    step: str, what: str, given: Mapping[str, Any], names: frozenset[str], dialect: str
) -> dict[str, Any]:
    missing = names - given.keys()
    if missing:
        fix = f"give it; there is {', '.join(map(str, given)) or 'nothing'}"
        raise StepDataError(step, f"{what} has no {min(missing)!r}", fix)
    return {name: to_driver(given[name], dialect) for name in names}


def _mapping(step: str, value: Any, what: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise StepDataError(step, f"{what} is {describe(value)}", "give a mapping of name to value")


def _merge(results: list[dict[str, Any]], elapsed: float, *, several: bool) -> dict[str, Any]:
    last = results[-1]
    if not several:
        return last | {"execution_time_ms": elapsed}
    giving = next((result for result in reversed(results) if result["rows"]), last)
    merged = {
        "query": last["query"],
        "rows_returned": giving["rows_returned"],
        "rows": giving["rows"],
        "execution_time_ms": elapsed,
        "statements": [{k: v for k, v in r.items() if k != "rows"} for r in results],
    }
    written = [result["rows_affected"] for result in results if "rows_affected" in result]
    return merged | {"rows_affected": sum(written)} if written else merged
