"""Errands that fail: the next is done, and what the log says of a silent database is one line."""

from __future__ import annotations

import threading

import pytest

from indelible.errors import StoreUnavailableError
from indelible.events.concurrency.task_thread import TaskThread


def test_of_a_store_that_is_unavailable_the_log_has_one_line_and_of_a_bug_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def unavailable() -> None:
        try:
            raise OSError("in the words of a driver")
        except OSError as error:
            raise StoreUnavailableError("it does not answer") from error

    task_thread, done = TaskThread("tasks of a test"), threading.Event()
    task_thread.run(unavailable)
    task_thread.run(lambda: int("a bug"))
    task_thread.run(done.set)
    assert done.wait(30)
    task_thread.stop()
    silent, bug = caplog.records
    assert (silent.levelname, silent.exc_info) == ("WARNING", None)
    begin = "a task of the tasks of a test failed: the store is unavailable (it does not"
    assert silent.getMessage().startswith(begin)
    assert bug.exc_info is not None
    assert bug.exc_info[0] is ValueError
