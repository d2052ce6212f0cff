"""Live == fold(all events) == fold(snapshot, tail), whatever the run, its crashes and the split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.actors.decider import fold
from indelible.actors.durable.recovery.state_from_log import recover
from indelible.actors.workflow.decide.run_decider import RunDecider
from indelible.actors.workflow.state.run_snapshot import from_value, to_value
from indelible.actors.workflow.state.run_state import RunState
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.events.codec.values import decode_value, encode_value
from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.event import Event
from indelible.events.snapshots import drop_snapshots, find_snapshot
from repeating import repeating_patterns
from simulated_runs import (
    SCALE,
    TYPES,
    World,
    ask_to_start,
    check_end,
    check_log,
    definitions,
    run_to_end,
    runtime_of,
    simulated,
    survivor_of,
)

QUIET = {"failures": 0, "doomed": False, "odd_only": False, "padding": 0}
SNAPSHOTS_OF = MemoryEventStore()  # migrated once: every example keeps its snapshots in its tables


@pytest.fixture(autouse=True, scope="module")
def patterns() -> Iterator[None]:
    with repeating_patterns():
        yield


def contents(state: RunState) -> dict[str, Any]:
    """All that a state holds, by name."""
    found = {name: getattr(state, name) for name in RunState.__slots__ if hasattr(state, name)}
    if "values" in found:
        values = found.pop("values")
        assert (values.nodes, values.settled) == (state.nodes, state.settled)
    if "nodes" in found:
        found["nodes"] = [
            (n.index, n.end, n.name, n.path, n.parent, n.children, n.order, n.body, n.origin)
            for n in state.nodes
        ]
    return found


def events_of(store: MemoryEventStore) -> list[Event]:
    return [TYPES.decode(event) for event in store.read("run-r")]


def folded(events: Sequence[Event]) -> RunState:
    return fold(RunDecider(), RunState(), events)


def kept(state: RunState) -> RunState:
    """``state`` after a trip through a snapshot's bytes, restored by another decider."""
    return from_value(decode_value(encode_value(to_value(state))), RunDecider().plan_of)


def with_tables(store: MemoryEventStore) -> MemoryEventStore:
    store._views = SNAPSHOTS_OF._views
    return store


@settings(max_examples=40 * SCALE)
@given(
    definition=definitions(),
    seed=st.integers(0, 2**32),
    crashes=st.lists(st.integers(1, 25), max_size=3),
)
def test_a_snapshot_after_any_event_and_the_tail_give_the_state(
    definition: dict[str, Any], seed: int, crashes: list[int]
) -> None:
    clock, world = ManualClock(), World()
    system = simulated(seed, clock, world).open()
    for number, tasks in enumerate(crashes):
        ask_to_start(system, definition)
        runtime_of(system).run(tasks)
        runtime_of(system).crash()
        world.store = survivor_of(world.store)
        system = simulated(seed + number + 1, clock, world).open()
    ask_to_start(system, definition)
    run_to_end(system, clock)
    events = events_of(world.store)
    system.close()
    whole = contents(folded(events))
    for split in range(1, len(events) + 1):
        state = kept(folded(events[:split]))
        assert contents(state) == contents(folded(events[:split]))
        assert contents(fold(RunDecider(), state, events[split:])) == whole


@settings(max_examples=60 * SCALE)
@given(
    definition=definitions(),
    seed=st.integers(0, 2**32),
    crashes=st.lists(st.integers(1, 25), max_size=5),
    every=st.integers(1, 6),
)
def test_a_run_that_lives_on_snapshots_survives_crashes_anywhere(
    definition: dict[str, Any], seed: int, crashes: list[int], every: int
) -> None:
    with patch.object(RunDecider, "snapshot_every", every):
        clock, world = ManualClock(), World()
        with_tables(world.store)
        system = simulated(seed, clock, world).open()
        drop_snapshots(world.store)
        for number, tasks in enumerate(crashes):
            ask_to_start(system, definition)
            runtime_of(system).run(tasks)
            check_live(system, world)
            runtime_of(system).crash()
            world.store = with_tables(survivor_of(world.store))
            check_log(world.store)
            check_snapshot(world.store)
            system = simulated(seed + number + 1, clock, world).open()
        ask_to_start(system, definition)
        run_to_end(system, clock)
        check_end(system, definition, world)
        check_live(system, world)
        check_snapshot(world.store)
        system.close()


def check_snapshot(store: MemoryEventStore) -> None:
    """What a snapshot and the tail give, in each version, is what all events give."""
    events = events_of(store)
    for until in range(1, len(events) + 1):
        found = recover(store, TYPES, RunDecider(), "run-r", until=until)
        assert found.version == until
        assert contents(found.state) == contents(folded(events[:until]))


def check_live(system: Any, world: World) -> None:
    """The actor's state is the fold of the log, once nothing of it is under way."""
    actor = access_to(system).directory.live("run-r")
    if actor is None or actor.state is None or actor.busy():
        return
    assert contents(actor.state) == contents(folded(events_of(world.store)))


def test_every_part_of_a_run_is_in_its_snapshot() -> None:
    """A new part of RunState must be kept, too, and the schema be raised."""
    clock, world = ManualClock(), World()
    with simulated(1, clock, world) as system:
        step = {"name": "a", "type": "sync", "params": QUIET}
        definition = {"name": "w", "pattern": "sequential", "steps": [step]}
        system.workflow_agent("a").start(definition, run_id="r")
        run_to_end(system, clock)
        state = folded(events_of(world.store))
    from_the_plan = {"plan", "nodes", "by_path", "values"}
    assert set(to_value(state)) | from_the_plan == set(RunState.__slots__) | {"opened"}
    assert set(contents(kept(state))) | {"values"} == set(RunState.__slots__)


def test_a_snapshot_for_another_number_of_steps_is_refused() -> None:
    clock, world = ManualClock(), World()
    with simulated(1, clock, world) as system:
        step = {"name": "a", "type": "sync", "params": QUIET}
        system.workflow_agent("a").start({"name": "w", "steps": [step]}, run_id="r")
        run_to_end(system, clock)
        value = to_value(folded(events_of(world.store)))
    value["status"] += b"\0"
    with pytest.raises(ValueError, match="nodes"):
        from_value(value, RunDecider().plan_of)


def test_the_snapshots_of_these_tests_are_taken_and_used() -> None:
    with patch.object(RunDecider, "snapshot_every", 2):
        clock, world = ManualClock(), World()
        with simulated(1, clock, world) as system:
            step = {"type": "sync", "params": QUIET}
            steps = [{**step, "name": f"s{n}"} for n in range(9)]
            system.workflow_agent("a").start({"name": "w", "steps": steps}, run_id="r")
            run_to_end(system, clock)
            found = find_snapshot(world.store, "run-r", RunDecider.snapshot_schema)
            assert found is not None
            assert recover(world.store, TYPES, RunDecider(), "run-r").snapshot == found.version
