"""The simulation of a runtime on one thread: a seed decides which ready task runs next.

Tasks run only in :meth:`Simulation.run_until_idle`; the same seed and calls give the same run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from random import Random

from indelible.actors.runtime.pool.dispatcher import Runnable
from indelible.actors.runtime.pool.task_queue import Task
from indelible.actors.runtime.pool.wait_graph import Wait
from indelible.actors.runtime.timers import Timers
from indelible.clock import ManualClock

logger = logging.getLogger(__name__)


END_OF_BURST = 0.25  # probability that a burst ends early, so that groups of all sizes occur


class Simulation:
    """The ready tasks; the parts below add tasks, a test runs them."""

    def __init__(self, seed: int, clock: ManualClock) -> None:
        """Draw every choice from ``seed``."""
        self.random = Random(seed)  # noqa: S311 - chooses an order, keeps no secret
        self.clock = clock
        self.timers = SimulatedTimers(clock)
        self._ready: list[tuple[SimulatedPart, Task]] = []

    def add(self, part: SimulatedPart, task: Task) -> None:
        """Add a ready ``task`` of ``part``."""
        self._ready.append((part, task))
        part.ready += 1

    def forget(self, part: SimulatedPart) -> None:
        """Drop the ready tasks of ``part``."""
        self._ready = [entry for entry in self._ready if entry[0] is not part]
        part.ready = 0

    def run_until_idle(self) -> int:
        """Run all ready tasks and due timers, and the tasks that they add.

        Returns:
            The number of tasks that have run.
        """
        count = 0
        while self.timers.run_due() or self._ready:
            while self._ready:
                self._run_one()
                count += 1
        return count

    def run_until_done(self) -> int:
        """As :meth:`run_until_idle`, but also advance the clock to each timer until none is left.

        Returns:
            The number of tasks that have run.
        """
        count = self.run_until_idle()
        while (due := self.timers.next_due()) is not None:
            self.clock.advance(max(0, due - self.clock.now()) / 1e6)
            count += self.run_until_idle()
        return count

    def _run_one(self) -> None:
        ready = self._ready
        index = self.random.randrange(len(ready))
        ready[index], ready[-1] = ready[-1], ready[index]
        part, task = ready.pop()
        part.ready -= 1
        try:
            task()
        except KeyboardInterrupt:
            raise
        except BaseException:
            logger.exception("a simulated task raised; the simulation continues")
        if part.after_burst is not None and (not part.ready or self.random.random() < END_OF_BURST):
            part.after_burst()


class SimulatedPart:
    """Base of the simulated dispatcher, pool and loop, which add tasks to a simulation."""

    after_burst: Callable[[], object] | None = None

    def __init__(self, simulation: Simulation) -> None:
        """Run tasks in ``simulation`` only."""
        self.ready = 0  # number of ready tasks of this part; the simulation sets it
        self._simulation = simulation
        self._closed = False

    def is_worker_thread(self) -> bool:
        """Always false: there are no worker threads."""
        return False

    def waiting(self) -> int:
        """Always 0: there are no worker threads."""
        return 0

    def drain(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - the port's
        """Run until idle."""
        self._simulation.run_until_idle()
        return True


class SimulatedDispatcher(SimulatedPart):
    """Simulates :class:`~indelible.actors.runtime.pool.dispatcher.PoolDispatcher`."""

    def schedule(self, runnable: Runnable) -> None:
        """Add an activation of ``runnable``."""
        self._simulation.add(self, runnable.run_activation)

    begin = schedule

    def schedule_many(self, runnables: Iterable[Runnable]) -> None:
        """Add an activation of each of ``runnables``."""
        for runnable in runnables:
            self.schedule(runnable)

    def retain(self) -> None:
        """Do nothing: there is no thread to keep."""

    def release(self) -> None:
        """Do nothing."""

    def blocking(
        self,
        on: object = None,  # noqa: ARG002 - the port's
        *,
        forever: bool = False,  # noqa: ARG002 - the port's
    ) -> AbstractContextManager[None]:
        """Do nothing: an actor that waits inside a simulation never continues."""
        return nullcontext()

    def close(self, timeout: float = 10.0) -> bool:
        """Run until idle."""
        return self.drain(timeout)


class SimulatedPool(SimulatedPart):
    """Simulates :class:`~indelible.actors.runtime.pool.blocking_pool.BlockingPool`."""

    def enqueue(self, task: Task) -> None:
        """Add ``task``."""
        if not self._closed:
            self._simulation.add(self, task)

    def kick(self) -> None:
        """Do nothing: queued tasks are ready."""

    def awaiting(self, wait: Wait) -> AbstractContextManager[None]:  # noqa: ARG002 - the port's
        """Do nothing, as :meth:`SimulatedDispatcher.blocking`."""
        return nullcontext()

    def submit(self, task: Task) -> None:
        """Add ``task``."""
        self.enqueue(task)

    def close(self, timeout: float = 10.0) -> tuple[Task, ...]:  # noqa: ARG002 - the port's
        """Drop the tasks that have not run."""
        self._closed = True
        self._simulation.forget(self)
        return ()


class SimulatedTimers(Timers):
    """Simulates :class:`~indelible.actors.runtime.timers.Timers`: the simulation fires timers."""

    def __init__(self, clock: ManualClock) -> None:
        """Take the time from ``clock``."""
        super().__init__(clock)
