"""A store on SQLite at full durability, and when its database does not take writes."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy.event import listens_for
from sqlalchemy.exc import OperationalError

from indelible.errors import (
    StoreUnavailableError,
)
from indelible.events.opening import open_store
from indelible.events.sqlite import engines
from indelible.events.sqlite.store import SqlEventStore
from indelible.events.sqlite.write.wal_checkpoint import WAL_GROWTH
from indelible.events.store import Append
from indelible.testing.contract.builders import (
    Outcomes,
    append_when_available,
    some_event,
    some_events,
    url_of,
)
from indelible.testing.contract.inbox_contract import command


def test_the_writer_is_at_full_durability(store: SqlEventStore) -> None:
    def pragma(name: str) -> object:
        connection = store._writer.connection()
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

    assert (pragma("journal_mode"), pragma("synchronous")) == ("wal", 2)
    with store.write_views() as connection:
        connection.exec_driver_sql("CREATE TABLE view_of_test (n INTEGER)")
        assert pragma("synchronous") == 1
    assert pragma("synchronous") == 2
    with pytest.raises(ZeroDivisionError), store.write_views():
        raise ZeroDivisionError
    assert pragma("synchronous") == 2


def test_a_view_s_own_mistake_comes_as_it_is(store: SqlEventStore) -> None:
    with pytest.raises(OperationalError, match="no such table"), store.write_views() as view:
        view.exec_driver_sql("INSERT INTO missing VALUES (1)")
    store.append("run-1", [some_event()], expected=0)


def test_the_wal_is_copied_back_by_the_store_s_own_thread(
    store: SqlEventStore, database: Path
) -> None:
    before = database.stat().st_size  # all that has been written since is in the WAL
    copied = threading.Event()
    upkeep = store._writer.upkeep

    def watched() -> None:
        upkeep()
        copied.set()

    store._writer.upkeep = watched  # type: ignore[method-assign]
    for number in range(14):
        store.append(f"run-{number}", some_events(1_000), expected=0)
    assert copied.wait(30)
    store.append("run-x", [some_event()], expected=0)
    assert database.stat().st_size > before
    assert store.verify() == 14_001


@pytest.mark.usefixtures("usual_room")
def test_the_wal_has_its_usual_size_from_the_start_and_nothing_in_it(
    store: SqlEventStore, database: Path
) -> None:
    assert Path(f"{database}-wal").stat().st_size > 0.9 * WAL_GROWTH * 4_096
    with store.read_views() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM blobs").scalar_one() == 0
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    store.append("run-1", [some_event()], expected=0)
    assert store.verify() == 1


def test_another_program_s_lock_is_reported_by_name(
    monkeypatch: pytest.MonkeyPatch, database: Path
) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.01)
    store = open_store(url_of(database))
    store.append("run-1", [some_event()], expected=0)
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="another program holds") as caught:
        store.append("run-1", [some_event()], expected=1)
    assert "database is locked" not in str(caught.value)
    assert store.state == "unavailable"
    with pytest.raises(StoreUnavailableError), store.write_views():
        pass
    other.execute("ROLLBACK")
    other.close()
    append_when_available(store, "run-1", expected=1)
    assert store.verify() == 2
    store.close()


def test_a_full_disk_fails_the_group_and_the_store_recovers(store: SqlEventStore) -> None:
    store.append("run-1", [some_event()], expected=0)
    full = True

    @listens_for(store._writing, "connect")
    def _(connection: sqlite3.Connection, _record: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0] if full else 2**30
        connection.execute(f"PRAGMA max_page_count={pages}").close()

    store._writer.discard()
    outcomes = Outcomes()
    for number in range(2, 30):
        large = some_event(bytes(10_000))
        store.submit(Append(f"run-{number}", 0, [large], outcomes.on_done))
    store.lead()
    assert {type(error) for error in outcomes.errors()} == {StoreUnavailableError}
    assert "full" in str(outcomes.errors()[0])
    assert store.positions() == {0: 1}
    with pytest.raises(StoreUnavailableError):
        store.append("run-1", [some_event()], expected=1)
    full = False
    append_when_available(store, "run-1", expected=1)
    assert store.state == "open"
    assert store.verify() == 2


@pytest.mark.parametrize("mode", ["own", "client"])
def test_closing_waits_for_no_lock_that_another_program_keeps(
    monkeypatch: pytest.MonkeyPatch, database: Path, mode: Literal["own", "client"]
) -> None:
    monkeypatch.setattr("indelible.events.sqlite.store.CLOSING", 0.1)
    open_store(url_of(database)).close()
    store = open_store(url_of(database), mode=mode)
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    failed: list[BaseException] = []
    tried = threading.Event()

    def write() -> None:
        try:
            if mode == "client":
                store.inbox.submit([command("a")])
            else:
                store.append("run-1", [some_event()], expected=0)
        except StoreUnavailableError as error:
            failed.append(error)
        tried.set()

    writing = threading.Thread(target=write)
    writing.start()
    assert not tried.wait(0.01)  # the lock is waited for
    closing = threading.Thread(target=store.close)
    closing.start()
    closing.join(engines.BUSY_SECONDS / 2)  # less than it is waited for otherwise
    assert not closing.is_alive()
    writing.join()
    other.close()
    assert "another program" in str(failed[0])


def test_closing_an_unavailable_store_gives_up_at_once(
    monkeypatch: pytest.MonkeyPatch, database: Path
) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.01)
    store = open_store(url_of(database))
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError):
        store.append("run-1", [some_event()], expected=0)
    store.close()
    other.close()
    store.open()
    store.append("run-1", [some_event()], expected=0)
    store.close()
