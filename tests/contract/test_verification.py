"""Verifying finds any single edit of the log and of what answers for it, on every database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest

from at_rest import edit
from indelible.clock import ManualClock
from indelible.errors import AnchorError, VerificationError
from indelible.events.model.hash_chain import GENESIS, event_hash, link
from indelible.events.opening import open_store
from indelible.events.store import EventStore
from indelible.events.verification.anchor import Anchor, AnchoredEnd, format_anchor, parse_anchor
from indelible.testing.contract.builders import some_event, some_events, url_of

CONTENT = b"large"
DIGEST = sha256(CONTENT).digest()
TABLES = ("blobs", "events", "streams", "shards")


@pytest.fixture
def store(each_url: str) -> Iterator[EventStore]:
    """Three streams in one shard, written in three epochs, with a blob; open for reading."""
    completed = some_event(msgpack.packb({"path": "a", "blob": DIGEST}), "run.step_completed")
    for version in range(3):
        store = open_store(each_url, shards=1, lease=3_600)
        for stream in ("run-1", "run-2", "account-1"):
            store.append(stream, some_events(1), expected=version, status="running", wake_at=7)
        store.close()
    store = open_store(each_url, lease=3_600)
    store.append("run-1", [completed], expected=3, blobs=[(DIGEST, CONTENT)])
    store.close()
    store = open_store(each_url, mode="read")
    yield store
    store.close()


@contextmanager
def edited(store: EventStore, *statements: str) -> Iterator[None]:
    """The store with ``statements`` run behind its back, for the block."""
    edit(store.url, *(f"CREATE TABLE kept_{t} AS SELECT * FROM {t}" for t in TABLES), touch=False)
    edit(store.url, *statements)
    yield
    for table in TABLES:
        back = f"INSERT INTO {table} SELECT * FROM kept_{table}"
        edit(store.url, f"DELETE FROM {table}", back, f"DROP TABLE kept_{table}", touch=False)


def literal(store: EventStore, value: bytes) -> str:
    return f"x'{value.hex()}'" if store.url.startswith("sqlite") else f"'\\x{value.hex()}'"


def found_after(store: EventStore, *statements: str) -> str:
    """What verifying says of the edited store."""
    with edited(store, *statements), pytest.raises(VerificationError) as caught:
        store.verify()
    return str(caught.value)


def test_every_column_of_an_event_counts(store: EventStore) -> None:
    other = literal(store, b"\x00" * 16)
    for column, value in {
        "shard": "3",
        "position": "position + 100000",
        "stream_id": "(SELECT id FROM streams WHERE name = 'account-1')",
        "version": "version + 50",
        "event_id": other,
        "epoch": "epoch + 7",
        "type": "'run.x'",
        "schema": "2",
        "payload": other,
        "metadata": other,
        "recorded_at": "recorded_at + 1",
        "chain": other,
    }.items():
        place = 10 if column == "stream_id" else 4
        change = f"UPDATE events SET {column} = {value} WHERE position = {place}"
        breaks = 11 if column == "position" else place  # 11 is behind the end
        assert f"at position {breaks}:" in found_after(store, change), column
    one_of_its_neighbours = "UPDATE events SET epoch = 3 WHERE position = 6"
    assert "at position 6:" in found_after(store, one_of_its_neighbours)
    assert "epoch 1 is not from 2" in found_after(store, *rewrite(store, 6, epoch=1))
    assert store.verify() == 10


def test_the_rows_of_streams_and_shards_count(store: EventStore) -> None:
    one = "WHERE name = 'run-1'"
    for change, words in {
        f"UPDATE streams SET name = 'run-9' {one}": "position 1",
        f"UPDATE streams SET category = 'account' {one}": "its category is 'account'",
        f"UPDATE streams SET version = 3 {one}": "ends at version 3, the events end at 4",
        f"UPDATE streams SET version = 5 {one}": "ends at version 5, the events end at 4",
        f"UPDATE streams SET wake_at = -1 {one}": "its wake_at is -1",
        f"DELETE FROM streams {one}": "position 1",
        "INSERT INTO streams VALUES (4, 'run-4', 'run', 1, '', 0)": "no event is there",
        "UPDATE shards SET epoch = 3": "epoch 4 is not from 3 to 3",
        "UPDATE shards SET streams = 2": "3 streams, its row in shards says 2",
        "UPDATE shards SET streams = 4": "3 streams, its row in shards says 4",
        "UPDATE shards SET head = 9": "position 10",
        f"UPDATE shards SET chain = {literal(store, GENESIS)}": "another chain",
    }.items():
        assert words in found_after(store, change), change
    assert store.verify() == 10


def test_blobs_count(store: EventStore) -> None:
    other = literal(store, b"other")
    lost = found_after(store, "DELETE FROM blobs")
    assert f"event 4 of 'run-1' refers to blob {DIGEST.hex()}, lost" in lost
    assert "has other contents" in found_after(store, f"UPDATE blobs SET content = {other}")
    added = f"INSERT INTO blobs VALUES ({literal(store, b'no hash of it')}, {other})"
    assert "has other contents" in found_after(store, added)


EXTRA = "INSERT INTO events SELECT shard, 7, 9, {} FROM events WHERE position = 6".format(
    "version, event_id, epoch, type, schema, payload, metadata, recorded_at, chain"
)


@pytest.mark.parametrize(
    ("without", "then", "words"),
    [
        ("position <> 5", (), "'run-2'"),
        ("position < 7", (EXTRA,), "position 7: the shard's row ends at 6"),
    ],
)
def test_a_damaged_index_gives_no_other_answer_than_the_table(
    tmp_path: Path, without: str, then: Sequence[str], words: str
) -> None:
    store = open_store(url_of(tmp_path / "store.db"))
    for stream in ("run-1", "run-2"):
        store.append(stream, some_events(3), expected=0)
    assert store.verify() == 6
    store.close()
    sql = "CREATE UNIQUE INDEX damaged ON events (stream_id, version)"
    edit(
        store.url,
        f"{sql} WHERE {without}",
        *then,  # while SQLite still knows what the index leaves out
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_schema SET sql = '{sql}' WHERE name = 'damaged'",
        "DELETE FROM sqlite_schema WHERE name = 'sqlite_autoindex_events_1'",
        touch=False,
    )
    store = open_store(store.url, mode="read")
    with pytest.raises(VerificationError) as caught:
        store.verify()
    found = "\n".join([str(caught.value), *caught.value.others])
    assert words in found
    store.close()


def test_an_event_that_no_index_of_postgres_has_is_counted(postgres_url: str) -> None:
    store = open_store(postgres_url, shards=1, lease=3_600)
    for stream in ("run-1", "run-2"):
        store.append(stream, some_events(3), expected=0)
    store.close()
    indexes = "indrelid = 'events'::regclass"
    edit(
        postgres_url,
        f"UPDATE pg_index SET indisready = false WHERE {indexes}",
        EXTRA,
        f"UPDATE pg_index SET indisready = true WHERE {indexes}",
        touch=False,
    )
    store = open_store(postgres_url, mode="read")
    with pytest.raises(VerificationError) as caught:
        store.verify()
    found = [str(caught.value), *caught.value.others]
    assert any("its table has 7 events, its row in shards says 6" in words for words in found)
    store.close()


def rewrite(store: EventStore, position: int, **change: Any) -> Sequence[str]:
    """What an attacker does to change an event and make the chain fit again."""
    chain, statements = GENESIS, []
    for event in store.read_shard(0, 0, 100):
        if event.position == position:
            event = msgspec.structs.replace(event, **change)  # noqa: PLW2901 - this one is another
        parts = (event.stream, event.version, event.event_id, event.type, event.schema)
        hashed = event_hash(*parts, event.recorded_at, event.metadata, event.payload)
        chain = link(chain, 0, event.position, event.epoch, hashed)
        statements.append(
            f"UPDATE events SET payload = {literal(store, event.payload)}, epoch = {event.epoch}, "
            f"chain = {literal(store, chain)} WHERE position = {event.position}"
        )
    return [*statements, f"UPDATE shards SET chain = {literal(store, chain)}"]


CUT = (
    "DELETE FROM events WHERE position > 8",
    "UPDATE shards SET head = 8, chain = (SELECT chain FROM events WHERE position = 8)",
    "UPDATE streams SET version = (SELECT max(version) FROM events WHERE stream_id = streams.id)",
)


def test_an_anchor_shows_what_was_written_anew_or_cut_off(store: EventStore) -> None:
    anchor = parse_anchor(format_anchor(store.anchor(), ManualClock().now()))
    assert store.verify(anchor) == 10
    with edited(store, *rewrite(store, 4, payload=b"\x81\xa1n\x09")):
        assert store.verify() == 10, "the chain by itself fits"
        with pytest.raises(VerificationError, match="position 10: the anchor holds another chain"):
            store.verify(anchor)
    with edited(store, *CUT):
        assert store.verify() == 8, "what is left fits"
        with pytest.raises(VerificationError, match="the anchor knows of position 10"):
            store.verify(anchor)


def test_an_anchor_holds_when_the_log_has_grown_and_not_for_another_log(tmp_path: Path) -> None:
    url = url_of(tmp_path / "store.db")
    store, other = open_store(url), open_store("memory://")
    empty = store.anchor()
    store.append("run-1", some_events(3), expected=0)
    anchor = store.anchor()
    assert (empty, sorted(anchor)) == ({}, [0])
    store.append("run-1", some_events(3), expected=3)
    assert store.verify(anchor) == store.verify(empty) == 6
    other.append("run-1", some_events(4), expected=0)
    with pytest.raises(VerificationError, match="another chain"):
        other.verify(anchor)
    with pytest.raises(VerificationError, match="knows of this shard"):
        other.verify({7: AnchoredEnd(1, GENESIS)})
    store.close()
    with open_store_file_of_before(tmp_path, store.url) as older, pytest.raises(VerificationError):
        older.verify(anchor)


@contextmanager
def open_store_file_of_before(tmp_path: Path, url: str) -> Iterator[EventStore]:
    """A store that was restored from a backup and has gone on: as long, and another one."""
    edit(url, "DELETE FROM events WHERE position > 1")
    edit(
        url,
        "UPDATE shards SET head = 1, chain = (SELECT chain FROM events)",
        "UPDATE streams SET version = 1",
    )
    store = open_store(url)
    store.append("run-1", some_events(5), expected=1)
    assert store.verify() == 6
    yield store
    store.close()


def anchor_text(shards: str, *, events: int | None = None) -> str:
    """An anchor in which each of ``shards`` has three events; ``events`` is what it says of all."""
    place = f'{{"position": 3, "chain": "{bytes(32).hex()}"}}'
    counted = "" if events is None else f'"events": {events}, '
    return f'{{"format": "indelible-anchor-1", {counted}"shards": {{{shards}}}}}'.replace(
        "{}", place
    )


def test_an_anchor_counts_its_events_and_one_of_an_empty_store_has_none() -> None:
    empty: Anchor = {}
    for anchor in (empty, {0: AnchoredEnd(3, bytes(32)), 7: AnchoredEnd(3, bytes(32))}):
        assert parse_anchor(format_anchor(anchor, 0)) == anchor
    before_it_counted = parse_anchor(anchor_text('"0": {}, "7": {}'))
    assert before_it_counted == {0: AnchoredEnd(3, bytes(32)), 7: AnchoredEnd(3, bytes(32))}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": "other", "shards": {}}',
        '{"format": "indelible-anchor-1"}',
        '{"format": "indelible-anchor-1", "shards": {}}',
        '{"format": "indelible-anchor-1", "events": 1, "shards": {}}',
        '{"format": "indelible-anchor-1", "events": false, "shards": {}}',
        anchor_text('"0": {}', events=6),
        anchor_text('"0": {}, "00": {}', events=6),
        anchor_text('"0": {}, "0": {}', events=6),
        anchor_text('"-1": {}', events=3),
        '{"format": "indelible-anchor-1", "shards": {"0": {"position": 0, "chain": ""}}}',
        '{"format": "indelible-anchor-1", "shards": {"x": {"position": 1, "chain": "00"}}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_anchor_is_refused(text: str) -> None:
    with pytest.raises(AnchorError, match="is no anchor"):
        parse_anchor(text)
