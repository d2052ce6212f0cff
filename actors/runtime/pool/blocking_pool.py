"""Runs blocking steps on daemon threads: one while steps are quick, up to 64 when steps wait."""

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

    A task is a callable without arguments that must not raise; its exceptions, ``SystemExit``
    included, are logged, and the thread continues.  A task that hangs keeps its thread.
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
            name: Prefix of the threads' names.
            clock: Measures bursts; the system clock by default.
            linger: Seconds that a thread beyond the first stays idle before it ends.
            replace_waiters: Whether up to 64 more threads replace threads that wait for the work
                of other threads of the pool.
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

        After :meth:`close` it has no effect: tasks that have not begun by then never begin.
        """
        if not self._dropping:
            self._tasks.put(task)

    def kick(self) -> None:
        """Wake an idle thread for each queued task.

        A thread of the pool wakes one thread fewer, because it takes a task itself on return.
        """
        tasks = self._tasks
        number = len(tasks.continued) + len(tasks.waiting)  # len(tasks), inlined for speed
        if number > 1 and self._is_full():
            if not self._watcher.alerted:
                self._watcher.alert()  # as _wake() would do
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
        """Register a wait that occupies no thread, for the time of the body.

        Raises:
            DeadlockError: The wait closes an endless cycle of waits; the body has not run.
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
        """Drop the queued tasks and wait until at most ``busy`` threads are working.

        All other threads have then ended their bursts, including the hook.  No tasks may be
        enqueued afterwards.

        Returns:
            False after ``timeout`` seconds.
        """
        self._dropping = True
        self._tasks.clear()
        return self._wait_for(lambda: self._alive - len(self._idle) <= busy, timeout)

    def close(self, timeout: float = 10.0) -> tuple[Task, ...]:
        """Take no more tasks, drop the queued tasks and wait for the running ones.

        Returns:
            The tasks that still run after ``timeout`` seconds; their threads are not joined.
        """
        self._dropping = True
        self._tasks.clear()
        return self._stop(timeout)
