"""What callers say of themselves: what is refused, and what is in force where."""

from __future__ import annotations

import asyncio
import enum
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deciders import Note, Noted
from indelible import ActorSystem, Context, Event
from indelible.arguments.context_arguments import REASON_LIMIT
from indelible.errors import RefusedError
from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.message_context import CAUSE_LIMIT

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = PARENT.replace("b", "c")
ONE = {"name": "one", "steps": [{"name": "only", "type": "act"}]}


@pytest.fixture
def system() -> Iterator[ActorSystem]:
    system = ActorSystem(MemoryEventStore(), actors=[Note()])
    system.register_step("act", lambda context, step: None)
    with system:
        yield system


def note(system: ActorSystem, **given: Any) -> Context:
    """Context of the event that one message causes."""
    actor = system.actor(Note, "n")
    actor.ask("hello", **given)
    return actor.events()[-1].context


ODD: list[Any] = ["", "a\0b", "two\nlines", "\ud800", "\x1b[31m", "a\u202eb", 7, b"ada", ["ada"]]


@pytest.mark.parametrize("parameter", ["by", "why", "correlation_id"])
@pytest.mark.parametrize("value", ODD, ids=ascii)
def test_a_call_refuses_what_is_no_text_and_names_the_parameter(
    system: ActorSystem, parameter: str, value: Any
) -> None:
    given = {parameter: value}
    actor, agent = system.actor(Note, "n"), system.workflow_agent("a")
    calls: list[Callable[[], object]] = [
        lambda: actor.ask("hello", **given),
        lambda: actor.tell("hello", **given),
        lambda: asyncio.run(actor.ask_async("hello", **given)),
        lambda: asyncio.run(actor.tell_async("hello", **given)),
        lambda: agent.start(ONE, **given),
        lambda: agent.start_many([(None, None)], ONE, **given),
        lambda: agent.execute_workflow(ONE, **given),
        lambda: asyncio.run(agent.start_async(ONE, **given)),
        lambda: asyncio.run(agent.start_many_async([(None, None)], ONE, **given)),
        lambda: asyncio.run(agent.execute_workflow_async(ONE, **given)),
        lambda: system.context(**given).__enter__(),
    ]
    for call in calls:
        with pytest.raises(RefusedError, match=rf"^{parameter} "):
            call()
    assert system.store.positions() in ({}, {0: 0})


@pytest.mark.parametrize(
    "parameter", ["tenant", "agent", "causation_id", "traceparent", "tracestate"]
)
@pytest.mark.parametrize("value", ODD, ids=ascii)
def test_a_block_refuses_it_as_well(system: ActorSystem, parameter: str, value: Any) -> None:
    given = {"traceparent": PARENT} if parameter == "tracestate" else {}
    with (
        pytest.raises(RefusedError, match=rf"^{parameter} "),
        system.context(**{**given, parameter: value}),
    ):
        raise AssertionError("it was let in")
    assert note(system) == Context("n")


@pytest.mark.parametrize(
    ("parameter", "limit"),
    [
        *(("by", 200), ("tenant", 200), ("correlation_id", 200), ("agent", 200)),
        *(("why", REASON_LIMIT), ("causation_id", CAUSE_LIMIT)),
    ],
)
def test_lengths_are_limited_and_an_error_is_short(
    system: ActorSystem, parameter: str, limit: int
) -> None:
    with system.context(**{parameter: "x" * limit}):
        note(system)
    with pytest.raises(RefusedError, match=f"^{parameter} ") as refused:
        system.context(**{parameter: "x" * 1_000_000}).__enter__()
    assert len(str(refused.value)) < 500


def test_a_message_id_that_cannot_be_recorded_is_refused(system: ActorSystem) -> None:
    with pytest.raises(RefusedError, match=r"^message_id "):
        system.actor(Note, "n").ask("hello", message_id="two\nlines")


def test_a_trace_is_as_the_recommendation_has_it(system: ActorSystem) -> None:
    for wrong in (PARENT.upper(), PARENT[:-3], "x"):
        with pytest.raises(RefusedError, match=r"^traceparent .* is no W3C trace context"):
            system.context(traceparent=wrong).__enter__()
    with pytest.raises(RefusedError, match="tracestate without a traceparent"):
        system.context(tracestate="a=1").__enter__()


def test_a_reason_may_be_in_any_language(system: ActorSystem) -> None:
    for reason in ("Miete, März", "家賃　三月", "می‌خواهم", "👩‍👧 ok", "a b"):
        assert note(system, why=reason).reason == reason


def test_text_of_a_subclass_is_recorded_as_plain_text(system: ActorSystem) -> None:
    class Who(enum.StrEnum):
        ADA = "ada"

    context = note(system, by=Who.ADA)
    assert type(context.principal) is str
    assert context.principal == "ada"


def test_blocks_nest_and_a_parameter_comes_before_them(system: ActorSystem) -> None:
    with system.context(by="ada", tenant="acme", traceparent=PARENT, tracestate="a=1") as outer:
        assert outer == Context(
            principal="ada", tenant="acme", traceparent=PARENT, tracestate="a=1"
        )
        with system.context(by="ben", why="food", traceparent=OTHER) as inner:
            assert inner == Context("", "", "ben", "acme", "food", OTHER)
            assert note(system) == Context("n", "", "ben", "acme", "food", OTHER)
            assert note(system, by="cem", correlation_id="req-1") == Context(
                "req-1", "", "cem", "acme", "food", OTHER
            )
        assert note(system) == Context("n", "", "ada", "acme", "", PARENT, "a=1")
    assert note(system) == Context("n")


def test_a_block_ends_with_an_error_too(system: ActorSystem) -> None:
    with pytest.raises(ZeroDivisionError), system.context(by="ada"):
        raise ZeroDivisionError
    assert note(system) == Context("n")


def test_a_block_is_of_one_system(system: ActorSystem) -> None:
    with (
        ActorSystem(MemoryEventStore(), actors=[Note()]) as other,
        system.context(by="ada"),
        other.context(by="ben"),
    ):
        assert (note(system).principal, note(other).principal) == ("ada", "ben")
        with system.context(why="x"):
            assert note(other) == Context("n", principal="ben")


def test_a_block_holds_in_tasks_and_not_in_other_threads(system: ActorSystem) -> None:
    seen: list[Context] = []

    async def ask(name: str) -> Context:
        actor = system.actor(Note, name)
        await asyncio.sleep(0)
        await actor.ask_async("hello")
        [event] = await actor.events_async()
        return event.context

    async def request(who: str) -> list[Context]:
        with system.context(by=who):
            return list(await asyncio.gather(ask(f"{who}-1"), ask(f"{who}-2")))

    async def both() -> list[list[Context]]:
        return list(await asyncio.gather(request("ada"), request("ben")))

    of_ada, of_ben = asyncio.run(both())
    assert {context.principal for context in of_ada} == {"ada"}
    assert {context.principal for context in of_ben} == {"ben"}
    with system.context(by="ada"):
        thread = threading.Thread(target=lambda: seen.append(note(system)))
        thread.start()
        thread.join()
    assert seen == [Context("n")]


def test_a_step_begins_with_what_its_run_was_given_whatever_is_in_force_elsewhere(
    system: ActorSystem,
) -> None:
    seen: list[Context] = []

    async def act(context: Any, step: Any) -> None:
        await system.actor(Note, "n").ask_async("hello")
        with system.context(by="robot", why="in the step"):
            await system.actor(Note, "n").ask_async("hello", correlation_id="other")
        seen.append(context.envelope)

    system.register_step("act_async", act)
    definition = {"name": "one", "steps": [{"name": "only", "type": "act_async"}]}
    agent = system.workflow_agent("shop")
    with system.context(by="ada"):
        with system.context(by="ben", tenant="acme"):
            run = agent.start(definition, run_id="r")
        run.result(20)
    first, second = [event.context for event in system.actor(Note, "n").events()]
    assert first == Context("r", "run-r/only", "ben", "acme", agent="shop")
    assert second == Context("other", "run-r/only", "robot", "acme", "in the step", agent="shop")
    assert seen == [first]


def test_a_decide_takes_two_parameters_or_three() -> None:
    class Two(Note):
        category = "two"

    class Optional(Note):
        category = "optional"

        def decide(self, state: int, message: Any, context: Any = None) -> list[Event]:
            assert context.correlation_id == "n"
            return [Noted()]

    class Open(Note):
        category = "open"

        def decide(self, state: int, message: Any, *more: Any, **named: Any) -> list[Event]:
            assert not more
            assert not named
            return [Noted()]

    deciders = [Two(), Optional(), Open()]
    with ActorSystem(MemoryEventStore(), actors=deciders) as system:
        for decider in deciders:
            system.actor(decider, "n").ask("hello", correlation_id="n")


def test_a_decide_that_could_never_be_called_is_refused_at_once() -> None:
    class One(Note):
        def decide(self, state: int) -> list[Event]:  # type: ignore[override] # as is tested
            return []

    class Four(Note):
        def decide(  # type: ignore[override] # as above
            self, state: int, message: Any, a: Any, b: Any
        ) -> list[Event]:
            return []

    class Named(Note):
        def decide(  # type: ignore[override] # as above
            self, state: int, message: Any, *, context: Any
        ) -> list[Event]:
            return []

    for decider in (One, Four, Named):
        with pytest.raises(TypeError, match=r"must take \(state, message\), or"):
            ActorSystem(MemoryEventStore(), actors=[decider()])
