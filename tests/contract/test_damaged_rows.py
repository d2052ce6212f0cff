"""Verifying a store names each row that is damaged, and goes on behind it."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from at_rest import edit
from indelible.errors import VerificationError
from indelible.events.codec.metadata import METADATA_LIMIT
from indelible.events.inbox.inbox import COMMAND_LIMIT, Command
from indelible.events.opening import open_store
from indelible.events.snapshots import Taken, keep_snapshots
from indelible.events.store import EventStore
from indelible.events.verification.findings import LIMIT
from indelible.testing.contract.builders import some_events, url_of

NO_TEXT = "CAST(x'72F2' AS TEXT)"
TOO_MUCH = "zeroblob(5000000)"
NUL = "CAST(x'00' AS TEXT)"
NO_NAME = ("x'00'", NO_TEXT, TOO_MUCH, NUL, "CAST(zeroblob(5000000) AS TEXT)")
NO_NUMBER = ("x'00'", NO_TEXT, TOO_MUCH, "0.5", "'x'", "-1")


@pytest.fixture
def store(each_url: str) -> Iterator[EventStore]:
    """Streams, blobs, snapshots and commands, three of each; open for reading."""
    store = open_store(each_url, shards=1, lease=3_600)
    for name in ("run-1", "run-2", "run-3"):
        content = name.encode() * 10
        blobs = [(sha256(content).digest(), content)]
        store.append(name, some_events(3), expected=0, blobs=blobs)
        keep_snapshots(store, [Taken(name, 2, "1", 0, b"\x01")])
    store.inbox.submit([Command(f"m{n}", 0, f"run-{n}", "k", b"", "s") for n in range(1, 5)])
    store.inbox.answer([("m4", b"\x90")])
    store.close()
    store = open_store(each_url, mode="read")
    yield store
    store.close()


def found_in(store: EventStore) -> list[str]:
    """What verifying finds, without saying how much that is."""
    with pytest.raises(VerificationError) as caught:
        store.verify()
    error = caught.value
    return [str(VerificationError(error.shard, error.position, error.found)), *error.others]


on_sqlite = pytest.mark.parametrize("each_url", ["sqlite"], indirect=True)
"""It alone takes such values."""


@on_sqlite
@pytest.mark.parametrize("column", ["name", "category", "status", "version", "wake_at"])
def test_a_damaged_row_of_streams_is_named_and_the_others_are_checked(
    store: EventStore, column: str
) -> None:
    edit(store.url, "UPDATE streams SET wake_at = -5 WHERE name = 'run-3'")
    edit(store.url, "CREATE TABLE kept AS SELECT * FROM streams", touch=False)
    for value in NO_NUMBER if column in ("version", "wake_at") else NO_NAME:
        edit(store.url, f"UPDATE streams SET {column} = {value} WHERE name = 'run-2'")
        found = found_in(store)
        rows = [words for words in found if "stream 'run-2': its " in words or "number 2:" in words]
        assert len(rows) == 1, (value, found)
        assert "shard 0: stream 'run-3': its wake_at is -5" in found, (value, found)
        assert len(found) <= 4, (value, found)  # events and snapshot have the name, too
        edit(store.url, "DELETE FROM streams", "INSERT INTO streams SELECT * FROM kept")


OF_EVENTS = {
    "type": ("x'00'", NO_TEXT, TOO_MUCH, "'run.x'"),
    **dict.fromkeys(("event_id", "payload", "metadata", "chain"), ("'x'", NO_TEXT, TOO_MUCH, "7")),
    **dict.fromkeys(("schema", "epoch", "recorded_at"), NO_NUMBER),
    **dict.fromkeys(("shard", "stream_id", "version"), (*NO_NUMBER, "1 << 62")),
    "position": ("-1", "1 << 62"),  # the number of its row, so that SQLite takes no others
}


@on_sqlite
@pytest.mark.parametrize("column", OF_EVENTS)
def test_a_damaged_event_is_named_and_those_behind_it_are_checked(
    store: EventStore, column: str
) -> None:
    edit(store.url, "UPDATE events SET payload = x'c0' WHERE position = 8")
    edit(store.url, "CREATE TABLE kept AS SELECT * FROM events", touch=False)
    for value in OF_EVENTS[column]:
        edit(store.url, f"UPDATE events SET {column} = {value} WHERE position = 4")
        found = found_in(store)
        assert any("position 4: " in words for words in found), (value, found)
        behind = [words for words in found if "position 8: " in words]
        assert behind == [
            "shard 0 breaks at position 8: event 2 of 'run-3' was changed, or moved here"
        ]
        others = [words for words in found if "'run-1'" in words or "position 5:" in words]
        assert not others, (value, others)
        edit(store.url, "DELETE FROM events", "INSERT INTO events SELECT * FROM kept")


def test_a_chain_that_was_changed_breaks_at_its_event_alone(store: EventStore) -> None:
    other = "x'{}'" if store.url.startswith("sqlite") else "'\\x{}'"
    edit(store.url, f"UPDATE events SET chain = {other.format('05' * 32)} WHERE position = 6")
    assert found_in(store) == [
        "shard 0 breaks at position 6: event 3 of 'run-2' was changed, or moved here"
    ]


def test_verifying_ends_when_enough_was_found(tmp_path: Path) -> None:
    store = open_store(url_of(tmp_path / "store.db"))
    for number in range(LIMIT + 20):
        store.append(f"run-{number}", some_events(1), expected=0)
    store.close()
    edit(store.url, "UPDATE streams SET wake_at = -1")
    store = open_store(store.url, mode="read")
    assert len(found_in(store)) == LIMIT
    store.close()


@on_sqlite
def test_damaged_keys_of_blobs_and_snapshots_are_found(store: EventStore) -> None:
    edit(store.url, "UPDATE snapshots SET schema = '2' WHERE stream = 'run-3'")
    edit(store.url, "UPDATE blobs SET content = x'00' WHERE rowid = 3")
    for table in ("snapshots", "blobs"):
        edit(store.url, f"CREATE TABLE kept_{table} AS SELECT * FROM {table}", touch=False)
    for table, column, value in (
        *(("blobs", "digest", value) for value in ("'x'", NO_TEXT, "7", TOO_MUCH)),
        *(("blobs", "content", value) for value in ("'x'", NO_TEXT, "7", "zeroblob(70000000)")),
        *(("snapshots", "stream", value) for value in NO_NAME),
        *(("snapshots", "schema", value) for value in NO_NAME),
        *(("snapshots", "version", value) for value in NO_NUMBER),
        *(("snapshots", "taken_at", value) for value in ("x'00'", NO_TEXT, "'x'")),
        *(("snapshots", "state", value) for value in ("'x'", NO_TEXT, "7", "zeroblob(70000000)")),
    ):
        edit(store.url, f"UPDATE {table} SET {column} = {value} WHERE rowid = 2")
        found = found_in(store)
        assert len(found) == 3, (table, column, value, found)
        assert any("snapshot of 'run-3'" in words for words in found), (column, value, found)
        for one in ("snapshots", "blobs"):
            back = f"INSERT INTO {one} SELECT * FROM kept_{one}"
            edit(store.url, f"DELETE FROM {one}", back)


DAMAGED_COMMANDS = {
    **dict.fromkeys(("message_id", "stream", "kind", "sender"), NO_NAME),
    **dict.fromkeys(("submitted_at", "deadline", "answered_at"), NO_NUMBER),
    "shard": (*NO_NUMBER, "5"),
    "body": ("'x'", NO_TEXT, "7", f"zeroblob({COMMAND_LIMIT + 1})"),
    "answer": ("'x'", NO_TEXT, "7", "x'00'"),
    "awaits": (NO_TEXT, "x'FF'", "zeroblob(2000)"),
    "context": ("'x'", NO_TEXT, "7", f"zeroblob({METADATA_LIMIT + 1})"),
}
ON_BOTH = {
    **dict.fromkeys(("submitted_at", "deadline"), ("-1",)),
    "answered_at": ("-1", "7"),
    "shard": ("-1", "5"),
    "stream": ("''",),
}


@pytest.mark.parametrize("column", DAMAGED_COMMANDS)
def test_a_damaged_command_is_named_and_the_others_are_checked(
    store: EventStore, column: str
) -> None:
    lite = store.url.startswith("sqlite")
    edit(store.url, "UPDATE inbox SET deadline = -7 WHERE message_id = 'm3'")
    edit(store.url, "CREATE TABLE kept AS SELECT * FROM inbox WHERE message_id = 'm2'", touch=False)
    for value in DAMAGED_COMMANDS[column] if lite else ON_BOTH.get(column, ()):
        edit(store.url, f"UPDATE inbox SET {column} = {value} WHERE message_id = 'm2'")
        found = found_in(store)
        [two, three] = found
        assert two.startswith("the store: command 2 of the inbox ("), (value, two)
        assert "its" in two or "answered" in two, (value, two)
        assert three.endswith("('m3' for 'run-3'): its deadline is -7"), three
        edit(store.url, "DELETE FROM inbox WHERE seq = 2")
        edit(
            store.url,
            "INSERT INTO inbox OVERRIDING SYSTEM VALUE SELECT * FROM kept"
            if not lite
            else "INSERT INTO inbox SELECT * FROM kept",
        )
