"""Runs and actors as they were: the handles take a moment, synchronously or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from indelible import ActorSystem, Decider, Event
from indelible.actors.decider import fold
from indelible.actors.workflow.decide.run_decider import RunDecider
from indelible.actors.workflow.state.describe import describe
from indelible.actors.workflow.state.run_state import RunState
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.errors import AsOfError, UnknownRunError
from indelible.events.model.event_types import run_event_types
from indelible.events.read.as_of import Position

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TYPES = run_event_types()


class Said(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "diary.said"

    words: str


class Diary(Decider[list[str]]):
    category: ClassVar[str] = "diary"
    event_types: ClassVar[Sequence[type[Event]]] = (Said,)

    def initial_state(self) -> list[str]:
        return []

    def decide(self, state: list[str], message: str) -> list[Event]:
        return [Said(message)]

    def evolve(self, state: list[str], event: Any) -> list[str]:
        return [*state, event.words]


@pytest.fixture(params=["memory", "sqlite"])
def make_system(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., ActorSystem]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'store.db'}"
    return lambda **options: ActorSystem(url, actors=[Diary()], **options)


@pytest.fixture
def system(make_system: Callable[..., ActorSystem]) -> Iterator[ActorSystem]:
    with make_system(clock=ManualClock()) as system:
        system.register_step("give", lambda context, step: step["params"]["value"])
        yield system


def moments(event: Any) -> list[Any]:
    """The ways to name the moment right behind ``event``."""
    at = EPOCH + timedelta(microseconds=event.recorded_at)
    place = Position(event.shard, event.position)
    return [event.version, place, {event.shard: event.position}, at]


def test_an_actor_has_the_state_and_the_events_of_any_moment(system: ActorSystem) -> None:
    ann = system.actor("diary", "ann")
    assert ann.state(as_of=0) == []
    words = ["one", "two", "three"]
    for word in words:
        ann.ask(word)
        assert isinstance(system.clock, ManualClock)
        system.clock.advance(1)
    for number, event in enumerate(ann.events(), 1):
        for moment in moments(event):
            assert ann.state(as_of=moment) == words[:number]
            assert [e.version for e in ann.events(as_of=moment)] == list(range(1, number + 1))
    assert ann.state() == words
    assert ann.state(as_of=datetime.now(UTC) + timedelta(days=1)) == words


def test_a_run_has_the_status_and_the_events_of_any_moment(system: ActorSystem) -> None:
    steps = [{"name": f"s{n}", "type": "give", "params": {"value": n}} for n in range(4)]
    run = system.workflow_agent("a").start({"name": "w", "steps": steps}, run_id="r")
    run.result(20)
    recorded = run.events()
    events = [TYPES.decode(event) for event in recorded]
    for number, event in enumerate(recorded, 1):
        state = fold(RunDecider(), RunState(), events[:number])
        for moment in moments(event)[:3]:
            assert run.status(as_of=moment) == describe(state)
            assert list(run.events(as_of=moment)) == list(recorded[:number])
    assert run.status(as_of=moments(recorded[-1])[3]) == run.status()


def test_the_asynchronous_twins_take_a_moment_too(system: ActorSystem) -> None:
    ann = system.actor("diary", "ann")
    ann.ask("one")
    ann.ask("two")
    step = {"name": "s", "type": "give", "params": {"value": 1}}
    run = system.workflow_agent("a").start({"name": "w", "steps": [step]}, run_id="r")
    run.result(20)

    async def look() -> Any:
        return (
            await ann.state_async(as_of=1),
            [event.version for event in await ann.events_async(as_of=1)],
            (await run.status_async(as_of=1))["version"],
            [event.version for event in await run.events_async(as_of=2)],
        )

    assert asyncio.run(look()) == (["one"], [1], 1, [1, 2])


def test_a_run_before_its_time_says_so(system: ActorSystem) -> None:
    step = {"name": "s", "type": "give", "params": {"value": 1}}
    run = system.workflow_agent("a").start({"name": "w", "steps": [step]}, run_id="r")
    run.result(20)
    with pytest.raises(AsOfError, match="did not exist yet"):
        run.status(as_of=EPOCH)
    assert run.events(as_of=EPOCH) == []
    with pytest.raises(AsOfError, match="99 is no version"):
        run.status(as_of=99)
    with pytest.raises(UnknownRunError):
        access_to(system).reader.version("unknown", 1)


def test_the_views_have_a_past(system: ActorSystem) -> None:
    step = {"name": "s", "type": "give", "params": {"value": 1}}
    for run_id in ("r1", "r2"):
        run = system.workflow_agent("a").start({"name": "w", "steps": [step]}, run_id=run_id)
        run.result(20)
    assert system.caught_up(20)
    [first, *_] = system.run("r2").events()
    past = system.views.as_of(Position(first.shard, first.position))
    assert [(row.run_id, row.state) for row in past.runs()] == [
        ("r2", "running"),
        ("r1", "completed"),
    ]
    assert system.views.as_of(system.store.positions()).runs() == system.views.runs()
