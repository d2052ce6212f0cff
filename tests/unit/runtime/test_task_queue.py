"""What continues comes first, for a few bursts; then everybody has had a turn."""

from __future__ import annotations

from collections.abc import Callable

from indelible.actors.runtime.pool.task_queue import MAX_ROUNDS, Task, Tasks


def named(name: str) -> Task:
    def task() -> None:
        raise AssertionError(name)

    task.__name__ = name
    return task


def take(tasks: Tasks) -> str:
    for source in tasks.pop_functions():
        try:
            return _name(source)
        except IndexError:
            continue
    return ""


def _name(source: Callable[[], Task]) -> str:
    return source().__name__


def test_tasks_come_out_in_the_order_they_went_in() -> None:
    tasks = Tasks()
    for name in "abc":
        tasks.put(named(name))
    assert len(tasks) == 3
    assert [take(tasks) for _ in range(4)] == ["a", "b", "c", ""]


def test_what_continues_comes_before_what_waits() -> None:
    tasks = Tasks()
    tasks.put(named("waits"))
    with tasks.continuing():
        tasks.put(named("first"))
        tasks.put(named("second"))
    tasks.put(named("later"))
    assert [take(tasks) for _ in range(4)] == ["first", "second", "waits", "later"]


def test_whoever_waits_has_a_turn_however_much_continues() -> None:
    tasks, taken = Tasks(), list[str]()
    for number in range(500):  # as if more continued than fits into a burst
        with tasks.continuing():
            tasks.put(named(f"busy-{number}"))
            tasks.put(named(f"busy-{number}"))
        if number == 0:
            tasks.put(named("waits"))
        taken.append(take(tasks))
    assert taken.index("waits") < 2 * MAX_ROUNDS


def test_a_task_is_taken_back_once_and_only_while_it_waits() -> None:
    tasks, task = Tasks(), named("a")
    tasks.put(task)
    assert tasks.take_back(task)
    assert not tasks.take_back(task)
    tasks.put(task)
    tasks.clear()
    assert not tasks.take_back(task)
    assert not tasks
