"""Threads whose work waits for other work, and the end of a dispatcher."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from indelible.actors.runtime.future import PooledFuture
from indelible.actors.runtime.pool.dispatcher import PoolDispatcher
from indelible.actors.runtime.pool.wait_graph import BLOCKED_LIMIT
from indelible.errors import ActorStoppedError, DeadlockError
from indelible.threads import refusals

if TYPE_CHECKING:
    from unit.runtime.conftest import Job

BlockAll = Callable[[PoolDispatcher, int, threading.Event], "list[Job]"]


def threads_of(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(f"{name}-")]


def wait_for_threads(dispatcher: PoolDispatcher, most: int) -> bool:
    with dispatcher._quiet:
        return dispatcher._quiet.wait_for(lambda: dispatcher._alive <= most, 50)


# -- announced waits


@pytest.fixture
def block_all(new_job: type[Job]) -> BlockAll:
    """Returns when a number of jobs wait for one another's successor, as a chain of asks would."""

    def block_all(dispatcher: PoolDispatcher, number: int, gate: threading.Event) -> list[Job]:
        jobs = [new_job(name=f"a{n}") for n in range(number + 1)]
        begun = threading.Semaphore(0)

        def block(job: Job, target: Job) -> None:
            with dispatcher.blocking(target, forever=True):
                begun.release()
                gate.wait()

        for job, target in pairwise(jobs):
            job.function = lambda job=job, target=target: block(job, target)  # type: ignore[misc]
            dispatcher.schedule(job)
            assert begun.acquire(timeout=50)
        return jobs

    return block_all


def test_sixty_four_blocked_actors_leave_threads_for_others(
    block_all: BlockAll, new_job: type[Job], dispatcher: PoolDispatcher
) -> None:
    gate = threading.Event()
    block_all(dispatcher, BLOCKED_LIMIT, gate)
    job = new_job()
    dispatcher.schedule(job)
    assert job.done.wait(50)
    gate.set()


def test_the_sixty_fifth_gets_an_error_that_names_the_chain(
    new_job: type[Job], dispatcher: PoolDispatcher
) -> None:
    gate = threading.Event()
    target = new_job(name="target")
    errors: list[DeadlockError] = []

    def block() -> None:
        try:
            with dispatcher.blocking(target):
                errors.clear()
        except DeadlockError as error:
            errors.append(error)

    jobs = [new_job(name=f"a{n}") for n in range(BLOCKED_LIMIT + 1)]
    begun = threading.Semaphore(0)

    def wait_for(next_job: Job) -> None:
        with dispatcher.blocking(next_job):
            begun.release()
            gate.wait()

    for job, next_job in pairwise(jobs):
        job.function = lambda next_job=next_job: wait_for(next_job)  # type: ignore[misc]
        dispatcher.schedule(job)
        assert begun.acquire(timeout=50)
    jobs[-1].function = block
    dispatcher.schedule(jobs[-1])
    assert jobs[-1].done.wait(50)
    gate.set()
    assert [error.chain for error in errors] == [
        (*(f"a{n}" for n in range(BLOCKED_LIMIT + 1)), "target")
    ]
    assert "64 actors already block" in str(errors[0])
    assert "a0 -> a1 -> a2" in str(errors[0])


def test_a_wait_that_closes_a_cycle_for_ever_fails_at_once(
    new_job: type[Job], dispatcher: PoolDispatcher
) -> None:
    gate = threading.Event()
    one, two = new_job(name="one"), new_job(name="two")
    begun = threading.Event()
    errors: list[tuple[str, ...]] = []

    def first() -> None:
        with dispatcher.blocking(two, forever=True):
            begun.set()
            gate.wait()

    def second() -> None:
        with dispatcher.blocking(one, forever=False):
            pass  # it has a time-out, so it resolves by itself
        try:
            with dispatcher.blocking(one, forever=True):
                pass
        except DeadlockError as error:
            errors.append(error.chain)

    one.function, two.function = first, second
    dispatcher.schedule(one)
    assert begun.wait(50)
    dispatcher.schedule(two)
    assert two.done.wait(50)
    gate.set()
    assert errors == [("one", "two", "one")]


def test_the_error_also_names_what_the_awaited_one_waits_for(
    block_all: BlockAll, new_job: type[Job], dispatcher: PoolDispatcher
) -> None:
    gate = threading.Event()
    jobs = block_all(dispatcher, BLOCKED_LIMIT, gate)
    chains: list[tuple[str, ...]] = []

    def block() -> None:
        try:
            with dispatcher.blocking(jobs[0]):
                pass
        except DeadlockError as error:
            chains.append(error.chain)

    late = new_job(block, name="late")
    dispatcher.schedule(late)
    assert late.done.wait(50)
    gate.set()
    assert chains == [("late", *(job.name for job in jobs))]


def test_compensating_threads_retire(block_all: BlockAll, new_job: type[Job]) -> None:
    dispatcher = PoolDispatcher("retire", threads=2, daemon=True, linger=0.0)
    gate = threading.Event()
    block_all(dispatcher, 20, gate)
    assert len(threads_of("retire")) >= 20
    gate.set()
    assert wait_for_threads(dispatcher, 2)
    job = new_job()
    dispatcher.schedule(job)
    assert job.done.wait(50)
    assert dispatcher.close()


def test_blocking_elsewhere_does_nothing(dispatcher: PoolDispatcher) -> None:
    with dispatcher.blocking("anyone", forever=True):
        assert not dispatcher._blocked


# -- the end


def test_close_runs_what_is_scheduled_and_then_refuses(new_job: type[Job]) -> None:
    dispatcher = PoolDispatcher("end", daemon=True)
    jobs = [new_job() for _ in range(100)]
    dispatcher.schedule_many(jobs)
    assert dispatcher.close()
    assert all(job.done.is_set() for job in jobs)
    late = new_job(name="agent-late")
    with pytest.raises(ActorStoppedError, match="agent-late takes no work"):
        dispatcher.schedule(late)
    with pytest.raises(ActorStoppedError):
        dispatcher.schedule_many([late])
    assert dispatcher.close()
    assert not late.done.is_set()


@pytest.mark.usefixtures("frequent_switches")
def test_what_races_with_the_close_runs_or_is_refused(new_job: type[Job]) -> None:
    for _ in range(100):
        dispatcher = PoolDispatcher("race", daemon=True)
        accepted: list[Job] = []
        start = threading.Barrier(2)

        def produce(
            dispatcher: PoolDispatcher = dispatcher,
            start: threading.Barrier = start,
            accepted: list[Job] = accepted,
        ) -> None:
            start.wait()
            for _ in range(1_000_000):
                job = new_job()
                try:
                    dispatcher.schedule(job)
                except ActorStoppedError:
                    return
                accepted.append(job)

        producer = threading.Thread(target=produce)
        producer.start()
        start.wait()
        dispatcher.close(timeout=0.001)
        producer.join()
        assert all(job.done.wait(50) for job in accepted)


def test_close_says_when_something_still_runs(new_job: type[Job]) -> None:
    dispatcher = PoolDispatcher("stuck", daemon=True)
    gate = threading.Event()
    dispatcher.schedule(new_job(gate.wait))
    assert not dispatcher.drain(0.01)
    assert not dispatcher.close(timeout=0.01)
    gate.set()
    assert dispatcher.close()


def test_threads_that_are_no_daemons_end_when_nothing_retains_them(new_job: type[Job]) -> None:
    dispatcher = PoolDispatcher("free")
    dispatcher.retain()
    jobs = [new_job() for _ in range(10)]
    dispatcher.schedule_many(jobs)
    assert dispatcher.drain(50)
    threads = threads_of("free")
    assert threads
    assert not any(thread.daemon for thread in threads if "watcher" not in thread.name)
    dispatcher.release()
    assert wait_for_threads(dispatcher, 0)
    again = new_job()
    dispatcher.schedule(again)  # and start again
    assert again.done.wait(50)
    assert wait_for_threads(dispatcher, 0)
    assert dispatcher.close()


def test_a_host_without_more_threads_leaves_the_work_to_those_there_are(
    new_job: type[Job],
    dispatcher: PoolDispatcher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = threading.Event()
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        gate.wait()

    dispatcher.schedule(new_job(wait))
    assert begun.wait(50)
    with monkeypatch.context() as patch:
        patch.setattr("indelible.actors.runtime.pool.workers.Worker.start", _no_thread)
        job = new_job()
        dispatcher.schedule(job)
        gate.set()
        assert job.done.wait(50)
    assert "continues with 1 threads" in caplog.text


def test_a_host_without_any_thread_is_an_error_to_who_begins(
    new_job: type[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher = PoolDispatcher("none", daemon=True)
    monkeypatch.setattr("indelible.actors.runtime.pool.workers.Worker.start", _no_thread)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        dispatcher.begin(new_job())
    assert not refusals
    assert not dispatcher._tasks


def test_what_was_scheduled_on_a_host_without_any_thread_runs_when_there_is_one(
    new_job: type[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher = PoolDispatcher("none", daemon=True)
    job = new_job()
    with monkeypatch.context() as patch:
        patch.setattr("indelible.actors.runtime.pool.workers.Worker.start", _no_thread)
        dispatcher.schedule(job)
        refusals.try_again()
        assert refusals.names() == ["none-2"]
    refusals.try_again()
    assert job.done.wait(50)
    assert not refusals
    assert dispatcher.close()


def test_who_waits_for_an_answer_tries_again_to_start_the_thread_that_gives_it(
    new_job: type[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher = PoolDispatcher("none", daemon=True)
    answer: PooledFuture[str] = PooledFuture()
    to_refuse = iter([True, True, True])
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if next(to_refuse, False):
            _no_thread(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    dispatcher.schedule(new_job(lambda: answer.set("here")))
    assert answer.get(timeout=50) == "here"
    assert not refusals
    assert dispatcher.close()


def _no_thread(_: object) -> None:
    raise RuntimeError("can't start new thread")
