"""Each attempt runs in a ``contextvars`` context of its own, which knows run, step and attempt."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import types
from typing import TYPE_CHECKING, Any

import pytest

from indelible import ActorSystem
from indelible.actors.workflow.execute.step_context import StepContext, current_step
from indelible.actors.workflow.state.run_state import RunState
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.testing.simulation import SimulatedRuntime

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit.workflow.conftest import Flow

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("WHO", default="nobody")


def remember(name: str) -> str:
    before = WHO.get()
    WHO.set(name)
    return before


async def remember_async(name: str) -> str:
    before = WHO.get()
    WHO.set(name)
    await asyncio.sleep(0)
    assert WHO.get() == name
    return before


def steps_of(kind: str, count: int) -> list[dict[str, Any]]:
    return [
        {"name": f"s{i}", "type": kind, "params": {"name": f"tenant-{i}"}} for i in range(count)
    ]


@pytest.mark.parametrize("function", [remember, remember_async])
def test_what_an_attempt_sets_is_not_seen_by_another(
    flow: Flow, function: Callable[..., Any]
) -> None:
    flow.system.register_step("remember", function)
    outcome = flow.run({"steps": steps_of("remember", 4)})
    assert set(outcome["result"].values()) == {"nobody"}
    wide = flow.run({"pattern": "parallel", "steps": steps_of("remember", 20)}, "wide")
    assert set(wide["result"].values()) == {"nobody"}


@pytest.mark.parametrize("function", [remember, remember_async])
def test_nothing_of_the_caller_s_context_is_seen_by_a_step(
    flow: Flow, function: Callable[..., Any]
) -> None:
    flow.system.register_step("remember", function)
    token = WHO.set("the caller")
    try:
        outcome = flow.run({"steps": steps_of("remember", 1)})
    finally:
        WHO.reset(token)
    assert outcome["result"]["s0"] == "nobody"


@pytest.mark.parametrize("function", [remember, remember_async])
def test_the_simulated_runtime_isolates_them_too(function: Callable[..., Any]) -> None:
    clock = ManualClock()
    system = ActorSystem("memory://", clock=clock, runtime=lambda: SimulatedRuntime(1, clock))
    system.register_step("remember", function)
    token = WHO.set("the caller")
    try:
        with system:
            definition = {"name": "w", "steps": steps_of("remember", 3)}
            outcome = system.workflow_agent("a").start(definition).result()
    finally:
        WHO.reset(token)
    assert set(outcome["result"].values()) == {"nobody"}
    assert WHO.get() == "nobody"


def told() -> dict[str, Any]:
    step = current_step()
    assert step is not None
    return {"run": step.run_id, "step": step.step_name, "attempt": step.attempt}


def test_code_below_a_step_knows_run_step_and_attempt(flow: Flow) -> None:
    def tell() -> dict[str, Any]:
        if told()["attempt"] == 1:
            raise ValueError("once more")
        return told()

    async def tell_async() -> dict[str, Any]:
        return await asyncio.create_task(asyncio.to_thread(told))

    flow.system.register_step("tell", tell)
    flow.system.register_step("tell_async", tell_async)
    retry = {"attempts": 2, "delay": 0.001}
    steps = [{"name": "one", "type": "tell", "retry": retry}, {"name": "two", "type": "tell_async"}]
    assert flow.run({"steps": steps})["result"] == {
        "one": {"run": "r", "step": "one", "attempt": 2},
        "two": {"run": "r", "step": "two", "attempt": 1},
    }
    assert current_step() is None


def test_what_the_engine_does_on_a_step_s_thread_is_in_no_step(flow: Flow) -> None:
    seen: list[object] = []
    flow.system.register_step("remember", remember)
    endings = access_to(flow.system).parts.executor.endings
    endings.add("run-r", lambda _end: seen.append((current_step(), WHO.get())))
    flow.run({"steps": steps_of("remember", 3)})
    assert seen == [(None, "nobody")]


def all_within(step: StepContext) -> list[object]:
    """All objects that can be reached from the context, except through its reader of blobs."""
    left, found = [object(), step], dict[int, object]()
    outside = (type, types.FunctionType, types.MethodType, types.ModuleType)
    while left:
        one = left.pop()
        if id(one) not in found and not isinstance(one, outside):
            found[id(one)] = one
            left.extend(gc.get_referents(one))
            left.extend(getattr(one, field) for field in getattr(one, "__struct_fields__", ()))
    return list(found.values())


def test_nothing_that_changes_with_the_run_can_be_reached_from_a_step(flow: Flow) -> None:
    seen: list[object] = []

    def look() -> None:
        step = current_step()
        assert step is not None
        assert dict(step) == {"day": 3, "one": 1, "step_0_result": 1}
        seen.extend(all_within(step))

    flow.system.register_step("give", lambda: 1)
    flow.system.register_step("look", look)
    steps = [{"name": "one", "type": "give"}, {"name": "two", "type": "look"}]
    assert flow.run({"steps": steps}, input={"day": 3})["status"] == "success"
    assert any(isinstance(one, bytes) for one in seen)
    assert not [one for one in seen if isinstance(one, RunState | bytearray)]
