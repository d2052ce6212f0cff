"""Runs blocking steps on daemon threads: one while steps are quick, up to 64 when they wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from indelible.actors.runtime.pool.task_queue import Task
from indelible.actors.runtime.pool.wait_graph import BLOCKED_LIMIT, Wait, Waits
from indelible.actors.runtime.pool.workers import LINGER_S, Workers
from indelible.clock import Clock, SystemClock

BASE = 1  # more threads running Python code only take turns at the interpreter lock


class BlockingPool(Workers):
    """A bounded pool of daemon threads; every method may be called from any thread.

    A task is a callable without arguments that must not raise; what it raises, ``SystemExit``
    included, is logged and the thread goes on.  A task that hangs keeps its thread.
    """

    def __init__(
        self,
        max_threads: int = 64,
        name: str = "blocking",
        clock: Clock | None = None,
        *,
        linger: float = LINGER_S,
        replace_waiters: bool = True,
    ) -> None:
        """Start no thread yet.

        Args:
            max_threads: How many tasks may be in progress at once.
            name: Begins the name of each thread.
            clock: Measures bursts; the host's by default.
            linger: Seconds that a thread beyond the first stays idle before it ends.
            replace_waiters: Whether up to 64 more take the place of those that wait for others of
                the pool to do their work.
        """
        super().__init__(
            name,
            base=min(BASE, max_threads),
            limit=max_threads + (BLOCKED_LIMIT if replace_waiters else 0),
            at_once=max_threads,
            waits=Waits(max_threads - 1, "steps") if replace_waiters else None,
            daemon=True,
            clock=clock or SystemClock(),
            linger=linger,
        )

    def enqueue(self, task: Task) -> None:
        """Queue ``task`` without waking a thread; :meth:`kick` must follow soon.

        After :meth:`close` it does nothing: what has not begun by then never begins.
        """
        if not self._dropping:
            self._tasks.put(task)

    def kick(self) -> None:
        """Wake as many idle threads as there are tasks for.

        On one of the pool's own threads it wakes one fewer, as that takes a task on return.
        """
        tasks = self._tasks
        number = len(tasks.again) + len(tasks.waiting)  # as len(tasks), a call less a step
        if number > 1 and self._is_full():
            if not self._watcher.alerted:
                self._watcher.alert()  # as _wake() would, whichever thread this is
            return
        if number and self._worker() is not None:
            number -= 1
        self._wake(number)

    def submit(self, task: Task) -> None:
        """Queue ``task`` and wake a thread for it, if one is idle."""
        self.enqueue(task)
        self.kick()

    @contextmanager
    def awaiting(self, wait: Wait) -> Iterator[None]:
        """Know meanwhile of a wait that takes none of the threads.

        Raises:
            DeadlockError: It closes a cycle in which all wait for ever; the body has not run.
        """
        if self._waits is None:
            yield
            return
        with self._lock:
            self._waits.watch(wait)
        try:
            yield
        finally:
            with self._lock:
                self._waits.unwatch(wait)

    def settle(self, busy: int, timeout: float) -> bool:
        """Drop the waiting tasks and wait until at most ``busy`` threads are at work.

        Then all others have ended their bursts, the hook after it included.  Tasks may not be
        enqueued any more.

        Returns:
            False after ``timeout`` seconds.
        """
        self._dropping = True
        self._tasks.clear()
        return self._wait_for(lambda: self._alive - len(self._idle) <= busy, timeout)

    def close(self, timeout: float = 10.0) -> tuple[Task, ...]:
        """Take no more tasks, drop the waiting ones and wait for those in progress.

        Returns:
            The tasks that still run after ``timeout`` seconds; their threads are left behind.
        """
        self._dropping = True
        self._tasks.clear()
        return self._stop(timeout)
