"""Snapshots beside the log: two a stream, never newer than the log, ignored when in doubt."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from indelible.errors import StoreReadOnlyError, StoreUnavailableError
from indelible.events.memory.store import MemoryEventStore
from indelible.events.opening import open_store
from indelible.events.snapshots import (
    SNAPSHOT_LIMIT,
    SNAPSHOTS,
    Taken,
    drop_snapshots,
    find_snapshot,
    keep_snapshots,
)
from indelible.events.sqlite.store import SqlEventStore
from indelible.events.store import EventStore
from indelible.testing.contract.builders import some_events, url_of


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    """A store with a stream of ten events."""
    if request.param == "memory":
        store: EventStore = MemoryEventStore()
        store.open()
    elif request.param == "sqlite":
        store = open_store(url_of(tmp_path / "store.db"), mode="own")
    else:
        store = open_store(request.getfixturevalue("postgres_url"), mode="own")
    store.append("run-1", some_events(10), expected=0)
    yield store
    store.close()


def keep(store: EventStore, version: int, schema: str = "1", stream: str = "run-1") -> bool:
    return bool(
        keep_snapshots(store, [Taken(stream, version, schema, 5_000, b"state %d" % version)])
    )


def versions(store: EventStore) -> list[int]:
    with store.read_views() as connection:
        query = sa.select(SNAPSHOTS.c.version).order_by(SNAPSHOTS.c.version)
        return list(connection.execute(query).scalars())


def change(store: EventStore, **values: object) -> None:
    with store.write_views() as connection:
        connection.execute(sa.update(SNAPSHOTS).values(**values))


def test_the_newest_snapshot_is_found(log: EventStore) -> None:
    assert find_snapshot(log, "run-1", "1") is None
    assert keep(log, 3)
    assert keep(log, 6)
    found = find_snapshot(log, "run-1", "1")
    assert found is not None
    assert (found.version, found.state, found.taken_at) == (6, b"state 6", 5_000)
    assert found.event_id == log.read("run-1", 5, 6).__iter__().__next__().event_id


def test_a_snapshot_of_the_past_is_found_for_the_past(log: EventStore) -> None:
    keep(log, 3)
    keep(log, 6)
    for until, version in ((10, 6), (6, 6), (5, 3), (3, 3)):
        found = find_snapshot(log, "run-1", "1", until)
        assert found is not None
        assert found.version == version
    assert find_snapshot(log, "run-1", "1", 2) is None


def test_at_most_two_snapshots_of_a_stream_are_kept(log: EventStore) -> None:
    log.append("run-2", some_events(1), expected=0)
    keep(log, 1, stream="run-2")
    for version in (2, 4, 6, 8):
        keep(log, version)
    assert versions(log) == [1, 6, 8]


def test_a_snapshot_of_another_schema_is_ignored_without_a_word(
    log: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    keep(log, 3, schema="1")
    keep(log, 6, schema="2")
    for schema, version in (("1", 3), ("2", 6)):
        found = find_snapshot(log, "run-1", schema)
        assert found is not None
        assert found.version == version
    assert find_snapshot(log, "run-1", "3") is None
    assert caplog.text == ""


def test_what_is_not_committed_gets_no_snapshot(log: EventStore) -> None:
    assert not keep(log, 11)
    assert not keep(log, 1, stream="run-unknown")
    assert versions(log) == []


def test_a_snapshot_replaces_those_that_claim_to_be_newer(log: EventStore) -> None:
    keep(log, 8)
    change(log, version=900)
    keep(log, 9)
    keep(log, 9)
    assert versions(log) == [9]


def test_a_snapshot_that_is_newer_than_the_log_is_ignored(
    log: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    keep(log, 4)
    keep(log, 8)
    with log.write_views() as connection:
        of_the_newest = SNAPSHOTS.c.version == 8
        connection.execute(sa.update(SNAPSHOTS).where(of_the_newest).values(version=11))
    found = find_snapshot(log, "run-1", "1")
    assert found is not None
    assert found.version == 4
    assert "version 11" in caplog.text


def test_a_snapshot_of_another_log_is_ignored(
    log: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    other = MemoryEventStore()
    other.open()
    other.append("run-1", some_events(10), expected=0)
    keep(other, 5)
    with other.read_views() as connection:
        row = connection.execute(sa.select(SNAPSHOTS)).one()
    with log.write_views() as connection:
        connection.execute(sa.insert(SNAPSHOTS), dict(row._mapping))
    assert find_snapshot(log, "run-1", "1") is None
    assert "another log" in caplog.text
    other.close()


def test_any_changed_byte_makes_a_snapshot_ignored(
    log: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    keep(log, 5)
    with log.read_views() as connection:
        stored: bytes = connection.execute(sa.select(SNAPSHOTS.c.state)).scalar_one()
    for place in range(len(stored)):
        change(log, state=stored[:place] + bytes([stored[place] ^ 1]) + stored[place + 1 :])
        assert find_snapshot(log, "run-1", "1") is None
    for length in range(len(stored)):
        change(log, state=stored[:length])
        assert find_snapshot(log, "run-1", "1") is None
    assert caplog.text.count("ignored") == 2 * len(stored)
    change(log, state=stored)
    assert find_snapshot(log, "run-1", "1") is not None


def test_a_snapshot_that_is_too_large_is_not_loaded_and_the_one_before_it_is_found(
    log: EventStore,
) -> None:
    keep(log, 4)
    keep(log, 9)
    of_the_newest = SNAPSHOTS.c.version == 9
    with log.write_views() as connection:
        large = sa.update(SNAPSHOTS).where(of_the_newest)
        connection.execute(large.values(state=bytes(SNAPSHOT_LIMIT + 1_000)))
    tracemalloc.start()
    found = find_snapshot(log, "run-1", "1")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found is not None
    assert found.version == 4
    assert most < SNAPSHOT_LIMIT


def test_a_row_that_was_moved_is_ignored(log: EventStore) -> None:
    log.append("run-2", some_events(10), expected=0)
    keep(log, 5)
    change(log, stream="run-2")
    assert find_snapshot(log, "run-2", "1") is None
    change(log, stream="run-1", version=6)
    assert find_snapshot(log, "run-1", "1") is None
    change(log, version=5, schema="2")
    assert find_snapshot(log, "run-1", "2") is None


def test_dropped_snapshots_are_gone_and_counted(log: EventStore) -> None:
    log.append("run-2", some_events(10), expected=0)
    keep(log, 3)
    keep(log, 5)
    keep(log, 5, stream="run-2")
    assert drop_snapshots(log, "run-2") == 1
    assert versions(log) == [3, 5]
    assert drop_snapshots(log) == 2
    assert drop_snapshots(log) == 0


def test_a_database_that_does_not_answer_has_no_snapshots(
    log: EventStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise StoreUnavailableError("gone")

    keep(log, 5)
    monkeypatch.setattr(log, "read_views", fail)
    assert find_snapshot(log, "run-1", "1") is None
    assert "gone" in caplog.text


def test_text_where_bytes_belong_is_no_snapshot(
    store: SqlEventStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.append("run-1", some_events(10), expected=0)
    keep(store, 5)
    with store.write_views() as connection:  # SQLite takes any type in any column
        connection.exec_driver_sql(f"UPDATE snapshots SET state = '{'text' * 99}'")
    assert find_snapshot(store, "run-1", "1") is None
    assert "run-1" in caplog.text


def test_a_reader_finds_snapshots_and_cannot_write_them(
    store: SqlEventStore, database: Path
) -> None:
    store.append("run-1", some_events(10), expected=0)
    keep(store, 5)
    reader = open_store(url_of(database), mode="read")
    assert find_snapshot(reader, "run-1", "1") is not None
    with pytest.raises(StoreReadOnlyError):
        keep(reader, 7)
    with pytest.raises(StoreReadOnlyError):
        drop_snapshots(reader)
    reader.close()


def test_the_table_is_the_one_that_the_migration_makes(store: SqlEventStore) -> None:
    with store.read_views() as connection:
        inspector = sa.inspect(connection)
        columns = [column["name"] for column in inspector.get_columns("snapshots")]
        key = inspector.get_pk_constraint("snapshots")["constrained_columns"]
    assert columns == [column.name for column in SNAPSHOTS.columns]
    assert key == [column.name for column in SNAPSHOTS.primary_key.columns]
