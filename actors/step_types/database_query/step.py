"""The step type ``database_query``: SQL on a named connection, one transaction for each step.

The SQL is part of the definition and values are bound to it, never formatted into it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from indelible.actors.step_types.connections import Connections
from indelible.actors.step_types.database_query.checks import check_query
from indelible.actors.step_types.database_query.sql import Sql, read_sql
from indelible.actors.step_types.database_query.statement import execute
from indelible.actors.step_types.databases import SQLITE_WAIT
from indelible.actors.workflow.definition.field_checks import close_to, describe
from indelible.actors.workflow.definition.references import UNKNOWN, blank_refs
from indelible.clock import Clock, SystemClock
from indelible.errors import Problem, StepDataError

if TYPE_CHECKING:
    import sqlalchemy as sa

_DRIVER_ERRORS = (SQLAlchemyError, sqlite3.Warning, OverflowError, UnicodeError, ImportError)

_OWN_FILE = "write to another file: SQLite has one writer a file, and all runs would wait for it"


class DatabaseQuery:
    """Runs ``query``, or ``statements`` in one transaction, on ``connection``.

    ``parameters`` are bound by name; with ``rows`` the statement runs once for each row.  A list is
    written ``column IN :name``, without parentheses.  ``expected_rows`` is compared with the number
    of rows returned, or of rows written; on a mismatch all writes are undone.

    The result has ``query, rows_returned, rows, execution_time_ms``, after writes also
    ``rows_affected``.  With ``statements`` it also has the counts of each; ``query`` is then the
    last statement, and ``rows`` are the rows of the last statement that returned any.
    """

    name = "database_query"
    blocking = True

    def __init__(self, connections: Connections, clock: Clock | None = None) -> None:
        """Run on ``connections``; ``clock`` measures the time."""
        self._connections = connections
        self._clock = clock or SystemClock()

    def validate(self, params: Mapping[str, Any]) -> Iterator[Problem]:
        """The problems of ``params`` that can be found before a run."""
        params = blank_refs(params)
        known = self._connections.names()
        given = params.get("connection", "default")
        name = given if isinstance(given, str) and given in known else None
        if name is None and given is not UNKNOWN:
            fix = close_to(given, known) + "; pass connections={...} to ActorSystem"
            yield Problem("connection", f"{describe(given)}, which is not declared", fix)
        dialect = self._connections.dialect(name)
        yield from check_query(params, dialect)
        if name is not None:
            yield from self._forbidden(name, list(_texts(params, dialect)))

    def run(self, context: Any, step: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the port's signature
        """Run the statements and return their results; on any error all writes are undone.

        Raises:
            UnknownConnectionError: No connection has the name.
            StepDataError: The database refused a statement, or data are not valid.
        """
        params = step["params"]
        name = step.get("name", "")
        connection = params.get("connection", "default")
        statements = params.get("statements", [params])
        texts = list(_texts(params, self._connections.dialect(connection)))
        for problem in self._forbidden(connection, texts):
            raise StepDataError(name, f"{problem.path} is {problem.found}", problem.fix)
        writes = any(sql.writes for sql in texts)
        session = any(sql.has_session_state for sql in texts)
        begun = self._clock.monotonic()
        try:
            with self._connections.begin(connection, writes=writes, session=session) as database:
                results = [self._execute(database, name, statement) for statement in statements]
        except _DRIVER_ERRORS as error:
            raise self._driver_error(name, connection, error) from None
        elapsed = round((self._clock.monotonic() - begun) / 1_000_000, 3)
        hidden = any(sql.has_unknown_count for sql in texts)
        return _merge(results, elapsed, several="statements" in params, hidden=hidden)

    def _forbidden(self, connection: str, texts: list[Sql]) -> Iterator[Problem]:
        """Problems of statements that are not allowed on this connection."""
        if self._connections.is_store(connection) and any(sql.writes for sql in texts):
            found = f"{connection!r}, the store's own file, for a statement that writes"
            yield Problem("connection", found, _OWN_FILE)
        if self._connections.shares_session(connection):
            for sql in texts:
                if sql.has_session_state:
                    found = f"{connection!r}, whose one session all steps share, for {sql.verb}"
                    fix = "declare the connection by its URL: each step then has its own session"
                    yield Problem("connection", found, fix)
                    return

    def _execute(
        self, database: sa.Connection, step: str, statement: Mapping[str, Any]
    ) -> dict[str, Any]:
        result = execute(database, step, statement)
        sql = read_sql(statement["query"], database.dialect.name)
        if sql.verb == "ATTACH" and database.dialect.name == "sqlite":
            for _, name, file in database.exec_driver_sql("PRAGMA database_list"):
                if self._connections.is_store_file(file):
                    found = f"{name!r} is the store's own file, which no step may attach"
                    raise StepDataError(step, found, _OWN_FILE)
        return result

    def _driver_error(self, step: str, connection: str, error: Exception) -> StepDataError:
        """The error with the driver's text, without secrets of the address."""
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


def _texts(params: Mapping[str, Any], dialect: str) -> Iterator[Sql]:
    """The SQL of all statements that have a text as query."""
    statements = params.get("statements", [params])
    for statement in statements if isinstance(statements, list) else ():
        query = statement.get("query") if isinstance(statement, Mapping) else None
        if isinstance(query, str):
            yield read_sql(query, dialect)


def _is_busy(error: sqlite3.OperationalError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the extended codes share the low byte
    return code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _merge(
    results: list[dict[str, Any]], elapsed: float, *, several: bool, hidden: bool
) -> dict[str, Any]:
    """The result of the step; if a count is ``hidden`` there is no total of ``rows_affected``."""
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
    return merged | {"rows_affected": sum(written)} if written and not hidden else merged
