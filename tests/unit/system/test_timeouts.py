"""Every number of seconds is kept or refused; none overflows, and none is taken for another."""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from indelible import ActorSystem, RefusedError, step
from unit.inbox.counters import Add, Counter

LONG = [math.inf, 1e18, 10**30, 5, 5.0]
WRONG = [-1, -math.inf, math.nan, True, "5"]


async def inner(value: int) -> int:
    return value


@step("wrapped")
@functools.wraps(inner)
def wrapped(value: int) -> Any:
    """A sync wrapper that returns what it should await."""
    return inner(value)


@pytest.fixture
def system() -> Iterator[ActorSystem]:
    one = step("one")(lambda: 1)
    with ActorSystem("memory://", steps=[one, wrapped], actors=[Counter()]) as system:
        system.workflow_agent("a").start(WORKFLOW, run_id="r").result(30)
        yield system


WORKFLOW = {"name": "w", "steps": [{"name": "s", "type": "one"}]}

CALLS: dict[str, Callable[[ActorSystem, Any], Any]] = {
    "result": lambda system, t: system.run("r").result(t),
    "result_async": lambda system, t: system.run("r").result_async(t),
    "execute_workflow": lambda system, t: system.workflow_agent("a").execute_workflow(
        WORKFLOW, timeout=t
    ),
    "execute_workflow_async": lambda system, t: system.workflow_agent("a").execute_workflow_async(
        WORKFLOW, timeout=t
    ),
    "ask": lambda system, t: system.actor("counter", "c").ask(Add(1), timeout=t),
    "ask_async": lambda system, t: system.actor("counter", "c").ask_async(Add(1), timeout=t),
    "caught_up": lambda system, t: system.caught_up(t),
    "caught_up_async": lambda system, t: system.caught_up_async(t),
    "wait": lambda system, t: _stopped(system).wait(t),
    "stop": lambda system, t: _stopped(system).stop(t),
    "drain": lambda system, t: system.drain(t) == [],
}


def _stopped(system: ActorSystem) -> Any:
    task = system.consume("name", lambda _: None)
    task.stop()
    return task


def outcome(call: Callable[[ActorSystem, Any], Any], system: ActorSystem, timeout: Any) -> Any:
    result = call(system, timeout)
    return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


@pytest.mark.parametrize("name", CALLS)
def test_a_long_time_is_waited_for_and_what_is_no_time_is_refused(
    system: ActorSystem, name: str
) -> None:
    for timeout in WRONG:
        with pytest.raises(RefusedError, match="is no number of seconds: give 0 or more"):
            outcome(CALLS[name], system, timeout)
    for timeout in LONG:
        assert outcome(CALLS[name], system, timeout)


def test_a_sync_wrapper_of_an_async_step_fails_with_what_to_do(system: ActorSystem) -> None:
    steps = [{"name": "s", "type": "wrapped", "params": {"value": 1}}]
    outcome = system.workflow_agent("a").start({"name": "w", "steps": steps}).result(30)
    assert outcome["status"] == "failed"
    error = outcome["error"]
    assert error is not None
    assert "make it `async def`, and await the inner one" in error["message"]
