"""Runs any number of actors on a few threads; an actor that blocks does not delay the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from typing import Protocol

from indelible.actors.runtime.pool.task_queue import Task
from indelible.actors.runtime.pool.wait_graph import BLOCKED_LIMIT, Waits
from indelible.actors.runtime.pool.workers import LINGER_S, Workers
from indelible.clock import Clock, SystemClock
from indelible.errors import ActorStoppedError, ThreadUnavailableError
from indelible.threads import refusals


class Runnable(Protocol):
    """An object that a dispatcher runs; its ``str`` names it in errors."""

    def run_activation(self) -> None:
        """Do a bounded amount of work; must not raise."""
        ...


class Dispatcher(Protocol):
    """Runs runnables on threads; every method may be called from any thread."""

    after_burst: Callable[[], object] | None

    def schedule(self, runnable: Runnable) -> None:
        """Run ``runnable`` once, soon, after the runnables scheduled before it."""
        ...

    def begin(self, runnable: Runnable) -> None:
        """Run ``runnable`` for the first time; see :meth:`PoolDispatcher.begin`."""
        ...

    def schedule_many(self, runnables: Iterable[Runnable]) -> None:
        """Schedule each of ``runnables`` in their order."""
        ...

    def retain(self) -> None:
        """Keep the process alive for a live actor, if the threads are not daemons."""
        ...

    def release(self) -> None:
        """Undo one :meth:`retain`."""
        ...

    def blocking(self, on: object = None, *, forever: bool = False) -> AbstractContextManager[None]:
        """Surround a wait for ``on``; see :meth:`.Workers.blocking`."""
        ...

    def is_worker_thread(self) -> bool:
        """Whether the calling thread is a thread of this dispatcher."""
        ...

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until no runnable is scheduled or runs; False after ``timeout`` seconds."""
        ...

    def close(self, timeout: float = 10.0) -> bool:
        """Run all scheduled runnables, then end; False if one still runs after ``timeout`` s."""
        ...


def schedule_unless_closed(dispatcher: Dispatcher, runnable: Runnable) -> None:
    """Schedule ``runnable``, which a system that closes need not run any more."""
    with suppress(ActorStoppedError):
        dispatcher.schedule(runnable)


class PoolDispatcher(Workers):
    """A :class:`Dispatcher` on a few threads, started when the first runnable is scheduled.

    Threads that are not daemons end when nothing is scheduled and no live actor retains them, so
    that a process ends when its last actor has stopped.
    """

    def __init__(
        self,
        name: str,
        threads: int = 2,
        clock: Clock | None = None,
        *,
        daemon: bool = False,
        linger: float = LINGER_S,
    ) -> None:
        """Start no thread yet.

        Args:
            name: Prefix of the threads' names.
            threads: How many run at once while none blocks.
            clock: Measures bursts; the system clock by default.
            daemon: Whether the process may end while actors are alive.
            linger: Seconds that an extra thread stays idle before it ends.
        """
        super().__init__(
            name,
            base=threads,
            limit=threads + BLOCKED_LIMIT,
            at_once=threads + BLOCKED_LIMIT,
            waits=Waits(),
            daemon=daemon,
            clock=clock or SystemClock(),
            linger=linger,
        )

    def schedule(self, runnable: Runnable) -> None:
        """Run ``runnable`` once, soon; wakes at most one idle thread.

        If the host refuses to start a thread, the runnable waits until there is one.

        Raises:
            ActorStoppedError: The dispatcher is closed; nothing was scheduled.
        """
        task = runnable.run_activation
        self._tasks.put(task)
        if self._closed:
            self._refuse(runnable, task)
        self._wake(1)

    def begin(self, runnable: Runnable) -> None:
        """Schedule ``runnable`` if there is a thread, or one can be started.

        Raises:
            ActorStoppedError: The dispatcher is closed; nothing was scheduled.
            ThreadUnavailableError: There is no thread, and the host refuses to start one; nothing
                was scheduled.
        """
        self.schedule(runnable)
        if not self._alive and self._tasks.take_back(runnable.run_activation):
            if not self._tasks:
                refusals.forget(self._try_again)
            raise ThreadUnavailableError(self.name, "can't start new thread")

    def schedule_many(self, runnables: Iterable[Runnable]) -> None:
        """Schedule each of ``runnables`` in order, waking threads once for all.

        Raises:
            ActorStoppedError: The dispatcher is closed; some of them may have been scheduled.
        """
        number = 0
        for runnable in runnables:
            task = runnable.run_activation
            self._tasks.put(task)
            if self._closed:
                self._refuse(runnable, task)
            number += 1
        self._wake(number)

    def close(self, timeout: float = 10.0) -> bool:
        """Run all scheduled runnables, then end the threads; may be called twice.

        Returns:
            False if a runnable still runs after ``timeout`` seconds.  In both cases
            :meth:`schedule` raises from then on.
        """
        start = self._clock.monotonic()
        self.drain(timeout)
        spent = (self._clock.monotonic() - start) / 1e9
        return not self._stop(max(0.0, timeout - spent))

    def _refuse(self, runnable: Runnable, task: Task) -> None:
        if not self._tasks.take_back(task):
            return  # a thread took it in its last burst
        raise ActorStoppedError(str(runnable), f"the dispatcher {self.name} is closed")
