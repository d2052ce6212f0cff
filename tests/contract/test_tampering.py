"""Whoever changes stored events behind the store's back is found out by verify (promise 4)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from indelible.errors import StoreCorruptError, VerificationError
from indelible.events.opening import open_store
from indelible.testing.contract.builders import some_event

COLUMNS = (
    "shard, position, stream_id, version, event_id, epoch, type, schema, payload, metadata, "
    "recorded_at, chain"
)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    database = tmp_path / "store.db"
    store = open_store(f"sqlite:///{database}")
    for version in range(4):
        for stream in ("run-1", "run-2"):
            store.append(stream, [some_event(b"\x81\xa1n\x01")], expected=version)
    store.close()
    return database


@pytest.fixture
def connection(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        yield connection


def verify(database: Path) -> int:
    store = open_store(f"sqlite:///{database}", mode="read")
    try:
        return store.verify()
    finally:
        store.close()


def broken_at(database: Path) -> int:
    with pytest.raises(VerificationError) as caught:
        verify(database)
    position = caught.value.__dict__["position"]
    assert isinstance(position, int)
    return position


def test_an_untouched_store_verifies(database: Path) -> None:
    assert verify(database) == 8


@pytest.mark.parametrize(
    "change",
    [
        "payload = x'81a16e02'",
        "payload = 'text'",
        "metadata = x'81a16201'",
        "type = 'thing.hidden'",
        "schema = 2",
        "recorded_at = recorded_at + 1",
        "event_id = x'00000000000000000000000000000000'",
        "version = 99",
        "chain = x'00'",
    ],
)
def test_an_edited_event_is_found(
    connection: sqlite3.Connection, database: Path, change: str
) -> None:
    connection.execute(f"UPDATE events SET {change} WHERE position = 4")
    assert broken_at(database) == 4


def test_a_renamed_stream_is_found(connection: sqlite3.Connection, database: Path) -> None:
    connection.execute("UPDATE streams SET name = 'run-3' WHERE name = 'run-2'")
    assert broken_at(database) == 2


@pytest.mark.parametrize("position", [1, 4])
def test_a_deleted_event_is_found(
    connection: sqlite3.Connection, database: Path, position: int
) -> None:
    connection.execute("DELETE FROM events WHERE position = ?", (position,))
    assert broken_at(database) == position


def test_a_deleted_event_whose_gap_was_closed_is_found(
    connection: sqlite3.Connection, database: Path
) -> None:
    connection.execute("DELETE FROM events WHERE position = 4")
    for position in range(5, 9):
        connection.execute(
            "UPDATE events SET position = ? WHERE position = ?", (position - 1, position)
        )
    assert broken_at(database) == 4


def test_an_inserted_event_is_found(connection: sqlite3.Connection, database: Path) -> None:
    for position in range(8, 3, -1):
        connection.execute(
            "UPDATE events SET position = ? WHERE position = ?", (position + 1, position)
        )
    columns = COLUMNS.replace("position", "4").replace("version", "50")
    connection.execute(
        f"INSERT INTO events ({COLUMNS}) SELECT {columns} FROM events WHERE position = 3"
    )
    connection.execute("UPDATE shards SET head = 9")
    assert broken_at(database) == 4


def test_reordered_events_are_found(connection: sqlite3.Connection, database: Path) -> None:
    for old, new in ((3, 100), (4, 3), (100, 4)):
        connection.execute("UPDATE events SET position = ? WHERE position = ?", (new, old))
    assert broken_at(database) == 3


def test_events_cut_out_of_the_middle_are_found(
    connection: sqlite3.Connection, database: Path
) -> None:
    connection.execute("DELETE FROM events WHERE position BETWEEN 3 AND 5")
    assert broken_at(database) == 3


def test_events_cut_off_the_end_are_found(connection: sqlite3.Connection, database: Path) -> None:
    connection.execute("DELETE FROM events WHERE position > 5")
    assert broken_at(database) == 6
    with pytest.raises(StoreCorruptError):
        open_store(f"sqlite:///{database}")


def test_a_moved_head_is_found(connection: sqlite3.Connection, database: Path) -> None:
    connection.execute("UPDATE shards SET head = 5")
    assert broken_at(database) == 6
    connection.execute("UPDATE shards SET head = 8, chain = x'00'")
    assert broken_at(database) == 8


def test_a_stream_that_was_taken_away_is_found(
    connection: sqlite3.Connection, database: Path
) -> None:
    connection.execute("DELETE FROM streams WHERE name = 'run-1'")
    assert broken_at(database) == 1


def test_a_changed_blob_is_found_when_it_is_read(database: Path) -> None:
    from hashlib import sha256

    digest = sha256(b"content").digest()
    store = open_store(f"sqlite:///{database}")
    store.append("run-3", [some_event()], expected=0, blobs=[(digest, b"content")])
    store.close()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE blobs SET content = x'00'")
    store = open_store(f"sqlite:///{database}", mode="read")
    with pytest.raises(StoreCorruptError, match="other contents"):
        store.blob(digest)
    store.close()
