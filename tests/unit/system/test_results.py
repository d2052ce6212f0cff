"""What handles and systems return at run time is what their types say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, get_type_hints

import msgspec
import pytest

from indelible import ActorHandle, ActorSystem, Decider, Event, Outcome, RefusedError, RunStatus
from indelible.actors.workflow.state.node_status import WORDS
from indelible.results import OutcomeWord, RunError, SystemHealth
from indelible.runs.outcome import KEYS


class Counted(Event, frozen=True):
    wire_name: ClassVar[str] = "typed.counted"


class Counter(Decider[int]):
    category: ClassVar[str] = "typed"
    event_types: ClassVar[Sequence[type[Event]]] = (Counted,)

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> Iterable[Event]:
        return [Counted()]

    def evolve(self, state: int, event: Any) -> int:
        return state + 1


class Other(Counter):
    """Of the same category, and not the one that the system was given."""


@pytest.fixture
def decider() -> Counter:
    return Counter()


@pytest.fixture
def system(decider: Counter) -> Iterator[ActorSystem]:
    with ActorSystem("memory://", actors=[decider]) as system:
        system.register_step("well", lambda: 1)

        @system.step("ill")
        def ill() -> None:
            raise ValueError("no such day") from KeyError("day")

        yield system


STEPS = [{"name": "a", "type": "well"}, {"name": "b", "type": "ill"}, {"name": "c", "type": "well"}]


def test_a_status_has_the_keys_and_the_values_that_its_type_says(system: ActorSystem) -> None:
    run = system.workflow_agent("a").start({"name": "w", "steps": STEPS})
    run.result(20)
    status = run.status()
    check(status, RunStatus)
    assert [step["state"] for step in status["steps"]] == ["completed", "failed", "skipped"]
    error = status["steps"][1]["error"]
    assert error is not None
    assert error["causes"]
    check(run.status(as_of=1), RunStatus)


def test_an_outcome_has_the_keys_and_the_values_that_its_type_says(system: ActorSystem) -> None:
    outcome = system.workflow_agent("a").start({"name": "w", "steps": STEPS}).result(20)
    check(outcome["error"], RunError)
    check(outcome["status"], OutcomeWord)
    check(outcome["execution_time_ms"], float)
    assert type(outcome["result"]) is dict
    values = dict(outcome)
    assert tuple(values) == KEYS
    words = [key for key in KEYS if type(values[key]) is str and key != "status"]
    assert words == ["run_id", "workflow", "agent_id"]
    counts = [key for key in KEYS if type(values[key]) is int]
    assert sorted(counts) == [
        "checkpoints_created",
        "steps_completed",
        "steps_failed",
        "steps_skipped",
        "steps_total",
    ]


def test_health_has_the_keys_and_the_values_that_its_type_says(system: ActorSystem) -> None:
    system.workflow_agent("a").start({"name": "w", "steps": STEPS}).result(20)
    assert system.caught_up(20)
    health = system.health()
    assert health["views"]
    check(health, SystemHealth)


def check(value: object, kind: Any) -> None:
    """Fail if ``value`` lacks a key of ``kind``, has another one, or one of another type."""
    assert msgspec.convert(value, kind) == value


def test_the_words_of_steps_are_those_of_their_type() -> None:
    assert WORDS[0] == "pending"
    assert len(set(WORDS)) == 7


def test_an_actor_is_found_by_its_category_its_decider_and_the_class_of_that(
    system: ActorSystem, decider: Counter
) -> None:
    system.actor("typed", "1").ask(None)
    assert system.actor(Counter, "1").state() == 1
    assert system.actor(decider, "1").state() == 1
    assert repr(system.actor(Counter, "1")) == "<ActorHandle 'typed-1'>"


@pytest.mark.parametrize("wanted", [Other, Counter(), int, 42, None])
def test_a_decider_that_the_system_was_not_given_is_refused(
    system: ActorSystem, wanted: Any
) -> None:
    with pytest.raises(RefusedError, match=r"^no actor category .*; there are typed: give its"):
        system.actor(wanted, "1")


def test_the_types_of_actors_may_be_written_with_or_without_that_of_replies() -> None:
    class Both(Decider[int, str]):
        pass

    def both(actor: ActorHandle[int, str], outcome: Outcome) -> None: ...

    def one(actor: ActorHandle[int]) -> None: ...

    assert issubclass(Both, Decider)
    assert issubclass(Counter, Decider)
    names = globals() | {"ActorHandle": ActorHandle}
    for function in (both, one):
        assert get_type_hints(function, names)["actor"].__origin__ is ActorHandle
