"""Replies that come later: askers wait, and a later decision answers them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from indelible import ActorSystem, Call, CallReturned, Decider, Decision, Event, Later, Reply
from indelible.actors.durable.commit import late_replies as late
from indelible.api.facade import access_to
from indelible.errors import (
    ActorStoppedError,
    AskTimeoutError,
    MailboxFullError,
    RefusedError,
    StoreUnavailableError,
)
from indelible.events.memory.store import MemoryEventStore
from indelible.failpoints import Failpoints
from indelible.testing.contract.builders import url_of
from indelible.testing.deciders import given
from indelible.testing.faults import Fault
from indelible.testing.hold import Hold
from unit.effects.desk import Answered, Asked, Desk


class Bank(Decider[bool]):
    """Its asker waits for a call."""

    category: ClassVar[str] = "bank"
    event_types: ClassVar[Sequence[type[Event]]] = (Asked, Answered)

    def initial_state(self) -> bool:
        return False

    def decide(self, state: bool, message: Any) -> Decision:
        if isinstance(message, CallReturned):
            return Decision([Answered("rate")], None, [Reply("rate", message.value)])
        return Decision([Asked("rate")], Later("rate"), [] if state else self.calls())

    def evolve(self, state: bool, event: Any) -> bool:
        return isinstance(event, Asked)

    def pending(self, state: bool) -> list[Call]:
        return self.calls() if state else []

    def calls(self) -> list[Call]:
        return [Call("rate", "rate")]


class World:
    """A system with a desk ``a``, on a store whose commits a test may fail."""

    def __init__(self) -> None:
        self.before = Fault()
        store = MemoryEventStore(failpoints=Failpoints({"commit.begun": self.before}))
        self.system = ActorSystem(store, actors=[Desk()])

    def ask(self, message: Any) -> Any:
        """The future of an answer."""
        return access_to(self.system).directory.ask("desk-a", message)

    def settle(self) -> int:
        """Wait until all before it has been decided; how many events there are."""
        return int(self.ask("state").get(timeout=20))


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    with world.system:
        yield world


def test_an_asker_waits_until_a_later_decision_answers(world: World) -> None:
    first, second, other = (world.ask(what) for what in ("x", "x", "y"))
    assert world.settle() == 3
    assert not any(future.done() for future in (first, second, other))
    assert world.ask({"x": 5}).get(timeout=20) == "ok"
    assert first.get(timeout=20) == second.get(timeout=20) == 5
    assert not other.done()
    world.ask({"y": RefusedError("no")}).get(timeout=20)
    with pytest.raises(RefusedError, match="no"):
        other.get(timeout=20)


def test_decisions_of_one_batch_answer_each_other(world: World) -> None:
    hold = Hold()
    hold.close()
    world.system.store.subscribe(lambda *_: hold())
    world.ask("first")
    hold.wait()
    futures = [world.ask(message) for message in ("x", {"x": 1}, "x", {"x": 2}, {"x": 3})]
    hold.open()
    assert [future.get(timeout=20) for future in futures] == [1, "ok", 2, "ok", "ok"]


def test_without_an_event_it_waits_as_well(world: World) -> None:
    asked = world.ask(["silently", "x"])
    assert world.settle() == 0
    world.ask({"x": 7}).get(timeout=20)
    assert asked.get(timeout=20) == 7


def test_a_reply_for_which_nobody_waits_does_nothing(world: World) -> None:
    assert world.ask({"x": 1}).get(timeout=20) == "ok"


def test_an_actor_that_fails_keeps_its_askers(world: World) -> None:
    asked = world.ask("x")
    with pytest.raises(ZeroDivisionError):
        world.ask("fail").get(timeout=20)
    world.ask({"x": 5}).get(timeout=20)
    assert asked.get(timeout=20) == 5


def test_a_batch_that_fails_after_it_has_answered_answers_once_it_is_decided_again(
    world: World,
) -> None:
    asked, hold = world.ask("x"), Hold()
    world.settle()
    hold.close()
    world.system.store.subscribe(lambda *_: hold())
    world.ask("first")
    hold.wait()
    answers, fails = world.ask({"x": 5}), world.ask("fail")
    hold.open()
    assert answers.get(timeout=20) == "ok"
    assert asked.get(timeout=20) == 5
    with pytest.raises(ZeroDivisionError):
        fails.get(timeout=20)


def test_an_asker_whose_message_is_decided_again_waits_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "MAX_ASKERS", 1)
    hold = Hold()
    hold.close()
    world.system.store.subscribe(lambda *_: hold())
    world.ask({"first": 1})
    hold.wait()
    asked, fails = world.ask("x"), world.ask("fail")
    hold.open()
    with pytest.raises(ZeroDivisionError):
        fails.get(timeout=20)
    assert world.settle() == 2
    world.ask({"x": 5}).get(timeout=20)
    assert asked.get(timeout=20) == 5


@pytest.mark.parametrize("which", ["asking", "answering"])
def test_a_commit_that_fails_is_an_error_for_who_rests_on_it(world: World, which: str) -> None:
    if which == "asking":
        world.before.arm()
        asked = world.ask("x")
    else:
        asked = world.ask("x")
        world.settle()
        world.before.arm()
        answered = world.ask({"x": 5})
        with pytest.raises(StoreUnavailableError):
            answered.get(timeout=20)
    with pytest.raises(StoreUnavailableError):
        asked.get(timeout=20)
    while True:
        try:
            assert world.ask({"x": 6}).get(timeout=20) == "ok"
        except StoreUnavailableError:
            continue
        return


def test_one_whose_time_is_over_hurts_nobody(world: World) -> None:
    desk = world.system.actor(Desk, "a")
    with pytest.raises(AskTimeoutError):
        desk.ask("x", timeout=0)
    asked = world.ask("x")
    world.settle()
    assert desk.ask({"x": 1}, timeout=20) == "ok"
    assert asked.get(timeout=20) == 1


def test_an_actor_with_askers_stays_in_memory(world: World) -> None:
    asked = world.ask(["silently", "x"])
    world.settle()
    directory = access_to(world.system).directory
    actor = directory.live("desk-a")
    assert actor is not None
    assert not directory.passivate(actor)
    world.ask({"_x": 1, "x": 2}).get(timeout=20)
    assert asked.get(timeout=20) == 2
    assert directory.passivate(actor)


def test_closing_lets_askers_go() -> None:
    world = World()
    with world.system:
        asked = world.ask("x")
        world.settle()
    with pytest.raises(ActorStoppedError, match="the system was closed"):
        asked.get(timeout=20)


def test_there_are_no_more_askers_than_messages(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "MAX_ASKERS", 2)
    kept = [world.ask("x") for _ in range(2)]
    with pytest.raises(MailboxFullError):
        world.ask("x").get(timeout=20)
    world.ask({"x": 1}).get(timeout=20)
    assert [future.get(timeout=20) for future in kept] == [1, 1]
    later = world.ask("x")
    world.ask({"x": 2}).get(timeout=20)
    assert later.get(timeout=20) == 2


@pytest.mark.parametrize(
    ("message", "words"),
    [("bad key", "the key of a Later has 1 to 200"), ("bad reply", "the key of a Reply has 1 to")],
)
def test_wrong_keys_are_refused_before_anything_is_stored(
    world: World, message: str, words: str
) -> None:
    with pytest.raises(RefusedError, match=words):
        world.ask(message).get(timeout=20)
    assert world.settle() == 0


def test_an_asker_waits_for_a_call(tmp_path: Path) -> None:
    with ActorSystem(
        url_of(tmp_path / "s.db"), actors=[Bank()], calls={"rate": lambda _: 4}
    ) as system:
        assert system.actor(Bank, "a").ask("rate", timeout=20) == 4


def test_late_replies_are_tested_without_a_system() -> None:
    desk = given(Desk()).when("x").then([Asked("x")], reply=Later("x"))
    desk.when("y").then(reply=Later("y"))
    assert desk.awaited == ["x", "y"]
    desk.when({"x": 5}).then([Answered("x")], reply="ok", effects=[Reply("x", 5)])
    assert desk.awaited == ["y"]
    desk.when("bad key").refused("the key of a Later has 1 to 200")
    desk.when("bad reply").refused("the key of a Reply has 1 to 200")
    assert desk.awaited == ["y"]
