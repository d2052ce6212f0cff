"""Runs any number of actors on a few threads; an actor that blocks does not hold up the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from indelible.actors.runtime.tasks import Task
from indelible.actors.runtime.workers import LINGER_S, Worker, Workers
from indelible.clock import Clock, SystemClock
from indelible.errors import ActorStoppedError, DeadlockError

BLOCKED_LIMIT = 64  # about 100 KiB each while they wait; more waiters hint at a cycle


class Runnable(Protocol):
    """What a dispatcher runs; its ``str`` names it in errors."""

    def run_activation(self) -> None:
        """Do a bounded piece of work; must not raise."""
        ...


class Dispatcher(Protocol):
    """Decides on which thread a runnable runs next; every method may be called from any thread."""

    after_burst: Callable[[], object] | None

    def schedule(self, runnable: Runnable) -> None:
        """Have ``runnable`` run once, soon, after what was scheduled before it."""
        ...

    def schedule_many(self, runnables: Iterable[Runnable]) -> None:
        """Schedule each of ``runnables`` in their order."""
        ...

    def retain(self) -> None:
        """Keep the process alive for a live actor, where threads are no daemons."""
        ...

    def release(self) -> None:
        """Take back one :meth:`retain`."""
        ...

    def blocking(self, on: object = None, *, forever: bool = False) -> AbstractContextManager[None]:
        """Surround a wait for ``on``; see :meth:`PoolDispatcher.blocking`."""
        ...

    def is_worker_thread(self) -> bool:
        """Whether the calling thread is one that this dispatcher runs actors on."""
        ...

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until nothing is scheduled and nothing runs; False after ``timeout`` seconds."""
        ...

    def close(self, timeout: float = 10.0) -> bool:
        """Run what is scheduled, then end; False if something still runs after ``timeout`` s."""
        ...


class PoolDispatcher(Workers):
    """A :class:`Dispatcher` on a few threads that start when there is something to run.

    Threads that are no daemons end when nothing is scheduled and no live actor retains them, so
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
            name: Begins the name of each thread.
            threads: How many run at once while nothing blocks.
            clock: Measures bursts; the host's by default.
            daemon: Whether the process may end in spite of live actors.
            linger: Seconds that a compensating thread stays idle before it ends.
        """
        super().__init__(
            name,
            base=threads,
            limit=threads + BLOCKED_LIMIT,
            daemon=daemon,
            clock=clock or SystemClock(),
            linger=linger,
        )
        self._waits: dict[Worker, _Wait] = {}  # in the order in which they began

    def schedule(self, runnable: Runnable) -> None:
        """Have ``runnable`` run once, soon; wakes at most one idle thread.

        Raises:
            ActorStoppedError: The dispatcher is closed; nothing was scheduled.
        """
        task = runnable.run_activation
        self._tasks.put(task)
        if self._closed:
            self._refuse(runnable, task)
        self._wake(1)

    def schedule_many(self, runnables: Iterable[Runnable]) -> None:
        """Schedule each of ``runnables`` in their order, waking threads once for all.

        Raises:
            ActorStoppedError: The dispatcher is closed; some may have been scheduled before.
        """
        number = 0
        for runnable in runnables:
            task = runnable.run_activation
            self._tasks.put(task)
            if self._closed:
                self._refuse(runnable, task)
            number += 1
        self._wake(number)

    @contextmanager
    def blocking(self, on: object = None, *, forever: bool = False) -> Iterator[None]:
        """Let another thread run actors while this one waits; elsewhere it does nothing.

        Args:
            on: Who is waited for, by identity; for finding cycles and for the message.
            forever: Whether the wait has no time-out, so that a cycle can never resolve.

        Raises:
            DeadlockError: 64 actors wait already, or the wait closes a cycle in which all wait
                for ever; the body has not run.
        """
        worker = self._worker()
        if worker is None or worker in self._waits:
            yield
            return
        self._begin_wait(worker, _Wait(_runnable(worker.current), on, forever))
        try:
            yield
        finally:
            with self._lock:
                del self._waits[worker]
                self._blocked -= 1

    def close(self, timeout: float = 10.0) -> bool:
        """Run what is scheduled, then end the threads; may be called twice.

        Returns:
            False if something still runs after ``timeout`` seconds.  From then on
            :meth:`schedule` raises either way.
        """
        start = self._clock.monotonic()
        self.drain(timeout)
        spent = (self._clock.monotonic() - start) / 1e9
        return not self._stop(max(0.0, timeout - spent))

    def _refuse(self, runnable: Runnable, task: Task) -> None:
        if not self._tasks.take_back(task):
            return  # a thread took it in its last burst
        raise ActorStoppedError(str(runnable), f"the dispatcher {self.name} is closed")

    def _begin_wait(self, worker: Worker, wait: _Wait) -> None:
        with self._lock:
            waits = list(self._waits.values())
            full = len(waits) >= BLOCKED_LIMIT
            cycle = wait.forever and _closes_cycle(waits, wait)
            if not full and not cycle:
                self._waits[worker] = wait
                self._blocked += 1
        if full or cycle:
            chain = _chain(waits, wait)
            raise DeadlockError([str(link) for link in chain], len(waits))
        if self._tasks:
            self._wake(len(self._tasks))


class _Wait:
    __slots__ = ("forever", "on", "waiter")

    def __init__(self, waiter: object, on: object, forever: bool) -> None:
        self.waiter = waiter
        self.on = on
        self.forever = forever


def _runnable(task: Task | None) -> object:
    return getattr(task, "__self__", task)


def _closes_cycle(waits: list[_Wait], wait: _Wait) -> bool:
    """Whether following ``wait.on`` over waits that last for ever leads back to the waiter."""
    after = {id(other.waiter): other.on for other in waits if other.forever}
    on = wait.on
    for _ in range(len(waits) + 1):
        if on is wait.waiter:
            return True
        if id(on) not in after:
            return False
        on = after[id(on)]
    return False


def _chain(waits: list[_Wait], last: _Wait) -> list[object]:
    """Who waits for whom, first waiter first: all links that hang together with ``last``."""
    before = {id(other.on): other.waiter for other in waits}
    after = {id(other.waiter): other.on for other in waits}
    chain = [last.waiter, "something" if last.on is None else last.on]
    seen = {id(link) for link in chain}
    while id(chain[0]) in before:
        chain.insert(0, before[id(chain[0])])
        if id(chain[0]) in seen:  # a cycle, shown closed
            return chain
        seen.add(id(chain[0]))
    while id(chain[-1]) in after and id(after[id(chain[-1])]) not in seen:
        chain.append(after[id(chain[-1])])
        seen.add(id(chain[-1]))
    return chain
