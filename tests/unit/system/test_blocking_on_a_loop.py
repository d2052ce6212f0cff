"""A blocking call on a thread that runs an event loop is warned of, once a place, with its twin."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from indelible import ActorSystem
from indelible.errors import BlockingCallWarning

FLOW = {"name": "w", "steps": [{"name": "s", "type": "quick"}]}


@pytest.fixture
def system() -> Iterator[ActorSystem]:
    system = ActorSystem("memory://")
    system.register_step("quick", lambda: None)
    with system:
        yield system


def test_a_blocking_call_on_a_loop_is_warned_of_once_for_each_place(system: ActorSystem) -> None:
    async def block() -> None:
        for _ in range(3):
            agent.execute_workflow(FLOW, timeout=50)
        agent.start(FLOW)
        await asyncio.to_thread(agent.start, FLOW)  # blocks no loop
        await agent.start_async(FLOW)

    agent = system.workflow_agent("a")
    agent.start(FLOW)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        asyncio.run(block())
    assert [warning.category for warning in warned] == [BlockingCallWarning] * 2
    assert [str(warning.message).partition(";")[2] for warning in warned] == [
        " await execute_workflow_async() instead",
        " await start_async() instead",
    ]
    assert {warning.filename for warning in warned} == {__file__}
    first = block.__code__.co_firstlineno
    assert [warning.lineno - first for warning in warned] == [2, 3]


def test_opening_and_closing_on_a_loop_are_warned_of() -> None:
    async def block() -> None:
        with ActorSystem("memory://"):
            pass

    with pytest.warns(BlockingCallWarning) as warned:
        asyncio.run(block())
    assert [str(warning.message).split("()")[0] for warning in warned] == ["open", "close"]


def test_nothing_is_warned_of_where_the_twins_are_awaited(system: ActorSystem) -> None:
    async def use() -> Any:
        async with ActorSystem("memory://") as other:
            other.register_step("quick", lambda: None)
            run = await other.workflow_agent("a").start_async(FLOW)
            await run.status_async()
            await run.events_async()
            return await run.result_async(50)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asyncio.run(use())["status"] == "success"
