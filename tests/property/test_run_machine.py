"""Random workflows, failures and crashes: the log alone decides, no completed step runs again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.clock import ManualClock
from repeating import repeating_patterns
from simulated_runs import (
    GIVEN,
    SCALE,
    World,
    ask_to_start,
    check_end,
    check_log,
    completed_in,
    definitions,
    run_to_end,
    runtime_of,
    simulated,
    survivor_of,
)


@pytest.fixture(autouse=True, scope="module")
def patterns() -> Iterator[None]:
    with repeating_patterns():
        yield


@settings(max_examples=60 * SCALE)
@given(definition=definitions(), seed=st.integers(0, 2**32))
def test_a_run_does_what_its_definition_says(definition: dict[str, Any], seed: int) -> None:
    clock, world = ManualClock(), World()
    with simulated(seed, clock, world) as system:
        system.workflow_agent("a").start(definition, run_id="r", input=GIVEN)
        run_to_end(system, clock)
        check_end(system, definition, world)
        assert set(world.returned.values()) <= {1}


@settings(max_examples=100 * SCALE)
@given(
    definition=definitions(),
    seed=st.integers(0, 2**32),
    crashes=st.lists(st.integers(1, 25), max_size=5),
)
def test_a_run_survives_crashes_anywhere(
    definition: dict[str, Any], seed: int, crashes: list[int]
) -> None:
    clock, world = ManualClock(), World()
    system = simulated(seed, clock, world).open()
    done: dict[str, int] = {}  # how often a step had returned when the log first had its result
    for number, tasks in enumerate(crashes):
        ask_to_start(system, definition)
        runtime_of(system).run(tasks)
        runtime_of(system).crash()
        world.store = survivor_of(world.store)
        check_log(world.store)
        for name in completed_in(world.store):
            done.setdefault(name, world.returned[name])
        system = simulated(seed + number + 1, clock, world).open()
    ask_to_start(system, definition)
    run_to_end(system, clock)
    check_end(system, definition, world)
    assert {name: world.returned[name] for name in done} == done  # none ran again
    system.close()


@settings(max_examples=25 * SCALE)
@given(definition=definitions(), seed=st.integers(0, 2**32))
def test_one_seed_reproduces_a_run_byte_for_byte(definition: dict[str, Any], seed: int) -> None:
    def log() -> list[tuple[bytes, bytes, bytes]]:
        clock, world = ManualClock(), World()
        with simulated(seed, clock, world) as system:
            system.workflow_agent("a").start(definition, run_id="r", input=GIVEN)
            run_to_end(system, clock)
            return [(e.event_id, e.payload, e.metadata) for e in world.store.read("run-r")]

    assert log() == log()
