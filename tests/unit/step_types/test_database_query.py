"""``database_query`` on real SQLite files: results, bindings, expectations, faults."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from indelible.actors.step_types import databases
from indelible.actors.step_types.connections import Connections
from indelible.actors.step_types.database_query import DatabaseQuery
from indelible.actors.step_types.database_query.rows import FetchedRows
from indelible.clock import ManualClock
from indelible.errors import StepDataError, UnknownConnectionError
from indelible.events.codec.values import decode_value, encode_value

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def connections(tmp_path: Path) -> Iterator[Connections]:
    found = Connections({"default": f"sqlite:///{tmp_path}/data.db", "memory": "sqlite://"})
    yield found
    found.close()


@pytest.fixture
def run(connections: Connections) -> Run:
    query = DatabaseQuery(connections)
    return lambda **params: query.run(None, {"name": "s", "params": params})


@pytest.fixture
def filled(run: Run) -> Run:
    run(query="CREATE TABLE t (a INTEGER, b TEXT)")
    run(query="INSERT INTO t VALUES (:a, :b)", rows=[{"a": n, "b": f"b{n}"} for n in range(5)])
    return run


# -- results


def test_a_query_returns_its_rows_and_counts(connections: Connections, filled: Run) -> None:
    query = DatabaseQuery(connections, ManualClock())
    params = {"query": "SELECT a, b FROM t WHERE a > :a ORDER BY a", "parameters": {"a": 2}}
    assert query.run(None, {"name": "s", "params": params}) == {
        "query": "SELECT a, b FROM t WHERE a > :a ORDER BY a",
        "rows_returned": 2,
        "rows": [{"a": 3, "b": "b3"}, {"a": 4, "b": "b4"}],
        "execution_time_ms": 0.0,
    }


def test_a_writing_statement_says_how_many_rows_it_changed(filled: Run) -> None:
    result = filled(query="DELETE FROM t WHERE a < 2")
    assert (result["rows_returned"], result["rows_affected"]) == (0, 2)
    result = filled(query="INSERT INTO t (a) VALUES (9) RETURNING a")
    assert (result["rows"], result["rows_affected"]) == ([{"a": 9}], 1)


def test_statements_are_one_transaction(filled: Run) -> None:
    result = filled(
        statements=[
            {"query": "DELETE FROM t"},
            {"query": "INSERT INTO t (a) VALUES (:a)", "rows": [{"a": 1}, {"a": 2}]},
            {"query": "SELECT count(*) AS n FROM t", "expected_rows": 1},
        ]
    )
    assert result["rows"] == [{"n": 2}]
    assert result["rows_affected"] == 7
    assert [one.get("rows_affected") for one in result["statements"]] == [5, 2, None]
    with pytest.raises(StepDataError, match="no such table"):
        filled(statements=[{"query": "DELETE FROM t"}, {"query": "DELETE FROM nowhere"}])
    assert filled(query="SELECT a FROM t")["rows_returned"] == 2


def test_no_rows_run_nothing(filled: Run) -> None:
    assert filled(query="INSERT INTO t VALUES (:a, :b)", rows=[])["rows_affected"] == 0
    assert filled(query="SELECT * FROM t")["rows_returned"] == 5


def test_rows_may_share_parameters(filled: Run) -> None:
    filled(
        query="INSERT INTO t VALUES (:a, :b)", rows=[{"a": 10}, {"a": 11}], parameters={"b": "x"}
    )
    assert filled(query="SELECT count(*) AS n FROM t WHERE b = 'x'")["rows"] == [{"n": 2}]


def test_an_expectation_is_checked_and_undoes_what_was_written(filled: Run) -> None:
    assert filled(query="SELECT * FROM t", expected_rows=5)["rows_returned"] == 5
    assert filled(query="SELECT * FROM t", expected_rows={"min": 1})["rows_returned"] == 5
    for wrong in (4, {"min": 6}, {"max": 4}, {"min": 6, "max": 9}):
        with pytest.raises(StepDataError, match="5 rows where"):
            filled(query="DELETE FROM t", expected_rows=wrong)
    assert filled(query="SELECT * FROM t", expected_rows=5)["rows_returned"] == 5


# -- values


def test_values_are_bound_and_never_formatted(filled: Run) -> None:
    evil = "x'; DROP TABLE t; --"
    filled(query="UPDATE t SET b = :b WHERE a = 1", parameters={"b": evil})
    assert filled(query="SELECT b FROM t WHERE b = :b", parameters={"b": evil})["rows"] == [
        {"b": evil}
    ]


def test_a_list_goes_into_in(filled: Run) -> None:
    query = "SELECT a FROM t WHERE a IN :some ORDER BY a"
    assert filled(query=query, parameters={"some": [1, 3]})["rows"] == [{"a": 1}, {"a": 3}]
    assert filled(query=query, parameters={"some": []})["rows"] == []
    with pytest.raises(StepDataError, match="without parentheses"):
        filled(query="SELECT a FROM t WHERE a IN (:some)", parameters={"some": [1]})


def test_sqlite_keeps_dates_and_decimals_as_text(run: Run) -> None:
    instant = datetime(2013, 1, 1, tzinfo=UTC)
    given = {
        "a": date(2013, 1, 1),
        "b": instant,
        "c": Decimal("1.10"),
        "d": b"\x00",
        "e": None,
        "f": True,
    }
    row = run(query="SELECT :a a, :b b, :c c, :d d, :e e, :f f", parameters=given)["rows"][0]
    assert row == {
        "a": "2013-01-01",
        "b": "2013-01-01 00:00:00",
        "c": 1.1,
        "d": b"\x00",
        "e": None,
        "f": 1,
    }


class Result:
    """As much of a result as fetching needs, with values that SQLite never gives."""

    def __init__(self, *rows: tuple[Any, ...]) -> None:
        self._rows = list(rows)

    def keys(self) -> list[str]:
        return [f"c{i}" for i in range(len(self._rows[0]))]

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        batch, self._rows = self._rows[:size], self._rows[size:] or []
        return batch


def test_what_other_databases_give_becomes_storable() -> None:
    unique = UUID(int=7)
    instant = datetime(2013, 1, 1, tzinfo=UTC)
    row = (
        unique,
        time(1, 2),
        memoryview(b"x"),
        (1, unique),
        {"k": unique},
        Decimal(1),
        instant,
        date(2013, 1, 1),
    )
    fetched = FetchedRows("s")
    assert fetched.fetch(Result(row)) == 1  # type: ignore[arg-type]
    [found] = fetched.rows
    assert list(found.values()) == [
        str(unique),
        "01:02:00",
        b"x",
        [1, str(unique)],
        {"k": str(unique)},
        Decimal(1),
        instant,
        date(2013, 1, 1),
    ]
    assert decode_value(encode_value(found)) == found


@pytest.mark.parametrize(
    ("value", "words"),
    [(datetime(2013, 1, 1), "without time zone"), (timedelta(1), "holds a timedelta")],  # noqa: DTZ001 - the naive one is the point
)
def test_a_value_that_says_too_little_is_an_error(value: Any, words: str) -> None:
    with pytest.raises(StepDataError, match=words):
        FetchedRows("s").fetch(Result((1, value)))  # type: ignore[arg-type]


def test_columns_of_one_name_are_an_error(run: Run) -> None:
    with pytest.raises(StepDataError, match="two columns are named 'a'"):
        run(query="SELECT 1 AS a, 2 AS a")


def test_more_rows_than_a_result_holds_stop_the_query(run: Run) -> None:
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS {} FROM n"
    )
    with pytest.raises(StepDataError, match="too many for one result"):
        run(query=endless.format("x" * 60_000))


# -- faults


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"query": "SELECT * FROM nowhere"}, "no such table: nowhere"),
        ({"query": "SELEC 1"}, "syntax error"),
        ({"query": "SELECT 1; SELECT 2"}, "several statements; write each by itself"),
        ({"query": "SELECT :a"}, "has no 'a'"),
        ({"query": "SELECT :a", "parameters": []}, "parameters is a list of 0"),
        ({"query": "SELECT :a", "parameters": {"a": [1]}}, "'list' is not supported"),
        ({"query": "SELECT :a", "rows": {}}, "rows is a mapping"),
        ({"query": "INSERT INTO t VALUES (:a)", "rows": [1]}, r"rows\[0\] is 1"),
        ({"query": "INSERT INTO t VALUES (:a)", "rows": [{"b": 1}]}, "there is b"),
        ({"query": "SELECT 1", "expected_rows": -1}, "write a whole number"),
    ],
)
def test_a_refusal_names_the_step_and_the_reason(
    run: Run, params: dict[str, Any], words: str
) -> None:
    with pytest.raises(StepDataError, match=words) as caught:
        run(**params)
    assert caught.value.__dict__["step"] == "s"


def test_an_unknown_connection_lists_the_declared_ones(run: Run) -> None:
    with pytest.raises(UnknownConnectionError, match="default, memory"):
        run(query="SELECT 1", connection="other")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+nodriver://u:secret1@h/d?password=secret1",
        "not a url secret1",
        "sqlite://u:secret1@h/x",
    ],
)
def test_no_secret_of_a_connection_is_shown(url: str) -> None:
    query = DatabaseQuery(Connections({"c": url}))
    with pytest.raises(StepDataError, match="connection 'c'") as caught:
        query.run(None, {"name": "s", "params": {"query": "SELECT 1", "connection": "c"}})
    assert "secret1" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_a_driver_quotes_is_scrubbed() -> None:
    declared = Connections({"c": "postgresql://u:secret1@h/d?sslpassword=hush"})
    assert declared.scrub("c", "login secret1 with hush failed") == "login *** with *** failed"
    assert "hush" not in declared.shown("c")


def test_a_database_that_another_process_keeps_busy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "SQLITE_WAIT", 0.01)
    file = tmp_path / "data.db"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    declared = Connections({"default": f"sqlite:///{file}"})
    query = DatabaseQuery(declared)
    with pytest.raises(StepDataError, match="another process has kept the database busy"):
        query.run(None, {"name": "s", "params": {"query": "CREATE TABLE t (a)"}})
    other.close()
    query.run(None, {"name": "s", "params": {"query": "CREATE TABLE t (a)"}})
    declared.close()


# -- connections


@pytest.mark.parametrize("connection", ["default", "memory"])
def test_parallel_steps_on_one_database_all_succeed(run: Run, connection: str) -> None:
    run(query="CREATE TABLE n (i INTEGER)", connection=connection)
    ready = threading.Barrier(8)

    def work(number: int) -> int:
        ready.wait()
        count = 0
        for _ in range(20):
            run(query="INSERT INTO n VALUES (:i)", parameters={"i": number}, connection=connection)
            found = run(query="SELECT count(*) AS n FROM n", connection=connection)
            count = found["rows"][0]["n"]
        return count

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(work, range(8))) == 160


def test_two_names_of_one_file_take_turns_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data.db"
    declared = Connections({"a": url, "b": url})
    query = DatabaseQuery(declared)

    statements = [{"query": "SELECT * FROM n"}, {"query": "INSERT INTO n VALUES (1)"}]

    def run(connection: str) -> None:
        for _ in range(20):
            query.run(None, {"params": {"statements": statements, "connection": connection}})

    query.run(None, {"params": {"query": "CREATE TABLE n (i)", "connection": "a"}})
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, "ab"))
    rows = query.run(None, {"params": {"query": "SELECT count(*) c FROM n", "connection": "b"}})[
        "rows"
    ]
    assert rows == [{"c": 40}]
    declared.close()


def test_a_writer_takes_its_lock_when_it_begins(connections: Connections, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "data.db", isolation_level=None, timeout=0)
    with (
        connections.begin("default", writes=True),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")
    with connections.begin("default", writes=False):
        other.execute("BEGIN IMMEDIATE")
    other.close()


def test_a_reader_takes_no_lock_of_writers(connections: Connections, filled: Run) -> None:
    with connections.begin("default", writes=True):
        assert filled(query="WITH x AS (SELECT * FROM t) SELECT * FROM x")["rows_returned"] == 5


def test_an_engine_of_the_users_own_is_used_and_left_open(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/own.db")
    closed: list[object] = []
    event.listen(engine, "engine_disposed", closed.append)
    declared = Connections({"own": engine})
    query = DatabaseQuery(declared)
    query.run(None, {"params": {"query": "CREATE TABLE t (a)", "connection": "own"}})
    assert declared.engine("own") is engine
    declared.close()
    assert not closed
    engine.dispose()


def test_connections_are_made_on_first_use_and_again_after_closing(
    connections: Connections, filled: Run, tmp_path: Path
) -> None:
    unused = Connections({"default": f"sqlite:///{tmp_path}/unused.db"})
    assert not (tmp_path / "unused.db").exists()
    unused.close()
    connections.close()
    connections.close()
    assert filled(query="SELECT * FROM t")["rows_returned"] == 5
