"""A stream with a hole in it is never read as if it were whole, on any store (invariant 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from at_rest import lose
from indelible.errors import StoreCorruptError
from indelible.events.opening import open_store
from indelible.events.postgres import reader as postgres_reader
from indelible.events.read.as_of import version_at
from indelible.events.sqlite.read import reader as sqlite_reader
from indelible.events.store import EventStore
from indelible.testing.contract.builders import some_events, url_of


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EventStore]:
    """A store that reads three events at a time."""
    for reader in (sqlite_reader, postgres_reader):
        monkeypatch.setattr(reader, "_PAGE", 3)
    urls = {"memory": "memory://", "sqlite": url_of(tmp_path / "store.db")}
    url = urls.get(request.param) or request.getfixturevalue("postgres_url")
    store = open_store(url, shards=1, lease=3_600)
    yield store
    store.close()


def read_versions(
    store: EventStore, stream: str, after: int = 0, until: int | None = None
) -> tuple[list[int], Any]:
    """The versions that come out, and the version and position that are missing."""
    seen: list[int] = []
    try:
        seen.extend(event.version for event in store.read(stream, after, until))
    except StoreCorruptError as error:
        return seen, (error.stream, error.version, error.shard, error.position)
    return seen, None


LOSSES: Sequence[tuple[int, ...]] = ((1,), (4,), (5,), (10,), (3, 4), (1, 2), (9, 10), (2, 8))


def test_a_missing_event_ends_the_reading_of_its_stream_alone(store: EventStore) -> None:
    for number in range(len(LOSSES)):
        store.append(f"run-{number}", some_events(10), expected=0)
        store.append(f"run-whole-{number}", some_events(10), expected=0)
    for number, lost in enumerate(LOSSES):
        lose(store, f"run-{number}", *lost)
    for number, (first, *_) in enumerate(LOSSES):
        seen, missing = read_versions(store, f"run-{number}")
        assert seen == list(range(1, first))
        assert missing == (f"run-{number}", first, 0, 20 * number + first)
        assert read_versions(store, f"run-whole-{number}") == (list(range(1, 11)), None)


def test_a_stream_of_which_nothing_is_left_is_not_taken_for_a_new_one(store: EventStore) -> None:
    store.append("run-1", some_events(4), expected=0)
    lose(store, "run-1", 1, 2, 3, 4)
    assert read_versions(store, "run-1") == ([], ("run-1", 1, 0, 1))
    assert read_versions(store, "run-2") == ([], None)


def test_a_part_is_whole_if_nothing_is_missing_in_it(store: EventStore) -> None:
    store.append("run-1", some_events(6), expected=0)
    lose(store, "run-1", 3)
    hole = ("run-1", 3, 0, 3)
    assert read_versions(store, "run-1", 0, 2) == ([1, 2], None)
    assert read_versions(store, "run-1", 3) == ([4, 5, 6], None)
    assert read_versions(store, "run-1", 1, 4) == ([2], hole)
    assert read_versions(store, "run-1", 2, 3) == ([], hole)
    assert read_versions(store, "run-1", 5, 99) == ([6], None)
    assert read_versions(store, "run-1", 6) == ([], None)
    assert read_versions(store, "run-1", 9) == ([], None)
    with pytest.raises(StoreCorruptError, match="version 3"):
        version_at(store, "run-1", {0: 5})
