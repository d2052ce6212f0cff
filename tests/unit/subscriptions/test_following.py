"""Iterating over a log that grows: on threads and event loops, with troubles, to the end."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from indelible.errors import EventGapError, StoreUnavailableError
from indelible.events.subscribe.log_followers import WakeUp
from indelible.events.subscribe.shard_pages import PAGE
from indelible.testing.contract.builders import some_event

LONG = 30.0  # seconds; nothing waits that long unless it hangs


def in_thread(function: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


class Waits:
    """Sees a reader go to sleep: replaces its wait, and says how long it would have been."""

    def __init__(self, subscription: Any) -> None:
        self.asleep = threading.Event()
        self.pauses: list[float] = []
        self._wait = subscription._wake_up.wait
        subscription._wake_up = self
        self.clear = lambda: None
        self._set = threading.Event()

    def wait(self, timeout: float) -> None:
        self.pauses.append(timeout)
        self.asleep.set()
        assert self._set.wait(LONG)
        self._set.clear()

    def set(self) -> None:
        self._set.set()


def test_without_live_it_ends_where_the_log_ends(log: Any) -> None:
    log.fill(streams=3, each=4)
    assert sum(len(batch) for batch in log.subscription(live=False)) == 12
    assert list(log.subscription(live=False, after="end")) == []


def test_a_live_reader_wakes_by_the_commit_alone(log: Any) -> None:
    subscription = log.subscription()
    waits = Waits(subscription)  # from here on only a signal ends its waits
    seen: list[str] = []

    def read() -> None:
        for batch in subscription:
            seen.extend(item.recorded.stream for item in batch)
            if len(seen) == 2:
                return

    thread = in_thread(read)
    for name in ("thing-1", "thing-2"):
        assert waits.asleep.wait(LONG)
        waits.asleep.clear()
        log.append(name)
    thread.join(LONG)
    assert seen == ["thing-1", "thing-2"]


def test_commits_of_other_processes_are_seen_by_looking(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log.store, "subscribe", lambda _: lambda: None)
    subscription = log.subscription()
    log.append("thing-1")
    assert len(next(subscription)) == 1
    threading.Thread(target=log.append, args=("thing-2",)).start()
    assert [item.recorded.stream for item in next(subscription)] == ["thing-2"]


def test_looks_become_rarer_while_nothing_comes_and_frequent_again_when_something_does(
    log: Any,
) -> None:
    subscription = log.subscription()
    waits = Waits(subscription)
    thread = in_thread(lambda: next(subscription))
    for _ in range(8):
        assert waits.asleep.wait(LONG)
        waits.asleep.clear()
        waits.set()
    assert waits.asleep.wait(LONG)
    assert waits.pauses[:9] == [0.01, 0.02, 0.04, 0.08, 0.16, 0.25, 0.25, 0.25, 0.25]
    log.append("thing-1")
    thread.join(LONG)
    waits.pauses.clear()
    waits.asleep.clear()
    thread = in_thread(lambda: next(subscription, None))
    assert waits.asleep.wait(LONG)
    assert waits.pauses == [0.01]
    subscription.close()
    thread.join(LONG)
    assert not thread.is_alive()


def test_a_hint_of_the_store_wakes_it(log: Any) -> None:
    hints: list[Callable[..., None]] = []

    def on_remote(hint: Callable[..., None]) -> Callable[[], None]:
        hints.append(hint)
        return lambda: hints.remove(hint)

    log.store.on_remote = on_remote
    subscription = log.subscription()
    waits = Waits(subscription)
    thread = in_thread(lambda: next(subscription, None))
    assert waits.asleep.wait(LONG)
    waits.asleep.clear()
    [hint] = hints
    hint(frozenset({3}))
    assert waits.asleep.wait(LONG)  # it has looked, and waits again
    subscription.close()
    thread.join(LONG)
    assert hints == []


def test_a_slow_reader_makes_nobody_read_ahead(log: Any) -> None:
    subscription = log.subscription(max_batch=10)
    log.append("thing-1", *(some_event() for _ in range(1_000)))
    next(subscription)
    for _ in range(20):
        log.append("thing-2", *(some_event() for _ in range(100)))
    assert sum(size for *_, size in log.pages_read) <= 64  # one page, of which 10 were handed out
    got = 10
    while got < 3_000:
        got += len(next(subscription))
        assert sum(size for *_, size in log.pages_read) <= got + PAGE
    assert got == 3_000


@pytest.mark.parametrize("trouble", [StoreUnavailableError("gone"), EventGapError(0, 0, [2])])
def test_a_live_reader_waits_for_a_database_that_is_away(
    log: Any, trouble: Exception, caplog: Any
) -> None:
    log.append("thing-1")
    read, left = log.store.read_shard, [trouble] * 4

    def sometimes(*place: int) -> Any:
        if left:
            raise left.pop()
        return read(*place)

    log.store.read_shard = sometimes
    assert len(next(log.subscription())) == 1
    said = [record for record in caplog.records if "waits" in record.message]
    assert len(said) == (1 if isinstance(trouble, StoreUnavailableError) else 0)


def test_a_reader_to_the_end_says_that_the_database_is_away(log: Any) -> None:
    log.append("thing-1")

    def fail(*_: int) -> Any:
        raise StoreUnavailableError("gone")

    log.store.read_shard = fail
    with pytest.raises(StoreUnavailableError):
        next(log.subscription(live=False))


def test_a_gap_that_stays_is_an_error(log: Any) -> None:
    log.append("thing-1")
    log.store.read_shard = lambda *_: []
    for live in (True, False):
        with pytest.raises(EventGapError, match="verify"):
            next(log.subscription(live=live))


def test_closing_ends_a_wait_on_a_thread(log: Any) -> None:
    with log.subscription() as subscription:
        waits = Waits(subscription)
        ended = in_thread(lambda: list(subscription))
        assert waits.asleep.wait(LONG)
    ended.join(LONG)
    assert not ended.is_alive()
    assert subscription.closed


def test_closing_the_store_ends_the_iteration(log: Any) -> None:
    log.append("thing-1")
    subscription = log.subscription()
    next(subscription)
    log.store.close()
    assert list(subscription) == []


def test_a_reader_that_was_left_hears_nothing_more(log: Any) -> None:
    for _ in log.subscription(after={}, max_batch=1, live=False):
        break
    log.append("thing-1")
    for _ in log.subscription():
        break
    gc.collect()
    heard: list[int] = []
    one = log.subscription()
    one._on_commit = lambda: heard.append(1)
    log.append("thing-2")
    assert heard == [1]
    assert len(log.followers._all) == 1
    one.close()
    assert log.store._group._publisher._listeners == ()


# -- on an event loop


async def asleep(wake: WakeUp) -> None:
    """Let tasks run until one waits on ``wake``."""
    while wake._waiting is None:  # noqa: ASYNC110 - going to sleep is announced to nobody
        await asyncio.sleep(0)


def test_async_readers_see_what_is_there_and_what_comes(log: Any) -> None:
    log.fill(streams=2, each=3)

    async def read() -> int:
        got = 0
        async with log.subscription(max_batch=2) as subscription:
            async for batch in subscription:
                got += len(batch)
                if got == 6:
                    await asyncio.to_thread(log.append, "thing-0")
                if got == 7:
                    return got
        return got

    assert asyncio.run(read()) == 7


def test_many_async_readers_wait_without_a_thread_each(log: Any) -> None:
    async def read() -> list[Any]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        subscriptions = [log.subscription() for _ in range(100)]
        tasks = [asyncio.ensure_future(anext(one)) for one in subscriptions]
        for one in subscriptions:
            await asleep(one._wake_up)
        await asyncio.to_thread(log.append, "thing-1")
        return await asyncio.gather(*tasks)

    assert [len(batch) for batch in asyncio.run(read())] == [1] * 100


def test_a_cancelled_wait_loses_no_batch(log: Any) -> None:
    log.append("thing-1")
    reading, go = threading.Event(), threading.Event()
    read = log.store.read_shard

    def slowly(*place: int) -> Any:
        reading.set()
        assert go.wait(LONG)
        return read(*place)

    async def run() -> Any:
        subscription = log.subscription(live=False)
        log.store.read_shard = slowly
        task = asyncio.ensure_future(anext(subscription))
        await asyncio.to_thread(reading.wait, LONG)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert subscription.cursor == {}
        go.set()
        return [batch async for batch in subscription]

    [batch] = asyncio.run(run())
    assert [item.recorded.stream for item in batch] == ["thing-1"]


def test_closing_ends_a_wait_on_an_event_loop(log: Any) -> None:
    async def run() -> None:
        subscription = log.subscription()
        task = asyncio.ensure_future(anext(subscription))
        await asyncio.sleep(0)
        await asyncio.to_thread(subscription.close)
        with pytest.raises(StopAsyncIteration):
            await task

    asyncio.run(run())


def test_a_ring_for_an_event_loop_that_is_gone_harms_nobody(log: Any) -> None:
    subscription = log.subscription()

    async def leave() -> None:
        task = asyncio.ensure_future(anext(subscription))
        await asleep(subscription._wake_up)
        subscription._wake_up._waiting.get_loop().call_soon(task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    subscription._on_commit()
    log.append("thing-1")
    assert len(next(subscription)) == 1


def test_a_wake_up_before_the_wait_is_not_lost() -> None:
    wake = WakeUp()
    wake.set()
    wake.wait(1_000)
    asyncio.run(wake.wait_async(1_000))
    wake.clear()

    async def wait() -> None:
        waiting = asyncio.ensure_future(wake.wait_async(1_000))
        await asleep(wake)
        await asyncio.to_thread(wake.set)
        await waiting

    asyncio.run(wait())
