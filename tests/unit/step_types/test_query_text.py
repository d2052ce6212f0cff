"""The SQL of ``database_query``: what is a parameter in it, and what it may not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from indelible.actors.step_types.connections import Connections
from indelible.actors.step_types.database_query import DatabaseQuery
from indelible.actors.step_types.database_query.sql import read_sql
from indelible.errors import StepDataError

Run = Callable[..., dict[str, Any]]


def problems(query: str, url: str = "sqlite://", **params: Any) -> list[str]:
    step_type = DatabaseQuery(Connections({"default": url}))
    return [": ".join(problem) for problem in step_type.validate({"query": query, **params})]


@pytest.mark.parametrize(
    "quoted", ["'x :t'", "'it''s :t'", "'a\\:t'", "'C:\\:t:t'", "'%s %(t)s 100% :t'", "'::t'"]
)
def test_a_name_inside_a_literal_is_text(query: Run, quoted: str) -> None:
    sql = f"SELECT {quoted} AS literal, CAST(:t AS TEXT) AS value"
    assert problems(sql, parameters={"t": "V"}) == []
    found = query(query=sql, parameters={"t": "V"})["rows"]
    assert found == [{"literal": quoted[1:-1].replace("''", "'"), "value": "V"}]


@pytest.mark.parametrize("comment", ["/* :t */", "-- :t it's\n", "/* it's ; :t */", "--\n"])
def test_a_name_inside_a_comment_is_no_parameter(query: Run, comment: str) -> None:
    sql = f"{comment} SELECT {comment} :a {comment} + 1 AS n {comment}"
    assert problems(sql, parameters={"a": 1}) == []
    assert query(query=sql, parameters={"a": 1})["rows"] == [{"n": 2}]


def test_a_name_inside_a_quoted_identifier_is_part_of_it(query: Run) -> None:
    sql = 'SELECT 1 AS "a:t", 2 AS "a.b"";:u"'
    assert problems(sql) == []
    assert query(query=sql)["rows"] == [{"a:t": 1, 'a.b";:u': 2}]


def test_each_database_has_quotes_of_its_own(kind: str, query: Run) -> None:
    if kind == "sqlite":
        assert query(query="SELECT 1 AS [:a], 2 AS `:b`")["rows"] == [{":a": 1, ":b": 2}]
        return
    dollars = "SELECT $$:a;$$ AS a, $x$ $$ :b $x$ AS b, E'\\':c' AS c /* /* :d */ :e */"
    assert query(query=dollars)["rows"] == [{"a": ":a;", "b": " $$ :b ", "c": "':c"}]
    arrays = "SELECT (ARRAY[:a::int, 5, 6])[2:3] AS slice, '{1,2}'::int[] AS casted"
    assert query(query=arrays, parameters={"a": 4})["rows"] == [{"slice": [5, 6], "casted": [1, 2]}]


def test_a_cast_may_stand_behind_a_parameter(kind: str, query: Run) -> None:
    if kind == "postgresql":
        sql = "SELECT :x::int + 1 AS n, :x::text AS t, '7'::int AS seven"
        assert query(query=sql, parameters={"x": "4"})["rows"] == [{"n": 5, "t": "4", "seven": 7}]
    assert read_sql("SELECT :x::int", kind).names == {"x"}


def test_an_escaped_colon_is_a_colon(kind: str, query: Run) -> None:
    if kind == "postgresql":
        sql = "SELECT (ARRAY[1, 2, 3])[1 \\:n] AS a FROM (SELECT 2 AS n) AS t"
        assert query(query=sql)["rows"] == [{"a": [1, 2]}]
    assert read_sql("SELECT \\:a, :b", kind).names == {"b"}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "SELECT 1 AS a; CREATE TABLE t (a int)",
        "SELECT 1; -- x\n ; DELETE FROM t",
        "SELECT ';'; DROP TABLE t;",
    ],
)
def test_several_statements_in_one_query_are_refused(kind: str, query: Run, sql: str) -> None:
    with pytest.raises(StepDataError, match="several statements; write each by itself in statem"):
        query(query=sql)
    [found] = problems(sql, {"sqlite": "sqlite://", "postgresql": "postgresql://h/d"}[kind])
    assert found.startswith("query: several statements: write each by itself in statements")
    again = query(query="CREATE TABLE t (a int)")
    assert again["rows_affected"] == 0


@pytest.mark.parametrize("sql", ["SELECT ';' AS a;", "SELECT 1 AS a; ;", "SELECT 1 AS a /* ; */;"])
def test_a_semicolon_may_end_a_statement(query: Run, sql: str) -> None:
    assert problems(sql) == []
    assert query(query=sql)["rows_returned"] == 1


def test_a_trigger_or_function_may_hold_statements(kind: str, query: Run) -> None:
    query(query="CREATE TABLE t (a int)")
    if kind == "sqlite":
        body = "BEGIN UPDATE t SET a = CASE WHEN a > 1 THEN 2 ELSE 3 END; DELETE FROM t; END;"
        sql = f"CREATE TRIGGER x AFTER INSERT ON t {body}"
    else:
        sql = (
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql "
            "BEGIN ATOMIC DELETE FROM t; INSERT INTO t VALUES (CASE WHEN true THEN 1 END); END"
        )
    assert problems(sql) == []
    query(query=sql)
    assert problems(sql + "; SELECT 1") != []


@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT",
        "commit and chain",
        "/* x */ ROLLBACK",
        "ROLLBACK TO SAVEPOINT a",
        "BEGIN",
        "BEGIN IMMEDIATE",
        "START TRANSACTION",
        "END",
        "ABORT",
        "SAVEPOINT a",
        "RELEASE a",
        "PREPARE TRANSACTION 'a'",
        "COMMIT PREPARED 'a'",
        "\ufeffCOMMIT",
        "-- x\n\ufeff/* y */\ufeff COMMIT",
    ],
)
def test_a_step_may_not_begin_or_end_a_transaction(query: Run, sql: str) -> None:
    step_type = DatabaseQuery(Connections({"default": "sqlite://"}))
    statements = [{"query": "SELECT 1"}, {"query": sql}]
    [problem] = step_type.validate({"statements": statements})
    assert problem.path == "statements[1].query"
    assert "begins or ends a transaction" in problem.found
    assert problem.fix.startswith("leave it out")
    query(query="CREATE TABLE t (a int)")
    with pytest.raises(StepDataError, match="begins or ends a transaction"):
        query(statements=[{"query": "INSERT INTO t VALUES (1)"}, {"query": sql}])
    assert query(query="SELECT * FROM t")["rows"] == []


@pytest.mark.parametrize("sql", ["-- nothing", "/* */ ;", ";"])
def test_a_query_without_a_statement_is_refused(query: Run, sql: str) -> None:
    assert problems(sql)[0].startswith("query: no statement: write the SQL itself")
    with pytest.raises(StepDataError, match="no statement"):
        query(query=sql)


@pytest.mark.parametrize("mark", ["?", "?1", "@a", "$a"])
def test_parameters_of_sqlite_in_another_form_are_refused(mark: str) -> None:
    assert problems(f"SELECT {mark}") == [f"query: a parameter written {mark[0]}: write :name"]
    assert problems("SELECT '?', '[1]' ->> '$[0]', \"@\"") == []
    assert problems("SELECT '{}'::jsonb ? 'a'", "postgresql://h/d") == []


@pytest.mark.parametrize(
    ("sql", "writes"),
    [
        ("SELECT * FROM t", False),
        ("(SELECT 1)", False),
        ("VALUES (1)", False),
        ("WITH a AS (SELECT 1), b AS (SELECT 2) SELECT * FROM a, b", False),
        ("WITH a AS (SELECT replace(b, 'x', 'y') FROM t) SELECT * FROM a", False),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", True),
        ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", True),
        ("PRAGMA table_info(t)", False),
        ("PRAGMA user_version", False),
        ("PRAGMA user_version = 3", True),
        ("PRAGMA user_version(3)", True),
        ("CREATE TABLE t (a)", True),
    ],
)
def test_what_may_write_is_known(sql: str, writes: bool) -> None:
    assert read_sql(sql, "sqlite").writes is writes
