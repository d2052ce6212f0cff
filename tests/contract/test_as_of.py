"""Where a moment lies in the log, on every store: by version, position, cursor and time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from indelible.clock import ManualClock
from indelible.errors import AsOfError
from indelible.events.opening import open_store
from indelible.events.read.as_of import Position, cursor_at, version_at
from indelible.events.store import EventStore
from indelible.testing.contract.builders import some_events, url_of

T0 = 1_700_000_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STREAMS = ("run-a", "run-b", "run-c")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    """Three streams of ten events each, in turn, an event a second."""
    urls = {"memory": "memory://", "sqlite": url_of(tmp_path / "store.db")}
    url = urls.get(request.param) or request.getfixturevalue("postgres_url")
    clock = ManualClock(T0)
    store = open_store(url, clock=clock, shards=4, lease=3_600)
    for version in range(10):
        for stream in STREAMS:
            store.append(stream, some_events(1), expected=version)
            clock.advance(1)
    yield store
    store.close()


def time_of(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def test_every_event_is_found_by_version_position_cursor_and_time(log: EventStore) -> None:
    for stream in STREAMS:
        for event in log.read(stream):
            moments: list[Any] = [
                event.version,
                Position(event.shard, event.position),
                {event.shard: event.position},
                time_of(event.recorded_at),
                time_of(event.recorded_at + 1),
                time_of(event.recorded_at).astimezone(timezone(timedelta(hours=5))),
            ]
            assert [version_at(log, stream, moment) for moment in moments] == [event.version] * 6
            before: list[Any] = [
                0,
                time_of(event.recorded_at - 1),
                {event.shard: event.position - 1},
            ]
            assert [version_at(log, stream, moment) for moment in before] == [
                0,
                event.version - 1,
                event.version - 1,
            ]


def test_times_before_and_after_everything_are_fine(log: EventStore) -> None:
    assert version_at(log, "run-a", time_of(0)) == 0
    assert version_at(log, "run-a", time_of(T0 + 10**15)) == 10
    assert cursor_at(log, time_of(T0 + 10**15)) == log.positions()
    assert set(cursor_at(log, time_of(0)).values()) == {0}


def test_a_stream_that_does_not_exist_has_version_0(log: EventStore) -> None:
    assert version_at(log, "run-x", time_of(T0 + 10**15)) == 0
    assert version_at(log, "run-x", log.positions()) == 0
    assert version_at(log, "run-x", 0) == 0
    with pytest.raises(AsOfError, match="no version"):
        version_at(log, "run-x", 1)


def test_a_time_is_a_cursor_that_covers_exactly_what_was_recorded(log: EventStore) -> None:
    events = [event for shard in log.positions() for event in log.read_shard(shard, 0, 1_000)]
    for second in range(-1, 31):
        cursor = cursor_at(log, time_of(T0 + second * 1_000_000))
        for event in events:
            covered = event.position <= cursor[event.shard]
            assert covered == (event.recorded_at <= T0 + second * 1_000_000)


def test_a_cursor_lacks_nothing_and_has_nothing_that_is_not_there(log: EventStore) -> None:
    ends = log.positions()
    assert cursor_at(log, ends) == ends
    assert cursor_at(log, {}) == dict.fromkeys(ends, 0)
    assert cursor_at(log, {99: 0}) == dict.fromkeys(ends, 0)


def test_a_position_is_of_one_shard(log: EventStore) -> None:
    shard = next(iter(log.read("run-a"))).shard
    if set(log.positions()) == {shard}:
        assert cursor_at(log, Position(shard, 3)) == {shard: 3}
        return
    with pytest.raises(AsOfError, match="says nothing about the other"):
        cursor_at(log, Position(shard, 1))
    other = next(number for number in log.positions() if number != shard)
    with pytest.raises(AsOfError, match=f"is of shard {other}"):
        version_at(log, "run-a", Position(other, 0))
    assert version_at(log, "run-a", {other: 0}) == 0


@pytest.mark.parametrize(
    ("moment", "why"),
    [
        (11, "has the versions 1 to 10"),
        (-1, "no version"),
        (True, "no version"),
        (Position(0, -1), "no position -1"),
        (Position(99, 1), "does not exist"),
        ({0: 10**9}, "ends at position"),
        ({0: True}, "no position"),
        ({0: "1"}, "no position"),
        (1.5, "no moment"),
        ("2026-01-01T00:00Z", "no moment"),
        (datetime(2026, 1, 1), "no time zone"),  # noqa: DTZ001 - that is the point
    ],
)
def test_what_is_no_moment_is_refused(log: EventStore, moment: Any, why: str) -> None:
    with pytest.raises(AsOfError, match=why):
        version_at(log, "run-a", moment)


def test_a_long_stream_is_searched_in_few_reads(
    log: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for group in range(10):
        log.append("run-long", some_events(100), expected=100 * group)
    target = list(log.read("run-long"))[500]
    reads = 0
    read = log.read

    def counted(*arguments: Any) -> Any:
        nonlocal reads
        reads += 1
        return read(*arguments)

    monkeypatch.setattr(log, "read", counted)
    assert version_at(log, "run-long", {target.shard: target.position}) == 501
    assert reads <= 13
