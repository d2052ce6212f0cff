"""The feed: memory stays bounded, positions come without a gap, rows fill in."""

from __future__ import annotations

from typing import Any

import pytest

from indelible.errors import StoreUnavailableError
from indelible.events.model.event import DamagedEvent, RecordedEvent
from indelible.projections.engine.event_feed import EventFeed


class Rows:
    """A store of which only the rows are asked; it counts how often."""

    def __init__(self, events: list[RecordedEvent]) -> None:
        self.events = events
        self.reads: list[tuple[int, int, int]] = []

    def read_shard(self, shard: int, after: int, limit: int) -> list[RecordedEvent]:
        self.reads.append((shard, after, limit))
        return [e for e in self.events if e.shard == shard and e.position > after][:limit]


def event(position: int, shard: int = 0) -> RecordedEvent:
    return RecordedEvent(shard, position, "run-1", position, b"", 1, "t", 1, b"", b"", 0, b"")


def feed(kept: int, events: int = 0, *others: RecordedEvent) -> tuple[EventFeed, Rows]:
    rows: Any = Rows([*(event(p) for p in range(1, events + 1)), *others])
    return EventFeed(rows, kept), rows


def positions(found: list[RecordedEvent]) -> list[int]:
    return [one.position for one in found]


def test_live_events_come_from_memory() -> None:
    one, rows = feed(10)
    one.push([event(1), event(2)])
    one.push([event(3)])
    assert one.take()
    assert positions(one.read({}, 2)) == [1, 2]
    assert positions(one.read({0: 2}, 2)) == [3]
    assert one.read({0: 3}, 2) == []
    assert rows.reads == []
    assert not one.take()


def test_memory_is_bounded_before_and_after_the_runner_looks() -> None:
    one, _ = feed(5)
    for position in range(1, 101):
        one.push([event(position)])
        assert one.pending <= 5
    one.take()
    for position in range(101, 200):
        one.push([event(position)])
        one.take()
    assert sum(len(window) for window in one._windows.values()) <= 5


def test_what_fell_out_of_memory_comes_from_the_rows_up_to_where_memory_goes_on() -> None:
    one, rows = feed(3, 10)
    for position in range(1, 11):
        one.push([event(position)])
    one.take()
    assert positions(one.read({}, 100)) == [1, 2, 3, 4, 5, 6, 7]
    assert positions(one.read({0: 7}, 100)) == [8, 9, 10]
    assert rows.reads == [(0, 0, 7)]


def test_a_shard_whose_only_group_was_pushed_out_is_read_from_the_rows() -> None:
    one, _ = feed(2, 0, event(1, shard=7), event(2, shard=7))
    one.push([event(1, shard=7), event(2, shard=7)])
    one.push([event(1), event(2)])
    one.take()
    assert [(e.shard, e.position) for e in one.read({0: 2}, 9)] == [(7, 1), (7, 2)]


def test_a_busy_shard_does_not_hold_up_another_one() -> None:
    one, _ = feed(100)
    one.push([event(position) for position in range(1, 51)])
    one.push([event(1, shard=7)])
    one.take()
    first = one.read({}, 10)
    assert {e.shard for e in first} == {0}
    assert (7, 1) in [(e.shard, e.position) for e in one.read({0: 10}, 10)]


def test_memory_is_bounded_over_all_shards() -> None:
    one, _ = feed(20)
    for shard in range(10):
        one.push([event(position, shard) for position in range(1, 11)])
        one.take()
    assert sum(len(window) for window in one._windows.values()) <= 20
    assert positions(one.read(dict.fromkeys(range(10), 9), 20)) == [10] * 10


def test_who_rests_keeps_nothing_and_takes_nothing() -> None:
    one, rows = feed(20, 3)
    one.push([event(1)])
    one.take()
    one.push([event(2)])
    one.pause()
    one.push([event(3)])
    assert one.pending == 0
    assert not one.take()
    one.idle = False
    one.note_committed({0: 3})
    assert positions(one.read({}, 9)) == [1, 2, 3]
    assert rows.reads == [(0, 0, 3)]


def test_a_group_that_nobody_saw_leaves_no_gap() -> None:
    one, _ = feed(10, 5)
    one.push([event(1)])
    one.take()
    one.push([event(4), event(5)])  # 2 and 3 were never announced
    one.take()
    assert positions(one.read({0: 1}, 100)) == [2, 3]
    assert positions(one.read({0: 3}, 100)) == [4, 5]


def test_shards_share_a_batch() -> None:
    one, _ = feed(10)
    one.push([event(1), event(1, shard=7), event(2)])
    one.take()
    assert [(e.shard, e.position) for e in one.read({}, 10)] == [(0, 1), (0, 2), (7, 1)]
    assert [(e.shard, e.position) for e in one.read({0: 1}, 2)] == [(0, 2), (7, 1)]
    assert one.lag({0: 1}) == 2


def test_what_every_view_has_applied_is_forgotten() -> None:
    one, rows = feed(10, 3)
    one.push([event(1), event(2), event(3)])
    one.take()
    one.forget({0: 2})
    assert positions(one.read({0: 2}, 10)) == [3]
    assert rows.reads == []
    assert positions(one.read({0: 0}, 10)) == [1, 2]
    assert rows.reads == [(0, 0, 2)]


def test_rows_that_should_exist_and_do_not_are_never_skipped() -> None:
    one, _ = feed(10, 0, event(3))
    one.note_committed({0: 3})
    lost, there = one.read({0: 1}, 10)
    assert isinstance(lost, DamagedEvent)
    assert ([lost.position, there.position], there) == ([2, 3], event(3))
    one.note_committed({0: 4})
    with pytest.raises(StoreUnavailableError):
        one.read({0: 3}, 10)


def test_a_push_wakes_the_runner_once_enough_is_pending() -> None:
    one, _ = feed(10)
    woken: list[int] = []
    one.wake = lambda: woken.append(one.pending)
    one.wake_at = 3
    for position in range(1, 7):
        one.push([event(position)])
    assert woken == [3]
