"""What a commit holds, and what becomes of appends whose commit has an unknown outcome."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from indelible.errors import StaleEpochError, StoreUnavailableError
from indelible.events.inbox.inbox import Command
from indelible.events.opening import open_store
from indelible.events.sqlite.store import SqlEventStore
from indelible.events.store import Append, EventStore
from indelible.failpoints import Failpoints
from indelible.testing.contract.builders import (
    Outcomes,
    append_when_available,
    some_event,
    some_events,
    submit_all,
)
from indelible.testing.faults import Fault
from postgres_server import connect

BLOB = sha256(b"content").digest(), b"content"

IOERR = sqlite3.OperationalError("disk I/O error")
IOERR.sqlite_errorcode = sqlite3.SQLITE_IOERR


class Tapped:
    """The writer's cursor; a test sees each statement, and may fail its COMMIT."""

    def __init__(self, store: SqlEventStore) -> None:
        self.statements: list[str] = []
        self.commit: Callable[[Callable[[], Any]], Any] = lambda commit: commit()
        writer = store._writer
        connection = writer.connection()
        self._cursor, writer._cursor = writer._cursor, self
        connection.connection.driver_connection.set_trace_callback(self.statements.append)  # type: ignore[union-attr]

    def execute(self, statement: str, *parameters: Any) -> Any:
        if statement == "COMMIT":
            return self.commit(lambda: self._cursor.execute(statement))
        return self._cursor.execute(statement, *parameters)


def test_a_blob_is_in_the_transaction_of_its_event_on_sqlite(store: SqlEventStore) -> None:
    tapped = Tapped(store)
    store.append("run-1", [some_event()], expected=0, blobs=[BLOB])
    words = [" ".join(statement.split()[:4]) for statement in tapped.statements]
    begin, commit = words.index("BEGIN IMMEDIATE"), words.index("COMMIT")
    inside = words[begin:commit]
    assert any(statement.startswith("INSERT INTO events") for statement in inside)
    assert "INSERT OR IGNORE INTO" in inside, "the blob's"
    assert words[commit + 1 :] == []
    assert store.blob(BLOB[0]) == BLOB[1]


def test_a_blob_is_in_the_transaction_of_its_event_on_postgresql(postgres_url: str) -> None:
    store = open_store(postgres_url, shards=1, lease=3_600)
    store.append("run-1", [some_event()], expected=0, blobs=[BLOB])
    with connect(postgres_url) as connection:
        found = connection.execute("SELECT b.xmin = e.xmin FROM blobs AS b, events AS e").fetchall()
    store.close()
    assert found == [(True,)]


SENT = Command("run-1/1/0", 0, "note-1", "actor.told", b"b", "")


def send(store: EventStore, stream: str = "run-1", shard: int = 0) -> BaseException | None:
    """Append one event that sends a message; what became of it."""
    outcomes = Outcomes()
    sent = [replace(SENT, message_id=f"{stream}/1/0", shard=shard)]
    store.submit(Append(stream, 0, [some_event()], outcomes.on_done, commands=sent))
    store.lead()
    return outcomes.errors()[0]


def test_a_message_is_in_the_transaction_of_its_event_on_sqlite(store: SqlEventStore) -> None:
    tapped = Tapped(store)
    assert send(store) is None
    words = [" ".join(statement.split()[:3]) for statement in tapped.statements]
    begin, commit = words.index("BEGIN IMMEDIATE"), words.index("COMMIT")
    assert "INSERT INTO inbox" in words[begin:commit]
    assert words[commit + 1 :] == []


def test_a_message_is_in_the_transaction_of_its_event_on_postgresql(postgres_url: str) -> None:
    store = open_store(postgres_url, shards=1, lease=3_600)
    assert send(store) is None
    with connect(postgres_url) as connection:
        found = connection.execute("SELECT i.xmin = e.xmin FROM inbox AS i, events AS e").fetchall()
    store.close()
    assert found == [(True,)]


def test_an_append_that_sends_to_others_rings_for_them_on_postgresql(postgres_url: str) -> None:
    store = open_store(postgres_url, shards=1, lease=3_600)
    with connect(postgres_url) as ear:
        ear.execute("LISTEN indelible_inbox")
        store.append("run-2", [some_event()], expected=0)
        assert send(store, "run-3") is None  # to a shard of its own
        ear.execute("SELECT pg_notify('indelible_inbox', 'to itself')")
        assert send(store, "run-1", shard=1) is None
        ear.execute("SELECT pg_notify('indelible_inbox', 'the end')")
        heard = [one.payload for one in ear.notifies(timeout=30, stop_after=3)]
    store.close()
    assert heard == ["to itself", "", "the end"]


def test_an_append_that_sends_nothing_does_not_touch_the_inbox(store: SqlEventStore) -> None:
    tapped = Tapped(store)
    store.append("run-1", [some_event()], expected=0)
    assert [statement for statement in tapped.statements if "inbox" in statement] == []


def raise_epoch(store: EventStore, postgres_url: str = "") -> None:
    """Be another process that has taken the shard over."""
    raise_it = "UPDATE shards SET epoch = epoch + 1"
    if postgres_url:
        with connect(postgres_url) as server:
            server.execute(raise_it)
    else:
        with sqlite3.connect(store.url.removeprefix("sqlite:///")) as file:
            file.execute(raise_it)
        file.close()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_stale_owner_sends_nothing(
    request: pytest.FixtureRequest, database: str, tmp_path: Path
) -> None:
    postgres_url = request.getfixturevalue("postgres_url") if database == "postgresql" else ""
    store = (
        open_store(postgres_url, shards=1, lease=3_600)
        if postgres_url
        else open_store(f"sqlite:///{tmp_path}/store.db")
    )
    inbox = store.inbox
    raise_epoch(store, postgres_url)
    assert isinstance(send(store), StaleEpochError)
    assert inbox.first({0}, 10) == []
    store.close()


@pytest.mark.parametrize("count", [1, 2, 3, 1_000])
def test_a_commit_that_says_that_it_failed_and_happened_is_found_by_its_events(
    store: SqlEventStore, count: int
) -> None:
    def happen_and_fail(commit: Callable[[], Any]) -> None:
        commit()
        raise IOERR

    Tapped(store).commit = happen_and_fail
    outcomes = submit_all(store, [("run-1", 0, count)])
    assert outcomes.errors() == [None]
    append_when_available(store, "run-1", expected=count)
    assert [event.version for event in store.read("run-1")] == list(range(1, count + 2))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_commit_that_failed_is_not_taken_for_one_that_happened(
    store: SqlEventStore, count: int
) -> None:
    def fail(_: Callable[[], Any]) -> None:
        raise IOERR

    Tapped(store).commit = fail
    [error] = submit_all(store, [("run-1", 0, count)]).errors()
    assert isinstance(error, StoreUnavailableError)
    append_when_available(store, "run-1", expected=0)
    assert [event.version for event in store.read("run-1")] == [1]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_append_of_others_at_the_same_place_is_not_taken_for_ones_own(
    tmp_path: Path, count: int
) -> None:
    """What stands there when the outcome is looked up has another id."""
    url, lost = f"sqlite:///{tmp_path}/store.db", Fault()
    store = open_store(url, failpoints=Failpoints({"commit.after": lost}))
    assert isinstance(store, SqlEventStore)
    store.append("run-0", some_events(1), expected=0)
    lost.arm()
    find = store._writer.event_ids

    def others(places: Any) -> Any:
        return [bytes(16) for _ in find(places)]

    store._writer.event_ids = others  # type: ignore[method-assign]
    [error] = submit_all(store, [("run-1", 0, count)]).errors()
    assert isinstance(error, StoreUnavailableError)
    store.close()
