"""Actors of long streams wake from snapshots; nothing but the time to wake depends on them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from indelible import ActorSystem, Decider, Event
from indelible.actors.durable.recovery import snapshot_policy, snapshot_writer
from indelible.actors.durable.recovery.state_from_log import SHORT, recover
from indelible.api.facade import access_to
from indelible.errors import StoreUnavailableError
from indelible.events.memory.store import MemoryEventStore
from indelible.events.snapshots import SNAPSHOTS, drop_snapshots
from indelible.failpoints import Failpoints
from indelible.testing.faults import Fault
from indelible.testing.hold import Hold


class Added(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "sum.added"

    number: int


class Sum(Decider[list[int]]):
    """Keeps what was added; counts how often it is asked to fold."""

    category: ClassVar[str] = "sum"
    event_types: ClassVar[Sequence[type[Event]]] = (Added,)
    snapshot_every: ClassVar[int] = 10

    def __init__(self) -> None:
        self.folded = 0
        self.kept: Callable[[list[int]], Any] = lambda state: state
        self.restored: Callable[[Any], list[int]] = lambda value: value

    def initial_state(self) -> list[int]:
        return []

    def decide(self, state: list[int], message: int) -> list[Event]:
        return [Added(message)] if message else []

    def evolve(self, state: list[int], event: Any) -> list[int]:
        self.folded += 1
        state.append(event.number)
        return state

    def snapshot(self, state: list[int]) -> Any:
        return self.kept(state)

    def restore(self, value: Any) -> list[int]:
        return self.restored(value)


class Plain(Sum):
    """The same without snapshots."""

    snapshot = Decider.snapshot  # type: ignore[assignment] # as if it had none
    restore = Decider.restore  # type: ignore[assignment]


class Bench:
    """One store, and systems that follow each other on it."""

    def __init__(self, decider: Sum) -> None:
        self.written = threading.Semaphore(0)
        self.tried = threading.Semaphore(0)
        self.before = Fault()
        self.hold = Hold()
        self.begun = Fault()
        places: dict[str, Callable[[], None]] = {
            "snapshot.before": self._before,
            "snapshot.after": self.written.release,
            "commit.begun": self.begun,
        }
        self.failpoints = Failpoints(places)
        self.store = MemoryEventStore(failpoints=self.failpoints)
        self.decider = decider
        self.system = self.make()

    def _before(self) -> None:
        self.tried.release()
        self.hold()
        self.before()

    def make(self) -> ActorSystem:
        return ActorSystem(self.store, actors=[self.decider], failpoints=self.failpoints)

    def add(self, *numbers: int) -> None:
        for number in numbers:
            self.system.actor("sum", "a").ask(number, timeout=10)

    def grow(self, first: int, last: int) -> None:
        """Add these numbers; wait for the snapshot that every tenth brings."""
        for number in range(first, last + 1):
            self.add(number)
            if number % 10 == 0:
                self.wait()

    def wait(self) -> None:
        assert self.written.acquire(timeout=20)

    def reopen(self, decider: Sum | None = None) -> None:
        self.system.close()
        if decider is not None:
            self.decider = decider
        self.system = self.make().open()
        self.decider.folded = 0

    def versions(self) -> list[int]:
        with self.store.read_views() as connection:
            query = sa.select(SNAPSHOTS.c.version).order_by(SNAPSHOTS.c.version)
            return list(connection.execute(query).scalars())

    def live(self) -> list[int]:
        """The state of the actor, which this brings into memory."""
        self.system.actor("sum", "a").ask(0, timeout=10)
        actor = access_to(self.system).directory.live("sum-a")
        assert actor is not None
        state: list[int] = actor.state
        return state

    def leave_memory(self) -> None:
        actor = access_to(self.system).directory.live("sum-a")
        assert actor is not None
        assert access_to(self.system).directory.passivate(actor)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_writer, "PAUSE", 0.0)


@pytest.fixture
def make_bench() -> Iterator[Callable[[Sum], Bench]]:
    made: list[Bench] = []

    def make(decider: Sum) -> Bench:
        made.append(Bench(decider))
        made[-1].system.open()
        return made[-1]

    yield make
    for bench in made:
        bench.hold.open()
        bench.system.close()


@pytest.fixture
def bench(make_bench: Callable[[Sum], Bench]) -> Bench:
    return make_bench(Sum())


def test_a_long_stream_wakes_from_its_snapshot_and_the_events_behind_it(bench: Bench) -> None:
    bench.grow(1, 25)
    assert bench.versions() == [10, 20]
    bench.reopen()
    assert bench.live() == list(range(1, 26))
    assert bench.decider.folded == 5
    bench.grow(26, 30)
    assert bench.versions() == [20, 30]


def test_a_state_that_goes_on_does_not_change_its_snapshot(bench: Bench) -> None:
    bench.hold.close()
    bench.add(*range(1, 16))
    bench.hold.wait()  # version 10 is captured and not written, the state is at 15
    bench.hold.open()
    bench.wait()
    bench.reopen()
    assert bench.live() == list(range(1, 16))
    assert bench.decider.folded == 5


def test_without_the_hooks_there_are_no_snapshots(make_bench: Callable[[Sum], Bench]) -> None:
    bench = make_bench(Plain())
    bench.add(*range(1, 26))
    bench.leave_memory()
    assert bench.live() == list(range(1, 26))
    bench.system.close()
    bench.store.open()
    assert bench.versions() == []


def test_the_state_as_of_any_version_is_the_fold_up_to_there(bench: Bench) -> None:
    bench.grow(1, 25)
    actor = bench.system.actor("sum", "a")
    for version in range(26):
        assert actor.state(as_of=version) == list(range(1, version + 1))
    assert actor.state() == list(range(1, 26))


def test_a_schema_that_changes_has_the_events_folded_anew(bench: Bench) -> None:
    bench.grow(1, 25)

    class Changed(Sum):
        snapshot_schema: ClassVar[str] = "2"

    bench.reopen(Changed())
    assert bench.live() == list(range(1, 26))
    assert bench.decider.folded == 25
    bench.add(26)  # overdue
    bench.wait()
    assert bench.versions() == [20, 26]


def test_a_snapshot_that_cannot_be_restored_is_ignored_with_a_warning(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.grow(1, 25)
    bench.reopen()

    def refuse(value: Any) -> list[int]:
        value.clear()
        raise KeyError("what is this?")

    bench.decider.restored = refuse
    assert bench.live() == list(range(1, 26))
    assert bench.decider.folded == 25
    assert "what is this?" in caplog.text


def test_dropped_snapshots_cost_nothing_but_time(bench: Bench) -> None:
    bench.grow(1, 25)
    assert drop_snapshots(bench.store) == 2
    bench.reopen()
    assert bench.live() == list(range(1, 26))
    assert bench.decider.folded == 25


def test_a_snapshot_that_cannot_be_written_is_logged_and_harms_nobody(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.before.arm(1)
    bench.add(*range(1, 11))
    assert bench.tried.acquire(timeout=20)
    bench.grow(11, 20)
    assert bench.versions() == [20]
    assert "snapshots are lost (injected): sum-a at version 10" in caplog.text
    bench.reopen()
    assert bench.live() == list(range(1, 21))


@pytest.mark.parametrize("kept", [lambda _: object(), lambda _: 1 / 0, lambda _: b"x" * 2_000])
def test_a_state_that_cannot_be_kept_is_logged_and_harms_nobody(
    bench: Bench,
    kept: Callable[[Any], Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshot_policy, "SNAPSHOT_LIMIT", 1_000)
    bench.decider.kept = kept
    bench.add(*range(1, 41))
    assert caplog.text.count("no snapshot of sum-a") == 1  # not at each event
    bench.reopen()
    assert bench.live() == list(range(1, 41))


def test_a_state_whose_events_are_not_committed_gets_no_snapshot(bench: Bench) -> None:
    bench.add(*range(1, 10))
    bench.begun.arm(1)
    with pytest.raises(StoreUnavailableError):
        bench.add(10)  # the snapshot that it carries is captured, and goes with it
    while True:
        try:
            bench.add(11)
            break
        except StoreUnavailableError:
            continue
    bench.wait()
    assert bench.versions() == [10]
    bench.reopen()
    assert bench.live() == [*range(1, 10), 11]
    assert bench.decider.folded == 0


def test_who_leaves_memory_leaves_a_snapshot_if_that_is_worth_it(bench: Bench) -> None:
    bench.add(*range(1, 12))
    bench.wait()
    bench.leave_memory()
    assert bench.live() == list(range(1, 12))
    bench.add(12)
    bench.leave_memory()  # two events are worth one, as every ten are
    bench.wait()
    assert bench.versions() == [10, 12]


def test_closing_writes_what_waits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_writer, "PAUSE", 1_000.0)
    bench.add(*range(1, 11))
    bench.system.close()
    bench.store.open()
    assert bench.versions() == [10]


def test_of_those_that_wait_only_the_newest_of_a_stream_is_written(bench: Bench) -> None:
    bench.hold.close()
    bench.add(*range(1, 11))
    bench.hold.wait()
    bench.add(*range(11, 31))
    bench.hold.open()
    bench.wait()
    bench.wait()
    assert bench.versions() == [10, 30]


def test_what_is_too_much_to_wait_is_left_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_writer, "_MAX_STREAMS", 0)
    bench.add(*range(1, 11))
    bench.system.close()
    bench.store.open()
    assert bench.versions() == []


def test_captured_states_that_wait_have_a_bound_in_bytes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_writer, "PAUSE", 1_000.0)
    monkeypatch.setattr(snapshot_writer, "_MAX_BYTES", 35)  # ten numbers are eleven bytes
    for name in "abc":
        for number in range(1, 21):
            bench.system.actor("sum", name).ask(number, timeout=10)
    bench.system.close()
    bench.store.open()
    assert bench.versions() == [10, 20]  # of the second the older, of the third none


@pytest.mark.parametrize("room", [1, 1_000_000])
def test_many_states_are_written_in_as_many_transactions_as_their_size_asks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(snapshot_writer, "PAUSE", 1_000.0)
    monkeypatch.setattr(snapshot_writer, "_TRANSACTION_BYTES", room)
    for name in "abc":
        for number in range(1, 11):
            bench.system.actor("sum", name).ask(number, timeout=10)
    bench.system.close()
    bench.store.open()
    assert bench.versions() == [10, 10, 10]
    times = 0
    while bench.written.acquire(blocking=False):
        times += 1
    assert times == (3 if room == 1 else 1)


def test_events_of_ones_own_are_found_however_new_the_snapshot_is(bench: Bench) -> None:
    bench.grow(1, 25)
    types = access_to(bench.system).parts.types
    found = recover(bench.store, types, bench.decider, "sum-a", since=15)
    assert (found.version, found.snapshot) == (25, 20)
    assert [event.number for event in found.own if isinstance(event, Added)] == list(range(16, 26))
    assert found.state == list(range(1, 26))


def test_a_short_stream_is_read_without_looking_for_snapshots(
    make_bench: Callable[[Sum], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Rare(Sum):
        snapshot_every: ClassVar[int] = 0

    bench = make_bench(Rare())
    bench.add(*range(1, SHORT))

    def never(*_: object) -> None:
        raise AssertionError("looked for a snapshot")

    bench.reopen()
    monkeypatch.setattr("indelible.actors.durable.recovery.state_from_log.find_snapshot", never)
    assert bench.live() == list(range(1, SHORT))
    bench.leave_memory()


def test_snapshots_of_one_actor_may_be_dropped(bench: Bench) -> None:
    bench.grow(1, 25)
    assert drop_snapshots(bench.store, "sum-b") == 0
    assert drop_snapshots(bench.store, "sum-a") == 2
