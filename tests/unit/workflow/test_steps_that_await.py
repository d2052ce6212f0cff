"""Asynchronous steps that await each other's runs: a cycle is an error, what can end is none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from indelible import ActorSystem, RunHandle
from indelible.api.facade import access_to
from indelible.results import StepError

SOON = 0.05


class Cycle:
    """A system with steps that each wait for a run, in one way or another, once all have begun."""

    def __init__(self) -> None:
        self.system = ActorSystem("memory://", max_threads=4)
        self.go = threading.Event()
        for way in (
            self.block,
            self.await_end,
            self.await_in_time,
            self.await_under_a_time_out,
            self.await_until_called_off,
        ):
            self.system.register_step(way.__name__, way)

    def block(self, run: str) -> Any:
        assert self.go.wait(50)
        return self.system.run(run).result()["status"]

    async def await_end(self, run: str) -> Any:
        return (await self.end(run))["status"]

    async def await_in_time(self, run: str) -> Any:
        await self.all_have_begun()
        return (await (await self.system.run_async(run)).result_async(SOON))["status"]

    async def await_under_a_time_out(self, run: str) -> Any:
        async with asyncio.timeout(SOON):
            return (await self.end(run))["status"]

    async def await_until_called_off(self, run: str) -> Any:
        handle, waits = await self.system.run_async(run), asyncio.Event()

        async def end() -> Any:
            waits.set()
            return await handle.result_async()

        waiting = asyncio.ensure_future(end())
        await waits.wait()
        assert not waiting.done()
        return waiting.cancel()

    async def end(self, run: str) -> Any:
        await self.all_have_begun()
        return await (await self.system.run_async(run)).result_async()

    async def all_have_begun(self) -> None:
        assert await asyncio.to_thread(self.go.wait, 50)

    def start(self, run_id: str, way: str, other: str, **more: Any) -> RunHandle:
        steps = [{"name": f"of-{run_id}", "type": way, "params": {"run": other}, **more}]
        return self.system.workflow_agent("one").start(
            {"name": "one", "steps": steps}, run_id=run_id
        )

    def errors(self, *runs: RunHandle) -> list[StepError]:
        """The errors of all steps, when all have been let go and their runs have ended."""
        self.go.set()
        for run in runs:
            run.result(50)
        steps = [step for run in runs for step in run.status()["steps"]]
        return [step["error"] for step in steps if step["error"] is not None]


@pytest.fixture
def cycle() -> Iterator[Cycle]:
    cycle = Cycle()
    with cycle.system:
        yield cycle
        cycle.go.set()


@pytest.mark.parametrize(
    "ways",
    [
        ("await_end", "await_end"),
        ("await_end", "block"),
        ("await_end", "await_end", "await_end"),
        ("block", "await_end", "block"),
    ],
    ids="-".join,
)
def test_runs_that_await_each_other_s_end_fail_with_the_cycle(
    cycle: Cycle, ways: tuple[str, ...]
) -> None:
    names = "pqr"[: len(ways)]
    around = zip(names, ways, names[1:] + names[0], strict=True)
    errors = cycle.errors(*[cycle.start(run, way, other) for run, way, other in around])
    assert [error["type"] for error in errors] == ["DeadlockError"]
    message = errors[0]["message"]
    assert message.startswith("steps would wait in a cycle; the wait chain is ")
    assert all(f"{name}/of-{name} -> " in message for name in names)


def test_a_step_that_awaits_its_own_run_fails_at_once(cycle: Cycle) -> None:
    (error,) = cycle.errors(cycle.start("p", "await_end", "p"))
    assert error["type"] == "DeadlockError"
    assert "the wait chain is p/of-p -> run-p;" in error["message"]


def test_a_chain_of_awaits_that_ends_is_no_cycle(cycle: Cycle) -> None:
    runs = [cycle.start(run, "await_end", other) for run, other in ("pq", "qr")]
    runs.append(cycle.start("r", "await_in_time", "p"))
    assert {error["type"] for error in cycle.errors(*runs)} == {"ResultTimeoutError"}


@pytest.mark.parametrize("way", ["await_in_time", "await_under_a_time_out"])
def test_a_wait_with_a_time_out_is_no_deadlock(cycle: Cycle, way: str) -> None:
    runs = [cycle.start("p", "await_end", "q"), cycle.start("q", way, "p")]
    (error,) = cycle.errors(*runs)
    assert error["type"].endswith("TimeoutError")


def test_a_wait_that_the_step_s_own_time_out_ends_is_no_deadlock(cycle: Cycle) -> None:
    run = cycle.start("p", "await_end", "p", timeout=SOON)
    assert [error["type"] for error in cycle.errors(run)] == ["StepTimeoutError"]


def test_what_another_task_of_the_step_awaits_may_be_called_off(cycle: Cycle) -> None:
    run = cycle.start("p", "await_until_called_off", "p")
    assert cycle.errors(run) == []
    assert run.result(50)["status"] == "success"


def test_no_wait_is_remembered_once_it_is_over(cycle: Cycle) -> None:
    runs = [cycle.start("p", "await_end", "q"), cycle.start("q", "await_end", "p")]
    assert len(cycle.errors(*runs)) == 1
    waits = access_to(cycle.system).parts.runtime.pool._waits
    assert waits is not None
    assert waits._by_waiter == {}
