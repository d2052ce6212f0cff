"""A context goes with each message to all that it causes, on every store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgpack
import pytest
import sqlalchemy as sa

from indelible import (
    ActorSystem,
    Context,
    Decider,
    Decision,
    Event,
    MessageContext,
    RunHandle,
    Tell,
)
from indelible.errors import VerificationError
from indelible.events.codec.metadata import correlated, encode_metadata
from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.event import RecordedEvent
from indelible.events.store import EventStore
from indelible.testing.contract.builders import url_of

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FULL = {"by": "ada", "why": "rent, at last", "tenant": "acme", "correlation_id": "req-1"}
TWO = {"name": "two", "steps": [{"name": n, "type": "act"} for n in ("one", "two")]}


class Noted(Event, frozen=True):
    wire_name: ClassVar[str] = "note.noted"

    text: str
    seen: dict[str, Any]


class Note(Decider[int]):
    """Notes text with the context that it sees; ``to X: text`` passes it on."""

    category: ClassVar[str] = "note"
    event_types: ClassVar[Sequence[type[Event]]] = (Noted,)

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any, context: MessageContext) -> Decision:
        to, passed, text = message.partition(": ")
        noted = Noted(text or message, seen_by(context))
        effects = [Tell("note", to.removeprefix("to "), text)] if passed else []
        return Decision([noted], state + 1, effects)

    def evolve(self, state: int, event: Any) -> int:
        return state + 1


def seen_by(context: MessageContext) -> dict[str, Any]:
    return {name: getattr(context, name) for name in Context.__struct_fields__}


class World:
    """One store, a system on it, and steps that act through it."""

    def __init__(self, store: str | EventStore) -> None:
        self.acted: list[Context] = []
        self.act: Callable[[Any], object] = lambda context: None
        self.system = ActorSystem(store, actors=[Note()], drain=0)
        self.system.register_step("act", self._act)

    def _act(self, context: Any, step: Any) -> None:
        self.acted.append(context.envelope)
        self.act(context)

    def note(self, name: str) -> list[Context]:
        """Contexts of the events of one actor."""
        return contexts(self.system.actor(Note, name).events())

    def told(self, name: str) -> list[Context]:
        """The same, once there is one."""
        streams = [f"note-{name}"]
        for batch in self.system.events(streams=streams):
            if len(batch):
                break
        return self.note(name)

    def reopen(self) -> None:
        self.system.close()
        self.system.open()


def contexts(events: Sequence[RecordedEvent]) -> list[Context]:
    return [event.context for event in events]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        world = World(MemoryEventStore())
    elif request.param == "sqlite":
        world = World(url_of(tmp_path / "store.db"))
    else:
        world = World(request.getfixturevalue("postgres_url"))
    with world.system:
        yield world


def test_without_a_context_events_are_as_they_always_were(world: World) -> None:
    world.system.actor(Note, "n").ask("hello")
    run = world.system.workflow_agent("shop").start(TWO, run_id="r")
    run.result(20)
    stored = [event.metadata for event in (*world.system.actor(Note, "n").events(), *run.events())]
    assert stored == [correlated("n"), *[correlated("r")] * 4]
    assert correlated("r") == msgpack.packb({"correlation_id": "r"})
    world.reopen()
    world.system.actor(Note, "n").ask("again")
    assert world.note("n") == [Context("n"), Context("n")]


def test_each_message_has_its_own_whatever_others_had(world: World) -> None:
    actor = world.system.actor(Note, "n")
    actor.tell("one", by="ada")
    actor.tell("two")
    actor.tell("three", by="ben", why="food", correlation_id="req-3")
    actor.ask("four", by="cem")
    assert world.note("n") == [
        Context("n", principal="ada"),
        Context("n"),
        Context("req-3", principal="ben", reason="food"),
        Context("n", principal="cem"),
    ]


def test_decide_sees_what_the_event_will_have(world: World) -> None:
    with world.system.context(**FULL, traceparent=PARENT, tracestate="a=1", agent="bot"):
        world.system.actor(Note, "n").ask("hello")
    world.system.actor(Note, "n").ask("alone")
    for event in world.system.actor(Note, "n").events():
        assert event.context == Context(**msgpack.unpackb(event.payload)["seen"])
    first, second = world.note("n")
    assert first == Context("req-1", "", "ada", "acme", "rent, at last", PARENT, "a=1", "bot")
    assert second == Context("n")


def test_a_message_id_is_the_cause_unless_another_is_known(world: World) -> None:
    actor = world.system.actor(Note, "n")
    actor.ask("one", message_id="m-1")
    with world.system.context(causation_id="queue/7"):
        actor.ask("two", message_id="m-2")
    actor.ask("one", message_id="m-1", by="ada")  # the same message: answered as it was
    assert world.note("n") == [Context("n", "m-1"), Context("n", "queue/7")]


def test_what_an_event_tells_others_has_it_for_its_cause(world: World) -> None:
    world.system.actor(Note, "a").ask("hello")
    world.system.actor(Note, "a").ask("to b: to c: hi", by="ada", correlation_id="req-1")
    assert world.told("c") == [Context("req-1", "note-b/1", "ada")]
    assert world.note("b") == [Context("req-1", "note-a/2", "ada")]
    world.system.actor(Note, "x").ask("to y: hi")
    assert world.told("y") == [Context("x", "note-x/1")]


def test_every_event_of_a_run_inherits_what_its_start_was_given(world: World) -> None:
    with world.system.context(**FULL, causation_id="queue/7"):
        run = world.system.workflow_agent("shop").start(TWO, run_id="r")
    assert run.result(20)["status"] == "success"
    given = Context("req-1", "", "ada", "acme", "rent, at last")
    started = Context("req-1", "queue/7", "ada", "acme", "rent, at last")
    assert contexts(run.events()) == [started, given, given, given]


def test_runs_that_are_started_together_have_one_context(world: World) -> None:
    agent = world.system.workflow_agent("shop")
    runs = agent.start_many([("r", None), ("s", None)], TWO, by="ada", why="both")
    for run in runs:
        run.result(20)
        assert set(contexts(run.events())) == {Context(run.run_id, principal="ada", reason="both")}


def test_the_same_run_again_is_the_one_that_was_accepted(world: World) -> None:
    agent = world.system.workflow_agent("shop")
    agent.execute_workflow(TWO, run_id="r", by="ada", timeout=20)
    agent.execute_workflow(TWO, run_id="r", by="ben", timeout=20)
    assert set(contexts(world.system.run("r").events())) == {Context("r", principal="ada")}


def cut_off(world: World, definition: dict[str, Any], **given: str) -> RunHandle:
    """Begin a run, close its system while the first step runs, and open it again."""
    began, go_on = threading.Event(), threading.Event()

    def stop(_: Any) -> None:
        began.set()
        go_on.wait(30)

    world.act = stop
    with world.system.context(**given):
        world.system.workflow_agent("shop").start(definition, run_id="r")
    assert began.wait(30)
    world.system.close()
    world.act = lambda _: None
    go_on.set()
    world.system.open()
    return world.system.run("r")


def test_a_run_that_goes_on_elsewhere_keeps_its_context(world: World) -> None:
    run = cut_off(world, TWO, **FULL, traceparent=PARENT)
    assert run.result(30)["status"] == "success"
    given = Context("req-1", "", "ada", "acme", "rent, at last", PARENT)
    assert "run.steps_started" in {event.type for event in run.events()}
    assert set(contexts(run.events())) == {given}
    assert {(seen.principal, seen.correlation_id) for seen in world.acted} == {("ada", "req-1")}


def test_what_a_step_asks_and_starts_follows_from_the_step(world: World) -> None:
    child = {"name": "child", "steps": [{"name": "only", "type": "act"}]}

    def act(context: Any) -> None:
        if context.run_id == "r" and context.step_name == "two":
            world.system.actor(Note, "n").ask("to m: hi")
            world.system.workflow_agent("other").start(child, run_id="c")

    world.act = act
    run = world.system.workflow_agent("shop").start(TWO, run_id="r", by="ada")
    run.result(20)
    world.system.run("c").result(20)
    assert world.note("n") == [Context("r", "run-r/two", "ada", agent="shop")]
    assert world.told("m") == [Context("r", "note-n/1", "ada", agent="shop")]
    accepted, *later = contexts(world.system.run("c").events())
    assert accepted == Context("r", "run-r/two", "ada", agent="shop")
    assert set(later) == {Context("r", "", "ada", agent="shop")}
    assert world.acted == [
        Context("r", "run-r/one", "ada", agent="shop"),
        Context("r", "run-r/two", "ada", agent="shop"),
        Context("r", "run-c/only", "ada", agent="other"),
    ]


def test_a_person_who_resolves_a_step_is_named_by_that_decision_alone(world: World) -> None:
    asking = {
        "name": "asking",
        "steps": [
            {"name": "one", "type": "act", "on_unknown_outcome": "ask"},
            {"name": "two", "type": "act"},
        ],
    }
    run = cut_off(world, asking, by="ada", correlation_id="req-1")
    run.resolve_step("one", "complete", by="ben", why="seen at the bank", result=1)
    run.result(30)
    of_ben = Context("req-1", principal="ben", reason="seen at the bank")
    of_ada = Context("req-1", principal="ada")
    assert [(event.type, event.context) for event in run.events()] == [
        ("run.accepted", of_ada),
        ("run.step_outcome_unknown", of_ada),
        ("run.step_completed", of_ben),
        ("run.step_completed", of_ada),
        ("run.completed", of_ada),
    ]


def test_all_of_one_request_is_found_wherever_it_is(world: World) -> None:
    world.system.actor(Note, "a").ask("to b: hi", correlation_id="req-1")
    world.system.actor(Note, "a").ask("other", correlation_id="req-10", by="req-1")
    world.told("b")
    found = [
        delivery.recorded.stream
        for batch in world.system.events(correlation_id="req-1", live=False)
        for delivery in batch
    ]
    assert sorted(found) == ["note-a", "note-b"]


def test_no_text_passes_for_the_id_of_another_request(world: World) -> None:
    request = "x" * 130
    alike = f"®correlation_idق{request}"  # the very bytes of the field, within a reason
    world.system.actor(Note, "a").ask("one", why=alike, correlation_id="other")
    world.system.actor(Note, "b").ask("two", correlation_id=request)
    assert encode_metadata(Context(request))[1:] in encode_metadata(Context(reason=alike))
    [batch] = [b for b in world.system.events(correlation_id=request, live=False) if len(b)]
    assert [delivery.recorded.stream for delivery in batch] == ["note-b"]


@pytest.mark.parametrize("world", ["sqlite", "postgres"], indirect=True)
def test_an_edited_principal_is_found(world: World) -> None:
    actor = world.system.actor(Note, "n")
    actor.ask("one", by="ada")
    actor.ask("two", by="ben")
    world.system.close()
    forged = msgpack.packb({"correlation_id": "n", "principal": "ann"})
    engine = sa.create_engine(world.system.url)
    with engine.begin() as connection:
        where = "WHERE version = 1"
        connection.execute(
            sa.text(f"UPDATE events SET metadata = :forged {where}"), {"forged": forged}
        )
    engine.dispose()
    world.system.open()
    assert world.note("n")[0].principal == "ann"
    with pytest.raises(VerificationError):
        world.system.verify()
