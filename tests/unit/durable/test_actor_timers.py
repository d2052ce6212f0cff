"""Timers of users' own actors: set, replaced, cancelled, and there again whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alarms import Alarm
from indelible import ActorHandle, ActorSystem, Context
from indelible.actors.durable.commit.promise_keeping import TimerDue
from indelible.actors.durable.envelope import Envelope
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.errors import WrongPendingError
from until import until

SECOND = 1_000_000


def rang(alarm: ActorHandle[Any, Any], *keys: str) -> None:
    """Wait until exactly ``keys`` have rung."""
    until(alarm, lambda: sorted(alarm.state()["rang"]) == sorted(keys))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(now=100 * SECOND)


@pytest.fixture(params=["sqlite", "memory"])
def url(request: Any, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/a.db" if request.param == "sqlite" else "memory://"


@pytest.fixture
def system(url: str, clock: ManualClock) -> Iterator[ActorSystem]:
    with ActorSystem(url, actors=[Alarm()], clock=clock) as system:
        yield system


def test_a_timer_brings_its_message_when_it_is_due(system: ActorSystem, clock: ManualClock) -> None:
    alarm = system.actor(Alarm, "a")
    alarm.ask(["set", "one", 105 * SECOND], by="ada", timeout=10)
    head = system.store.head("alarm-a")
    assert head is not None
    assert head.wake_at == 105 * SECOND
    clock.advance(4.9)
    alarm.ask(["set", "two", 300 * SECOND], timeout=10)
    assert alarm.state()["rang"] == []
    clock.advance(0.2)
    rang(alarm, "one")
    head = system.store.head("alarm-a")
    assert head is not None
    assert head.wake_at == 300 * SECOND
    *_, last = alarm.events()
    assert last.context == Context("a", "alarm-a/1", principal="ada")


def test_a_timer_of_the_past_rings_at_once(system: ActorSystem) -> None:
    alarm = system.actor(Alarm, "a")
    alarm.ask(["set", "one", 1], timeout=10)
    rang(alarm, "one")


def test_a_timer_takes_the_place_of_one_with_its_key(
    system: ActorSystem, clock: ManualClock
) -> None:
    alarm = system.actor(Alarm, "a")
    alarm.ask(["set", "one", 105 * SECOND], timeout=10)
    alarm.ask(["set", "one", 110 * SECOND], timeout=10)
    clock.advance(6)
    alarm.ask(["set", "two", 1], timeout=10)  # behind all that the clock has woken
    rang(alarm, "two")
    clock.advance(6)
    rang(alarm, "two", "one")


def test_a_cancelled_timer_does_not_ring(system: ActorSystem, clock: ManualClock) -> None:
    alarm = system.actor(Alarm, "a")
    alarm.ask(["set", "one", 105 * SECOND], timeout=10)
    alarm.ask(["off", "one"], timeout=10)
    assert not len(access_to(system).parts.timers)
    clock.advance(10)
    alarm.ask(["set", "two", 1], timeout=10)
    rang(alarm, "two")
    head = system.store.head("alarm-a")
    assert head is not None
    assert head.wake_at == 0


def test_a_timer_that_was_on_its_way_when_it_was_cancelled_is_passed_over(
    system: ActorSystem, caplog: Any
) -> None:
    alarm, directory = system.actor(Alarm, "a"), access_to(system).parts.directory
    alarm.ask(["set", "one", 105 * SECOND], timeout=10)
    alarm.ask(["off", "one"], timeout=10)
    directory.remind("alarm-a", Envelope(TimerDue("one", 105 * SECOND)))
    alarm.ask(["set", "one", 200 * SECOND], timeout=10)
    directory.remind("alarm-a", Envelope(TimerDue("one", 105 * SECOND)))  # of the one before
    alarm.ask(["set", "two", 300 * SECOND], timeout=10)
    assert alarm.state()["rang"] == []
    assert "ERROR" not in {record.levelname for record in caplog.records}


def test_what_pending_does_not_say_is_refused_with_its_decision(system: ActorSystem) -> None:
    alarm = system.actor(Alarm, "a")
    with pytest.raises(WrongPendingError, match=r"Alarm.pending\(\) returned None where decide"):
        alarm.ask(["forget", "one", 5], timeout=10)
    assert alarm.ask(["set", "two", 900 * SECOND], timeout=10) is None
    assert alarm.state() == {"set": {"two": 900 * SECOND}, "rang": []}


@pytest.mark.parametrize("snapshot_every", [0, 2])
def test_timers_are_there_again_in_the_next_process(
    tmp_path: Path, clock: ManualClock, monkeypatch: Any, snapshot_every: int
) -> None:
    monkeypatch.setattr(Alarm, "snapshot_every", snapshot_every)
    url = f"sqlite:///{tmp_path}/a.db"
    with ActorSystem(url, actors=[Alarm()], clock=clock) as system:
        for n in range(5):
            system.actor(Alarm, "a").ask(
                ["set", f"k{n}", (110 + n) * SECOND], by=f"user {n}", timeout=10
            )
        system.actor(Alarm, "b").ask(["set", "late", 900 * SECOND], timeout=10)
    clock.advance(11.5)
    with ActorSystem(url, actors=[Alarm()], clock=clock) as system:
        alarm = system.actor(Alarm, "a")
        rang(alarm, "k0", "k1")  # overdue
        assert access_to(system).parts.directory.live("alarm-b") is None  # it sleeps on
        clock.advance(1)
        rang(alarm, "k0", "k1", "k2")
        contexts = {event.context for event in alarm.events() if event.type == "alarm.off"}
        assert contexts == {
            Context("a", f"alarm-a/{n + 1}", principal=f"user {n}") for n in range(3)
        }
        assert system.verify().events


def test_an_actor_that_fails_has_its_timers_afterwards(
    system: ActorSystem, clock: ManualClock
) -> None:
    alarm = system.actor(Alarm, "a")
    alarm.ask(["set", "one", 105 * SECOND], timeout=10)
    with pytest.raises(ValueError, match="unpack"):
        alarm.ask([], timeout=10)
    clock.advance(6)
    rang(alarm, "one")
    assert len(alarm.events()) == 2
