"""Checks the parameters of a ``database_query`` before it runs; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from indelible.actors.step_types.database_query.sql import Sql, read_sql
from indelible.actors.step_types.expected_counts import validate_expectation
from indelible.actors.workflow.definition.field_checks import close_to, describe
from indelible.actors.workflow.definition.references import UNKNOWN
from indelible.errors import Problem

STATEMENT_KEYS = ("query", "parameters", "rows", "expected_rows")
KEYS = (*STATEMENT_KEYS, "statements", "connection")


def check_query(params: Mapping[str, Any], dialect: str) -> Iterator[Problem]:
    """Problems of ``params``, in which :data:`UNKNOWN` stands for a value known only in the run.

    The SQL is parsed for ``dialect``, which is empty if it is known only in the run.
    """
    for key in params:
        if key not in KEYS:
            yield Problem(str(key), "an unknown parameter", close_to(key, KEYS))
    if "statements" not in params:
        yield from _check_statement(params, "", dialect)
        return
    for key in STATEMENT_KEYS:
        if key in params:
            yield Problem(key, "a field beside statements", "move it into a statement")
    yield from _check_statements(params["statements"], dialect)


def check_text(sql: Sql) -> Iterator[Problem]:
    """Problems of the text of a query, independent of its parameters."""
    if not sql.verb:
        yield Problem("query", "no statement", "write the SQL itself; values go into parameters")
    elif sql.is_several:
        fix = "write each by itself in statements, which are one transaction"
        yield Problem("query", "several statements", fix)
    elif sql.control:
        fix = "leave it out: the statements of one step are a transaction of their own"
        yield Problem("query", f"{sql.control}, which begins or ends a transaction", fix)
    elif sql.stray:
        yield Problem("query", f"a parameter written {sql.stray}", "write :name")


def _check_statements(statements: Any, dialect: str) -> Iterator[Problem]:
    if not isinstance(statements, list) or not statements:
        yield Problem("statements", describe(statements), "write a list of {query: …}")
        return
    for index, statement in enumerate(statements):
        path = f"statements[{index}]"
        if not isinstance(statement, Mapping):
            yield Problem(path, describe(statement), "write {query: …, parameters: …}")
            continue
        for key in statement:
            if key not in STATEMENT_KEYS:
                yield Problem(f"{path}.{key}", "an unknown field", close_to(key, STATEMENT_KEYS))
        yield from _check_statement(statement, f"{path}.", dialect)


def _check_statement(statement: Mapping[str, Any], prefix: str, dialect: str) -> Iterator[Problem]:
    query = statement.get("query")
    if not isinstance(query, str) or not query.strip():
        fix = "write the SQL itself; values go into parameters"
        yield Problem(f"{prefix}query", describe(query), fix)
        return
    sql = read_sql(query, dialect)
    for problem in check_text(sql):
        yield problem._replace(path=f"{prefix}{problem.path}")
    rows = statement.get("rows", UNKNOWN)
    if rows is not UNKNOWN and not isinstance(rows, list):
        fix = "write a list of mappings, or refer to one"
        yield Problem(f"{prefix}rows", describe(rows), fix)
    if "expected_rows" in statement:
        yield from validate_expectation(f"{prefix}expected_rows", statement["expected_rows"])
    parameters = statement.get("parameters", {})
    if isinstance(parameters, Mapping):
        yield from _check_binding(sql, parameters, prefix, complete="rows" not in statement)
    elif parameters is not UNKNOWN:
        fix = "write a mapping of name to value"
        yield Problem(f"{prefix}parameters", describe(parameters), fix)


def _check_binding(
    sql: Sql, parameters: Mapping[str, Any], prefix: str, *, complete: bool
) -> Iterator[Problem]:
    """Compare the names in ``query`` and ``parameters``; with rows, names may be missing."""
    names = sql.names
    for name in sorted(names - parameters.keys()) if complete else ():
        fix = f"the query has :{name}; give it, or write \\:{name} if it is no parameter"
        yield Problem(f"{prefix}parameters.{name}", "nothing", fix)
    has = ", ".join(f":{name}" for name in sorted(names)) or "no parameter"
    for name in sorted(map(str, parameters.keys() - names)):
        yield Problem(f"{prefix}parameters.{name}", "an unused parameter", f"the query has {has}")
    for name in sorted(sql.expanded & parameters.keys()):
        if not isinstance(parameters[name], list) and parameters[name] is not UNKNOWN:
            fix = f"give a list, or write IN (:{name})"
            yield Problem(f"{prefix}parameters.{name}", describe(parameters[name]), fix)
    for name in sorted(sql.enclosed):
        if isinstance(parameters.get(name), list):
            fix = f"write IN :{name}, without parentheses"
            yield Problem(f"{prefix}query", f"a list inside IN (:{name})", fix)
