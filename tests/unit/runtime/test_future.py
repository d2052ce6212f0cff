from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pykka
import pytest

from indelible.actors.runtime.future import PooledFuture
from indelible.actors.runtime.pool.dispatcher import PoolDispatcher
from indelible.actors.runtime.pooled_actor import PooledActor


@pytest.fixture
def future() -> PooledFuture[Any]:
    return PooledFuture()


@pytest.fixture
def later() -> Iterator[list[threading.Timer]]:
    """Timers that have surely fired when the test ends."""
    timers: list[threading.Timer] = []
    yield timers
    for timer in timers:
        timer.join()


def test_a_value_set_by_another_thread_ends_every_wait(future: PooledFuture[Any]) -> None:
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(future.get())) for _ in range(5)]
    for thread in threads:
        thread.start()
    future.set("value")
    for thread in threads:
        thread.join(50)
    assert got == ["value"] * 5


@pytest.mark.usefixtures("frequent_switches")
def test_no_completion_is_missed_by_a_get_that_begins_with_it() -> None:
    for number in range(2_000):
        future: PooledFuture[int] = PooledFuture()
        thread = threading.Thread(target=future.set, args=(number,))
        thread.start()
        assert future.get(timeout=50) == number
        thread.join()


def test_only_the_first_of_many_setters_succeeds(future: PooledFuture[Any]) -> None:
    start = threading.Barrier(8)
    refused: list[int] = []

    def complete(number: int) -> None:
        start.wait()
        try:
            future.set(number)
        except queue.Full:
            refused.append(number)

    threads = [threading.Thread(target=complete, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted([*refused, future.get()]) == list(range(8))


def test_a_time_out_leaves_the_future_usable(future: PooledFuture[Any]) -> None:
    for timeout in (-1, 0, 0.01):
        with pytest.raises(pykka.Timeout, match=f"{timeout} seconds"):
            future.get(timeout=timeout)
    assert not future._callbacks
    future.set(1)
    assert future.get(timeout=0) == 1


def test_callbacks_run_once_before_or_after_completion(future: PooledFuture[Any]) -> None:
    called: list[Any] = []
    future.add_done_callback(lambda done: called.append(("before", done.get())))
    assert not future.done()
    future.set(1)
    future.add_done_callback(lambda done: called.append(("after", done.get())))
    assert future.done()
    assert called == [("before", 1), ("after", 1)]


def test_a_removed_callback_is_not_called(future: PooledFuture[Any]) -> None:
    called: list[Any] = []
    future.add_done_callback(called.append)
    future.remove_done_callback(called.append)
    future.remove_done_callback(called.append)
    future.set(1)
    assert not called


def test_a_callback_that_raises_stops_neither_the_others_nor_the_setter(
    future: PooledFuture[Any], caplog: pytest.LogCaptureFixture
) -> None:
    called: list[Any] = []

    def fail(_: Any) -> None:
        raise ValueError("no")

    future.add_done_callback(fail)
    future.add_done_callback(called.append)
    future.set(1)
    assert called == [future]
    assert "a callback of a future raised" in caplog.text


def test_a_computed_future_has_no_moment_at_which_to_call_back(future: PooledFuture[Any]) -> None:
    with pytest.raises(TypeError, match="add the callback to its source"):
        future.map(str).add_done_callback(print)


def test_an_exception_is_raised_again_for_each_get(future: PooledFuture[Any]) -> None:
    error = ValueError("no")
    future.set_exception((ValueError, error, None))
    for _ in range(2):
        with pytest.raises(ValueError, match="no") as caught:
            future.get()
        assert caught.value is error


def test_an_exception_may_be_given_by_its_class_alone(future: PooledFuture[Any]) -> None:
    future.set_exception((KeyError, None, None))
    with pytest.raises(KeyError):
        future.get()


def test_a_hook_that_times_out_is_tried_again(future: PooledFuture[Any]) -> None:
    doubled = future.map(lambda value: value * 2)
    with pytest.raises(pykka.Timeout):
        doubled.get(timeout=0)
    assert not doubled.done()
    future.set(4)
    assert doubled.get(timeout=0) == 8
    assert doubled.done()


def test_a_hook_is_called_once_for_many_threads(future: PooledFuture[Any]) -> None:
    calls: list[Any] = []
    inside, gate = threading.Event(), threading.Event()

    def hook(timeout: float | None) -> int:
        calls.append(timeout)
        inside.set()
        gate.wait()
        return 7

    future.set_get_hook(hook)
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(future.get())) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert inside.wait(50)
    with pytest.raises(pykka.Timeout):
        future.get(timeout=0.01)
    gate.set()
    for thread in threads:
        thread.join()
    assert got == [7] * 4
    assert calls == [None]


# -- awaiting


async def hold(loop_runs: asyncio.Event) -> None:
    """Show that the loop goes on while something else is awaited."""
    await asyncio.sleep(0)
    loop_runs.set()


def test_awaiting_does_not_block_the_loop(
    future: PooledFuture[Any], later: list[threading.Timer]
) -> None:
    async def main() -> Any:
        loop_runs = asyncio.Event()
        waiting = asyncio.ensure_future(future)
        await hold(loop_runs)
        assert loop_runs.is_set()
        assert not waiting.done()
        later.append(threading.Timer(0, future.set, args=("value",)))
        later[0].start()
        return await waiting

    assert asyncio.run(main()) == "value"


def test_awaiting_raises_the_exception(future: PooledFuture[Any]) -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(
            future.set_exception, (ValueError, ValueError("no"), None)
        )
        with pytest.raises(ValueError, match="no"):
            await future

    asyncio.run(main())


def test_awaiting_derived_futures_does_not_block_the_loop() -> None:
    async def main() -> Any:
        sources: list[PooledFuture[Any]] = [PooledFuture() for _ in range(3)]
        joined = sources[0].join(*sources[1:])
        total = joined.reduce(lambda a, b: a + b)
        even = joined.filter(lambda value: value % 2 == 0)
        waiting = asyncio.ensure_future(asyncio.wait_for(_awaited(total), 20))
        loop_runs = asyncio.Event()
        await hold(loop_runs)
        assert loop_runs.is_set()
        for number, source in enumerate(sources):
            source.set(number)
        return await waiting, await even

    assert asyncio.run(main()) == (3, [0, 2])


async def _awaited(future: PooledFuture[Any]) -> Any:
    return await future


def test_awaiting_a_stop_does_not_block_the_loop(actor_base: type[PooledActor]) -> None:
    gate = threading.Event()

    class Slow(actor_base):  # type: ignore[valid-type, misc]
        def on_receive(self, message: Any) -> Any:
            gate.wait()

    ref = Slow.start()
    ref.tell("block")

    async def main() -> Any:
        stopping = asyncio.ensure_future(ref.stop(block=False))
        loop_runs = asyncio.Event()
        await hold(loop_runs)
        assert not stopping.done()
        gate.set()
        return await stopping, await ref.stop(block=False)

    assert asyncio.run(main()) == (True, False)


def test_awaiting_a_hook_that_raises_raises_the_same(future: PooledFuture[Any]) -> None:
    def hook(_: float | None) -> Any:
        raise KeyError("missing")

    future.set_get_hook(hook)
    with pytest.raises(KeyError, match="missing"):
        asyncio.run(_awaited(future))


def test_a_cancelled_await_forgets_the_future(future: PooledFuture[Any]) -> None:
    async def main() -> None:
        waiting = asyncio.ensure_future(_awaited(future))
        await asyncio.sleep(0)
        assert future._callbacks
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    assert not future._callbacks
    future.set(1)


def test_a_future_may_outlive_the_loop_that_waited(future: PooledFuture[Any]) -> None:
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(_awaited(future))
    loop.call_soon(loop.stop)
    loop.run_forever()
    waiting.cancel()
    loop.run_until_complete(asyncio.gather(waiting, return_exceptions=True))
    loop.close()
    future.set(1)
    assert future.get() == 1


def test_a_completion_after_the_loop_is_closed_is_quiet(
    future: PooledFuture[Any], caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(_awaited(future))
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    future.set(1)
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]  # dropped on purpose
    del waiting
    assert future.get() == 1
    assert not caplog.records


def test_awaiting_without_an_event_loop_blocks_as_in_pykka(future: PooledFuture[Any]) -> None:
    future.set(1)
    steps = future.__await__()
    assert next(steps) is None
    with pytest.raises(StopIteration) as stopped:
        next(steps)
    assert stopped.value.value == 1


def test_a_get_on_a_dispatcher_thread_lets_others_run() -> None:
    dispatcher = PoolDispatcher("get", threads=1, daemon=True)
    future: PooledFuture[int] = PooledFuture()
    got: list[int] = []
    done = threading.Event()

    class Get:
        def run_activation(self) -> None:
            got.append(future.get())
            done.set()

    class Set:
        def run_activation(self) -> None:
            future.set(1)

    dispatcher.schedule_many([Get(), Set()])
    assert done.wait(50)
    assert got == [1]
    assert dispatcher.close()
