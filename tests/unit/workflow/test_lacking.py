"""A run from the log whose step needs what this process was not given waits for it, visibly."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from indelible import ActorSystem, ResultTimeoutError
from indelible.events.memory.store import MemoryEventStore

DEFINITION: dict[str, Any] = {
    "name": "lacking",
    "steps": [
        {"name": "gate", "type": "gate"},
        {"name": "ask", "type": "database_query", "query": "SELECT 41 AS n", "connection": "db"},
        {
            "name": "more",
            "type": "data_processing",
            "params": {"input": {"ref": "steps.ask.rows"}, "operation": "map", "function": "add"},
        },
    ],
}


async def closed(context: Any, step: Any) -> None:
    await asyncio.Event().wait()


def add(row: dict[str, int]) -> dict[str, int]:
    return {"n": row["n"] + 1}


def wait_until_it_waits(system: ActorSystem) -> None:
    """Until the run of a system that lacks something has come to the step that needs it."""
    while not system.run("r").status()["waiting_for"]:
        pass


def test_it_waits_for_a_connection_and_a_function_and_then_goes_on() -> None:
    store = MemoryEventStore()
    whole = ActorSystem(store, connections={"db": "sqlite://"}, functions={"add": add}, drain=0.1)
    whole.register_step("gate", closed)
    with whole:
        whole.workflow_agent("a").start(DEFINITION, run_id="r")

    bare = ActorSystem(store, drain=0.1)
    bare.register_step("gate", lambda context, step: None)
    with bare:
        wait_until_it_waits(bare)
        with pytest.raises(ResultTimeoutError) as raised:
            bare.run("r").result(timeout=0.01)
        assert "step 'ask': its connection is 'db', which is not declared" in str(raised.value)
        assert bare.run("r").status()["state"] == "running"

    half = ActorSystem(store, connections={"db": "sqlite://"}, drain=0.1)
    with half:
        wait_until_it_waits(half)
        with pytest.raises(ResultTimeoutError, match="step 'more': its function is 'add'"):
            half.run("r").result(timeout=0.01)
        half.register_function("add", add)
        outcome = half.run("r").result(timeout=30)
    assert outcome["status"] == "success"
    assert outcome["result"]["more"]["data"] == [{"n": 42}]
