"""Late replies for askers of other processes: rows of the inbox, which wait whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from inboxes import wait_until_empty
from indelible import ActorSystem
from indelible.actors.durable.commit import late_replies as late
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.errors import (
    AskTimeoutError,
    LateReplyError,
    RefusedError,
    ValueNotStorableError,
)
from indelible.events.inbox.inbox import REMEMBERED
from indelible.events.memory.store import MemoryEventStore
from indelible.failpoints import Failpoints
from indelible.testing.faults import Fault
from indelible.testing.hold import Hold
from unit.effects.desk import Desk
from unit.system.members import Member, shared_log

FOREVER = 500_000
"""Seconds that pass in no test."""


def send(system: ActorSystem, message: Any, **more: Any) -> Any:
    """The future of an answer of the desk ``a``; 20 s are its time-out unless it has another."""
    return access_to(system).send("desk-a", message, **{"timeout": 20, **more})


def told(system: ActorSystem) -> list[str]:
    """The types of the events of the desk ``a``."""
    return [event.type for event in system.actor(Desk, "a").events()]


def until_they_wait(system: ActorSystem, number: int) -> None:
    """Return when ``number`` askers wait as rows, and all else in the inbox is handled."""
    inbox, shards = system.store.inbox, frozenset(range(system.store.shards))
    watcher = inbox.watch()
    while inbox.awaiting("desk-a", number + 1) != number or inbox.waiting(shards, 1):
        watcher.wait(min(watcher.busy, 0.05))  # of what an append changes nobody is told
    watcher.close()


class Office:
    """A store on each database, its owner, which may be replaced, and clients."""

    def __init__(self, url: str, then: ExitStack) -> None:
        self._url, self._then = url, then
        self._stop = ExitStack()
        then.callback(self._stop.close)
        self.open()
        self.client = self.new_client()

    def open(self) -> None:
        """A new owner, after the last one has been closed."""
        self._stop.close()
        self.owner = self._stop.enter_context(ActorSystem(self._url, actors=[Desk()], drain=2))

    def new_client(self) -> ActorSystem:
        return self._then.enter_context(ActorSystem(self._url, actors=[Desk()], mode="client"))


@pytest.fixture
def office(each_url: str) -> Iterator[Office]:
    with ExitStack() as then:
        yield Office(each_url, then)


def test_an_asker_elsewhere_and_one_with_an_id_get_the_reply(office: Office) -> None:
    asked = [send(office.client, "x"), send(office.owner, "x", message_id="m")]
    until_they_wait(office.owner, 2)
    here = send(office.owner, "x")
    other = send(office.client, "y")
    until_they_wait(office.owner, 3)
    assert send(office.client, {"x": [5]}).get(timeout=20) == "ok"
    assert [future.get(timeout=20) for future in (*asked, here)] == [[5]] * 3
    assert not other.done()
    send(office.owner, {"y": RefusedError("no", why=7)})
    with pytest.raises(RefusedError, match="no") as caught:
        other.get(timeout=20)
    assert caught.value.__dict__["why"] == 7
    assert told(office.owner).count("desk.asked") == 4


def test_who_asks_again_with_the_same_id_waits_with_the_first(office: Office) -> None:
    futures = [send(office.client, "x", message_id="m")]
    until_they_wait(office.owner, 1)
    futures += [
        send(office.client, "x", message_id="m"),
        send(office.new_client(), "x", message_id="m"),
    ]
    futures.append(send(office.owner, "x", message_id="m"))
    assert send(office.client, {"x": 1}).get(timeout=20) == "ok"
    assert send(office.client, {"x": 2}).get(timeout=20) == "ok"
    assert [future.get(timeout=20) for future in futures] == [1] * 4
    assert send(office.client, "x", message_id="m").get(timeout=20) == 1
    assert told(office.owner) == ["desk.asked", "desk.answered", "desk.answered"]


@pytest.mark.parametrize("question", ["x", ["silently", "x"]])
def test_what_waits_outlives_its_owner_and_is_not_decided_again(
    office: Office, question: Any
) -> None:
    asked = send(office.client, question)
    until_they_wait(office.owner, 1)
    events = told(office.owner)
    office.open()
    assert send(office.client, "state").get(timeout=20) == len(events)
    until_they_wait(office.owner, 1)
    office.open()
    assert send(office.owner, {"x": 5, "_z": 1}).get(timeout=20) == "ok"
    assert asked.get(timeout=20) == 5
    assert told(office.owner) == [*events, "desk.answered"]
    office.owner.verify()


def test_neither_side_needs_an_event(office: Office) -> None:
    first = send(office.client, ["silently", "_x"])
    until_they_wait(office.owner, 1)
    assert send(office.owner, {"_x": 1}).get(timeout=20) == "ok"
    assert first.get(timeout=20) == 1
    assert told(office.owner) == []
    second = send(office.client, ["silently", "_x"])
    until_they_wait(office.owner, 1)
    assert not second.done()
    assert send(office.owner, {"_x": 2, "y": 3}).get(timeout=20) == "ok"
    assert second.get(timeout=20) == 2


def test_what_cannot_be_stored_is_the_answer_as_an_error(office: Office) -> None:
    asked = send(office.client, "x")
    until_they_wait(office.owner, 1)
    send(office.owner, {"x": {1, 2}}).get(timeout=20)
    with pytest.raises(ValueNotStorableError, match="a set"):
        asked.get(timeout=20)


def test_what_waits_as_a_row_keeps_no_actor_in_memory(office: Office) -> None:
    asked = send(office.client, "x")
    until_they_wait(office.owner, 1)
    directory = access_to(office.owner).directory
    actor = directory.live("desk-a")
    assert actor is not None
    while not directory.passivate(actor):  # its last append may be landing
        pass
    assert office.owner.health()["inbox"] == 0
    assert send(office.client, {"x": 1}).get(timeout=20) == "ok"
    assert asked.get(timeout=20) == 1


def test_who_does_not_wait_is_not_kept_waiting(office: Office) -> None:
    office.client.actor(Desk, "a").tell("x")
    wait_until_empty(office.owner.store)
    assert send(office.owner, "state").get(timeout=20) == 1
    assert office.owner.store.inbox.awaiting("desk-a", 1) == 0


def test_rows_that_wait_for_one_actor_are_bounded(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "MAX_ASKERS", 2)
    kept = [send(office.client, "x") for _ in range(2)]
    until_they_wait(office.owner, 2)
    events = len(told(office.owner))
    for system, more in ((office.client, {}), (office.owner, {"message_id": "m"})):
        with pytest.raises(RefusedError, match="keeps 2 askers waiting") as caught:
            send(system, "x", **more).get(timeout=20)
        assert {"actor": "desk-a", "bound": 2}.items() <= vars(caught.value).items()
    assert len(told(office.owner)) == events
    send(office.owner, {"x": 1}).get(timeout=20)
    assert [future.get(timeout=20) for future in kept] == [1, 1]
    later = send(office.client, "x")
    until_they_wait(office.owner, 1)
    send(office.owner, {"x": 2}).get(timeout=20)
    assert later.get(timeout=20) == 2


def test_the_refusal_says_whose_it_is() -> None:
    error = LateReplyError("desk-a", 7)
    assert isinstance(error, RefusedError)
    assert {"actor": "desk-a", "bound": 7}.items() <= vars(error).items()


@pytest.mark.parametrize("key", ["", "a\0b", "k" * 201])
def test_keys_that_no_row_takes_are_refused_before_anything_is_stored(
    office: Office, key: str
) -> None:
    for message in (["silently", key], {f"_{key}": 1} if len(key) > 1 else "bad key"):
        with pytest.raises(RefusedError, match="the key of a"):
            send(office.client, message).get(timeout=20)
    assert told(office.owner) == []


class World:
    """A system on a store in memory whose commits a test may fail and hold."""

    def __init__(self) -> None:
        self.before, self.after = Fault(), Fault()
        self.clock = ManualClock()
        failpoints = Failpoints({"commit.begun": self.before, "commit.after": self.after})
        self.store = MemoryEventStore(failpoints=failpoints, clock=self.clock)
        self.system = ActorSystem(self.store, actors=[Desk()], clock=self.clock)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    with world.system:
        yield world


def test_decisions_of_one_batch_answer_those_before_them(world: World) -> None:
    hold = Hold()
    hold.close()
    world.store.subscribe(lambda *_: hold())
    send(world.system, "first")
    hold.wait()
    futures = []
    for number, message in enumerate(("x", {"x": 1}, "x", {"x": 2}, "x", {"x": 3})):
        futures.append(send(world.system, message, message_id=f"m{number}"))
    while len(world.store.inbox.waiting({0}, 9)) < 6:
        pass
    hold.open()
    assert [future.get(timeout=20) for future in futures] == [1, "ok", 2, "ok", 3, "ok"]


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("question", ["x", ["silently", "x"]])
def test_a_commit_that_fails_asks_once_and_answers_once(
    world: World, place: str, question: Any
) -> None:
    send(world.system, "first")  # its asker waits for something else
    while not told(world.system):
        pass
    fault: Fault = getattr(world, place)
    fault.arm()
    asked = send(world.system, question, message_id="m", timeout=FOREVER)
    while world.store.inbox.awaiting("desk-a", 1) == 0:
        world.clock.advance(0.1)  # after which it is delivered again
    fault.arm()
    answered = send(world.system, {"x": 5}, message_id="n", timeout=FOREVER)
    while not answered.done():
        world.clock.advance(0.1)
    assert (asked.get(timeout=20), answered.get(timeout=20)) == (5, "ok")
    wanted = ["desk.asked", *(["desk.asked"] if question == "x" else []), "desk.answered"]
    assert told(world.system) == wanted


def test_its_time_out_ends_the_waiting_of_the_asker_and_not_of_the_row(world: World) -> None:
    asked = send(world.system, "x", message_id="m", timeout=30)
    until_they_wait(world.system, 1)
    world.clock.advance(31)
    with pytest.raises(AskTimeoutError):
        asked.get(timeout=20)
    assert send(world.system, {"x": 5}).get(timeout=20) == "ok"
    assert send(world.system, "x", message_id="m").get(timeout=20) == 5
    assert told(world.system) == ["desk.asked", "desk.answered"]


def test_each_asker_with_the_same_id_has_its_own_time_out(world: World) -> None:
    brief, long = [send(world.system, "x", message_id="m", timeout=t) for t in (5, 100)]
    until_they_wait(world.system, 1)
    world.clock.advance(60)
    with pytest.raises(AskTimeoutError):
        brief.get(timeout=20)
    assert send(world.system, {"x": 5}).get(timeout=20) == "ok"
    assert long.get(timeout=20) == 5


def test_what_waits_in_vain_is_answered_a_week_after_its_time(world: World) -> None:
    asked = send(world.system, "x", message_id="m", timeout=30)
    until_they_wait(world.system, 1)
    world.clock.advance(31)
    with pytest.raises(AskTimeoutError):
        asked.get(timeout=20)
    worker = access_to(world.system).parts.inbox_worker
    for seconds in (REMEMBERED / 1_000_000 - 1_000, 1_000):
        assert world.store.inbox.awaiting("desk-a", 1) == 1
        world.clock.advance(seconds)
        worker._clean_up()
    while not world.store.inbox.answers(["m"]):
        pass
    with pytest.raises(AskTimeoutError, match="desk-a"):
        send(world.system, "x", message_id="m").get(timeout=20)


def test_who_owns_other_shards_waits_as_long_as_it_says() -> None:
    log = shared_log()
    stores = [Member(log, "first", (0, 1)), Member(log, "second", (2, 3))]
    mine = next(i for i in (0, 1) if stores[0].shard_of("desk-a") in ((0, 1), (2, 3))[i])
    clock = ManualClock()
    with ExitStack() as then:
        systems = [
            then.enter_context(ActorSystem(store, actors=[Desk()], drain=2, clock=clock))
            for store in stores
        ]
        owner, other = systems[mine], systems[1 - mine]
        asked = send(other, "x", timeout=100)
        brief = send(other, "x", timeout=5)
        while stores[mine].inbox.awaiting("desk-a", 2) < 2:
            pass
        clock.advance(60)
        with pytest.raises(AskTimeoutError, match="5"):
            brief.get(timeout=20)
        assert not asked.done()
        send(owner, {"x": 3}).get(timeout=20)
        assert asked.get(timeout=20) == 3
