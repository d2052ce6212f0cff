"""When a snapshot is worth it, and which deciders take any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest

from indelible import ActorSystem, Decider, Event
from indelible.actors.decider import takes_snapshots
from indelible.actors.durable.recovery import snapshot_policy
from indelible.actors.durable.recovery.snapshot_writer import PendingSnapshot, SnapshotWriter
from indelible.actors.durable.recovery.state_from_log import RecoveredState
from indelible.clock import ManualClock
from indelible.events.codec.values import encode_value
from indelible.events.memory.store import MemoryEventStore
from indelible.failpoints import Failpoints


class Without(Decider[list[int]]):
    category: ClassVar[str] = "sum"
    event_types: ClassVar[Sequence[type[Event]]] = ()


class Sum(Without):
    snapshot_every: ClassVar[int] = 10

    def __init__(self) -> None:
        self.kept: Callable[[list[int]], Any] = lambda state: state

    def snapshot(self, state: list[int]) -> Any:
        return self.kept(state)

    def restore(self, value: Any) -> list[int]:
        return value  # type: ignore[no-any-return] # what snapshot() gave


def test_half_of_the_hooks_is_refused() -> None:
    class Half(Sum):
        restore = Decider.restore  # type: ignore[assignment] # as if it had none

    class Nameless(Sum):
        snapshot_schema: ClassVar[str] = ""

    class Backwards(Sum):
        snapshot_every: ClassVar[int] = -1

    for cls in (Half, Nameless, Backwards):
        with pytest.raises(TypeError, match=cls.__name__):
            ActorSystem("memory://", actors=[cls()])
    assert takes_snapshots(Sum())
    assert not takes_snapshots(Without())


def test_the_measured_cost_of_replaying_says_how_often() -> None:
    class ByCost(Sum):
        snapshot_every: ClassVar[int] = 0

    store, clock = MemoryEventStore(), ManualClock()
    taken = snapshot_policy.Snapshots(clock, SnapshotWriter(store, Failpoints()))
    decider = ByCost()
    assert taken.first(decider) == 1_000  # 5 us an event, presumably
    found = RecoveredState([], 500, 100)
    assert taken.next_after(decider, found, took=400 * 10_000) == 100 + 500  # 10 us, measured
    assert taken.next_after(decider, found, took=400 * 30_000) == 100 + 250  # 20 on average
    assert taken.next_after(decider, RecoveredState([], 50), took=10**9) == 250  # too few to tell
    encoded, due = taken.capture(decider, "sum-a", [1], 700)
    assert encoded is not None
    assert due == 700 + 250
    assert taken.first(Without()) == snapshot_policy.NEVER


def test_what_costs_much_to_capture_is_captured_less_often() -> None:
    class Slow(Sum):
        snapshot_every: ClassVar[int] = 0

    clock = ManualClock()
    taken = snapshot_policy.Snapshots(clock, SnapshotWriter(MemoryEventStore(), Failpoints()))
    decider = Slow()

    def capture_slowly(state: list[int]) -> list[int]:
        clock.advance(0.010)
        return state

    decider.kept = capture_slowly
    _, due = taken.capture(decider, "sum-a", [1], 1_000)
    assert due == 1_000 + 8 * 2_000  # eight times the 10 ms, at 5 us an event


def test_who_leaves_memory_after_a_few_events_leaves_no_snapshot() -> None:
    class ByCost(Sum):
        snapshot_every: ClassVar[int] = 0

    put: list[PendingSnapshot] = []

    class Writer(SnapshotWriter):
        def put(self, waiting: PendingSnapshot) -> None:
            put.append(waiting)

    taken = snapshot_policy.Snapshots(ManualClock(), Writer(MemoryEventStore(), Failpoints()))
    decider = ByCost()
    taken.next_after(decider, RecoveredState([], 1_000), took=10**9)  # a millisecond an event
    taken.leave(decider, "sum-a", 1_099, 1_000, [])
    taken.leave(Without(), "sum-b", 1_100, 0, [])
    assert put == []
    taken.leave(decider, "sum-c", 1_100, 1_000, [7])
    assert [one[:3] for one in put] == [("sum-c", 1_100, "1")]
    assert put[0].encode() == encode_value([7])
