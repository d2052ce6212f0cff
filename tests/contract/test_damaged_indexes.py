"""Verifying finds an index that leaves out a row, and says how it is made anew."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from at_rest import drop_entry, edit
from indelible.errors import VerificationError
from indelible.events.inbox.inbox import Command
from indelible.events.inbox.late_answers import AwaitsReply
from indelible.events.opening import open_store
from indelible.events.snapshots import Taken, keep_snapshots
from indelible.events.store import Append
from indelible.testing.contract.builders import some_events, url_of


def fill(url: str, *, late: bool = False) -> None:
    """Make a store with three of everything; with ``late`` the commands await late answers."""
    store = open_store(url, shards=1, lease=3_600)
    for number in (1, 2, 3):
        name = f"run-{number}"
        blobs = [(sha256(name.encode()).digest(), name.encode())]
        store.append(name, some_events(2), expected=0, status="s", wake_at=number, blobs=blobs)
        keep_snapshots(store, [Taken(name, 2, "1", 0, b"\x01")])
    store.inbox.submit([Command(f"m{n}", 0, f"run-{n}", "k", b"", "s") for n in (1, 2, 3)])
    for n in (1, 2, 3) if late else ():
        store.submit(Append(f"run-{n}", 2, [], lambda *_: None, late=[AwaitsReply(f"m{n}", "k")]))
        store.lead()
    store.close()


def found_in(url: str) -> list[str]:
    """What verifying finds."""
    store = open_store(url, mode="read")
    with pytest.raises(VerificationError) as caught:
        store.verify()
    store.close()
    return [caught.value.found, *caught.value.others]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    "index",
    [
        *("sqlite_autoindex_streams_1", "streams_by_status", "streams_by_wake_at"),
        *("sqlite_autoindex_inbox_1", "inbox_waiting", "inbox_answered"),
        "inbox_awaiting",
        *("sqlite_autoindex_snapshots_1", "sqlite_autoindex_events_1"),
    ],
)
def test_an_index_of_a_file_that_leaves_out_a_row_is_found(
    tmp_path: Path, index: str, *, last: bool
) -> None:
    url = url_of(tmp_path / "store.db")
    fill(url, late=index == "inbox_awaiting")
    drop_entry(url, index, last=last)
    found = found_in(url)
    [words] = [words for words in found if f"index {index}: " in words]
    assert "missing from index" in words
    assert f"REINDEX {index} after" in words
    edit(url, f"REINDEX {index}", touch=False)
    store = open_store(url, mode="read")
    assert store.verify() == 6
    store.close()


@pytest.mark.parametrize(
    ("table", "key", "index"),
    [
        *(("streams", "id", f"streams_{way}") for way in ("pkey", "name_key", "by_status")),
        ("streams", "id", "streams_by_wake_at"),
        *(("inbox", "seq", f"inbox_{way}") for way in ("pkey", "message_id_key", "waiting")),
        *(("inbox", "seq", f"inbox_{way}") for way in ("answered", "awaiting")),
        ("blobs", "digest", "blobs_pkey"),
        ("snapshots", "stream", "snapshots_pkey"),
        ("shards", "shard", "shards_pkey"),
    ],
)
def test_an_index_of_postgres_that_leaves_out_a_row_is_found(
    postgres_url: str, table: str, key: str, index: str
) -> None:
    fill(postgres_url, late=index == "inbox_awaiting")
    is_kept_up = f"WHERE indexrelid = '{index}'::regclass"
    edit(
        postgres_url,
        f"CREATE TABLE kept AS SELECT * FROM {table} LIMIT 1",
        f"DELETE FROM {table} WHERE {key} = (SELECT {key} FROM kept)",
        f"UPDATE pg_index SET indisready = false {is_kept_up}",
        f"INSERT INTO {table} SELECT * FROM kept",
        f"UPDATE pg_index SET indisready = true {is_kept_up}",
    )
    found = found_in(postgres_url)
    rows = 1 if table == "shards" else 3
    words = f"index {index}: it leads to {rows - 1} rows, its table {table} has {rows} for it"
    [full] = [it for it in found if words in it]
    assert f"REINDEX INDEX {index} after" in full
    edit(postgres_url, f"REINDEX INDEX {index}", touch=False)
    store = open_store(postgres_url, mode="read")
    assert store.verify() == 6
    store.close()
