from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from indelible.actors.runtime.future import PooledFuture
from indelible.actors.runtime.pool.blocking_pool import BASE, BlockingPool
from indelible.actors.runtime.pool.burst_size import MIN_BURST
from indelible.actors.runtime.pool.growth import WATCH_INTERVAL_S, PoolGrowth
from indelible.actors.runtime.pool.workers import HOOK_NS, Worker
from indelible.clock import ManualClock


@pytest.fixture
def pool() -> Iterator[BlockingPool]:
    pool = BlockingPool(name="pool")
    yield pool
    assert pool.close(timeout=50) == ()


def workers() -> list[threading.Thread]:
    return [
        t for t in threading.enumerate() if t.name.startswith("pool-") and "watch" not in t.name
    ]


def test_submitted_tasks_run_once_each(pool: BlockingPool) -> None:
    ran: list[int] = []
    for number in range(5_000):
        pool.submit(lambda number=number: ran.append(number))  # type: ignore[misc]
    assert pool.drain(50)
    assert sorted(ran) == list(range(5_000))


def test_enqueued_tasks_wait_for_a_kick(pool: BlockingPool) -> None:
    done = threading.Event()
    pool.enqueue(done.set)
    assert not workers()
    pool.kick()
    assert done.wait(50)


def test_a_kick_starts_no_more_threads_than_the_base(
    pool: BlockingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PoolGrowth, "look", lambda *_: False)  # what adds threads while tasks wait
    gate = threading.Event()

    def task() -> None:
        gate.wait()

    for _ in range(100):
        pool.enqueue(task)
    pool.kick()
    started = len(workers())
    gate.set()
    assert started == BASE


def test_tasks_that_wait_get_a_thread_each_up_to_the_limit(pool: BlockingPool) -> None:
    gate = threading.Event()
    begun = threading.Semaphore(0)

    def task() -> None:
        begun.release()
        gate.wait()

    for _ in range(100):
        pool.enqueue(task)
    pool.kick()
    for _ in range(64):
        assert begun.acquire(timeout=50)
    most = len(workers())
    gate.set()
    assert most == 64
    assert pool.drain(50)
    assert len(workers()) <= 64


def test_a_task_that_waits_for_a_queued_one_gets_through(pool: BlockingPool) -> None:
    gate = threading.Event()
    for _ in range(5):
        pool.enqueue(gate.wait)  # type: ignore[arg-type]
    pool.submit(gate.set)
    assert pool.drain(50)


def test_extra_threads_retire_when_idle() -> None:
    pool = BlockingPool(name="pool", linger=0.0)
    barrier = threading.Barrier(20)
    for _ in range(20):
        pool.enqueue(barrier.wait)  # type: ignore[arg-type]
    pool.kick()
    with pool._quiet:
        assert pool._quiet.wait_for(lambda: not pool._tasks and pool._alive <= BASE, 50)
    assert pool._growth.width == BASE
    assert pool.close() == ()


def test_closing_waits_for_threads_that_have_retired_and_not_returned_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(worker: Worker) -> None:
        worker.workers.serve(worker)
        if not worker.workers._closed:
            threading.Event().wait(0.2)  # as on a busy host

    monkeypatch.setattr(Worker, "run", run)
    pool = BlockingPool(name="pool", linger=0.0)
    barrier = threading.Barrier(4)
    for _ in range(4):
        pool.enqueue(barrier.wait)  # type: ignore[arg-type]
    pool.kick()
    with pool._quiet:
        assert pool._quiet.wait_for(lambda: not pool._tasks and pool._alive <= BASE, 50)
    assert pool.close() == ()
    assert not workers()


def test_a_small_pool_never_has_more_threads_than_it_may() -> None:
    pool = BlockingPool(max_threads=1, name="pool")
    inside: list[int] = []
    most: list[int] = []
    gate = threading.Event()

    def task() -> None:
        inside.append(1)
        most.append(len(inside))
        inside.pop()

    pool.enqueue(gate.wait)  # type: ignore[arg-type]
    for _ in range(100):
        pool.enqueue(task)
    pool.kick()
    gate.set()
    assert pool.drain(50)
    assert max(most) == 1
    assert pool.close() == ()


def test_there_is_room_beside_others_while_some_are_at_work_but_not_all() -> None:
    pool = BlockingPool(max_threads=2, name="pool")
    begun, gate = threading.Semaphore(0), threading.Event()

    def task() -> None:
        begun.release()
        gate.wait()

    assert not pool.has_room_beside_others()
    pool.submit(task)
    assert begun.acquire(timeout=50)
    assert pool.has_room_beside_others()
    pool.submit(task)  # the watcher adds the second thread
    assert begun.acquire(timeout=50)
    assert not pool.has_room_beside_others()
    gate.set()
    assert pool.drain(50)
    assert not pool.has_room_beside_others()
    assert pool.close(timeout=50) == ()


def test_no_thread_is_added_while_the_hook_of_another_takes_no_longer_than_a_commit() -> None:
    clock = ManualClock()
    clock.advance(1)
    pool = BlockingPool(name="pool", clock=clock)
    pool._watcher.close()  # the test looks in its place
    hooked, gate, done = threading.Event(), threading.Event(), threading.Event()

    def after_burst() -> None:
        hooked.set()
        gate.wait()

    pool.after_burst = after_burst
    pool.submit(lambda: None)
    assert hooked.wait(50)
    pool.submit(done.set)
    for _ in range(100):
        pool._adapt_width(WATCH_INTERVAL_S)
    clock.advance((HOOK_NS - 1_000) / 1e9)
    pool._adapt_width(WATCH_INTERVAL_S)
    assert len(workers()) == 1
    assert not done.is_set()
    clock.advance(1_000 / 1e9)
    pool._adapt_width(WATCH_INTERVAL_S)
    assert done.wait(50)
    assert len(workers()) == 2
    gate.set()
    assert pool.drain(50)
    assert pool.close(timeout=50) == ()


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_a_task_that_raises_ends_no_thread(
    pool: BlockingPool, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise error

    for _ in range(10):
        pool.submit(fail)
    assert pool.drain(50)
    before = workers()
    done = threading.Event()
    pool.submit(done.set)
    assert done.wait(50)
    assert set(before) <= set(workers())
    assert caplog.text.count("a task of pool raised") == 10


def test_a_thread_of_the_pool_wakes_none_for_the_task_that_it_will_take_itself(
    pool: BlockingPool,
) -> None:
    names: list[str] = []

    def task(left: int) -> None:
        names.append(threading.current_thread().name)
        if left:
            pool.submit(lambda: task(left - 1))

    pool.submit(lambda: task(100))
    assert pool.drain(50)
    assert len(names) == 101
    assert len(set(names)) == 1
    assert len(workers()) == 1


def test_the_hook_is_called_before_a_thread_waits_and_its_tasks_run(pool: BlockingPool) -> None:
    done = threading.Event()
    ran: list[str] = []

    def after_burst() -> None:
        if ran == ["first"]:
            ran.append("hook")
            pool.enqueue(done.set)  # no kick: the thread looks again by itself

    pool.after_burst = after_burst
    pool.submit(lambda: ran.append("first"))
    assert done.wait(50)
    assert ran == ["first", "hook"]


def test_the_hook_is_called_after_a_burst_of_tasks() -> None:
    pool = BlockingPool(max_threads=1, name="pool", clock=ManualClock())
    count = 0
    seen: list[int] = []
    gate = threading.Event()

    def task() -> None:
        nonlocal count
        count += 1

    pool.after_burst = lambda: seen.append(count)
    pool.submit(gate.wait)  # type: ignore[arg-type]
    for _ in range(800):
        pool.enqueue(task)
    gate.set()
    assert pool.drain(50)
    assert seen[:4] == [MIN_BURST - 1, 2 * MIN_BURST - 1, 3 * MIN_BURST - 1, 4 * MIN_BURST - 1]
    assert pool.close() == ()


def test_close_drops_what_waits_and_reports_what_runs() -> None:
    pool = BlockingPool(max_threads=1, name="pool")
    begun, gate = threading.Event(), threading.Event()
    ran: list[str] = []

    def hang() -> None:
        begun.set()
        gate.wait()

    pool.submit(hang)
    assert begun.wait(50)
    pool.submit(lambda: ran.append("queued"))
    assert pool.close(timeout=0.01) == (hang,)
    pool.submit(lambda: ran.append("late"))
    gate.set()
    assert pool.close() == ()
    assert not workers()
    assert ran == []


def test_close_lets_go_of_what_waits() -> None:
    pool = BlockingPool(name="pool")
    pool.enqueue(lambda: None)
    assert pool.close() == ()
    assert pool.drain(50)


def test_a_task_that_slips_in_behind_the_close_never_begins() -> None:
    pool = BlockingPool(max_threads=1, name="pool")
    begun, gate = threading.Event(), threading.Event()
    ran: list[str] = []

    def hang() -> None:
        begun.set()
        gate.wait()

    pool.submit(hang)
    assert begun.wait(50)
    assert pool.close(timeout=0) == (hang,)
    pool._tasks.put(lambda: ran.append("late"))  # enqueue() had looked before the close
    threads = workers()
    gate.set()
    for thread in threads:
        thread.join(50)
    assert ran == []


def test_a_task_may_close_its_own_pool() -> None:
    pool = BlockingPool(name="pool")
    closed = threading.Event()
    left: list[object] = []

    def close() -> None:
        left.append(pool.close(timeout=5))
        closed.set()

    pool.submit(close)
    assert closed.wait(50)
    assert left == [()]


@pytest.mark.usefixtures("frequent_switches")
def test_no_wake_up_is_lost(pool: BlockingPool) -> None:
    pool._watcher.close()  # which would hide it
    lost: list[int] = []

    def produce() -> None:
        for number in range(3_000):
            done = threading.Event()
            pool.submit(done.set)
            if not done.wait(50):
                lost.append(number)
                return

    producers = [threading.Thread(target=produce) for _ in range(3)]
    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join()
    assert not lost


def test_it_settles_when_only_hanging_tasks_are_left_at_work() -> None:
    pool = BlockingPool(name="settling")
    gate, hooked, let_go = threading.Event(), threading.Event(), threading.Event()

    def hook() -> None:
        hooked.set()
        let_go.wait(50)

    def hang() -> None:
        gate.wait()

    pool.submit(hang)
    pool.after_burst = hook
    pool.submit(lambda: None)  # its thread is in the hook
    assert hooked.wait(50)
    assert not pool.settle(busy=1, timeout=0)
    let_go.set()
    assert pool.settle(busy=1, timeout=50)
    gate.set()
    assert pool.settle(busy=0, timeout=50)
    assert pool.close(timeout=50) == ()


def test_waits_for_what_needs_no_thread_of_the_pool_are_never_too_many() -> None:
    pool = BlockingPool(2, "calls", replace_waiters=False)
    answers: list[PooledFuture[int]] = [PooledFuture() for _ in range(100)]
    got: list[int] = []
    begun = threading.Semaphore(0)

    def wait(answer: PooledFuture[int]) -> None:
        begun.release()
        got.append(answer.get(timeout=50))

    for answer in answers:
        pool.submit(partial(wait, answer))
    assert begun.acquire(timeout=50)
    assert begun.acquire(timeout=50)
    assert pool.waiting() == 0
    assert len(pool._threads) <= 2
    for number, answer in enumerate(answers):
        answer.set(number)
    assert pool.drain(50)
    assert sorted(got) == list(range(100))
    assert pool.close() == ()
