"""What actors tell each other in a runtime without threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.errors import MailboxFullError, StoreUnavailableError
from indelible.events.memory.store import MemoryEventStore
from indelible.ids import SeededIds
from indelible.testing.simulation import SimulatedRuntime
from unit.inbox.posts import Post, Sender


class Stage:
    """A system on one thread."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryEventStore(clock=self.clock)
        self.runtime = SimulatedRuntime(1, self.clock)
        self.system = ActorSystem(
            self.store,
            actors=[Sender(), Post()],
            clock=self.clock,
            ids=SeededIds(1, self.clock),
            runtime=lambda: self.runtime,
        )

    def send(self, *messages: list[Any]) -> None:
        self.system.actor("sender", "a").ask(list(messages))
        self.runtime.run(1_000)

    def pass_time(self) -> None:
        self.clock.advance(0.2)
        self.runtime.run(1_000)

    def got(self) -> int:
        return len(list(self.store.read("post-x")))

    def waiting(self) -> int:
        return len(self.store.inbox.waiting(frozenset({0}), 100))


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    with stage.system:
        yield stage


def test_what_is_told_is_handled_and_done(stage: Stage) -> None:
    stage.send(["x", "one"], ["x", "nothing"], ["x", "refuse"])
    assert (stage.got(), stage.waiting()) == (1, 0)
    assert len(access_to(stage.system).parts.host.dead_letters) == 1


def test_what_cannot_be_taken_is_handed_over_again_when_its_time_has_come(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, refused = access_to(stage.system).directory, list[str]()
    ask_here = directory.ask_here

    def full(stream: str, message: Any, future: Any, **more: Any) -> None:
        if stream == "post-x" and len(refused) < 2:
            refused.append(stream)
            error = MailboxFullError(stream, 1)
            future.set_exception((MailboxFullError, error, None))
        else:
            ask_here(stream, message, future, **more)

    monkeypatch.setattr(directory, "ask_here", full)
    stage.send(["x", "one"])
    assert (stage.got(), stage.waiting()) == (0, 1)
    stage.pass_time()
    assert (stage.got(), stage.waiting(), len(refused)) == (0, 1, 2)
    stage.pass_time()
    assert (stage.got(), stage.waiting()) == (1, 0)


def test_a_look_that_fails_is_taken_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: Any) -> None:
        raise StoreUnavailableError("a test says so")

    parts = access_to(stage.system).parts
    monkeypatch.setattr(parts.host.carrier, "sent", parts.host.carrier.not_sent)
    monkeypatch.setattr(stage.store.inbox, "first", lose)
    stage.send(["x", "one"])
    stage.pass_time()
    assert (stage.got(), stage.waiting()) == (0, 1)
    monkeypatch.undo()
    stage.pass_time()
    assert (stage.got(), stage.waiting()) == (1, 0)
