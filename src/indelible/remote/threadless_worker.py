"""The inbox worker of a runtime without threads, which runs each poll as a task."""

from __future__ import annotations

from typing import Any

from indelible.assembly.thread_runtime import Runtime
from indelible.errors import IndelibleError
from indelible.events.concurrency.task_thread import Task
from indelible.remote.inbox_worker import MAX_IN_FLIGHT, RETRY_NS, InboxWorker


class ThreadlessWorker(InboxWorker):
    """As :class:`InboxWorker`; each poll is a task of the runtime."""

    def __init__(self, *parts: Any, runtime: Runtime) -> None:
        """Take the same ``parts`` as :class:`InboxWorker`."""
        super().__init__(*parts)
        self._runtime = runtime
        self._task_thread = PoolTaskRunner(runtime)
        self._poll_scheduled = False

    def begin(self) -> None:
        """Poll for commands that are there already."""
        self._wake = self._poll_later
        self._schedule_poll()

    def _schedule_poll(self) -> None:
        if not self._poll_scheduled and not self._stopping:
            self._poll_scheduled = True
            self._runtime.pool.submit(self._poll_once)

    def _poll_later(self) -> None:
        due = self._clock.now() + RETRY_NS // 1_000
        self._runtime.timers.at(due, "inbox", self._schedule_poll)

    def _poll_once(self) -> None:
        self._poll_scheduled = False
        if self._stopping:
            return
        try:
            count = self.poll()
        except IndelibleError:
            self._poll_later()
        else:
            if count >= MAX_IN_FLIGHT:
                self._schedule_poll()


class PoolTaskRunner:
    """Runs tasks in the pool of a runtime without threads, one after the other."""

    def __init__(self, runtime: Runtime) -> None:
        """Use the pool of ``runtime``."""
        self._runtime = runtime

    def run(self, task: Task) -> None:
        """Queue ``task`` in the pool."""
        self._runtime.pool.submit(task)

    def stop(self) -> None:
        """Do nothing: commands not answered when the runtime ends are delivered again."""
