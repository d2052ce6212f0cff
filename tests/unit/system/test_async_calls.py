"""Async twins wait on threads of the system's own, and never use up those of the program."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from indelible import ActorSystem, step
from indelible.assembly.async_calls import AT_ONCE, AsyncCalls, in_thread
from indelible.errors import SystemClosedError, UnknownRunError
from unit.inbox.counters import Counter

DEFINITION = {"name": "w", "steps": [{"name": "s", "type": "gate"}]}
PATIENCE = 30.0
WAITERS = 40


class NoExecutor(ThreadPoolExecutor):
    """A program's own threads, none of which is to spare."""

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        raise AssertionError("the program's own threads were used")


class Gate:
    def __init__(self) -> None:
        self.began, self.open = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.began.set()
        self.open.wait(PATIENCE)
        return "open"


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def on_a_loop_without_threads(main: Callable[[], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        asyncio.get_running_loop().set_default_executor(NoExecutor())
        return await main()

    return asyncio.run(run())


def test_results_of_another_process_are_waited_for_without_a_thread_each(
    tmp_path: Path, gate: Gate
) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    owner = ActorSystem(url, steps=[step("gate")(gate)], max_threads=WAITERS)
    with owner, ActorSystem(url, mode="client") as client:
        runs = client.workflow_agent("a").start_many([(None, None)] * WAITERS, DEFINITION)
        assert gate.began.wait(PATIENCE)

        async def main() -> list[str]:
            before = threading.active_count()
            waits = [asyncio.create_task(run.result_async(PATIENCE)) for run in runs]
            assert await runs[0].status_async()  # by then all of them wait
            assert threading.active_count() < before + WAITERS // 2
            gate.open.set()
            return [outcome["status"] for outcome in await asyncio.gather(*waits)]

        assert on_a_loop_without_threads(main) == ["success"] * WAITERS
        with pytest.raises(UnknownRunError):
            client.run("none")


def test_no_async_twin_uses_the_program_s_own_threads(gate: Gate) -> None:
    gate.open.set()
    system = ActorSystem("memory://", steps=[step("gate")(gate)], actors=[Counter()])

    async def main() -> None:
        async with system:
            agent, actor = system.workflow_agent("a"), system.actor("counter", "c")
            run = await agent.start_async(DEFINITION, run_id="r")
            await run.result_async(PATIENCE)
            await (await system.run_async("r")).status_async()
            await run.status_async(as_of=1)
            await run.events_async()
            await actor.state_async()
            await actor.events_async()
            await system.health_async()
            assert await system.caught_up_async(PATIENCE)
            await system.rebuild_async("metrics")
            await system.parked.list_async()
            async with system.events() as events:
                await anext(events)
            async with system.consumer("billing") as consumer:
                await consumer.commit_async((await anext(consumer)).cursor)
            await system.drain_async(0)

    on_a_loop_without_threads(main)


def test_a_view_that_does_not_catch_up_is_waited_for_in_vain() -> None:
    with ActorSystem("memory://") as system:
        assert not asyncio.run(system.caught_up_async(0.02, cursor={0: 1}))


def test_calls_see_their_callers_context_and_raise_what_was_raised() -> None:
    variable = ContextVar("variable", default="outside")

    def read() -> str:
        return variable.get()

    def fail() -> None:
        raise KeyError("inside")

    async def main() -> None:
        variable.set("inside")
        with closing(AsyncCalls(threaded=True)) as off_loop:
            for call in (off_loop.call, in_thread, AsyncCalls(threaded=False).call):
                assert await call(read) == "inside"
                with pytest.raises(KeyError, match="inside"):
                    await call(fail)

    asyncio.run(main())


def test_calls_that_have_not_begun_when_the_system_closes_are_told(gate: Gate) -> None:
    off_loop = AsyncCalls(threaded=True)

    async def main() -> None:
        calls = [asyncio.create_task(off_loop.call(gate)) for _ in range(AT_ONCE * 10)]
        await asyncio.sleep(0)  # lets all of them be queued
        assert await in_thread(gate.began.wait, PATIENCE)
        off_loop.close()
        gate.open.set()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        told = [one for one in outcomes if isinstance(one, SystemClosedError)]
        assert told
        assert len(told) + outcomes.count("open") == len(calls)

    asyncio.run(main())


def test_a_cancelled_call_is_forgotten(gate: Gate) -> None:
    async def main() -> None:
        with closing(AsyncCalls(threaded=True)) as off_loop:
            task = asyncio.create_task(off_loop.call(gate))
            assert await in_thread(gate.began.wait, PATIENCE)
            task.cancel()
            gate.open.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await off_loop.call(lambda: 1) == 1

    asyncio.run(main())
