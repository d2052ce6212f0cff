"""The runtime on one thread: which ready thing runs next is drawn from a seed.

Nothing runs until :meth:`Simulation.run_until_idle`; the same seed and calls give the same run.
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


END_OF_BURST = 0.25  # how often a burst ends although more is ready: groups of all sizes occur


class Simulation:
    """What is ready to run; the parts below add to it, a test runs it."""

    def __init__(self, seed: int, clock: ManualClock) -> None:
        """Draw every choice from ``seed``."""
        self.random = Random(seed)  # noqa: S311 - chooses an order, keeps no secret
        self.clock = clock
        self.timers = SimulatedTimers(clock)
        self._ready: list[tuple[SimulatedPart, Task]] = []

    def add(self, part: SimulatedPart, task: Task) -> None:
        """Make ``task`` ready, on behalf of ``part``."""
        self._ready.append((part, task))
        part.ready += 1

    def forget(self, part: SimulatedPart) -> None:
        """Drop what ``part`` has made ready."""
        self._ready = [entry for entry in self._ready if entry[0] is not part]
        part.ready = 0

    def run_until_idle(self) -> int:
        """Run everything that is ready or due now, and what follows from it.

        Returns:
            How many tasks have run.
        """
        count = 0
        while self.timers.run_due() or self._ready:
            while self._ready:
                self._run_one()
                count += 1
        return count

    def run_until_done(self) -> int:
        """As :meth:`run_until_idle`, and advance the clock to each timer until none is left.

        Returns:
            How many tasks have run.
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
            logger.exception("a simulated task raised; the simulation goes on")
        if part.after_burst is not None and (not part.ready or self.random.random() < END_OF_BURST):
            part.after_burst()


class SimulatedPart:
    """What the twins share: they make tasks ready in a simulation."""

    after_burst: Callable[[], object] | None = None

    def __init__(self, simulation: Simulation) -> None:
        """Run nothing but what ``simulation`` draws."""
        self.ready = 0  # tasks of this part; the simulation counts
        self._simulation = simulation
        self._closed = False

    def is_worker_thread(self) -> bool:
        """Always false: no thread may wait for this one."""
        return False

    def waiting(self) -> int:
        """Always none: as above."""
        return 0

    def drain(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - the port's
        """Run until idle."""
        self._simulation.run_until_idle()
        return True


class SimulatedDispatcher(SimulatedPart):
    """The twin of :class:`~indelible.actors.runtime.pool.dispatcher.PoolDispatcher`."""

    def schedule(self, runnable: Runnable) -> None:
        """Make ``runnable`` ready."""
        self._simulation.add(self, runnable.run_activation)

    begin = schedule

    def schedule_many(self, runnables: Iterable[Runnable]) -> None:
        """Make each of ``runnables`` ready."""
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
        """Do nothing: an actor that waits inside a simulation waits for ever."""
        return nullcontext()

    def close(self, timeout: float = 10.0) -> bool:
        """Run until idle."""
        return self.drain(timeout)


class SimulatedPool(SimulatedPart):
    """The twin of :class:`~indelible.actors.runtime.pool.blocking_pool.BlockingPool`."""

    def enqueue(self, task: Task) -> None:
        """Make ``task`` ready."""
        if not self._closed:
            self._simulation.add(self, task)

    def kick(self) -> None:
        """Do nothing: what is enqueued is ready."""

    def awaiting(self, wait: Wait) -> AbstractContextManager[None]:  # noqa: ARG002 - the port's
        """Do nothing: as with :meth:`SimulatedDispatcher.blocking`."""
        return nullcontext()

    def submit(self, task: Task) -> None:
        """Make ``task`` ready."""
        self.enqueue(task)

    def close(self, timeout: float = 10.0) -> tuple[Task, ...]:  # noqa: ARG002 - the port's
        """Drop what has not run."""
        self._closed = True
        self._simulation.forget(self)
        return ()


class SimulatedTimers(Timers):
    """The twin of :class:`~indelible.actors.runtime.timers.Timers`: fires while it is run."""

    def __init__(self, clock: ManualClock) -> None:
        """Take the instants from ``clock``; the simulation fires what is due."""
        super().__init__(clock)
