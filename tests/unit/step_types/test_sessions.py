"""What a step changes in its session does not reach the next step."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from indelible import ActorSystem
from indelible.actors.step_types.connections import Connections
from indelible.actors.step_types.database_query import DatabaseQuery
from indelible.errors import DefinitionError, StepDataError
from until import eventually

Run = Callable[..., dict[str, Any]]

LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
POSTGRESQL = [
    (["SET search_path = elsewhere"], "SHOW search_path", '"$user", public'),
    (["SET statement_timeout = 12345"], "SHOW statement_timeout", "0"),
    (["SELECT set_config('application_name', 'x', false)"], "SHOW application_name", ""),
    (["CREATE TEMP TABLE mine (a int)"], "SELECT to_regclass('mine')::text", None),
    (["CREATE TABLE pg_temp.mine (a int)"], "SELECT to_regclass('mine')::text", None),
    (["SELECT pg_advisory_lock(7)::text"], LOCKS, 0),
    (["PREPARE p AS SELECT 1"], "SELECT count(*) FROM pg_prepared_statements", 0),
    (["LISTEN news"], "SELECT count(*) FROM pg_listening_channels()", 0),
    (["DECLARE c CURSOR WITH HOLD FOR SELECT 1"], "SELECT count(*) FROM pg_cursors", 0),
    (["SET ROLE pg_monitor"], "SELECT current_user = session_user", True),
]  # fmt: skip
SQLITE = [
    (["CREATE TEMP TABLE mine (a)"], "SELECT count(*) FROM sqlite_temp_master", 0),
    (['CREATE TABLE "temp".mine (a)'], "SELECT count(*) FROM sqlite_temp_master", 0),
    (["PRAGMA case_sensitive_like = 1"], "SELECT 'A' LIKE 'a'", 1),
    (["PRAGMA cache_size = 77"], "PRAGMA cache_size", -2000),
    (["ATTACH ':memory:' AS other"], "SELECT count(*) FROM pragma_database_list", 1),
]


def statements(*texts: str) -> list[dict[str, str]]:
    return [{"query": text} for text in texts]


def value_of(result: dict[str, Any]) -> Any:
    [row] = result["rows"]
    [value] = row.values()
    return value


@pytest.fixture
def own_engine(kind: str, address: str) -> Iterator[sa.Engine]:
    """An engine of the program's own that keeps one connection, and prepares it when it is new."""
    engine = sa.create_engine(address, poolclass=sa.QueuePool, pool_size=1, max_overflow=0)
    first = "SET lock_timeout = 777" if kind == "postgresql" else "PRAGMA foreign_keys = 1"

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.execute(first)
        connection.commit()

    yield engine
    engine.dispose()


@pytest.mark.parametrize("given", ["an address", "an engine"])
def test_a_step_leaves_nothing_in_its_session(
    kind: str, address: str, own_engine: sa.Engine, given: str
) -> None:
    where = address if given == "an address" else own_engine
    connections = Connections({"default": where})
    step_type = DatabaseQuery(connections)

    def query(*texts: str) -> dict[str, Any]:
        params = {"statements": statements(*texts)}
        return step_type.run(None, {"name": "s", "params": params})

    def shows(look: str, expected: Any) -> None:
        """A server takes a moment to end a session that was closed, and to free its locks."""
        eventually(lambda: value_of(query(look)) == expected)

    for changes, look, expected in POSTGRESQL if kind == "postgresql" else SQLITE:
        before = value_of(query(look))
        assert before == expected
        query(*changes)
        shows(look, before)
        with pytest.raises(StepDataError, match="nowhere"):
            query(*changes, "SELECT * FROM nowhere")
        shows(look, before)
    if given == "an engine":
        look = "SHOW lock_timeout" if kind == "postgresql" else "PRAGMA foreign_keys"
        assert value_of(query(look)) in {"777ms", 1}
    connections.close()


def test_what_a_function_of_the_database_leaves_is_dropped_too(kind: str, query: Run) -> None:
    if kind == "sqlite":  # its functions change nothing
        return
    body = "$$ SELECT set_config('search_path', 'hidden', false) $$"
    query(query=f"CREATE FUNCTION hide() RETURNS text LANGUAGE sql AS {body}")
    query(query="SELECT hide()")
    assert value_of(query(query="SHOW search_path")) == '"$user", public'


def test_a_step_may_use_its_session_itself(kind: str, query: Run) -> None:
    texts = ["CREATE TEMP TABLE mine (a int)", "INSERT INTO mine VALUES (3)"]
    result = query(statements=statements(*texts, "SELECT a FROM mine"))
    assert result["rows"] == [{"a": 3}]
    if kind == "sqlite":
        result = query(statements=statements("ATTACH ':memory:' AS m", "CREATE TABLE m.t (a)"))
        assert result["rows_affected"] == 0


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:n?mode=memory&cache=shared&uri=true"]
)
def test_a_database_in_memory_has_clean_sessions_too(url: str) -> None:
    connections = Connections({"default": url})
    step_type = DatabaseQuery(connections)

    def query(text: str) -> dict[str, Any]:
        return step_type.run(None, {"params": {"query": text}})

    query("CREATE TABLE t (a)")
    query("INSERT INTO t VALUES (1)")
    for [change], look, expected in SQLITE:
        if "cache=shared" in url and "cache_size" in change:
            continue  # that is what the address asks for
        query(change)
        assert value_of(query(look)) == expected
    assert value_of(query("SELECT a FROM t")) == 1
    connections.close()


def test_an_old_sqlite_keeps_a_database_in_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 35, 5))
    connections = Connections({"default": "sqlite://"})
    step_type = DatabaseQuery(connections)
    for text in ("CREATE TABLE t (a)", "CREATE TEMP TABLE t (b)", "INSERT INTO t (a) VALUES (1)"):
        result = step_type.run(None, {"params": {"query": text}})
    assert result["rows_affected"] == 1
    connections.close()


def test_a_wal_outlives_the_steps_that_write_to_it(tmp_path: Path) -> None:
    file = tmp_path / "data.db"
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode = WAL")
    database.close()
    connections = Connections({"default": f"sqlite:///{file}"})
    step_type = DatabaseQuery(connections)
    for text in ("CREATE TABLE t (a)", "INSERT INTO t VALUES (1)", "SELECT * FROM t"):
        step_type.run(None, {"params": {"query": text}})
        assert (tmp_path / "data.db-wal").exists()  # or each step would empty it, and sync twice
    connections.close()
    assert not (tmp_path / "data.db-wal").exists()


def test_one_session_for_all_steps_is_left_as_it_is() -> None:
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    step_type = DatabaseQuery(Connections({"default": engine}))
    params = {"statements": statements("SELECT 1", "CREATE TEMP TABLE t (a)")}
    [problem] = step_type.validate(params)
    assert problem.path == "connection"
    assert "whose one session all steps share, for CREATE" in problem.found
    assert "by its URL" in problem.fix
    with pytest.raises(StepDataError, match="whose one session all steps share"):
        step_type.run(None, {"params": params})
    step_type.run(None, {"params": {"query": "CREATE TABLE t (a)"}})
    assert step_type.run(None, {"params": {"query": "SELECT * FROM t"}})["rows"] == []
    engine.dispose()


# -- the store's own file


@pytest.fixture
def own_file(tmp_path: Path) -> Iterator[DatabaseQuery]:
    """Connections to a store's file by several paths, and to another file."""
    store = tmp_path / "store.db"
    engine = sa.create_engine(f"sqlite:///{store}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a)")
    (tmp_path / "linked.db").symlink_to(store)
    os.link(store, tmp_path / "hard.db")
    connections = Connections(
        {
            "plain": f"sqlite:///{store}",
            "uri": f"sqlite:///file:{store}?mode=rw&uri=true",
            "linked": f"sqlite:///{tmp_path}/linked.db",
            "hard": f"sqlite:///{tmp_path}/hard.db",
            "engine": engine,
            "other": f"sqlite:///{tmp_path}/other.db",
        },
        f"sqlite:///{store}",
    )
    yield DatabaseQuery(connections)
    connections.close()
    engine.dispose()


@pytest.mark.parametrize("name", ["plain", "uri", "linked", "hard", "engine"])
def test_no_step_writes_to_the_file_of_its_store(own_file: DatabaseQuery, name: str) -> None:
    for text in ("INSERT INTO t VALUES (1)", "PRAGMA user_version = 3", "VACUUM"):
        params = {"query": text, "connection": name}
        [problem] = own_file.validate(params)
        assert problem.path == "connection"
        assert "the store's own file" in problem.found
        assert problem.fix.startswith("write to another file")
        with pytest.raises(StepDataError, match="the store's own file"):
            own_file.run(None, {"params": params})
    params = {"query": "SELECT count(*) FROM t", "connection": name}
    assert list(own_file.validate(params)) == []
    assert value_of(own_file.run(None, {"params": params})) == 0


def test_a_system_knows_its_own_file(tmp_path: Path) -> None:
    def asking(connection: Any) -> dict[str, Any]:
        params = {"query": "CREATE TABLE t (a)", "connection": connection}
        return {"name": "w", "steps": [{"name": "q", "type": "database_query", "params": params}]}

    url = f"sqlite:///{tmp_path}/store.db"
    with ActorSystem(url, connections={"own": url}) as system:
        agent = system.workflow_agent("a")
        with pytest.raises(DefinitionError, match="the store's own file"):
            agent.start(asking("own"))
        run = agent.start(asking({"ref": "input.name"}), input={"name": "own"})
        error = run.result(timeout=30)["error"]
        assert error is not None
        assert "the store's own file" in error["message"]


def test_no_step_attaches_the_file_of_its_store(own_file: DatabaseQuery, tmp_path: Path) -> None:
    for file in ("store.db", "linked.db", "hard.db"):
        attach = {"query": "ATTACH :file AS s", "parameters": {"file": str(tmp_path / file)}}
        insert = {"query": "INSERT INTO s.t VALUES (1)"}
        params = {"statements": [attach, insert], "connection": "other"}
        with pytest.raises(StepDataError, match="'s' is the store's own file"):
            own_file.run(None, {"params": params})
    params = {"query": "SELECT count(*) FROM t", "connection": "plain"}
    assert value_of(own_file.run(None, {"params": params})) == 0


def test_a_step_that_reads_can_write_nothing(query: Run, kind: str) -> None:
    if kind == "sqlite":
        connections = Connections({"default": "sqlite://"})
        with (
            pytest.raises(OperationalError, match="readonly"),
            connections.begin("default", writes=False) as database,
        ):
            database.exec_driver_sql("CREATE TABLE t (a)")
        connections.close()
    assert query(query="SELECT 1 AS a")["rows"] == [{"a": 1}]
