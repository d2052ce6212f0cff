"""Counts of rows: the same on both databases, and the ones that expectations are about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from indelible.errors import StepDataError

Run = Callable[..., dict[str, Any]]

WRITES: list[tuple[dict[str, Any], int]] = [
    ({"query": "INSERT INTO t VALUES (3)"}, 1),
    ({"query": "-- all\nINSERT INTO t VALUES (3), (4)"}, 2),
    ({"query": "INSERT INTO t SELECT a FROM t"}, 2),
    ({"query": "WITH x AS (SELECT 3 AS a) INSERT INTO t SELECT a FROM x"}, 1),
    ({"query": "WITH x AS (SELECT 9 AS a) INSERT INTO t SELECT a FROM x WHERE a < 9"}, 0),
    ({"query": "WITH x AS (SELECT 1 AS a) DELETE FROM t WHERE a IN (SELECT a FROM x)"}, 1),
    ({"query": "WITH x(a) AS (VALUES (5)) UPDATE t SET a = (SELECT a FROM x)"}, 2),
    ({"query": "UPDATE t SET a = 7 WHERE a > 9"}, 0),
    ({"query": "INSERT INTO t VALUES (:a)", "rows": [{"a": n} for n in range(5)]}, 5),
    ({"query": "DELETE FROM t WHERE a = :a", "rows": [{"a": 1}, {"a": 9}]}, 1),
    ({"query": "WITH x AS (SELECT 3) INSERT INTO t VALUES (:a)", "rows": [{"a": 1}, {"a": 2}]}, 2),
    ({"query": "INSERT INTO t VALUES (:a)", "rows": []}, 0),
    ({"query": "CREATE TABLE u AS SELECT * FROM t"}, 0),
]

RETURNING: list[tuple[dict[str, Any], list[int]]] = [
    ({"query": "INSERT INTO t VALUES (:a) RETURNING a", "rows": [{"a": 1}, {"a": 2}]}, [1, 2]),
    ({"query": "INSERT INTO t VALUES (:a) RETURNING a", "rows": []}, []),
    ({"query": "UPDATE t SET a = a + 1 RETURNING a"}, [2, 3]),
    ({"query": "WITH x AS (SELECT 8 AS a) INSERT INTO t SELECT a FROM x RETURNING a"}, [8]),
    ({"query": "DELETE FROM t WHERE a > 9 RETURNING a"}, []),
]


@pytest.fixture
def filled(query: Run) -> Run:
    query(query="CREATE TABLE t (a int)")
    query(query="INSERT INTO t VALUES (1), (2)")
    return query


@pytest.mark.parametrize(("params", "count"), WRITES)
def test_a_write_says_how_many_rows_it_wrote(
    filled: Run, params: dict[str, Any], count: int
) -> None:
    for wrong in (count + 1, {"min": count + 1}):
        with pytest.raises(StepDataError, match=f"{count} rows where"):
            filled(**params, expected_rows=wrong)
    result = filled(**params, expected_rows=count)
    assert (result["rows_affected"], result["rows_returned"], result["rows"]) == (count, 0, [])


@pytest.mark.parametrize(("params", "rows"), RETURNING)
def test_a_write_that_returns_rows_gives_and_counts_them(
    filled: Run, params: dict[str, Any], rows: list[int]
) -> None:
    result = filled(**params, expected_rows=len(rows))
    assert [row["a"] for row in result["rows"]] == rows
    assert result["rows_affected"] == result["rows_returned"] == len(rows)


def test_an_expectation_that_is_null_expects_something_else(filled: Run) -> None:
    with pytest.raises(StepDataError, match="rows is None; write a whole number"):
        filled(query="DELETE FROM t", expected_rows=None)
    assert filled(query="SELECT * FROM t", expected_rows=2)["rows_returned"] == 2


def test_what_triggers_write_is_not_counted(kind: str, filled: Run) -> None:
    filled(query="CREATE TABLE log (a int)")
    if kind == "sqlite":
        filled(query="CREATE TRIGGER x AFTER INSERT ON t BEGIN INSERT INTO log VALUES (1),(2); END")
    else:
        body = "$$ BEGIN INSERT INTO log VALUES (1), (2); RETURN NULL; END $$"
        filled(query=f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS {body}")
        filled(query="CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()")
    for params, count in (WRITES[0], WRITES[3], WRITES[8], WRITES[10]):
        assert filled(**params)["rows_affected"] == count
    assert filled(query="SELECT * FROM log")["rows_returned"] == 2 * (1 + 1 + 5 + 2)


def test_rows_that_are_read_come_one_behind_the_other(filled: Run) -> None:
    asked: dict[str, Any] = {
        "query": "SELECT a FROM t WHERE a >= :a ORDER BY a",
        "rows": [{"a": 1}, {"a": 2}],
    }
    result = filled(**asked, expected_rows=3)
    assert [row["a"] for row in result["rows"]] == [1, 2, 2]
    assert "rows_affected" not in result


def test_a_count_that_no_database_tells_is_left_out(kind: str, filled: Run) -> None:
    if kind == "postgresql":  # SQLite has no such statement
        sql = "WITH gone AS (DELETE FROM t RETURNING a) SELECT count(*) AS n FROM gone"
        result = filled(query=sql, expected_rows=1)
        assert result["rows"] == [{"n": 2}]
        assert "rows_affected" not in result
        several = filled(statements=[{"query": "INSERT INTO t VALUES (3)"}, {"query": sql}])
        assert [one.get("rows_affected") for one in several["statements"]] == [1, None]
        assert "rows_affected" not in several, "a sum without the deleted one would be wrong"
        last = "WITH gone AS (DELETE FROM t RETURNING a) INSERT INTO t SELECT a + 1 FROM gone"
        filled(query="INSERT INTO t VALUES (1), (2)")
        assert filled(query=f"{last} WHERE a > 1", expected_rows=1)["rows_affected"] == 1
    assert filled(query="SELECT 1 AS a", expected_rows=1)["rows_returned"] == 1
