from __future__ import annotations

import asyncio
import sys
import threading
import types
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import Any

import pytest

from indelible.actors.runtime.event_loop import LoopCall, LoopThread


class Results:
    """What the loop has told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, BaseException | None]] = []
        self.threads: list[threading.Thread] = []
        self._semaphore = threading.Semaphore(0)

    def on_done(self, result: Any, error: BaseException | None) -> None:
        self.told.append((result, error))
        self.threads.append(threading.current_thread())
        self._semaphore.release()

    def wait(self, number: int = 1) -> None:
        for _ in range(number):
            assert self._semaphore.acquire(timeout=50)


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    loop = LoopThread("test-loop")
    yield loop
    assert loop.close(timeout=50) == ()


@pytest.fixture
def results() -> Results:
    return Results()


def submit(loop: LoopThread, results: Results, function: Callable[[], Awaitable[Any]]) -> LoopCall:
    call = loop.enqueue(function, results.on_done)
    loop.kick()
    return call


def loop_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "test-loop"]


async def forever() -> None:
    await asyncio.Event().wait()


def test_results_are_told_on_the_thread_of_the_loop(loop: LoopThread, results: Results) -> None:
    async def step() -> bool:
        await asyncio.sleep(0)
        return loop.is_loop_thread()

    assert not loop_threads()
    submit(loop, results, step)
    results.wait()
    assert results.told == [(True, None)]
    assert results.threads == loop_threads()
    assert not loop.is_loop_thread()


def test_a_batch_takes_one_wake_up(
    loop: LoopThread, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def step() -> None:
        return None

    submit(loop, results, step)
    results.wait()
    wake_ups: list[Any] = []
    inner = loop._loop
    assert inner is not None
    call_soon = inner.call_soon_threadsafe

    def counted(*args: Any) -> Any:
        wake_ups.append(args)
        return call_soon(*args)

    monkeypatch.setattr(inner, "call_soon_threadsafe", counted)
    for _ in range(1_000):
        loop.enqueue(step, results.on_done)
    loop.kick()
    results.wait(1_000)
    assert len(wake_ups) == 1


def test_many_coroutines_wait_at_once(loop: LoopThread, results: Results) -> None:
    count = 0
    everyone = asyncio.Event()

    async def step() -> None:
        nonlocal count
        count += 1
        if count == 500:
            everyone.set()
        await everyone.wait()

    for _ in range(500):
        loop.enqueue(step, results.on_done)
    loop.kick()
    results.wait(500)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_whatever_a_coroutine_raises_is_told_and_the_loop_goes_on(
    loop: LoopThread, results: Results, error: BaseException
) -> None:
    async def fail() -> None:
        raise error

    async def fine() -> int:
        return 1

    submit(loop, results, fail)
    submit(loop, results, fine)
    results.wait(2)
    assert results.told == [(None, error), (1, None)]


def test_a_function_that_makes_no_coroutine_is_an_error_of_that_call(
    loop: LoopThread, results: Results
) -> None:
    submit(loop, results, lambda: 5)  # type: ignore[arg-type, return-value]
    results.wait()
    assert isinstance(results.told[0][1], TypeError)


def test_system_exit_in_a_task_that_a_step_makes_does_not_end_the_loop(
    loop: LoopThread, results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave() -> None:
        sys.exit(3)

    async def step() -> Any:
        task = asyncio.ensure_future(leave())
        done, _ = await asyncio.wait([task])
        return [type(each.exception()) for each in done]

    submit(loop, results, step)
    results.wait()
    assert results.told == [([SystemExit], None)]
    assert "a task on the loop test-loop raised" in caplog.text


def test_a_receiver_that_raises_does_not_end_the_loop(
    loop: LoopThread, results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    async def step() -> int:
        return 1

    def receive(*_: Any) -> None:
        raise SystemExit

    loop.enqueue(step, receive)
    submit(loop, results, step)
    results.wait()
    assert "the receiver of an async result raised" in caplog.text


def test_cancelling_ends_a_call_begun_or_not(loop: LoopThread, results: Results) -> None:
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await forever()

    running = submit(loop, results, wait)
    assert begun.wait(50)
    loop.cancel(running)
    results.wait()
    waiting = loop.enqueue(wait, results.on_done)
    loop.cancel(waiting)
    begun.clear()
    loop.kick()
    results.wait()
    assert [type(error) for _, error in results.told] == [asyncio.CancelledError] * 2
    assert not begun.is_set()
    loop.cancel(running)  # too late, and harmless


@pytest.mark.usefixtures("frequent_switches")
def test_no_call_is_lost_between_kicks(loop: LoopThread, results: Results) -> None:
    async def step() -> None:
        return None

    def produce() -> None:
        for _ in range(1_000):
            submit(loop, results, step)

    producers = [threading.Thread(target=produce) for _ in range(3)]
    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join()
    results.wait(3_000)


def test_close_cancels_what_runs_and_drops_what_waits(results: Results) -> None:
    loop = LoopThread("test-loop")
    begun = threading.Event()

    async def wait() -> None:
        begun.set()
        await forever()

    submit(loop, results, wait)
    assert begun.wait(50)
    assert loop.close(timeout=50) == ()
    results.wait()
    assert isinstance(results.told[0][1], asyncio.CancelledError)
    submit(loop, results, wait)
    assert loop.close() == ()
    assert len(results.told) == 1
    assert not loop_threads()


def test_close_reports_what_ignores_it(results: Results) -> None:
    loop = LoopThread("test-loop")
    begun, gate = threading.Event(), threading.Event()

    async def block() -> None:
        begun.set()
        gate.wait()  # what a careless step does

    call = submit(loop, results, block)
    assert begun.wait(50)
    thread = loop_threads()[0]
    assert loop.close(timeout=0.0) == (call,)
    gate.set()
    thread.join(50)
    assert not thread.is_alive()


def test_a_coroutine_that_is_thrown_away_tells_nobody(results: Results) -> None:
    @types.coroutine
    def wait() -> Generator[None, None, None]:
        yield

    steps = LoopCall(wait, results.on_done).run()
    steps.send(None)
    steps.close()
    assert results.told == []


def test_closing_an_unused_loop_does_nothing() -> None:
    assert LoopThread().close() == ()
