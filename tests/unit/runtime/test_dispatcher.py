from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from indelible.actors.runtime.pool.burst_size import MIN_BURST
from indelible.actors.runtime.pool.dispatcher import PoolDispatcher
from indelible.clock import ManualClock

if TYPE_CHECKING:
    from unit.runtime.conftest import Job


def threads_of(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(f"{name}-")]


def test_no_thread_starts_before_there_is_something_to_run(new_job: type[Job]) -> None:
    dispatcher = PoolDispatcher("lazy", daemon=True)
    assert not threads_of("lazy")
    job = new_job()
    dispatcher.schedule(job)
    assert job.done.wait(50)
    assert threads_of("lazy")
    assert dispatcher.close()
    assert not threads_of("lazy")


def test_a_single_thread_runs_things_in_the_order_of_scheduling(new_job: type[Job]) -> None:
    dispatcher = PoolDispatcher("one", threads=1, daemon=True)
    order: list[int] = []
    jobs = [new_job(lambda n=n: order.append(n)) for n in range(1_000)]  # type: ignore[misc]
    dispatcher.schedule_many(jobs[:500])
    for job in jobs[500:]:
        dispatcher.schedule(job)
    assert dispatcher.drain(50)
    assert order == list(range(1_000))
    assert dispatcher.close()


def test_a_thread_that_goes_to_sleep_sees_what_was_scheduled_before_it_was_listed_idle(
    new_job: type[Job],
) -> None:
    dispatcher = PoolDispatcher("race", threads=1, daemon=True)
    dispatcher._watcher.close()  # which would wake the thread too, only later
    raced = new_job()

    class Idle(type(dispatcher._idle)):  # type: ignore[misc]
        def append(self, worker: Any) -> None:
            if not raced.done.is_set() and raced not in scheduled:
                scheduled.append(raced)
                dispatcher.schedule(raced)  # finds no idle thread, and a running one
            super().append(worker)

    scheduled: list[Job] = []
    dispatcher._idle = Idle()
    dispatcher.schedule(new_job())
    assert raced.done.wait(50)
    assert dispatcher.close()


@pytest.mark.usefixtures("frequent_switches")
def test_no_wake_up_is_lost(new_job: type[Job], dispatcher: PoolDispatcher) -> None:
    dispatcher._watcher.close()  # which would hide it
    lost: list[int] = []

    def produce() -> None:
        for number in range(5_000):
            job = new_job()
            dispatcher.schedule(job)
            if not job.done.wait(50):
                lost.append(number)
                return

    producers = [threading.Thread(target=produce) for _ in range(3)]
    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join()
    assert not lost


def test_a_runnable_that_raises_ends_no_thread(
    new_job: type[Job], dispatcher: PoolDispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    def leave() -> None:
        raise SystemExit(3)

    def fail() -> None:
        raise ValueError("no")

    for function in (leave, fail) * 4:
        dispatcher.schedule(new_job(function))
    assert dispatcher.drain(50)
    before = {thread.name for thread in threads_of("test")}
    job = new_job()
    dispatcher.schedule(job)
    assert job.done.wait(50)
    assert {thread.name for thread in threads_of("test")} == before
    assert caplog.text.count("a task of test raised") == 8


def test_the_hook_follows_every_burst_and_what_it_schedules_runs(
    new_job: type[Job],
    dispatcher: PoolDispatcher,
) -> None:
    followed = threading.Event()
    ran: list[str] = []
    todo = [new_job(lambda: ran.append("second")), new_job(followed.set)]

    def after_burst() -> None:
        if ran and todo:
            dispatcher.schedule(todo.pop(0))

    dispatcher.after_burst = after_burst
    dispatcher.schedule(new_job(lambda: ran.append("first")))
    assert followed.wait(50)
    assert ran == ["first", "second"]


def test_a_burst_ends_after_as_many_activations_as_the_pace_says(new_job: type[Job]) -> None:
    dispatcher = PoolDispatcher("burst", threads=1, clock=ManualClock(), daemon=True)
    count = 0
    seen: list[int] = []

    def run() -> None:
        nonlocal count
        count += 1

    dispatcher.after_burst = lambda: seen.append(count)
    gate = threading.Event()
    dispatcher.schedule(new_job(gate.wait))
    dispatcher.schedule_many([new_job(run) for _ in range(1_000)])
    gate.set()
    assert dispatcher.drain(50)
    assert seen[:4] == [MIN_BURST - 1, 2 * MIN_BURST - 1, 3 * MIN_BURST - 1, 4 * MIN_BURST - 1]
    assert dispatcher.close()


def test_a_burst_ends_after_eight_milliseconds(new_job: type[Job]) -> None:
    clock = ManualClock()
    dispatcher = PoolDispatcher("time", threads=1, clock=clock, daemon=True)
    order: list[str] = []

    def run() -> None:
        order.append("run")
        clock.advance(0.004)

    dispatcher.after_burst = lambda: order.append("hook")
    gate = threading.Event()
    dispatcher.schedule_many([new_job(gate.wait), *[new_job(run) for _ in range(6)]])
    gate.set()
    assert dispatcher.drain(50)
    assert order[:8] == ["run"] * 3 + ["hook"] + ["run"] * 3 + ["hook"]
    assert dispatcher.close()


def test_a_hook_that_raises_ends_no_thread(
    new_job: type[Job], dispatcher: PoolDispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    def after_burst() -> None:
        raise SystemExit

    dispatcher.after_burst = after_burst
    for _ in range(3):
        job = new_job()
        dispatcher.schedule(job)
        assert job.done.wait(50)
    assert dispatcher.drain(50)
    assert "the hook after a burst of test raised" in caplog.text


def test_it_knows_its_own_threads(new_job: type[Job], dispatcher: PoolDispatcher) -> None:
    seen: list[bool] = []
    dispatcher.schedule(new_job(lambda: seen.append(dispatcher.is_worker_thread())))
    assert dispatcher.drain(50)
    assert seen == [True]
    assert not dispatcher.is_worker_thread()


def test_runnables_that_block_unannounced_do_not_hold_up_the_one_they_wait_for(
    new_job: type[Job],
    dispatcher: PoolDispatcher,
) -> None:
    gate = threading.Event()
    waiting = [new_job(gate.wait) for _ in range(10)]
    dispatcher.schedule_many([*waiting, new_job(gate.set)])
    assert dispatcher.drain(50)
    assert all(job.done.is_set() for job in waiting)
