"""By which addresses and in which ways a store on SQLite is opened, and what refusals leave."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from indelible import ActorSystem
from indelible.errors import (
    IndelibleError,
    StoreCorruptError,
    StoreLinkedError,
    StoreNotFoundError,
    StoreOwnedError,
    StoreUnavailableError,
    UnknownModeError,
)
from indelible.events.opening import open_store
from indelible.events.postgres.store import PostgresEventStore
from indelible.events.sqlite.store import SqlEventStore
from indelible.failpoints import Failpoints
from indelible.testing.contract.builders import some_event, url_of


def test_a_link_to_a_database_has_the_same_lock(store: SqlEventStore, database: Path) -> None:
    link = database.with_name("link.db")
    link.symlink_to(database.name)
    folder = database.parent / "elsewhere"
    folder.symlink_to(database.parent)
    for other in (link, folder / database.name):
        with pytest.raises(StoreOwnedError):
            open_store(url_of(other))
    store.append("run-1", [some_event()], expected=0)
    reader = open_store(url_of(link), mode="read")
    assert [event.version for event in reader.read("run-1")] == [1]
    reader.close()
    assert not Path(f"{link}-owner").exists()


def test_a_database_with_two_names_is_refused(store: SqlEventStore, database: Path) -> None:
    store.close()
    second = database.with_name("second.db")
    second.hardlink_to(database)
    modes: Any = ("own", "read", "client")
    for mode in modes:
        for name in (database, second):
            with pytest.raises(StoreLinkedError, match=r"2 names .* remove all but one"):
                open_store(url_of(name), mode=mode)
    assert not Path(f"{second}-owner").exists()
    second.unlink()
    open_store(url_of(database)).close()


def test_opening_twice_in_one_process_is_called_that(store: SqlEventStore, database: Path) -> None:
    with pytest.raises(StoreOwnedError, match="is open already in this process"):
        ActorSystem(url_of(database)).open()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("agents.db", "no address .* sqlite:///FILE .* postgresql.* memory://"),
        ("", "no address .* sqlite:///FILE"),
        ("sqlite://agents.db", "three slashes .* sqlite:///FILE"),
        ("sqlite://", "three slashes"),
        ("sqlite:///:memory:", "memory://"),
        ("sqlite:///agents.db?mode=ro", "question mark"),
        ("mysql://me:secret@host/agents", "no address .* sqlite:///FILE"),
        ("postgresql+asyncpg://me:secret@host/agents", r"driver .* postgresql\+psycopg"),
        ("postgresql://me:secret@host", "names no database"),
        ("postgresql://host:port/agents", "no address"),
        ("sqlite:///a\0b.db", "leads nowhere"),
    ],
)
def test_an_address_that_is_none_is_told_what_one_looks_like(url: str, words: str) -> None:
    with pytest.raises(StoreNotFoundError, match=words) as caught:
        ActorSystem(url).open()
    assert "secret" not in str(caught.value)


def test_a_folder_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    modes: Any = ("own", "read", "client")
    for mode in modes:
        with pytest.raises(StoreNotFoundError, match="is a folder"):
            open_store(url_of(tmp_path), mode=mode)
        with pytest.raises(StoreNotFoundError, match=f"no folder {tmp_path}/none; make it"):
            open_store(url_of(tmp_path / "none" / "a.db"), mode=mode)
    (tmp_path / "cycle").symlink_to("cycle")
    with pytest.raises(StoreNotFoundError):
        open_store(url_of(tmp_path / "cycle"))
    assert [path.name for path in tmp_path.iterdir()] == ["cycle"]


@pytest.mark.parametrize("mode", ["readonly", "", None, "OWN"])
def test_a_mode_that_does_not_exist_is_refused_with_those_that_do(mode: Any) -> None:
    makers: Any = (
        lambda: ActorSystem("memory://", mode=mode),
        lambda: open_store("memory://", mode=mode),
        lambda: SqlEventStore("sqlite:///a.db", mode=mode),
        lambda: PostgresEventStore("postgresql://h/d", mode=mode),
    )
    for make in makers:
        with pytest.raises(UnknownModeError, match="'own', 'read', 'client'") as caught:
            make()
        assert isinstance(caught.value, IndelibleError)
        assert isinstance(caught.value, ValueError)


def test_a_refused_opening_leaves_no_file(database: Path) -> None:
    def fail() -> None:
        raise StoreUnavailableError("the test says so")

    for place in ("migrate.before", "migrate.inside"):
        with pytest.raises(StoreUnavailableError, match="the test says so"):
            open_store(url_of(database), failpoints=Failpoints({place: fail}))
        assert list(database.parent.iterdir()) == []
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE flights (n INTEGER)")
    with pytest.raises(StoreCorruptError):
        open_store(url_of(database))
    assert list(database.parent.iterdir()) == [database]


def test_what_fails_while_migrating_is_named(database: Path) -> None:
    def fail() -> None:  # as SQLite does on a disk that fails: the transaction is over
        store._writer.connection().exec_driver_sql("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    store = SqlEventStore(url_of(database), failpoints=Failpoints({"migrate.inside": fail}))
    with pytest.raises(StoreUnavailableError, match="disk I/O error"):
        store.open()


FULL = """
import resource, sys
from indelible.errors import StoreUnavailableError
from indelible.events.opening import open_store
from indelible.testing.contract.builders import some_events
url, other = sys.argv[1:]
store = open_store(url)
store.append("thing-1", some_events(3), expected=0)
store.close()
reader = open_store(url, mode="read")
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
for address in (url, other):
    try:
        open_store(address)
    except StoreUnavailableError as error:
        print(error)
print(len(list(reader.read("thing-1"))))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store = open_store(url)
print(store.verify())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on files there")
def test_a_disk_that_takes_nothing_is_an_error_of_ours_and_reading_goes_on(tmp_path: Path) -> None:
    urls = [url_of(tmp_path / "store.db"), url_of(tmp_path / "new" / "store.db")]
    (tmp_path / "new").mkdir()
    program = [sys.executable, "-c", FULL, *urls]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *refused, read, verified = done.stdout.splitlines()
    assert len(refused) == 2
    assert all("the store is unavailable (disk I/O error)" in one for one in refused)
    assert (read, verified) == ("3", "3")
    assert list((tmp_path / "new").iterdir()) == []
