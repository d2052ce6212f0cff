"""A system of runs over a store in memory, whose commits and steps a test can hold or fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from indelible import ActorSystem, Outcome, RunHandle
from indelible.actors.decider import fold
from indelible.actors.workflow.decide.run_decider import RunDecider
from indelible.actors.workflow.state.describe import describe
from indelible.actors.workflow.state.run_state import RunState
from indelible.api.facade import access_to
from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.event import RecordedEvent
from indelible.events.model.event_types import run_event_types
from indelible.failpoints import Failpoints
from indelible.testing.faults import Fault
from indelible.testing.hold import Hold

TYPES = run_event_types()


def _hold_nothing(shards: object = None) -> None:
    """Close as if there were no time to hold anything."""


class Flow:
    """One store, its faults, and the system that is open on it."""

    def __init__(self) -> None:
        self.commit = Hold()  # stops the leader when everything but COMMIT is done
        self.fault = Fault()  # fails a commit before it begins, and each probe
        self.lost = Fault()  # fails a commit that has happened
        self.places: dict[str, Callable[[], None]] = {
            "commit.before": self.commit,
            "commit.begun": self.fault,
            "commit.after": self.lost,
        }
        self.store = MemoryEventStore(failpoints=Failpoints(self.places))
        self.steps: dict[str, Callable[..., Any]] = {}
        self.systems: list[ActorSystem] = []
        self.system = self.make()

    def make(self, **options: Any) -> ActorSystem:
        """Another system on the same store, with the same steps; not open yet."""
        self.system = ActorSystem(self.store, **{"drain": 5.0, **options})
        for name, function in self.steps.items():
            self.system.register_step(name, function)
        self.systems.append(self.system)
        return self.system

    def step(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register a function under its own name, here and in systems to come."""
        self.steps[function.__name__] = function
        self.system.register_step(function.__name__, function)
        return function

    def start(self, definition: dict[str, Any], run_id: str = "r", **options: Any) -> RunHandle:
        definition = {"name": "w", **definition}
        return self.system.workflow_agent("a").start(definition, run_id=run_id, **options)

    def run(self, definition: dict[str, Any], run_id: str = "r", **options: Any) -> Outcome:
        return self.start(definition, run_id, **options).result(20)

    def cut_off(self) -> None:
        """End the system as a killed process would: nothing more gets into the log."""
        access_to(self.system).parts.executor.closed = True  # what steps return is dropped
        access_to(self.system).parts.executor.hold = _hold_nothing  # type: ignore[method-assign]
        self.system._drain = 0.0
        self.system.close()

    def recorded(self, run_id: str = "r") -> list[RecordedEvent]:
        """The run's stream, whether or not the store is open."""
        return list(self.store._memory.streams.get(f"run-{run_id}", ()))

    def events(self, run_id: str = "r") -> list[Any]:
        return [TYPES.decode(event) for event in self.recorded(run_id)]

    def types(self, run_id: str = "r") -> list[str]:
        return [event.type.removeprefix("run.") for event in self.recorded(run_id)]

    def check(self, run_id: str = "r") -> None:
        """The live state is the fold of the events, and the counts add up."""
        state = fold(RunDecider(), RunState(), self.events(run_id))
        assert describe(state) == self.system.run(run_id).status()
        done = state.completed + state.failed
        if state.end is not None:
            assert done + describe(state)["steps_skipped"] == state.steps_total


@pytest.fixture
def flow() -> Iterator[Flow]:
    flow = Flow()
    flow.system.open()
    yield flow
    flow.commit.open()
    flow.fault.arm(0)
    for system in flow.systems:
        system._drain = min(system._drain, 1.0)
        system.close()


class Gate:
    """A place inside a step where it waits for the test."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go = threading.Event()

    def __call__(self) -> None:
        self.entered.release()
        assert self.go.wait(30)

    def wait(self, count: int = 1) -> None:
        """Until ``count`` steps have come."""
        for _ in range(count):
            assert self.entered.acquire(timeout=20)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.go.set()


@pytest.fixture
def gates() -> Iterator[Callable[[], Gate]]:
    made: list[Gate] = []

    def make() -> Gate:
        made.append(Gate())
        return made[-1]

    yield make
    for gate in made:
        gate.go.set()
