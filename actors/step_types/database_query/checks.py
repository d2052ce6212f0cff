"""What is wrong with the parameters of a ``database_query`` before it runs; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from indelible.actors.step_types.database_query.sql import bind_names, listed_names
from indelible.actors.step_types.expectations import validate_expectation
from indelible.actors.workflow.definition.fields import close_to, describe
from indelible.actors.workflow.definition.refs import UNKNOWN
from indelible.errors import Problem

STATEMENT_KEYS = ("query", "parameters", "rows", "expected_rows")
KEYS = (*STATEMENT_KEYS, "statements", "connection")


def check_query(params: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems of ``params``, in which :data:`UNKNOWN` stands for what only the run will know."""
    for key in params:
        if key not in KEYS:
            yield Problem(str(key), "an unknown parameter", close_to(key, KEYS))
    if "statements" not in params:
        yield from _check_statement(params, "")
        return
    for key in STATEMENT_KEYS:
        if key in params:
            yield Problem(key, "a field beside statements", "move it into a statement")
    yield from _check_statements(params["statements"])


def _check_statements(statements: Any) -> Iterator[Problem]:
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
        yield from _check_statement(statement, f"{path}.")


def _check_statement(statement: Mapping[str, Any], prefix: str) -> Iterator[Problem]:
    query = statement.get("query")
    if not isinstance(query, str) or not query.strip():
        fix = "write the SQL itself; values go into parameters"
        yield Problem(f"{prefix}query", describe(query), fix)
        return
    rows = statement.get("rows", UNKNOWN)
    if rows is not UNKNOWN and not isinstance(rows, list):
        fix = "write a list of mappings, or refer to one"
        yield Problem(f"{prefix}rows", describe(rows), fix)
    if "expected_rows" in statement:
        yield from validate_expectation(f"{prefix}expected_rows", statement["expected_rows"])
    parameters = statement.get("parameters", {})
    if isinstance(parameters, Mapping):
        yield from _check_binding(query, parameters, prefix, complete="rows" not in statement)
    elif parameters is not UNKNOWN:
        fix = "write a mapping of name to value"
        yield Problem(f"{prefix}parameters", describe(parameters), fix)


def _check_binding(
    query: str, parameters: Mapping[str, Any], prefix: str, *, complete: bool
) -> Iterator[Problem]:
    """The names in ``query`` and those in ``parameters``; with rows these need not be complete."""
    names = bind_names(query)
    for name in sorted(names - parameters.keys()) if complete else ():
        fix = f"the query has :{name}; give it, or write \\:{name} if it is no parameter"
        yield Problem(f"{prefix}parameters.{name}", "nothing", fix)
    has = ", ".join(f":{name}" for name in sorted(names)) or "no parameter"
    for name in sorted(map(str, parameters.keys() - names)):
        yield Problem(f"{prefix}parameters.{name}", "an unused parameter", f"the query has {has}")
    for name in sorted(listed_names(query)):
        if isinstance(parameters.get(name), list):
            fix = f"write IN :{name}, without parentheses"
            yield Problem(f"{prefix}query", f"a list inside IN (:{name})", fix)
