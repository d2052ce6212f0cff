"""The threads of an open system, behind one object that a simulation can replace."""

from __future__ import annotations

from typing import Any, Protocol

from indelible.actors.runtime.event_loop import LoopThread
from indelible.actors.runtime.future import PooledFuture
from indelible.actors.runtime.pool.blocking_pool import BlockingPool
from indelible.actors.runtime.pool.dispatcher import Dispatcher, PoolDispatcher
from indelible.actors.runtime.timers import Timers
from indelible.api.arguments.blocking_calls import BlockingCalls
from indelible.clock import Clock
from indelible.errors import BlockingCallError

_GRACE = 5.0
"""Seconds for actors to handle what is in their mailboxes; a commit takes milliseconds."""


class Lead(Protocol):
    """Commits what is queued, see ``EventStore.lead``."""

    def __call__(self, *, once: bool = False) -> bool:
        """Whether appends are left that nobody commits."""
        ...


class Runtime(Protocol):
    """Where actors, steps and timers run."""

    pool: Any
    loop: Any
    timers: Any
    threads: bool  # whether things happen on threads of their own

    @property
    def dispatcher(self) -> Dispatcher:
        """Who runs actors."""
        ...

    def start(self) -> None:
        """Start what the others cannot do without.

        Raises:
            ThreadUnavailableError: The host gives no thread.
        """
        ...

    def lead_with(self, lead: Lead) -> None:
        """Have worker threads call ``lead`` after each burst of work."""
        ...

    def wait(self, future: PooledFuture[Any], timeout: float | None) -> Any:
        """Result of ``future``; TimeoutError after ``timeout`` seconds."""
        ...

    def check_may_block(self, method: str, twin: str) -> None:
        """Refuse a blocking call where it would stop everything else."""
        ...

    def close(self, occupied: int) -> None:
        """Run what is scheduled and stop all threads but the ``occupied`` ones of hanging steps."""
        ...


class ThreadRuntime:
    """Real threads: a small pool for actors, a bounded one for blocking steps, one event loop."""

    threads = True

    def __init__(self, name: str, clock: Clock, max_threads: int) -> None:
        """Prepare; threads start when there is something to do."""
        self.dispatcher: Dispatcher = PoolDispatcher(
            f"{name}-actors", threads=1, clock=clock, daemon=True
        )
        self.pool = BlockingPool(max_threads=max_threads, name=f"{name}-steps", clock=clock)
        self.loop = LoopThread(f"{name}-loop")
        self.timers = Timers(clock, f"{name}-timers", threaded=True)
        self._passing_on = True
        self._calls = BlockingCalls()

    def start(self) -> None:
        """Start the timers, which also try again to start threads that the host has refused.

        Raises:
            ThreadUnavailableError: The host gives no thread for them.
        """
        self.timers.start()

    def lead_with(self, lead: Lead) -> None:
        """Have worker threads call ``lead`` after each burst of work.

        The actors' thread passes the lead on to the steps' thread while there are steps: two
        threads that take turns at the interpreter lock were measured to be a fifth slower.
        """

        def lead_or_pass_on() -> None:
            while lead(once=True):
                if self._passing_on and self.pool.has_room_beside_others():
                    self.pool.submit(_nothing)  # whoever takes it leads after its burst
                    return

        self.dispatcher.after_burst = lead_or_pass_on
        self.pool.after_burst = lead

    def wait(self, future: PooledFuture[Any], timeout: float | None) -> Any:
        """Result of ``future``; TimeoutError after ``timeout`` seconds."""
        return future.get(timeout=timeout)

    def check_may_block(self, method: str, twin: str) -> None:
        """Refuse a blocking call on the system's event loop, and warn of it on any other.

        Raises:
            BlockingCallError: This is the thread of the system's own loop.
        """
        if self.loop.is_loop_thread():
            raise BlockingCallError(method, twin)
        self._calls.check(method, twin)

    def close(self, occupied: int) -> None:
        """Run what is scheduled and stop all threads but the ``occupied`` ones of hanging steps.

        The steps' threads come first, as what they commit goes back to the actors; from then on
        the actors' thread commits for itself.
        """
        self.timers.close()
        self.loop.close(_GRACE)
        self.pool.settle(occupied, _GRACE)
        self._passing_on = False
        self.pool.close(0.0)
        self.dispatcher.close(_GRACE)


def _nothing() -> None:
    """Be a task without work."""
