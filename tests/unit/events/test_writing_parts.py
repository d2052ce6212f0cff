"""The small parts of the writing half: locks, tasks, the prober, the heads, many rows at once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable

import pytest

from indelible.events.commit.database_probe import DatabaseProbe
from indelible.events.commit.shard_plan import Head
from indelible.events.commit.stream_heads import StreamHeads
from indelible.events.concurrency.fair_lock import FairLock
from indelible.events.concurrency.task_thread import TaskThread
from indelible.events.sqlite.write.many_rows import MOST, ManyRows


def test_turns_are_taken_in_the_order_in_which_they_were_asked_for() -> None:
    lock, order = FairLock(), list[int]()

    def take(number: int) -> None:
        with lock:
            order.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(5)]
    with lock:
        for number, thread in enumerate(threads):
            thread.start()
            while len(lock._waiting) <= number:
                pass
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_whoever_has_just_had_a_turn_waits_for_the_others() -> None:
    lock, order = FairLock(), list[str]()

    def other() -> None:
        with lock:
            order.append("other")

    thread = threading.Thread(target=other)
    with lock:
        thread.start()
        while not lock._waiting:
            pass
    with lock:
        order.append("again")
    thread.join()
    assert order == ["other", "again"]


class Interruption(BaseException):
    """As a signal's handler raises it."""


class BrokenGate:
    """A gate at which waiting is interrupted, after ``happens``."""

    def __init__(self, happens: Callable[[], None]) -> None:
        self._happens = happens
        self._taken = False

    def acquire(self) -> None:
        if self._taken:
            self._happens()
            raise Interruption
        self._taken = True

    def release(self) -> None:
        pass


@pytest.mark.parametrize("handed_over", [False, True])
def test_an_interrupted_wait_leaves_the_turn_to_others(
    monkeypatch: pytest.MonkeyPatch, handed_over: bool
) -> None:
    lock = FairLock()
    lock.__enter__()

    def hand_over() -> None:
        if handed_over:
            lock.__exit__(None, None, None)

    with monkeypatch.context() as patch:
        patch.setattr(threading, "Lock", lambda: BrokenGate(hand_over))
        with pytest.raises(Interruption), lock:
            pass
    if not handed_over:
        lock.__exit__(None, None, None)
    with lock:
        pass


def test_a_turn_ends_when_its_block_raises() -> None:
    lock = FairLock()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), lock:
            raise ZeroDivisionError


def test_tasks_are_run_in_order_on_one_thread_that_starts_when_needed() -> None:
    before = set(threading.enumerate())
    task_thread = TaskThread("tasks of a test")
    assert set(threading.enumerate()) <= before
    done: list[tuple[int, str]] = []
    for number in range(3):
        task_thread.run(lambda n=number: done.append((n, threading.current_thread().name)))  # type: ignore[misc]
    task_thread.stop()
    assert done == [(number, "tasks of a test") for number in range(3)]
    assert set(threading.enumerate()) <= before


def test_a_failing_task_is_logged_and_the_next_one_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task_thread, done = TaskThread("tasks of a test"), list[int]()
    task_thread.run(lambda: 1 // 0)
    task_thread.run(lambda: done.append(1))
    task_thread.stop()
    task_thread.stop()
    assert done == [1]
    assert "tasks of a test" in caplog.text


def test_a_prober_looks_until_all_is_well_and_ends() -> None:
    looks: list[bool] = []
    well = threading.Event()

    def look() -> bool:
        looks.append(len(looks) == 3)
        if looks[-1]:
            well.set()
        return looks[-1]

    prober = DatabaseProbe(look, "prober of a test")
    prober.begin()
    assert well.wait(30)
    prober.stop()
    assert looks == [False, False, False, True]


def test_a_prober_that_is_asked_while_it_looks_looks_again() -> None:
    looks: list[int] = []
    again = threading.Event()

    def look() -> bool:
        looks.append(1)
        if len(looks) == 1:
            prober.begin()
        else:
            again.set()
        return True

    prober = DatabaseProbe(look, "prober of a test")
    prober.begin()
    assert again.wait(30)
    prober.stop()
    prober.begin()  # too late: nothing starts
    assert len(looks) == 2


def test_the_heads_that_were_written_last_are_kept() -> None:
    heads = StreamHeads(bound=3)
    a, b, c, d = (Head(number, name, name, 1, "", 0) for number, name in enumerate("abcd"))
    heads.keep([a, b, c])
    heads.keep([a])
    heads.keep([d])
    known, unknown = heads.among(["a", "b", "c", "d", "b", "x"])
    assert (known, unknown) == ({"a": a, "c": c, "d": d}, ["b", "x"])
    heads.clear()
    assert heads.among(["a"]) == ({}, ["a"])


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12, 13, 100, 999, MOST, MOST + 1, 2 * MOST + 7])
def test_any_number_of_rows_is_written_exactly(count: int) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a INTEGER NOT NULL, b TEXT)")
    statements: list[str] = []

    def execute(text: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        statements.append(text)
        return connection.execute(text, values)

    insert = ManyRows(
        "INSERT INTO t SELECT * FROM {rows} WHERE column1 IS NOT NULL",
        2,
        one="INSERT INTO t VALUES (?, ?)",
    )
    insert.run(execute, [part for n in range(count) for part in (n, str(n))])
    assert len(statements) == -(-count // MOST)
    rows = connection.execute("SELECT a, b FROM t ORDER BY a").fetchall()
    assert rows == [(n, str(n)) for n in range(count)]
    find = ManyRows(
        "SELECT b FROM {rows} AS v JOIN t ON a = v.column1", 1, one="SELECT b FROM t WHERE a = ?"
    )
    assert len(find.fetch(execute, range(count))) == count
    connection.close()
