"""Streams that wait are rows: they leave memory, and are woken in pages when their time comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from msgspec.structs import replace

from alarms import Alarm
from indelible import ActorHandle, ActorSystem, RetryPolicy
from indelible.actors.durable.passivation import SOON
from indelible.actors.durable.recovery.recovery_stash import WAKE
from indelible.actors.durable.timers import wake_service
from indelible.api.facade import access_to
from indelible.assembly.passivation_schedule import IDLE
from indelible.clock import ManualClock
from indelible.errors import StoreUnavailableError
from indelible.events.memory.store import MemoryEventStore
from indelible.events.store import Sleepers
from indelible.testing.contract.builders import some_event
from orders import Order
from unit.system.members import Member, ids_of, shared_log
from until import eventually

SECOND = 1_000_000
DAY = 86_400 * SECOND


class Looking(MemoryEventStore):
    """Counts the looks for sleeping streams; the first ``failing`` of them fail."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock=clock)
        self.pages: list[int] = []
        self.failing = 0
        self.meanwhile: list[Callable[[], None]] = []

    def sleeping(self, *args: Any, **values: Any) -> Sleepers:
        while self.meanwhile:
            self.meanwhile.pop()()
        if self.failing:
            self.failing -= 1
            raise StoreUnavailableError("a test says so")
        page = super().sleeping(*args, **values)
        self.pages.append(len(page.heads))
        return page


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(now=100 * SECOND)


@pytest.fixture
def store(clock: ManualClock) -> Looking:
    return Looking(clock)


@pytest.fixture
def opened(store: Looking, clock: ManualClock) -> Iterator[Callable[..., ActorSystem]]:
    with ExitStack() as then:

        def opened(**options: Any) -> ActorSystem:
            options.setdefault("actors", [Alarm()])
            return then.enter_context(ActorSystem(store, clock=clock, drain=1, **options))

        yield opened


def rang(alarm: ActorHandle[Any, Any]) -> list[str]:
    """What has rung by the log: asking the actor would wake it."""
    events = alarm.events()
    return [event.stream for event in events if event.type == "alarm.off"]


def let_all_leave(system: ActorSystem) -> None:
    directory = access_to(system).parts.directory

    def all_have_left() -> bool:
        for actor in directory:
            directory.passivate(actor)
        return not len(directory)

    eventually(all_have_left)


def test_an_actor_that_waits_leaves_memory_with_its_timers(
    opened: Callable[..., ActorSystem], clock: ManualClock
) -> None:
    system = opened()
    parts, alarm = access_to(system).parts, system.actor(Alarm, "a")
    due = clock.now() + DAY
    alarm.ask(["set", "one", due], timeout=10)
    assert len(parts.timers) == 1

    def idle() -> bool:
        clock.advance(IDLE / SECOND)
        return parts.directory.live("alarm-a") is None

    eventually(idle)
    assert not len(parts.timers)
    clock.advance((due - clock.now()) / SECOND - 3)
    assert parts.directory.live("alarm-a") is None
    clock.advance(1.5)  # due in 1.5 s
    eventually(lambda: parts.directory.live("alarm-a") is not None)
    assert rang(alarm) == []
    clock.advance(2)
    eventually(lambda: rang(alarm) == ["alarm-a"])


def test_what_leaves_memory_is_looked_for_before_the_next_regular_look(
    opened: Callable[..., ActorSystem], clock: ManualClock
) -> None:
    system = opened()
    alarm = system.actor(Alarm, "a")
    alarm.ask(["set", "one", clock.now() + 20 * SECOND], timeout=10)
    let_all_leave(system)
    clock.advance(20)
    eventually(lambda: bool(rang(alarm)))


def test_an_actor_that_is_due_soon_stays(
    opened: Callable[..., ActorSystem], clock: ManualClock
) -> None:
    system = opened()
    system.actor(Alarm, "a").ask(["set", "one", clock.now() + SOON], timeout=10)
    actor = access_to(system).parts.directory.live("alarm-a")
    assert actor is not None
    assert actor.sleeps_until() is None


def test_many_that_are_due_are_woken_in_pages_and_each_rings_once(
    opened: Callable[..., ActorSystem],
    clock: ManualClock,
    store: Looking,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wake_service, "PAGE", 10)
    system = opened()
    alarms = [system.actor(Alarm, f"a{n}") for n in range(45)]
    for n, alarm in enumerate(alarms):
        alarm.ask(["set", "one", clock.now() + 3_600 * SECOND + n % 7], timeout=10)
    let_all_leave(system)
    store.pages.clear()
    clock.advance(3_601)
    eventually(lambda: sum(map(len, map(rang, alarms))) >= len(alarms))
    assert [rang(alarm) for alarm in alarms] == [[f"alarm-a{n}"] for n in range(45)]
    assert max(store.pages) == 10
    assert store.pages.count(10) == 4


def test_the_next_process_finds_what_sleeps_in_pages(
    opened: Callable[..., ActorSystem], clock: ManualClock, store: Looking
) -> None:
    system = opened()
    for n in range(20):
        system.actor(Alarm, f"a{n}").ask(["set", "one", clock.now() + DAY], timeout=10)
    system.close()
    system = opened()
    eventually(lambda: len(store.pages) > 1)
    assert not len(access_to(system).parts.directory)
    clock.advance(DAY / SECOND)
    eventually(lambda: all(rang(system.actor(Alarm, f"a{n}")) for n in range(20)))


def test_a_look_that_fails_is_made_again(
    opened: Callable[..., ActorSystem], clock: ManualClock, store: Looking, caplog: Any
) -> None:
    system = opened()
    alarm = system.actor(Alarm, "a")
    alarm.ask(["set", "one", clock.now() + DAY], timeout=10)
    let_all_leave(system)
    store.failing = 3
    clock.advance(DAY / SECOND)

    def rings_in_the_end() -> bool:
        clock.advance(1)
        return bool(rang(alarm))

    eventually(rings_in_the_end)
    assert not store.failing
    assert "the search for sleeping streams failed" in caplog.text


def test_a_stream_that_leaves_memory_during_a_look_is_woken_after_it(
    opened: Callable[..., ActorSystem], clock: ManualClock, store: Looking
) -> None:
    system = opened()
    alarm, parts = system.actor(Alarm, "a"), access_to(system).parts
    due = clock.now() + DAY
    alarm.ask(["set", "one", due], timeout=10)
    let_all_leave(system)
    late = clock.now() + 1  # before what this look has passed
    store.meanwhile.append(lambda: parts.wake_service.left("alarm-a", late))
    parts.wake_service.take(())
    eventually(lambda: parts.directory.live("alarm-a") is not None)


def test_streams_of_categories_that_were_not_given_are_left_alone(
    opened: Callable[..., ActorSystem], clock: ManualClock, store: Looking
) -> None:
    system = opened()
    system.actor(Alarm, "a").ask(["set", "one", clock.now() + DAY], timeout=10)
    let_all_leave(system)
    store.append("other-1", [some_event()], expected=0, wake_at=clock.now() + 10 * SECOND)
    clock.advance(DAY / SECOND)
    eventually(lambda: bool(rang(system.actor(Alarm, "a"))))
    assert access_to(system).parts.directory.live("other-1") is None


def test_an_actor_whose_row_was_edited_stays_in_memory_and_rings(
    opened: Callable[..., ActorSystem], clock: ManualClock, store: Looking
) -> None:
    system = opened()
    system.actor(Alarm, "a").ask(["set", "one", clock.now() + DAY], timeout=10)
    system.close()
    before = store._memory.heads["alarm-a"]
    store._memory.heads["alarm-a"] = replace(before, wake_at=0)
    system = opened()
    alarm, directory = system.actor(Alarm, "a"), access_to(system).parts.directory
    directory.remind("alarm-a", WAKE)
    actor = directory.live("alarm-a")
    assert actor is not None
    eventually(lambda: actor.state is not None)
    assert actor.at_rest()
    assert not directory.passivate(actor)
    clock.advance(DAY / SECOND)
    eventually(lambda: rang(alarm) == ["alarm-a"])


def test_a_call_that_is_due_later_leaves_memory_and_is_made_again(
    opened: Callable[..., ActorSystem], clock: ManualClock
) -> None:
    tried: list[int] = []

    def charge(context: Any, amount: int) -> str:
        tried.append(context.attempt)
        if context.attempt == 1:
            raise ValueError("not now")
        return "ch"

    policy = RetryPolicy(attempts=2, delay=3_600, max_delay=3_600, jitter=0.0)
    system = opened(actors=[Order(retry=policy)], calls={"charge": charge})
    order, directory = system.actor(Order, "1"), access_to(system).parts.directory
    order.ask(5, timeout=10)
    eventually(lambda: any(event.type == "call.attempt_failed" for event in order.events()))
    let_all_leave(system)
    assert not len(directory)
    clock.advance(3_600)
    eventually(lambda: tried == [1, 2])
    eventually(lambda: order.state()["is"] == "charged")


def test_what_sleeps_goes_where_its_shard_goes(clock: ManualClock) -> None:
    log = shared_log(clock)
    with ExitStack() as then:
        members = Member(log, "one", (0, 1, 2, 3), clock), Member(log, "two", (), clock)
        one, two = [
            then.enter_context(ActorSystem(member, actors=[Alarm()], clock=clock, drain=1))
            for member in members
        ]
        names = [name for shard in (1, 2) for name in ids_of(members[0], shard, 3, "alarm")]
        for name in names:
            one.actor(Alarm, name).ask(["set", "one", clock.now() + DAY], timeout=10)
        let_all_leave(one)
        members[0].hand_over(members[1], 2)
        clock.advance(DAY / SECOND)
        alarms = [one.actor(Alarm, name) for name in names]
        eventually(lambda: all(rang(alarm) for alarm in alarms))
        assert [len(rang(alarm)) for alarm in alarms] == [1] * 6
        lives = [
            {actor.stream for actor in access_to(system).parts.directory} for system in (one, two)
        ]
        assert lives == [{f"alarm-{name}" for name in part} for part in (names[:3], names[3:])]
