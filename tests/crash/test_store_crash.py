"""Kill -9 while appending, opening, migrating: what was acknowledged is there, nothing is half."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack
import pytest
from alembic import command

from indelible.errors import StoreNotFoundError
from indelible.events.opening import open_store
from indelible.events.store import EventStore
from indelible.migrations import alembic_config, head_revision
from indelible.testing.contract.builders import some_events
from killing import Child

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")

SCALE = 10 if os.environ.get("INDELIBLE_FAULTS") == "1" else 1
RANDOM_KILLS = 36 * SCALE
KILLS_AT_EACH_FAILPOINT = 4 * SCALE
OPENING_KILLS = 24 * SCALE


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    child = Child()
    yield child
    child.close()


def check(url: str, acknowledged: list[list[str]]) -> int:
    """Take over at once and look at everything; how many events there are."""
    store = open_store(url)
    try:
        events = read_all(store)
        assert [event.position for event in events] == list(range(1, len(events) + 1))
        assert store.verify() == len(events)
        there = {(e.stream, e.version, e.position, e.event_id.hex()) for e in events}
        for stream, version, position, event_id in acknowledged:
            assert (stream, int(version), int(position), event_id) in there
        check_appends_are_whole(store, events)
        check_streams(store, events)
    finally:
        store.close()
    return len(events)


def read_all(store: EventStore) -> list[Any]:
    events: list[Any] = []
    while page := store.read_shard(0, len(events), 1_000):
        events += page
    return events


def check_appends_are_whole(store: EventStore, events: list[Any]) -> None:
    appends: dict[str, list[tuple[int, int]]] = {}
    for event in events:
        append, number, size, digest = msgpack.unpackb(event.payload)
        appends.setdefault(append, []).append((number, size))
        if digest:
            assert len(store.blob(digest)) == 70_000
    for parts in appends.values():
        assert parts == [(number, parts[0][1]) for number in range(parts[0][1])]


def check_streams(store: EventStore, events: list[Any]) -> None:
    versions: dict[str, int] = {}
    for event in events:
        assert event.version == versions.get(event.stream, 0) + 1
        versions[event.stream] = event.version
    assert {head.stream: head.version for head in store.heads("run")} == versions


def test_killed_at_random_moments_nothing_acknowledged_is_lost(
    child: Child, tmp_path: Path
) -> None:
    draw = random.Random(random.getrandbits(64))  # noqa: S311 - when to kill
    url, acknowledged = "", list[list[str]]()
    for kill in range(RANDOM_KILLS):
        if kill % 12 == 0:
            url, acknowledged = f"sqlite:///{tmp_path / f'{kill}.db'}", []
        pid = child.order("append", url, seed=kill)
        more, status = child.acknowledged_until_dead(pid, draw.choice([0, 1, 5, 25, 60, 120]))
        assert status == signal.SIGKILL
        acknowledged += more
        assert check(url, acknowledged) >= len(acknowledged)


@pytest.mark.parametrize(
    "failpoint", ["append.queued", "commit.begun", "commit.before", "commit.after", "ack.after"]
)
def test_killed_at_a_failpoint_nothing_acknowledged_is_lost(
    child: Child, tmp_path: Path, failpoint: str
) -> None:
    draw = random.Random(random.getrandbits(64))  # noqa: S311 - when to kill
    url = f"sqlite:///{tmp_path / 'store.db'}"
    acknowledged: list[list[str]] = []
    for kill in range(KILLS_AT_EACH_FAILPOINT):
        count = draw.randint(1, 40)
        pid = child.order("append", url, failpoint=failpoint, count=count, seed=kill)
        more, status = child.acknowledged_until_dead(pid, None)
        assert status == signal.SIGKILL
        acknowledged += more
        check(url, acknowledged)


def test_killed_while_opening_the_database_is_empty_or_whole(child: Child, tmp_path: Path) -> None:
    draw = random.Random(random.getrandbits(64))  # noqa: S311 - when to kill
    for kill in range(OPENING_KILLS):
        database = tmp_path / f"{kill // 3}.db"  # some are killed again while they open again
        url = f"sqlite:///{database}"
        failpoint = draw.choice(["", "", "migrate.before", "migrate.inside"])
        if failpoint == "migrate.inside" and is_whole(database):
            failpoint = "migrate.before"
        pid = child.order("open", url, failpoint=failpoint)
        if not failpoint:
            child.speaks_within(draw.uniform(0, 0.06))
            os.kill(pid, signal.SIGKILL)
        _, status = child.acknowledged_until_dead(pid, None)
        assert status in (signal.SIGKILL, 0)  # it may have been faster
        whole = is_whole(database)
        try:
            reader = open_store(url, mode="read")
        except StoreNotFoundError:
            assert not whole
        else:
            assert whole
            assert reader.verify() == 0
            reader.close()
    for database in tmp_path.glob("*.db"):
        assert check(f"sqlite:///{database}", []) == 0


def is_whole(database: Path) -> bool:
    """Whether the schema is there; it may only be there as a whole."""
    if not database.exists():
        return False
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        tables = {name for (name,) in rows if not name.startswith("sqlite_")}
        if not tables:
            return False
        assert {"alembic_version", "blobs", "events", "shards", "streams"} <= tables
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        assert revision == [(head_revision(),)]
    return True


def test_killed_while_migrating_a_full_store_its_events_stay(child: Child, tmp_path: Path) -> None:
    database = tmp_path / "old.db"
    make_old(database)
    url = f"sqlite:///{database}"
    for _ in range(3 * SCALE):
        pid = child.order("open", url, failpoint="migrate.inside")
        _, status = child.acknowledged_until_dead(pid, None)
        assert status == signal.SIGKILL
        with closing(sqlite3.connect(database)) as connection:
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchall()
            assert revision == [("0001",)]
            assert connection.execute("SELECT count(*) FROM events").fetchall() == [(500,)]
    store = open_store(url)
    assert store.verify() == 500
    store.close()


def make_old(database: Path) -> None:
    """A store with events, as the first version would have left it."""
    store = open_store(f"sqlite:///{database}")
    store.append("run-1", some_events(500), expected=0)
    store.close()
    command.downgrade(alembic_config(f"sqlite:///{database}"), "0001")
