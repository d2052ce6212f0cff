"""Group commit when things go wrong: interruptions, unknown outcomes, a store that ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from indelible.clock import ManualClock
from indelible.errors import StaleEpochError, StoreUnavailableError, SystemClosedError
from indelible.events.commit.group_commit import GroupCommit
from indelible.events.commit.shard_plan import Shard
from indelible.events.concurrency.fair_lock import FairLock
from indelible.events.memory.backend import MemoryBackend
from indelible.events.memory.inbox import MemoryInbox
from indelible.events.memory.store import MemoryEventStore
from indelible.events.store import Append
from indelible.failpoints import Failpoints
from indelible.testing.contract.builders import (
    Outcomes,
    append_when_available,
    some_event,
    submit_all,
)


class Interruption(BaseException):
    """As a signal's handler raises it."""


def interrupting(place: str) -> Failpoints:
    left = [True]

    def interrupt() -> None:
        if left.pop() if left else False:
            raise Interruption

    return Failpoints({place: interrupt})


@pytest.mark.parametrize(("place", "version"), [("commit.before", 0), ("commit.after", 1)])
def test_an_interrupted_leader_tells_everyone_and_the_store_recovers(
    place: str, version: int
) -> None:
    store = MemoryEventStore(failpoints=interrupting(place))
    store.open()
    outcomes = Outcomes()
    for number in range(3):
        store.submit(Append(f"run-{number}", 0, [some_event()], outcomes.on_done))
    with pytest.raises(Interruption):
        store.lead()
    assert [type(error) for error in outcomes.errors()] == [StoreUnavailableError] * 3
    append_when_available(store, "run-1", expected=version)
    assert store.verify() == 3 * version + 1
    store.close()


class LateLock:
    """A lock in whose last moment something happens, once."""

    def __init__(self, happens: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._happens = [happens]

    def acquire(self, *, blocking: bool = True) -> bool:
        return self._lock.acquire(blocking=blocking)

    def locked(self) -> bool:
        return self._lock.locked()

    def release(self) -> None:
        if self._happens:
            self._happens.pop()()
        self._lock.release()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_what_is_queued_while_the_leader_lets_go_is_led() -> None:
    store = MemoryEventStore()
    store.open()
    outcomes = Outcomes()

    def arrive() -> None:
        store.submit(Append("run-2", 0, [some_event()], outcomes.on_done))
        store.lead()  # another one still has the lead

    store._group._leading = LateLock(arrive)  # type: ignore[assignment]
    store.submit(Append("run-1", 0, [some_event()], outcomes.on_done))
    store.lead()
    assert outcomes.errors() == [None, None]
    store.close()


def test_an_interrupted_callback_keeps_nobody_from_being_told() -> None:
    store = MemoryEventStore()
    store.open()
    outcomes = Outcomes()

    def interrupt(_append: Append, _error: BaseException | None) -> None:
        raise Interruption

    store.submit(Append("run-1", 0, [some_event()], interrupt))
    store.submit(Append("run-2", 0, [some_event()], outcomes.on_done))
    with pytest.raises(Interruption):
        store.lead()
    assert outcomes.errors() == [None]
    store.append("run-1", [some_event()], expected=1)
    store.close()


def test_those_behind_an_interrupted_leader_are_led_by_the_store_itself() -> None:
    store = MemoryEventStore()
    store.open()
    told = threading.Event()

    def interrupt(_append: Append, _error: BaseException | None) -> None:
        store.submit(Append("run-2", 0, [some_event()], lambda _a, _e: told.set()))
        raise Interruption

    store.submit(Append("run-1", 0, [some_event()], interrupt))
    with pytest.raises(Interruption):
        store.lead()
    assert told.wait(30)
    store.close()


def test_a_follower_does_not_wait_for_the_leader() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        assert go_on.wait(30)

    store = MemoryEventStore(failpoints=Failpoints({"commit.begun": wait}))
    store.open()
    outcomes = Outcomes()
    store.submit(Append("run-1", 0, [some_event()], outcomes.on_done))
    leader = threading.Thread(target=store.lead)
    leader.start()
    assert inside.wait(30)
    store.submit(Append("run-2", 0, [some_event()], outcomes.on_done))
    store.lead()  # returns: the other one leads, and comes back to the queue
    assert outcomes.completed == []
    go_on.set()
    leader.join()
    assert outcomes.errors() == [None, None]
    store.close()


def in_memory(failpoints: Failpoints) -> MemoryBackend:
    return MemoryBackend(failpoints, 1, MemoryInbox(ManualClock().now))


class Unreachable(MemoryBackend):
    """A database that is gone once it has failed, until it is said to be back."""

    def __init__(self, failpoints: Failpoints) -> None:
        super().__init__(failpoints, 1, MemoryInbox(ManualClock().now))
        self.gone = False
        self.looked = threading.Semaphore(0)

    def load(self):  # type: ignore[no-untyped-def]
        self.looked.release()
        if self.gone:
            raise OSError("no route")
        return super().load()


def test_a_database_that_stays_away_is_looked_at_again_and_again() -> None:
    def fail() -> None:
        backend.gone = True
        raise OSError("connection lost")

    actions = [fail]
    backend = Unreachable(
        Failpoints({"commit.before": lambda: actions.pop()() if actions else None})
    )
    group = GroupCommit(backend, ManualClock(), Failpoints(), FairLock(), "a group of a test")
    group.begin(backend.raise_epoch())
    outcomes = Outcomes()
    group.submit(Append("run-1", 0, [some_event()], outcomes.on_done))
    group.lead()
    assert group.state == "unavailable"
    for _ in range(4):
        assert backend.looked.acquire(timeout=30)
    group.submit(Append("run-1", 0, [some_event()], outcomes.on_done))
    group.lead()
    errors = outcomes.errors()
    assert [str(error) for error in errors] == [str(StoreUnavailableError("connection lost"))] * 2
    assert errors[0] is not errors[1]
    backend.gone = False
    while group.state == "unavailable":
        assert backend.looked.acquire(timeout=30)
    group.submit(Append("run-1", 0, [some_event()], outcomes.on_done))
    group.lead()
    assert outcomes.errors()[2] is None
    group.end(SystemClosedError("the group"))


def test_an_ended_group_says_why() -> None:
    group = GroupCommit(
        in_memory(Failpoints()), ManualClock(), Failpoints(), FairLock(), "a group of a test"
    )
    told = threading.Event()
    outcomes = Outcomes()

    def on_done(append: Append, error: BaseException | None) -> None:
        outcomes.on_done(append, error)
        told.set()

    group.submit(Append("run-1", 0, [some_event()], on_done))
    group.wake()
    assert told.wait(30)
    assert [type(error) for error in outcomes.errors()] == [SystemClosedError]


def test_a_store_starts_no_thread_for_those_who_lead_themselves() -> None:
    before = set(threading.enumerate())
    store = MemoryEventStore()
    store.open()
    assert submit_all(store, [("run-1", 0, 1)]).errors() == [None]
    assert set(threading.enumerate()) <= before
    store.close()
    assert set(threading.enumerate()) <= before


def test_a_group_is_cut_by_bytes() -> None:
    store, sizes = MemoryEventStore(), list[int]()
    store.open()
    store.subscribe(lambda group: sizes.append(len(group)))
    outcomes = Outcomes()
    for number in range(3):
        large = some_event(bytes(700_000))
        store.submit(Append(f"run-{number}", 0, [large], outcomes.on_done))
    store.lead()
    assert sizes == [1, 1, 1]
    assert outcomes.errors() == [None] * 3
    store.close()


class SlowClock(ManualClock):
    """A clock by which every look takes 11 ms."""

    def monotonic(self) -> int:
        self.advance(0.011)
        return super().monotonic()


def test_a_group_that_takes_long_to_prepare_is_cut() -> None:
    store, sizes = MemoryEventStore(clock=SlowClock()), list[int]()
    store.open()
    store.subscribe(lambda group: sizes.append(len(group)))
    outcomes = Outcomes()
    for version in range(200):
        store.submit(Append("run-1", version, [some_event()], outcomes.on_done))
    store.lead()
    assert outcomes.errors() == [None] * 200
    assert len(sizes) > 1
    assert [event.version for event in store.read("run-1")] == list(range(1, 201))
    store.close()


def test_an_owner_that_lost_its_epoch_while_the_database_failed_stops() -> None:
    def fail() -> None:
        backend.ends[0] = Shard(epoch=7)
        raise OSError("connection lost")

    backend = in_memory(Failpoints({"commit.before": fail}))
    group = GroupCommit(backend, ManualClock(), Failpoints(), FairLock(), "a group of a test")
    group.begin(backend.raise_epoch())
    outcomes = Outcomes()
    group.submit(Append("run-1", 0, [some_event()], outcomes.on_done))
    group.lead()
    assert [type(error) for error in outcomes.errors()] == [StaleEpochError]
    assert group.state == "closed"
    group.end(SystemClosedError("the group"))


def test_who_leads_once_learns_that_appends_are_left() -> None:
    store = MemoryEventStore()
    store.open()
    outcomes = Outcomes()
    more = [Append("run-2", 0, [some_event()], outcomes.on_done)]

    def and_another(append: Append, error: BaseException | None) -> None:
        outcomes.on_done(append, error)
        store.submit(more.pop())

    store.submit(Append("run-1", 0, [some_event()], and_another))
    assert store.lead(once=True)
    assert outcomes.errors() == [None]
    assert not store.lead(once=True)
    assert outcomes.errors() == [None, None]
    store.close()


def test_who_leads_once_leaves_appends_to_a_leader_that_there_is() -> None:
    store = MemoryEventStore()
    store.open()
    outcomes = Outcomes()
    store.submit(Append("run-1", 0, [some_event()], outcomes.on_done))
    with store._group._leading:
        assert not store.lead(once=True)
    assert store.lead() is False
    assert outcomes.errors() == [None]
    store.close()
