"""Random workflows on one thread, what their steps do to the world, and what must hold of them."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import Any

from hypothesis import strategies as st

from indelible import ActorSystem
from indelible.actors.decider import fold
from indelible.actors.workflow.decide import RunDecider
from indelible.actors.workflow.describe import describe
from indelible.actors.workflow.state import RunState
from indelible.clock import ManualClock
from indelible.events.event import EncodedEvent
from indelible.events.memory import MemoryEventStore
from indelible.events.run_events import RunCompleted, RunFailed, StepCompleted
from indelible.events.types import run_event_types
from indelible.facade import access_to
from indelible.ids import SeededIds
from indelible.testing.simulation import SimulatedRuntime

TYPES = run_event_types()
SCALE = 20 if os.environ.get("INDELIBLE_FAULTS") == "1" else 1  # as `make faults` asks


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    """Nested blocks of steps that fail a drawn number of times before they work."""
    count = 0

    def step() -> dict[str, Any]:
        nonlocal count
        count += 1
        attempts = draw(st.integers(1, 3))
        failures = draw(st.sampled_from([0, 0, 0, 1, 2]))
        return {
            "name": f"s{count}",
            "type": draw(st.sampled_from(["sync", "async"])),
            "params": {"failures": failures, "doomed": failures >= attempts},
            "retry": {"attempts": attempts, "delay": draw(st.sampled_from([0.5, 30.0]))},
        }

    def block(depth: int) -> dict[str, Any]:
        nonlocal count
        count += 1
        pattern = draw(st.sampled_from(["sequential", "parallel"]))
        made: dict[str, Any] = {"name": f"b{count}", "pattern": pattern}
        if pattern == "parallel":
            made["width"] = draw(st.integers(1, 3))
        size = draw(st.integers(1, 4))
        made["steps"] = [
            block(depth - 1) if depth and draw(st.booleans()) else step() for _ in range(size)
        ]
        return made

    return {**block(2), "checkpoint": {"every_steps": draw(st.integers(1, 4))}}


class World:
    """What the steps do to the world outside, how often, and whether the log knew it before."""

    def __init__(self) -> None:
        self.store = MemoryEventStore()
        self.unrecorded: list[str] = []
        self.returned: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()

    def enter(self, context: Any, step: Any) -> None:
        name = context.step_name
        events = [TYPES.decode(event) for event in self.store.read("run-r")]
        starts = [start for event in events for start in getattr(event, "starts", [])]
        if (context.idempotency_key.partition("/")[2], context.attempt) not in starts:
            self.unrecorded.append(f"{name}, attempt {context.attempt}")
        self.tried[name] += 1
        if step["params"]["doomed"] or self.tried[name] <= step["params"]["failures"]:
            raise RuntimeError(f"{name} fails")

    def leave(self, context: Any) -> dict[str, Any]:
        self.returned[context.step_name] += 1
        return {"name": context.step_name, "sees": sorted(context)}

    def act(self, context: Any, step: Any) -> dict[str, Any]:
        self.enter(context, step)
        return self.leave(context)

    async def act_async(self, context: Any, step: Any) -> dict[str, Any]:
        self.enter(context, step)
        await asyncio.sleep(0)
        return self.leave(context)


def simulated(seed: int, clock: ManualClock, world: World) -> ActorSystem:
    system = ActorSystem(
        world.store,
        clock=clock,
        ids=SeededIds(seed, clock),
        runtime=lambda: SimulatedRuntime(seed, clock),
    )
    system.register_step("sync", world.act)
    system.register_step("async", world.act_async)
    return system


def runtime_of(system: ActorSystem) -> SimulatedRuntime:
    runtime = access_to(system).parts.runtime
    assert isinstance(runtime, SimulatedRuntime)
    return runtime


def run_to_end(system: ActorSystem, clock: ManualClock) -> None:
    """Let everything run, moving the clock to whatever is due in the next hour."""
    for turn in range(400):
        runtime_of(system).simulation.run_until_idle()
        head = system.store.head("run-r")
        if head is not None and head.status in ENDED:
            return
        clock.advance(13.0 if turn % 2 else 1.0)  # so that what sleeps leaves memory, and returns
    raise AssertionError(f"the run hangs: {system.run('r').status()}")


ENDED = ("completed", "failed", "quarantined")


def survivor_of(store: MemoryEventStore) -> MemoryEventStore:
    """What a disk would hold if the process were killed now: the committed events, no more."""
    copy = MemoryEventStore()
    copy.open()
    for head in store.heads("run"):
        events = [
            EncodedEvent(e.event_id, e.type, e.schema, e.payload) for e in store.read(head.stream)
        ]
        copy.append(head.stream, events, expected=0, status=head.status, wake_at=head.wake_at)
    return copy


def interpret(definition: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    """What the definition means, read directly: (ended well, value by name)."""
    values: dict[str, Any] = {}
    fared: list[bool] = []
    for child in definition["steps"]:
        if definition["pattern"] == "sequential" and not all(fared):
            values[child["name"]] = "skipped"
            continue
        if "steps" in child:
            fine, inner = interpret(child)
            values[child["name"]] = inner if fine else "failed"
        else:
            fine = child["params"]["failures"] < child["retry"]["attempts"]
            values[child["name"]] = "done" if fine else "failed"
        fared.append(fine)
    return (any if definition["pattern"] == "parallel" else all)(fared), values


def shape(value: Any) -> Any:
    """An outcome's value in the words of :func:`interpret`."""
    if "failed" in value:
        return "failed"
    if "skipped" in value:
        return "skipped"
    return "done" if "sees" in value else {name: shape(inner) for name, inner in value.items()}


def check_log(store: MemoryEventStore) -> RunState:
    """The invariants of one run's stream, finished or not; returns its fold."""
    events = [TYPES.decode(event) for event in store.read("run-r")]
    completed = Counter(event.path for event in events if isinstance(event, StepCompleted))
    assert set(completed.values()) <= {1}
    state = fold(RunDecider(), RunState(), events)
    end = state.end
    if isinstance(end, RunCompleted | RunFailed):
        assert end.completed + end.failed + end.skipped == state.plan.steps_total
        assert (end.completed, end.failed) == (state.completed, state.failed)
    assert store.verify() == len(events)
    return state


def check_end(system: ActorSystem, definition: dict[str, Any], world: World) -> None:
    """The live state, its fold and a direct interpretation agree."""
    assert world.unrecorded == []  # no attempt ran before the log knew of it
    live = system.run("r").status()
    assert describe(check_log(world.store)) == live
    outcome = system.run("r").result()
    well, values = interpret(definition)
    assert (outcome["status"] == "failed") == (not well)
    assert {name: shape(value) for name, value in outcome["result"].items()} == values


def ask_to_start(system: ActorSystem, definition: dict[str, Any]) -> None:
    """Send what ``start`` sends, without waiting: the crash may come before the acceptance."""
    message = system.workflow_agent("a")._start_message(system.compile(definition), "r", None)
    access_to(system).directory.ask("run-r", message, presume_new=True)


def completed_in(store: MemoryEventStore) -> list[str]:
    events = [TYPES.decode(event) for event in store.read("run-r")]
    return [event.path.rpartition("/")[2] for event in events if isinstance(event, StepCompleted)]
