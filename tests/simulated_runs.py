"""Random workflows on one thread, what their steps do to the world, and what must hold of them."""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from typing import Any

from hypothesis import strategies as st

from indelible import ActorSystem
from indelible.actors.decider import fold
from indelible.actors.workflow.decide.run_decider import RunDecider
from indelible.actors.workflow.state.describe import describe
from indelible.actors.workflow.state.run_state import RunState
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.event import EncodedEvent
from indelible.events.model.event_types import run_event_types
from indelible.events.model.run_events import RunCompleted, RunFailed, StepCompleted
from indelible.ids import SeededIds
from indelible.testing.simulation import SimulatedRuntime

TYPES = run_event_types()
REPEATING = {"repeat": "times", "each": "items"}  # of repeating.py, with the field of each
SCALE = 20 if os.environ.get("INDELIBLE_FAULTS") == "1" else 1  # as `make faults` asks


def condition(draw: st.DrawFn, earlier: list[str]) -> dict[str, Any]:
    """A condition on the input, or on one of the ``earlier`` steps."""
    kind = draw(st.sampled_from(["input", "absent", *(["step"] * 2 if earlier else [])]))
    if kind == "absent":
        return {"type": "context_key_exists", "key": draw(st.sampled_from(["yes", "no"]))}
    value = draw(st.booleans())
    if kind == "input":
        return {"not": {"path": "input.yes", "op": "ne", "value": value}}
    name = draw(st.sampled_from(earlier))
    return {"all": [{"path": f"steps.{name}.even", "op": "eq", "value": value}]}


def chosen(draw: st.DrawFn, order: int, earlier: list[str]) -> dict[str, Any]:
    """What a child of a conditional block has beside others, drawn."""
    given: dict[str, Any] = {}
    if draw(st.booleans()):
        given["condition"] = condition(draw, earlier)
    if order and draw(st.booleans()):
        given["else"] = True
    return given


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    """Nested blocks of steps that fail a drawn number of times before they work."""
    count = 0
    above: list[list[str]] = []  # steps that stand earlier, block by block

    def step() -> dict[str, Any]:
        nonlocal count
        count += 1
        attempts = draw(st.integers(1, 3))
        failures = draw(st.sampled_from([0, 0, 0, 1, 2]))
        return {
            "name": f"s{count}",
            "type": draw(st.sampled_from(["sync", "async"])),
            "params": {
                "failures": failures,
                "doomed": failures >= attempts,
                "odd_only": draw(st.booleans()),
                "padding": draw(st.sampled_from([0, 0, 0, 100_000])),
            },
            "retry": {"attempts": attempts, "delay": draw(st.sampled_from([0.5, 30.0]))},
        }

    def block(depth: int, *, outermost: bool = False) -> dict[str, Any]:
        nonlocal count
        count += 1
        repeating = () if outermost else REPEATING
        pattern = draw(st.sampled_from(["sequential", "parallel", "conditional", *repeating]))
        made: dict[str, Any] = {"name": f"b{count}", "pattern": pattern}
        if pattern in REPEATING:
            made[REPEATING[pattern]] = draw(st.sampled_from([0, 1, 2, {"ref": "input.two"}]))
        if pattern == "parallel":
            made["width"] = draw(st.integers(1, 3))
        size = draw(st.integers(1, 4))
        made["steps"] = []
        above.append([])
        for order in range(size):
            earlier = [name for names in above for name in names]
            given = chosen(draw, order, earlier) if pattern == "conditional" else {}
            child = block(depth - 1) if depth and draw(st.booleans()) else step()
            made["steps"].append(child | given)
            if pattern != "parallel" and "steps" not in child:
                above[-1].append(child["name"])
        above.pop()
        return made

    return {**block(2, outermost=True), "checkpoint": {"every_steps": draw(st.integers(1, 4))}}


class World:
    """What the steps do to the world outside, how often, and whether the log knew it before."""

    def __init__(self) -> None:
        self.store = MemoryEventStore()
        self.unrecorded: list[str] = []
        self.returned: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()

    def enter(self, context: Any, step: Any) -> None:
        name, path = context.step_name, path_of(context)
        events = [TYPES.decode(event) for event in self.store.read("run-r")]
        starts = [start for event in events for start in getattr(event, "starts", [])]
        if (path, context.attempt) not in starts:
            self.unrecorded.append(f"{path}, attempt {context.attempt}")
        self.tried[path] += 1
        params = step["params"]
        failures = failures_of(params, number_in(path))
        if failures and (params["doomed"] or self.tried[path] <= failures):
            raise RuntimeError(f"{name} fails")

    def leave(self, context: Any, step: Any) -> dict[str, Any]:
        self.returned[path_of(context)] += 1
        name, padding = context.step_name, step["params"]["padding"]
        return {"name": name, "sees": sorted(context), "even": even(name), "x": "x" * padding}

    def act(self, context: Any, step: Any) -> dict[str, Any]:
        self.enter(context, step)
        return self.leave(context, step)

    async def act_async(self, context: Any, step: Any) -> dict[str, Any]:
        self.enter(context, step)
        await asyncio.sleep(0)
        return self.leave(context, step)


def path_of(context: Any) -> str:
    """The path of a running step."""
    return str(context.idempotency_key).partition("/")[2]


def number_in(path: str) -> int | None:
    """The number of the innermost instance on the path."""
    numbers = re.findall(r"[\[#](\d+)", path)
    return int(numbers[-1]) if numbers else None


def failures_of(params: dict[str, Any], number: int | None) -> int:
    """How often a step fails before it works, in the instance with this number."""
    spared = params["odd_only"] and number is not None and number % 2 == 0
    return 0 if spared else int(params["failures"])


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
    copy._memory.blobs.update(store._memory.blobs)  # written in the transaction of their events
    for head in store.heads("run"):
        events = [
            EncodedEvent(e.event_id, e.type, e.schema, e.payload) for e in store.read(head.stream)
        ]
        copy.append(head.stream, events, expected=0, status=head.status, wake_at=head.wake_at)
    return copy


def even(name: str) -> bool:
    """What a step tells of itself, for conditions."""
    return int(name[1:]) % 2 == 0


GIVEN = {"yes": True, "two": 2}
"""The input of every run."""


def interpret(
    definition: dict[str, Any], seen: dict[str, str] | None = None, number: int | None = None
) -> tuple[bool, Any]:
    """What the definition means, read directly: (ended well, value by name).

    ``seen`` has how the steps fared that stand earlier, ``number`` is that of the instance.
    """
    if definition["pattern"] in REPEATING:
        return interpret_repeated(definition, dict(seen or {}))
    values: dict[str, Any] = {}
    inner: Any
    fared: list[bool] = []
    seen = dict(seen or {})
    pattern, opened = definition["pattern"], False
    for child in definition["steps"]:
        name = child["name"]
        if pattern != "parallel" and not all(fared):
            values[name] = "skipped"
            continue
        opened = opened and bool(child.get("else"))
        answer: bool | None = not opened
        if answer and "condition" in child:
            answer = truth_of(child["condition"], seen)
        if answer is False:
            values[name] = seen[name] = "left out"
            continue
        opened = True
        if answer is None:
            fine, inner = False, "failed"
        elif "steps" in child:
            fine, inner = interpret(child, seen, number)
        else:
            fine = failures_of(child["params"], number) < child["retry"]["attempts"]
            inner = "done"
        values[name] = inner if fine else "failed"
        if pattern != "parallel" and "steps" not in child:
            seen[name] = values[name]
        fared.append(fine)
    some_left_out = len(fared) < len(definition["steps"])
    return (all(fared) or (pattern == "parallel" and (any(fared) or some_left_out))), values


def interpret_repeated(definition: dict[str, Any], seen: dict[str, str]) -> tuple[bool, list[Any]]:
    """The same for a block that repeats its steps: the value of each instance."""
    pattern = definition["pattern"]
    count = definition[REPEATING[pattern]]
    body = {"pattern": "sequential", "steps": definition["steps"]}
    values: list[Any] = []
    fared: list[bool] = []
    for number in range(GIVEN["two"] if isinstance(count, dict) else count):
        if pattern == "repeat" and not all(fared):
            values.append("skipped")
            continue
        fine, inner = interpret(body, seen, number)
        values.append(inner if fine else "failed")
        fared.append(fine)
    return all(fared) or (pattern == "each" and any(fared)), values


def truth_of(condition: dict[str, Any], seen: dict[str, str]) -> bool | None:
    """Whether a condition is met; ``None`` if that cannot be told."""
    if "type" in condition:
        return condition["key"] in GIVEN
    if "not" in condition:
        return bool(condition["not"]["value"] == GIVEN["yes"])
    [part] = condition["all"]
    name = part["path"].split(".")[1]
    return bool(even(name) == part["value"]) if seen[name] == "done" else None


def shape(value: Any) -> Any:
    """An outcome's value in the words of :func:`interpret`."""
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    if "failed" in value:
        return "failed"
    if "skipped" in value:
        return "left out" if value["reason"] == "condition_not_met" else "skipped"
    return "done" if "sees" in value else {name: shape(inner) for name, inner in value.items()}


def check_log(store: MemoryEventStore) -> RunState:
    """The invariants of one run's stream, finished or not; returns its fold."""
    events = [TYPES.decode(event) for event in store.read("run-r")]
    completed = Counter(event.path for event in events if isinstance(event, StepCompleted))
    assert set(completed.values()) <= {1}
    state = fold(RunDecider(), RunState(), events)
    end = state.end
    if isinstance(end, RunCompleted | RunFailed):
        assert end.completed + end.failed + end.skipped == state.steps_total
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
    assert shape(outcome["result"]) == values


def ask_to_start(system: ActorSystem, definition: dict[str, Any]) -> None:
    """Send what ``start`` sends, without waiting: the crash may come before the acceptance."""
    message = system.workflow_agent("a")._start_message(system.compile(definition), "r", GIVEN)
    access_to(system).directory.ask("run-r", message, presume_new=True)


def completed_in(store: MemoryEventStore) -> list[str]:
    events = [TYPES.decode(event) for event in store.read("run-r")]
    return [event.path for event in events if isinstance(event, StepCompleted)]
