"""A system on one thread with a manual clock: one seed reproduces one run byte for byte."""

from __future__ import annotations

from typing import Any

import pykka

from indelible.actors.runtime.future import PooledFuture
from indelible.assembly.thread_runtime import Lead
from indelible.clock import ManualClock
from indelible.testing.runtime.simulated_loop import SimulatedLoop
from indelible.testing.runtime.simulation import SimulatedDispatcher, SimulatedPool, Simulation


class SimulatedRuntime:
    """Runs actors, steps and timers on the calling thread, in an order drawn from a seed.

    Pass ``runtime=lambda: SimulatedRuntime(seed, clock)`` with the same ``clock`` and
    ``ids=SeededIds(seed, clock)`` to :class:`indelible.ActorSystem`.  Calls that wait run the
    simulation until it is idle; timers fire when you advance the clock.
    """

    threads = False

    def __init__(self, seed: int, clock: ManualClock) -> None:
        """Draw every choice from ``seed``."""
        self.simulation = _Stepwise(seed, clock)
        self.dispatcher = SimulatedDispatcher(self.simulation)
        self.pool = SimulatedPool(self.simulation)
        self.loop = SimulatedLoop(self.simulation)
        self.timers = self.simulation.timers

    def start(self) -> None:
        """Do nothing: there is no thread to start."""

    def lead_with(self, lead: Lead) -> None:
        """Call ``lead`` after bursts of work, and before a wait ends."""
        self.dispatcher.after_burst = lead
        self.pool.after_burst = lead

    def wait(self, future: PooledFuture[Any], timeout: float | None) -> Any:
        """Run all ready tasks and return the result of ``future``; no time passes.

        Raises:
            pykka.Timeout: No task is ready any more, and ``future`` has no result.
        """
        self.simulation.run_until_idle()
        if not future.done():
            raise pykka.Timeout(f"{timeout} seconds")
        return future.get(timeout=0)

    def check_may_block(self, method: str, twin: str) -> None:
        """Allow it: on one thread a blocking call delays no other work."""

    def run(self, tasks: int) -> int:
        """Run at most ``tasks`` ready tasks; return the number of tasks that have run."""
        return self.simulation.run_some(tasks)

    def crash(self) -> None:
        """End all work as a killed process would; the system must not be used any more.

        Coroutines are cancelled, because Python requires their end; their results are ignored.
        """
        self.timers.close()
        self.loop.crash()
        for part in (self.dispatcher, self.pool, self.loop):
            self.simulation.forget(part)

    def close(self, occupied: int) -> None:  # noqa: ARG002 - no thread hangs here
        """Run all ready tasks and stop."""
        self.timers.close()
        self.loop.close()
        self.pool.close()
        self.simulation.run_until_idle()


class _Stepwise(Simulation):
    """A simulation that can stop between any two tasks, as a kill of the process would."""

    def run_some(self, tasks: int) -> int:
        count = 0
        while count < tasks and (self._ready or self.timers.run_due()):
            if self._ready:
                self._run_one()
                count += 1
        return count
