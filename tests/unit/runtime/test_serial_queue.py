"""Tasks that follow each other on a dispatcher, with what each has woken in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from indelible.actors.runtime.pool.dispatcher import PoolDispatcher
from indelible.actors.runtime.pool.serial_queue import SerialQueue


@pytest.fixture
def one_thread() -> Iterator[PoolDispatcher]:
    dispatcher = PoolDispatcher("one", threads=1, daemon=True)
    yield dispatcher
    assert dispatcher.close(timeout=50)


def test_what_a_task_wakes_runs_before_the_next_task(
    one_thread: PoolDispatcher, new_job: Callable[..., Any]
) -> None:
    queue, order = SerialQueue(one_thread, "pages"), list[str]()

    def page(number: int) -> Callable[[], None]:
        def run() -> None:
            order.append(f"page {number}")
            one_thread.schedule(new_job(lambda: order.append(f"woken by {number}")))

        return run

    queue.add(page(number) for number in (1, 2))
    assert one_thread.drain(50)
    assert order == ["page 1", "woken by 1", "page 2", "woken by 2"]


def test_tasks_never_run_at_the_same_time_and_none_is_lost(dispatcher: PoolDispatcher) -> None:
    queue, ran = SerialQueue(dispatcher, "pages"), list[int]()
    alone = threading.Lock()

    def task(number: int) -> Callable[[], None]:
        def run() -> None:
            assert alone.acquire(blocking=False)
            ran.append(number)
            alone.release()

        return run

    def add(first: int) -> None:
        for number in range(first, first + 500):
            queue.add([task(number)])

    threads = [threading.Thread(target=add, args=(first,)) for first in (0, 500, 1_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
    assert dispatcher.drain(50)
    assert sorted(ran) == list(range(1_500))
    assert [number for number in ran if number < 500] == list(range(500))


def test_the_first_task_runs_here_and_others_wait_for_the_dispatcher(
    one_thread: PoolDispatcher,
) -> None:
    queue, here = SerialQueue(one_thread, "pages"), threading.current_thread()
    ran: list[tuple[str, bool]] = []

    def note(name: str) -> None:
        ran.append((name, threading.current_thread() is here))

    def first() -> None:
        note("first")
        queue.begin(lambda: note("second"))

    queue.begin(first)
    assert one_thread.drain(50)
    assert ran == [("first", True), ("second", False)]
    queue.begin(lambda: note("third"))
    assert ran[2:] == [("third", True)]


def test_tasks_after_one_that_fails_run(dispatcher: PoolDispatcher, unraised: list[Any]) -> None:
    queue, ran = SerialQueue(dispatcher, "pages"), list[str]()

    def fail() -> None:
        raise ValueError("a test says so")

    queue.add([fail, lambda: ran.append("next")])
    assert dispatcher.drain(50)
    assert ran == ["next"]
    assert not unraised


def test_a_closed_dispatcher_runs_no_task_and_adding_one_is_no_error() -> None:
    dispatcher = PoolDispatcher("closed", threads=1, daemon=True)
    queue, ran = SerialQueue(dispatcher, "pages"), list[str]()
    queue.add([lambda: ran.append("before")])
    assert dispatcher.close(timeout=50)
    queue.add([lambda: ran.append("after")])
    queue.begin(lambda: ran.append("after"))
    assert ran == ["before"]
