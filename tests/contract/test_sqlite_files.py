"""Which files are a store on SQLite, and which are refused and kept as they are."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from indelible.errors import (
    SchemaVersionError,
    StoreCorruptError,
    StoreNotFoundError,
    StoreUnavailableError,
)
from indelible.events.memory.store import MemoryEventStore
from indelible.events.opening import open_store
from indelible.events.sqlite.engines import use_wal
from indelible.events.sqlite.store import SqlEventStore
from indelible.migrations import head_revision
from indelible.testing.contract.builders import (
    some_event,
    some_events,
    url_of,
)


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "postgresql://h/d", "nonsense", "sqlite:///a.db?x=1"]
)
def test_an_address_that_is_not_a_sqlite_file_is_refused(url: str) -> None:
    with pytest.raises(StoreNotFoundError):
        SqlEventStore(url)


def test_making_a_store_touches_nothing(database: Path) -> None:
    before = set(threading.enumerate())
    SqlEventStore(url_of(database))
    assert not database.exists()
    assert set(threading.enumerate()) <= before


def test_an_address_picks_the_store(database: Path) -> None:
    sqlite, memory = open_store(url_of(database)), open_store("memory://")
    assert isinstance(sqlite, SqlEventStore)
    assert isinstance(memory, MemoryEventStore)
    assert (sqlite.state, memory.state) == ("open", "open")
    sqlite.close()
    memory.close()
    with pytest.raises(StoreNotFoundError):
        open_store("memory://", mode="read")


def test_a_path_with_odd_characters_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "odd # ? %41 ü"
    folder.mkdir()
    store = SqlEventStore(url_of(folder / "my store.db"))
    store.open()
    store.append("run-1", [some_event()], expected=0)
    store.close()
    assert sorted(path.name for path in folder.iterdir()) == ["my store.db", "my store.db-owner"]


def test_a_missing_directory_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFoundError):
        SqlEventStore(url_of(tmp_path / "missing" / "store.db")).open()
    assert not (tmp_path / "missing").exists()


def test_a_file_that_is_no_database_is_refused(database: Path) -> None:
    database.write_bytes(b"this is no database, but a text of some length" * 100)
    before = database.read_bytes()
    for mode in ("own", "read"):
        with pytest.raises(StoreCorruptError, match="not a database"):
            open_store(url_of(database), mode=mode)
    assert database.read_bytes() == before


def test_a_database_of_something_else_is_refused_and_kept(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE flights (n INTEGER)")
    connection.close()
    for mode in ("own", "read"):
        with pytest.raises(StoreCorruptError, match="flights"):
            open_store(url_of(database), mode=mode)
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("flights",)]
        assert connection.execute("PRAGMA journal_mode").fetchall() == [("delete",)]
    connection.close()


def test_a_newer_schema_is_refused_and_kept(database: Path) -> None:
    open_store(url_of(database)).close()
    set_revision(database, "9999")
    for mode in ("own", "read"):
        with pytest.raises(SchemaVersionError, match="run the newer version") as caught:
            open_store(url_of(database), mode=mode)
        assert caught.value.__dict__["found"] == "9999"


def test_an_older_schema_is_migrated_by_the_owner_only(database: Path) -> None:
    open_store(url_of(database)).close()
    set_revision(database, "0000")
    with pytest.raises(SchemaVersionError, match="open it once for writing"):
        open_store(url_of(database), mode="read")


def test_a_shard_that_contradicts_its_events_is_refused(database: Path) -> None:
    store = open_store(url_of(database))
    store.append("run-1", some_events(3), expected=0)
    store.close()
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM events WHERE position = 3")
    connection.close()
    with pytest.raises(StoreCorruptError, match="ends at 3"):
        open_store(url_of(database))


def set_revision(database: Path, revision: str) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()


def test_the_schema_is_the_newest(store: SqlEventStore) -> None:
    with store.read_views() as connection:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    assert found == head_revision()


def test_an_old_sqlite_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, database: Path) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    with pytest.raises(StoreUnavailableError, match=r"3\.35\.0 is needed"):
        open_store(url_of(database))


def test_a_database_that_another_project_migrates_is_refused(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('ae1027a6acf')")
    connection.close()
    with pytest.raises(StoreCorruptError, match="ae1027a6acf"):
        open_store(url_of(database))


def test_a_drive_without_shared_memory_is_refused_by_name() -> None:
    engine = create_engine("sqlite://")  # a database in memory has no WAL mode either
    with engine.connect() as connection, pytest.raises(StoreUnavailableError, match="local disk"):
        use_wal(connection)
    engine.dispose()
