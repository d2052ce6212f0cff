"""Takes commands in a runtime without threads: looks, and answers, when that runtime says so."""

from __future__ import annotations

from typing import Any

from indelible.assembly.thread_runtime import Runtime
from indelible.errors import IndelibleError
from indelible.events.concurrency.task_thread import Task
from indelible.remote.inbox_worker import AGAIN, UNDER_WAY, InboxWorker


class ThreadlessWorker(InboxWorker):
    """As :class:`InboxWorker`; each look is a task of the runtime."""

    def __init__(self, *parts: Any, runtime: Runtime) -> None:
        """Take ``parts`` as the other does."""
        super().__init__(*parts)
        self._runtime = runtime
        self._task_thread = InTurns(runtime)
        self._asked = False

    def begin(self) -> None:
        """Look for what was there before."""
        self._wake = self._look_later
        self._look_soon()

    def _look_soon(self) -> None:
        """Look when it is this task's turn."""
        if not self._asked and not self._stopping:
            self._asked = True
            self._runtime.pool.submit(self._look_once)

    def _look_later(self) -> None:
        due = self._clock.now() + AGAIN // 1_000
        self._runtime.timers.at(due, "inbox", self._look_soon)

    def _look_once(self) -> None:
        self._asked = False
        if self._stopping:
            return
        try:
            came = self.look()
        except IndelibleError:
            self._look_later()
        else:
            if came >= UNDER_WAY:
                self._look_soon()


class InTurns:
    """As :class:`~indelible.events.concurrency.task_thread.TaskThread`."""

    def __init__(self, runtime: Runtime) -> None:
        """Run nothing yet."""
        self._runtime = runtime

    def run(self, task: Task) -> None:
        """Run ``task`` when it is its turn."""
        self._runtime.pool.submit(task)

    def stop(self) -> None:
        """Do nothing: what is not answered when the runtime ends is handed over again."""
