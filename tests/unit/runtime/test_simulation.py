from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from indelible.actors.runtime.pooled_actor import PooledActor
from indelible.clock import ManualClock
from indelible.testing.runtime.simulated_loop import SimulatedLoop
from indelible.testing.runtime.simulation import SimulatedDispatcher, SimulatedPool, Simulation


class World:
    """All parts of one simulation, and what happened."""

    def __init__(self, seed: int = 0) -> None:
        self.clock = ManualClock()
        self.simulation = Simulation(seed, self.clock)
        self.dispatcher = SimulatedDispatcher(self.simulation)
        self.pool = SimulatedPool(self.simulation)
        self.loop = SimulatedLoop(self.simulation)
        self.log: list[Any] = []

    def note(self, what: Any) -> Callable[[], None]:
        return lambda: self.log.append(what)

    def told(self, result: Any, error: BaseException | None) -> None:
        self.log.append(result if error is None else type(error))


class Job:
    def __init__(self, run_activation: Callable[[], None]) -> None:
        self.run_activation = run_activation


def busy_world(seed: int) -> World:
    world = World(seed)

    async def step(number: int) -> str:
        for turn in range(3):
            world.log.append(f"coroutine {number} turn {turn}")
            await asyncio.sleep(turn)
        return f"coroutine {number}"

    for number in range(5):
        world.dispatcher.schedule(Job(world.note(f"activation {number}")))
        world.pool.submit(world.note(f"task {number}"))
        world.loop.enqueue(lambda number=number: step(number), world.told)  # type: ignore[misc]
        world.simulation.timers.at(
            world.clock.now() + number * 500_000, "t", world.note(f"timer {number}")
        )
    world.dispatcher.after_burst = world.note("burst")
    world.simulation.run_until_done()
    return world


def test_the_same_seed_gives_the_same_run() -> None:
    assert busy_world(7).log == busy_world(7).log


def test_other_seeds_give_other_orders_of_the_same_things() -> None:
    logs = [[entry for entry in busy_world(seed).log if entry != "burst"] for seed in range(20)]
    assert len({tuple(log) for log in logs}) == 20
    assert len({tuple(sorted(log)) for log in logs}) == 1


def test_nothing_runs_until_it_is_told_to() -> None:
    world = World()
    world.dispatcher.schedule_many([Job(world.note(1)), Job(world.note(2))])
    world.pool.enqueue(world.note(3))
    world.pool.kick()
    assert world.log == []
    assert world.simulation.run_until_idle() == 3
    assert sorted(world.log) == [1, 2, 3]
    assert world.simulation.run_until_idle() == 0


def test_what_follows_runs_too_and_the_hook_comes_last() -> None:
    world = World()
    world.dispatcher.schedule(Job(lambda: world.dispatcher.schedule(Job(world.note("followed")))))
    world.dispatcher.after_burst = world.note("burst")
    assert world.dispatcher.drain()
    assert world.log[-2:] == ["followed", "burst"]


def test_time_moves_only_in_run_until_done() -> None:
    world = World()
    start = world.clock.now()
    world.simulation.timers.at(start + 3_600_000_000, "a", world.note("later"))
    assert world.simulation.run_until_idle() == 0
    assert world.log == []
    world.simulation.run_until_done()
    assert world.log == ["later"]
    assert world.clock.now() == start + 3_600_000_000


def test_a_task_that_raises_is_logged_and_the_rest_runs(caplog: pytest.LogCaptureFixture) -> None:
    world = World()

    def fail() -> None:
        raise SystemExit

    world.pool.submit(fail)
    world.pool.submit(world.note("ran"))
    world.simulation.run_until_idle()
    assert world.log == ["ran"]
    assert "a simulated task raised" in caplog.text


def test_an_interrupt_from_the_keyboard_ends_the_run() -> None:
    world = World()

    def interrupt() -> None:
        raise KeyboardInterrupt

    world.pool.submit(interrupt)
    with pytest.raises(KeyboardInterrupt):
        world.simulation.run_until_idle()


def test_coroutines_sleep_and_time_out_in_simulated_time() -> None:
    world = World()

    async def sleep() -> str:
        await asyncio.sleep(86_400)
        return "slept"

    async def time_out() -> None:
        async with asyncio.timeout(3_600):
            await asyncio.Event().wait()

    async def both() -> Any:
        return await asyncio.gather(asyncio.sleep(1, "a"), asyncio.to_thread(lambda: "b"))

    async def broken() -> None:
        missing: dict[str, int] = {}
        await asyncio.to_thread(lambda: missing["key"])

    for function in (sleep, time_out, both, broken):
        world.loop.enqueue(function, world.told)
    world.loop.kick()
    world.simulation.run_until_done()
    assert sorted(map(str, world.log)) == sorted(
        map(str, ["slept", TimeoutError, ["a", "b"], KeyError])
    )
    assert world.clock.monotonic() == 86_400 * 10**9


def test_callbacks_of_the_loop_keep_their_order() -> None:
    world = World()

    async def step() -> None:
        for number in range(10):
            asyncio.get_running_loop().call_soon(world.log.append, number)

    world.loop.enqueue(step, lambda *_: None)
    world.simulation.run_until_idle()
    assert world.log == list(range(10))


def test_a_coroutine_can_be_cancelled_begun_or_not() -> None:
    world = World()

    async def wait() -> None:
        await asyncio.Event().wait()

    begun = world.loop.enqueue(wait, world.told)
    world.simulation.run_until_idle()
    waiting = world.loop.enqueue(wait, world.told)
    world.loop.cancel(begun)
    world.loop.cancel(waiting)
    world.simulation.run_until_idle()
    assert world.log == [asyncio.CancelledError] * 2


def test_a_coroutine_runs_on_the_loop_thread_and_nothing_else_does() -> None:
    world = World()

    async def step() -> bool:
        return world.loop.is_loop_thread()

    world.loop.enqueue(step, world.told)
    world.pool.submit(lambda: world.log.append(world.loop.is_loop_thread()))
    world.simulation.run_until_idle()
    assert sorted(world.log) == [False, True]
    assert not world.dispatcher.is_worker_thread()


def test_closing_drops_what_waits_and_cancels_what_runs() -> None:
    world = World()

    async def wait() -> None:
        await asyncio.Event().wait()

    world.loop.enqueue(wait, world.told)
    world.simulation.run_until_idle()
    world.loop.enqueue(wait, world.told)
    world.pool.enqueue(world.note("task"))
    assert world.pool.close() == ()
    assert world.loop.close() == ()
    world.pool.enqueue(world.note("late"))
    world.loop.enqueue(wait, world.told)
    assert world.dispatcher.close()
    assert world.log == [asyncio.CancelledError]


def test_a_crash_tells_nobody() -> None:
    world = World()

    async def wait() -> None:
        await asyncio.Event().wait()

    for _ in range(3):
        world.loop.enqueue(wait, world.told)
    world.simulation.run_until_idle()
    world.loop.enqueue(wait, world.told)
    world.loop.crash()
    world.simulation.run_until_idle()
    assert world.log == []


def test_pooled_actors_run_in_a_simulation() -> None:
    def run(seed: int) -> list[Any]:
        world = World(seed)

        class Note(PooledActor):
            registered = False

            def on_receive(self, message: Any) -> Any:
                world.log.append(message)
                return message

        Note.dispatcher = world.dispatcher
        refs = [Note.start() for _ in range(5)]
        futures = [ref.ask((n, m), block=False) for n, ref in enumerate(refs) for m in range(3)]
        with world.dispatcher.blocking():
            world.simulation.run_until_idle()
        assert [future.get(timeout=0) for future in futures] == [
            (n, m) for n in range(5) for m in range(3)
        ]
        return world.log

    assert run(1) == run(1)
    assert run(1) != run(2)
