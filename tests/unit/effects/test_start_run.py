"""Runs that actors start: stored with the event, started once, and told of when they have ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from inboxes import wait_until_empty
from indelible import ActorHandle, ActorSystem, Decision, RefusedError, RunEnded, StartRun, step
from indelible.api.facade import access_to
from indelible.errors import EffectWithoutEventError, UnknownRunError
from indelible.events.memory.store import MemoryEventStore
from indelible.testing.deciders import given
from indelible.testing.hold import Hold
from journeys import BOOK, Heard, Over, Planned, Trip


class Desk:
    """The step ``pay``, and whom it has booked."""

    def __init__(self) -> None:
        self.hold = Hold()
        self.paid: list[tuple[str, str, str]] = []
        self.heard: SimpleQueue[str] = SimpleQueue()
        self.over: set[str] = set()

    def hear(self, context: Any, _effect: Heard) -> None:
        self.heard.put(context.stream)

    def ended(self, trip: ActorHandle[Any, Any]) -> Any:
        """How ``trip`` is over, once it is."""
        while trip.stream not in self.over:
            self.over.add(self.heard.get(timeout=30))
        return trip.state()["how"]

    def steps(self) -> list[Callable[..., Any]]:
        @step("pay")
        def pay(context: Any, to: str) -> dict[str, str]:
            self.hold()
            self.paid.append((context.run_id, to, context.envelope.principal))
            if to == "nowhere":
                raise ValueError("no such place")
            return {"ticket": to.upper()}

        return [pay]

    def system(self, store: Any, trip: Trip | None = None, **more: Any) -> ActorSystem:
        actors = [Trip() if trip is None else trip]
        how: dict[str, Any] = {"definitions": {"book": BOOK}, "drain": 20, "steps": self.steps()}
        how["effects"] = {Heard: self.hear}
        return ActorSystem(store, actors=actors, **(how | more))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/trips.db"


@pytest.mark.parametrize("definition", ["book", BOOK])
def test_a_run_is_started_with_the_event_and_its_end_is_a_message(
    url: str, definition: Any
) -> None:
    desk = Desk()
    with desk.system(url, Trip(definition)) as system:
        trip = system.actor(Trip, "1")
        assert trip.ask("rome", by="ada", timeout=10) == "planned"
        assert desk.ended(trip) == ("success", {"pay": {"ticket": "ROME"}}, "")
        assert system.run("trip-1/1/1").result(20)["agent_id"] == "post"
        assert sorted(desk.paid) == [("trip-1/1/0", "rome", "ada"), ("trip-1/1/1", "rome", "ada")]
        accepted = system.run("trip-1/1/0").events()[0]
        assert (accepted.context.correlation_id, accepted.context.causation_id) == ("1", "trip-1/1")
        over = trip.events()[-1]
        assert (over.context.causation_id, over.context.principal) == ("trip-1/1", "ada")
        assert not access_to(system).parts.host.dead_letters
        wait_until_empty(system.store)
        assert system.store.inbox.answers(["effect:trip-1/1/1"]) == {}  # its row is gone
        system.verify()


def test_an_actor_that_waits_for_a_run_leaves_memory_and_is_told(url: str) -> None:
    desk = Desk()
    desk.hold.close()
    with desk.system(url) as system:
        trip, directory = system.actor(Trip, "1"), access_to(system).parts.directory
        trip.ask("rome", timeout=10)
        actor = directory.live("trip-1")
        assert actor is not None
        end = time.monotonic() + 20
        while not directory.passivate(actor):
            assert time.monotonic() < end
        assert directory.live("trip-1") is None
        desk.hold.open()
        assert desk.ended(trip)[0] == "success"


def test_a_run_that_fails_has_ended_too(url: str) -> None:
    desk = Desk()
    with desk.system(url) as system:
        trip = system.actor(Trip, "1")
        trip.ask("nowhere", timeout=10)
        status, _, error = desk.ended(trip)
        assert (status, error) == ("failed", "ValueError")


def test_a_given_id_is_the_runs_and_one_of_another_run_is_refused(url: str) -> None:
    desk = Desk()
    with desk.system(url, Trip(run_id="r7")) as system:
        system.actor(Trip, "1").ask("rome", timeout=10)
        assert desk.ended(system.actor(Trip, "1"))[0] == "success"
        system.actor(Trip, "2").ask("rome", timeout=10)  # the same run
        assert desk.ended(system.actor(Trip, "2"))[0] == "success"
        system.actor(Trip, "3").ask("oslo", timeout=10)
        assert desk.ended(system.actor(Trip, "3")) == ("refused", {}, "RunExistsError")


def test_a_run_that_nobody_waits_for_and_that_cannot_start_is_a_dead_letter(url: str) -> None:
    desk = Desk()
    with desk.system(url) as system:
        trip = system.actor(Trip, "1")
        system.workflow_agent("a").start(BOOK, run_id="r", input={"to": "oslo"}).result(20)
        trip.ask([StartRun("b", "book", {"to": "rome"}, "r")], timeout=10)
        wait_until_empty(system.store)
        [letter] = access_to(system).parts.host.dead_letters
        assert letter.stream == "run-r"
        assert "agent and input" in letter.why


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (StartRun("a", "bok", {"to": "x"}), "no such definition: did you mean 'book'"),
        (
            StartRun("a", {"name": "w", "steps": []}),
            "a StartRun by 'a': workflow 'w'",
        ),
        (StartRun("a", {"name": "w", "steps": [{"name": "s", "type": "?"}]}), "a StartRun by 'a'"),
        (StartRun("a", "book"), "a StartRun by 'a': workflow 'book' has 1 problem"),
        (StartRun("a", "book", {"to": "x", "y": {1}}), "a StartRun by 'a'"),
        (StartRun("", "book", {"to": "x"}), "agent name ''"),
        (StartRun("a", "book", {"to": "x"}, "r" * 201), "run id 'rrr"),
        (StartRun("a", 5, {"to": "x"}), "a StartRun of 5"),  # type: ignore[arg-type]
        (StartRun("a", "book", {"to": "x"}, "", "k" * 201), "the key of a StartRun has 1 to 200"),
    ],
)
def test_what_cannot_be_started_is_refused_before_anything_is_stored(
    effect: StartRun, words: str
) -> None:
    with Desk().system("memory://") as system:
        trip = system.actor(Trip, "1")
        with pytest.raises(RefusedError, match=words):
            trip.ask([effect], timeout=10)
        assert trip.events() == []


def test_an_event_goes_with_it() -> None:
    class Idle(Trip):
        def decide(self, state: Any, message: Any) -> Any:
            return Decision([], None, [self.booking("rome")])

    with Desk().system("memory://", Idle()) as system, pytest.raises(EffectWithoutEventError):
        system.actor("trip", "1").ask("rome", timeout=10)


def test_wrong_definitions_are_refused_when_the_system_is_made() -> None:
    with pytest.raises(TypeError, match="definitions: 'a': give a mapping, text or path by name"):
        ActorSystem("memory://", definitions={"a": 5})  # type: ignore[dict-item]


def test_a_run_ended_while_nobody_was_there_is_told_at_the_next_open(url: str) -> None:
    desk = Desk()
    desk.hold.close()
    with desk.system(url, drain=0) as system:
        system.actor(Trip, "1").ask("rome", timeout=10)
        desk.hold.wait()
    desk.hold.open()
    desk.paid.clear()
    with ActorSystem(url, steps=desk.steps(), drain=20) as system:  # which knows of no trips
        assert system.run("trip-1/1/0").result(20)["status"] == "success"
    with desk.system(url) as system:
        assert desk.ended(system.actor(Trip, "1"))[0] == "success"
        assert [event.type for event in system.actor(Trip, "1").events()] == [
            "trip.planned",
            "trip.over",
        ]


def test_a_definition_that_has_changed_meanwhile_starts_nothing_anew(url: str) -> None:
    desk = Desk()
    desk.hold.close()
    with desk.system(url, drain=0) as system:
        system.actor(Trip, "1").ask("rome", timeout=10)
        desk.hold.wait()
    desk.hold.open()
    with desk.system(url, definitions={"book": BOOK | {"name": "changed"}}) as system:
        assert desk.ended(system.actor(Trip, "1"))[0] == "success"
        assert system.run("trip-1/1/0").status()["workflow"] == "book"


def test_a_definition_that_is_gone_ends_the_wait() -> None:
    desk, store = Desk(), MemoryEventStore()
    with desk.system(store) as system:
        parts: Any = access_to(system).parts
        parts.host.effects.perform = parts.host.carrier.sent = lose  # as if the process died then
        system.actor(Trip, "1").ask("rome", timeout=10)
    with desk.system(store, definitions={}) as system:
        assert desk.ended(system.actor(Trip, "1")) == ("refused", {}, "RefusedError")
        with pytest.raises(UnknownRunError):
            system.run("trip-1/1/0")


def lose(*_: Any) -> None:
    """Do nothing more."""


def test_runs_of_other_processes_are_started_and_heard_of(postgres_url: str) -> None:
    desk = Desk()
    with ExitStack() as then:
        first = then.enter_context(desk.system(postgres_url, lease=20))
        second = then.enter_context(desk.system(postgres_url, lease=20))
        while not (first.store.owned() and second.store.owned()):
            pass
        trips = [first.actor(Trip, str(number)) for number in range(12)]
        for trip in trips:
            trip.ask("rome", timeout=20)
        for trip in trips:
            assert desk.ended(trip) == ("success", {"pay": {"ticket": "ROME"}}, "")
        for trip in trips:
            assert first.run(f"{trip.stream}/1/1").result(20)["status"] == "success"
    assert len(desk.paid) == 24


def test_runs_and_trips_that_move_to_another_process_are_heard_of(postgres_url: str) -> None:
    desk = Desk()
    desk.hold.close()
    with desk.system(postgres_url, lease=20) as first:
        with desk.system(postgres_url, lease=20, drain=0) as second:
            while not (first.store.owned() and second.store.owned()):
                pass
            trips = [first.actor(Trip, str(number)) for number in range(12)]
            for trip in trips:
                trip.ask("rome", timeout=20)
            desk.hold.wait()
        desk.hold.open()
        for trip in trips:
            assert desk.ended(trip) == ("success", {"pay": {"ticket": "ROME"}}, "")
            assert [event.type for event in trip.events()] == ["trip.planned", "trip.over"]
        wait_until_empty(first.store)
        assert len(first.store.heads("run")) == 24


def test_a_run_that_is_started_is_tested_without_a_system() -> None:
    booking, card = Trip().booking("rome"), StartRun("post", "book", {"to": "rome"})
    trip = given(Trip()).when("rome").then([Planned("rome")], effects=[booking, card])
    assert trip.pending == [booking]
    trip.when(RunEnded("booking", "trip-1/1/0", "success", {"a": 1}))
    trip.then([Over("success", {"a": 1}, "")])
    assert trip.pending == []
