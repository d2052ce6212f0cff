"""Any context that may be set comes back from each event, whatever way its message took."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict

import deciders
from deciders import Noted
from indelible import ActorSystem, Context, Decision, Tell
from indelible.api.facade import access_to
from indelible.arguments.context_arguments import check_context
from indelible.clock import ManualClock
from indelible.events.codec.metadata import decode_metadata, encode_metadata
from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.message_context import caused_by, inherited, merged, with_correlation
from indelible.ids import SeededIds
from indelible.testing.simulation import SimulatedRuntime

PRINTABLE = st.characters(exclude_categories=["C", "Zl", "Zp"]).filter(
    lambda letter: letter.isprintable()
)
NAMES = st.text(PRINTABLE, min_size=1, max_size=200)
REASONS = st.text(PRINTABLE | st.sampled_from("\u200d\u3000\u00a0"), min_size=1, max_size=300)
HEX = "0123456789abcdef"


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text(HEX, min_size=count, max_size=count).filter(lambda text: text.strip("0"))


PARENTS = st.builds("00-{}-{}-{}".format, digits(32), digits(16), st.sampled_from(["00", "01"]))
STATES = st.lists(
    st.text("abcxyz", min_size=1, max_size=9), min_size=1, max_size=9, unique=True
).map(lambda keys: ",".join(f"{key}={number}" for number, key in enumerate(keys)))
TRACES = st.just(("", "")) | st.tuples(PARENTS, st.just("") | STATES)
EMPTY = st.just("")


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    names = [draw(EMPTY | NAMES) for _ in range(5)]
    correlation_id, causation_id, principal, tenant, agent = names
    reason, trace = draw(EMPTY | REASONS), draw(TRACES)
    return Context(correlation_id, causation_id, principal, tenant, reason, *trace, agent)


PARAMETERS = {"principal": "by", "reason": "why"}


def block(system: ActorSystem, context: Context) -> Any:
    given = {PARAMETERS.get(name, name): text for name, text in asdict(context).items() if text}
    return system.context(**given)


class Note(deciders.Note):
    """Passes a message on to the actor that it names."""

    def decide(self, state: int, message: Any) -> Decision:
        return Decision([Noted()], None, [Tell("note", message, "")] if message else [])


class World:
    """A store that outlives crashes, and systems on one thread, one after the other."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ids = SeededIds(1, self.clock)
        self.store = MemoryEventStore(clock=self.clock)
        self.open()

    def open(self) -> None:
        self.runtime = SimulatedRuntime(1, self.clock)
        self.system = ActorSystem(
            self.store,
            actors=[Note()],
            clock=self.clock,
            ids=self.ids,
            runtime=lambda: self.runtime,
        )
        self.system.register_step("act", lambda context, step: None)
        self.system.open()

    def crash(self) -> None:
        self.runtime.crash()
        self.store.close()
        self.open()

    def contexts(self, stream: str) -> list[Context]:
        return [event.context for event in self.store.read(stream)]


@given(contexts())
def test_a_context_comes_back_from_its_bytes_and_a_wire_takes_it(context: Context) -> None:
    assert decode_metadata(encode_metadata(context)) == context
    check_context(context)


@given(contexts(), contexts())
def test_blocks_in_blocks_are_as_one(outer: Context, inner: Context) -> None:
    system = ActorSystem(MemoryEventStore())
    with block(system, outer), block(system, inner) as context:
        assert context == merged(outer, inner)
    with block(system, merged(outer, inner)) as context:
        assert context == merged(outer, inner)


@settings(max_examples=60)
@given(st.lists(contexts(), min_size=1, max_size=5))
def test_each_message_keeps_its_own_when_asked_told_and_passed_on(given: list[Context]) -> None:
    world = World()
    actor = world.system.actor(Note, "n")
    for context in given:
        with block(world.system, context):
            actor.tell("")
    for context in given:
        with block(world.system, context):
            actor.ask("other")
    full = [with_correlation(context, "n") for context in given]
    assert world.contexts("note-n") == full * 2
    world.runtime.run(1_000)
    caused = [
        caused_by(context, f"note-n/{len(given) + number}", identity="n")
        for number, context in enumerate(full, 1)
    ]
    assert world.contexts("note-other") == caused
    world.system.close()


@settings(max_examples=60)
@given(contexts(), st.integers(0, 30), st.integers(1, 8))
def test_a_run_keeps_its_own_through_a_crash_between_any_two_tasks(
    context: Context, tasks: int, steps: int
) -> None:
    world = World()
    definition = {"name": "w", "steps": [{"name": f"s{n}", "type": "act"} for n in range(steps)]}
    with block(world.system, context):
        access = access_to(world.system)
        message = world.system.workflow_agent("a")._start_message(
            access.compile(definition), "r", None
        )
        access.send("run-r", message, presume_new=True, context=access.calling())
    world.runtime.run(tasks)
    world.crash()
    if not world.contexts("run-r"):
        return  # it was not accepted, and nobody was told so
    run = world.system.run("r")
    assert run.result(10)["status"] == "success"
    first, *later = world.contexts("run-r")
    assert first == with_correlation(context, "r")
    assert len(later) >= steps + 1
    assert set(later) == {inherited(first)}
    world.system.close()
