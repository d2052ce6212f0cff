"""Threads that serve one queue: woken as needed, added when tasks block, retired when idle.

No wake-up is lost: a producer appends before it looks for an idle thread, and a thread lists itself
as idle before its last look at the queue.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from indelible.actors.runtime.pool.burst_size import BurstSize
from indelible.actors.runtime.pool.growth import GrowthWatcher, PoolGrowth
from indelible.actors.runtime.pool.task_queue import Task, Tasks
from indelible.actors.runtime.pool.wait_graph import Wait, Waits
from indelible.clock import Clock
from indelible.forks import leave_loop, watch
from indelible.threads import refusals

BURST_NS = 8_000_000  # the longest that a decision waits for its commit while tasks are queued
QUICK = 32  # tasks in one burst; blocking tasks hardly fit that often into 8 ms
HOOK_NS = 50_000_000  # ten times the duration of a group commit on a good disk
LINGER_S = 2.0  # an extra thread costs 50 to 100 us to start; the next burst may need it again

logger = logging.getLogger(__name__)


class Worker(threading.Thread):
    """One thread of a :class:`Workers`."""

    def __init__(self, workers: Workers, number: int, *, daemon: bool) -> None:
        """Create the thread; it is not started yet."""
        super().__init__(name=f"{workers.name}-{number}", daemon=daemon)
        self.workers = workers
        self.park = threading.Lock()  # held; released once for each wake-up
        self.park.acquire()
        self.current: Task | None = None
        self.begun = 0
        self.hook_began: int | None = None  # monotonic ns at which the hook after its burst began

    def run(self) -> None:
        """Serve the queue until this thread is not needed."""
        self.workers.serve(self)


class Workers:
    """A group of threads that serve one queue of tasks.

    ``after_burst``, when set, is called by a worker when the queue is empty, after the number of
    tasks of :class:`BurstSize` or after about 8 ms, whichever is first, and always before the
    worker waits.
    """

    after_burst: Callable[[], object] | None = None

    def __init__(
        self,
        name: str,
        *,
        base: int,
        limit: int,
        at_once: int,
        waits: Waits | None,
        daemon: bool,
        clock: Clock,
        linger: float = LINGER_S,
    ) -> None:
        """Start no thread yet.

        Args:
            name: Prefix of the threads' names.
            base: How many threads run at once while tasks do not block.
            limit: How many threads there may be in all.
            at_once: How many threads may work; the others wait for the work of these.
            waits: The graph of waits; ``None`` if waits never need another of the threads.
            daemon: Whether the process may end while the threads are alive.
            clock: Measures bursts and lateness.
            linger: Seconds that a thread beyond ``base`` stays idle before it ends.
        """
        self.name = name
        self._base = base
        self._limit = limit
        self._at_once = at_once
        self._burst_size = BurstSize()
        self._daemon = daemon
        self._clock = clock
        self._linger = linger
        self._tasks = Tasks()
        self._idle: deque[Worker] = deque()  # newest last: woken first, its cache is warm
        self._threads: set[Worker] = set()
        self._numbers = count(1)
        self._alive = 0
        self._waits = waits
        self._blocked = 0  # waiting threads that are replaced by another thread
        self._starved = False  # the host refuses to start more threads
        self._retained = 0
        self._begun_by_retired = 0
        self._retired: list[Worker] = []  # threads that have retired and may not have returned yet
        self._begun = 0  # at the last look
        self._lock = threading.RLock()  # re-entrant: a finaliser may send a message at any point
        self._quiet = threading.Condition(self._lock)
        self._drainers = 0
        self._closed = False
        self._dropping = False
        self._growth = PoolGrowth(base, at_once)
        self._watcher = GrowthWatcher(
            f"{name}-watcher", lambda: bool(self._tasks), self._adapt_width, clock
        )
        watch(self)

    def _forked(self, _parent: int) -> None:
        """In a forked child inside a task: the child ends with the task, and runs no other."""
        self._lock = threading.RLock()
        self._quiet = threading.Condition(self._lock)
        if self._worker() is not None:
            self._dropping = True
            self.after_burst = leave_loop

    def is_worker_thread(self) -> bool:
        """Whether the calling thread is a worker of this group."""
        return self._worker() is not None

    def has_room_beside_others(self) -> bool:
        """Whether a thread works and another could work beside it, should it not return."""
        return 0 < self._alive - len(self._idle) < self._at_once + self._blocked

    def retain(self) -> None:
        """Keep non-daemon threads, and so the process, alive until :meth:`release`."""
        with self._lock:
            self._retained += 1

    def release(self) -> None:
        """Undo one :meth:`retain`; after the last, idle non-daemon threads end."""
        with self._lock:
            self._retained -= 1
            last = not self._retained and not self._daemon
        if last:
            self._wake_all()

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until the queue is empty and every thread is idle; not from a worker thread.

        Returns:
            False after ``timeout`` seconds.
        """
        return self._wait_for(lambda: not self._tasks and len(self._idle) == self._alive, timeout)

    def _wait_for(self, quiet: Callable[[], bool], timeout: float | None) -> bool:
        with self._quiet:
            self._drainers += 1
            try:
                return self._quiet.wait_for(quiet, timeout)
            finally:
                self._drainers -= 1

    # -- waiting

    def waiting(self) -> int:
        """How many threads wait for the work of other threads."""
        return len(self._waits or ())

    @contextmanager
    def blocking(self, on: object = None, *, forever: bool = False) -> Iterator[None]:
        """Let another thread work while this thread waits; no effect on other threads.

        Args:
            on: The awaited object, see :class:`~indelible.actors.runtime.pool.wait_graph.Wait`.
            forever: Whether the wait has no time-out, so that a cycle of waits never ends.

        Raises:
            DeadlockError: Too many threads wait already, or the wait closes an endless cycle of
                waits; the body has not run.
        """
        worker, waits = self._worker(), self._waits
        if worker is None or waits is None or worker in waits:
            yield
            return
        with self._lock:
            waits.begin(worker, Wait(worker.current, on, forever=forever))
            self._blocked = waits.compensated
        if self._tasks:
            self._wake(len(self._tasks))
        try:
            yield
        finally:
            with self._lock:
                waits.end(worker)
                self._blocked = waits.compensated

    # -- waking

    def _worker(self) -> Worker | None:
        thread = threading.current_thread()
        return thread if isinstance(thread, Worker) and thread.workers is self else None

    def _wake(self, number: int) -> None:
        """Wake or start up to ``number`` threads, within the width."""
        while number > 0:
            if self._is_full():
                self._watcher.alert()
                return
            if not self._wake_idle() and not self._start():
                return
            number -= 1

    def _is_full(self) -> bool:
        """Whether the maximum number of threads works."""
        return self._alive - self._blocked - len(self._idle) >= self._growth.width

    def _wake_idle(self) -> bool:
        try:
            worker = self._idle.pop()
        except IndexError:
            return False
        worker.park.release()
        return True

    def _wake_all(self) -> None:
        while self._wake_idle():
            pass

    def _start(self) -> bool:
        with self._lock:
            running = self._alive - self._blocked - len(self._idle)
            if self._closed or self._alive >= self._limit or running >= self._growth.width:
                return False
            if self._starved and self._alive:
                return False  # asking the host each time would slow the running threads
            worker = Worker(self, next(self._numbers), daemon=self._daemon)
            self._alive += 1
            self._threads.add(worker)
        # outside the lock: the new thread may run a finaliser that needs it
        started = refusals.start(worker, self._try_again)
        if not started:
            with self._quiet:
                self._alive -= 1
                self._threads.discard(worker)
                self._quiet.notify_all()
            if not self._starved:
                logger.warning("%s continues with %d threads", self.name, self._alive)
        self._starved = not started
        return started

    def _try_again(self) -> None:
        """Start the threads that the host refused, if tasks still wait."""
        self._starved = False
        if self._tasks and not self._dropping:
            self._wake(len(self._tasks))

    def _adapt_width(self, elapsed: float) -> None:
        since = self._clock.monotonic() - HOOK_NS
        if any((worker.hook_began or since) > since for worker in list(self._threads)):
            return  # a thread commits events of its tasks, and will take the next tasks itself
        begun = self._begun_by_retired
        begun += sum(worker.begun for worker in list(self._threads))
        grown = self._growth.look(begun - self._begun, elapsed)
        self._begun = begun
        if grown:
            self._wake(len(self._tasks))

    # -- serving, on the worker's own thread

    def serve(self, worker: Worker) -> None:
        """Run tasks until the queue is empty and ``worker`` is not needed."""
        while True:
            self._run_burst(worker)
            if self._tasks and not self._excess() and not self._dropping:
                continue
            if not self._park(worker):
                return

    def _run_burst(self, worker: Worker) -> None:
        monotonic = self._clock.monotonic
        begun, before, most = monotonic(), worker.begun, self._burst_size.tasks
        end, left = begun + BURST_NS, most
        task: Task | None = None
        for take in self._tasks.pop_functions():
            while left and not self._dropping:
                try:
                    task = take()
                except IndexError:
                    break
                left -= 1
                worker.current = task
                worker.begun += 1
                try:
                    task()
                except BaseException:
                    logger.exception("a task of %s raised; the thread continues", self.name)
                if monotonic() > end:
                    left = 0
        worker.current = task = None  # an idle thread must not keep a task alive
        ran = worker.begun - before
        if self._growth.width > self._base and ran >= QUICK:
            self._growth.quick()
        if self.after_burst is not None:
            worker.hook_began = ended = monotonic()
            try:
                with self._tasks.continuing():
                    self.after_burst()
            except BaseException:
                logger.exception("the hook after a burst of %s raised", self.name)
            worker.hook_began = None
            if ran == most:
                self._burst_size.adapt(ended - begun, monotonic() - ended)

    def _excess(self) -> bool:
        return self._alive - self._blocked - len(self._idle) > self._growth.width

    def _may_end(self) -> bool:
        return self._closed or not (self._daemon or self._retained)

    def _park(self, worker: Worker) -> bool:
        """Wait for work; False when the thread must end."""
        self._idle.append(worker)
        running = self._alive - self._blocked - len(self._idle)
        if self._tasks and running < self._growth.width and not self._dropping:
            self._unlist(worker)
            return True
        if self._may_end():
            return not (self._unlist(worker) and self._retire(worker))
        if self._drainers:
            with self._quiet:
                self._quiet.notify_all()
        extra = self._alive - self._blocked > self._base
        if worker.park.acquire(timeout=self._linger if extra else -1):
            return True
        return not (self._unlist(worker) and self._retire(worker))

    def _unlist(self, worker: Worker) -> bool:
        """Remove ``worker`` from the idle list; False if it was woken: that wake-up is consumed."""
        try:
            self._idle.remove(worker)
        except ValueError:
            worker.park.acquire()
            return False
        return True

    def _retire(self, worker: Worker) -> bool:
        """End ``worker``, unless it is still needed."""
        with self._quiet:
            if self._tasks and not self._dropping:
                return False
            if not self._may_end() and self._alive - self._blocked <= self._base:
                return False
            self._alive -= 1
            self._growth.shrink(self._alive - self._blocked)
            self._threads.discard(worker)
            self._retired = [*filter(threading.Thread.is_alive, self._retired), worker]
            self._begun_by_retired += worker.begun
            self._quiet.notify_all()
        if self._tasks and not self._dropping:  # a task came while the worker counted as running
            self._wake(1)
        return True

    # -- the end

    def _stop(self, timeout: float) -> tuple[Task, ...]:
        """End the threads; returns the tasks that still run after ``timeout`` seconds."""
        end = self._clock.monotonic() + int(timeout * 1e9)
        with self._lock:
            self._closed = True
            threads = [*self._threads, *self._retired]
        refusals.forget(self._try_again)
        self._wake_all()
        self._watcher.close()
        own = self._worker()
        with self._quiet:
            self._quiet.wait_for(lambda: self._alive <= (own is not None), timeout)
            left = list(self._threads)
        for worker in threads:
            if worker not in left and worker.ident is not None:  # it has retired, and will return
                worker.join(max(0.0, (end - self._clock.monotonic()) / 1e9))
        tasks = [worker.current for worker in left if worker is not own]
        return tuple(task for task in tasks if task is not None)
