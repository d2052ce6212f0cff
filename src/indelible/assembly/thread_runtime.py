"""The threads of an open system, as one object that a simulation can replace."""

from __future__ import annotations

from typing import Any, Protocol

from indelible.actors.runtime.event_loop import LoopThread
from indelible.actors.runtime.future import PooledFuture
from indelible.actors.runtime.pool.blocking_pool import BlockingPool
from indelible.actors.runtime.pool.dispatcher import Dispatcher, PoolDispatcher
from indelible.actors.runtime.timers import Timers
from indelible.arguments.blocking_calls import BlockingCalls
from indelible.clock import Clock
from indelible.errors import BlockingCallError

_GRACE = 5.0
"""Seconds for actors to handle the messages in their mailboxes; a commit takes milliseconds."""


class Lead(Protocol):
    """Commits the queued appends, see ``EventStore.lead``."""

    def __call__(self, *, once: bool = False) -> bool:
        """Return whether appends are left that no thread is committing."""
        ...


class Runtime(Protocol):
    """Runs actors, steps and timers."""

    pool: Any
    loop: Any
    timers: Any
    threads: bool  # whether they run on their own threads

    @property
    def dispatcher(self) -> Dispatcher:
        """The dispatcher of actors."""
        ...

    def start(self) -> None:
        """Start the threads that the rest needs.

        Raises:
            ThreadUnavailableError: The host gives no thread.
        """
        ...

    def lead_with(self, lead: Lead) -> None:
        """Have worker threads call ``lead`` after each burst of work."""
        ...

    def wait(self, future: PooledFuture[Any], timeout: float | None) -> Any:
        """The result of ``future``; raises pykka.Timeout after ``timeout`` seconds."""
        ...

    def check_may_block(self, method: str, twin: str) -> None:
        """Refuse a blocking call on a thread that all other work needs."""
        ...

    def close(self, occupied: int) -> None:
        """Run the scheduled work, then stop all threads but ``occupied`` ones of hanging steps."""
        ...


class ThreadRuntime:
    """Real threads: a small pool for actors, a bounded one for blocking steps, one event loop."""

    threads = True

    def __init__(self, name: str, clock: Clock, max_threads: int) -> None:
        """Prepare the pools; their threads start when there is work."""
        self.dispatcher: Dispatcher = PoolDispatcher(
            f"{name}-actors", threads=1, clock=clock, daemon=True
        )
        self.pool = BlockingPool(max_threads=max_threads, name=f"{name}-steps", clock=clock)
        self.loop = LoopThread(f"{name}-loop")
        self.timers = Timers(clock, f"{name}-timers", threaded=True)
        self._passes_lead = True
        self._calls = BlockingCalls()

    def start(self) -> None:
        """Start the timers; their thread also tries again to start refused threads.

        Raises:
            ThreadUnavailableError: The host gives no thread for them.
        """
        self.timers.start()

    def lead_with(self, lead: Lead) -> None:
        """Have worker threads call ``lead`` after each burst of work.

        While steps are queued, the actors' thread passes the lead to a steps' thread: two threads
        that alternate on the interpreter lock were measured to be a fifth slower.
        """

        def lead_or_pass() -> None:
            while lead(once=True):
                if self._passes_lead and self.pool.has_room_beside_others():
                    self.pool.submit(_nothing)  # the thread that takes it leads after its burst
                    return

        self.dispatcher.after_burst = lead_or_pass
        self.pool.after_burst = lead

    def wait(self, future: PooledFuture[Any], timeout: float | None) -> Any:
        """The result of ``future``; raises pykka.Timeout after ``timeout`` seconds."""
        return future.get(timeout=timeout)

    def check_may_block(self, method: str, twin: str) -> None:
        """Refuse a blocking call on the system's event loop, and warn on any other event loop.

        Raises:
            BlockingCallError: This is the thread of the system's own loop.
        """
        if self.loop.is_loop_thread():
            raise BlockingCallError(method, twin)
        self._calls.check(method, twin)

    def close(self, occupied: int) -> None:
        """Run the scheduled work, then stop all threads but ``occupied`` ones of hanging steps.

        The steps' threads stop first, because their commits send messages to actors; from then on
        the actors' thread leads the commits.
        """
        self.timers.close()
        self.loop.close(_GRACE)
        self.pool.settle(occupied, _GRACE)
        self._passes_lead = False
        self.pool.close(0.0)
        self.dispatcher.close(_GRACE)


def _nothing() -> None:
    """Do nothing."""
