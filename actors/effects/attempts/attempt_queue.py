"""The attempts of this process: queued, running, timed out, held, or left to another process.

It knows nothing of runs, calls or effects: its subclasses do.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from indelible.actors.durable.actor import DurableActor
from indelible.actors.effects.attempts.held_shards import HeldShards
from indelible.actors.effects.attempts.processor_time import ProcessorMeters
from indelible.actors.runtime.event_loop import LoopCall, LoopThread
from indelible.actors.runtime.pool.blocking_pool import BlockingPool
from indelible.actors.runtime.timers import Timer, Timers
from indelible.clock import Clock
from indelible.failpoints import Failpoints
from indelible.forks import watch

logger = logging.getLogger("indelible.workflow")

_NAMED = 3  # attempts named in one log line


class Attempt(Protocol):
    """One call of a function, on the pool if it blocks, else on the event loop.

    Attributes:
        actor: The actor that gets the result.
        key: Unique among attempts; its first part is the actor's stream.
        blocking: Whether it runs on a thread of the pool.
        timeout: Seconds after which the attempt is given up, or ``None``.
        context: The context for the function, set when the attempt begins; its ``cancelled`` is
            set when the attempt is given up.
        begun: Whether its function has been called, or is about to be.
    """

    context: Any
    actor: DurableActor
    key: tuple[Any, ...]
    blocking: bool
    timeout: float | None
    begun: bool

    @property
    def name(self) -> str:
        """Name for logs."""
        ...

    @property
    def running(self) -> bool:
        """Whether its function runs and the attempt was not given up."""
        ...

    @property
    def cancelled(self) -> bool:
        """Whether the attempt was given up."""
        ...

    @property
    def timer_key(self) -> str:
        """Orders time-outs that are due at the same instant."""
        ...

    def cancel(self) -> None:
        """Give the attempt up, and tell its function through the context."""
        ...

    def __call__(self) -> None:
        """Call a blocking function and deliver its result."""
        ...

    async def run(self) -> None:
        """Call an asynchronous function and deliver its result."""
        ...

    def timed_out(self, timeout: float) -> Any:
        """The message for the actor after ``timeout`` seconds have passed."""
        ...


A = TypeVar("A", bound=Attempt)


class Attempts(Generic[A]):
    """Begins attempts; each reports to its actor once, or is left to the stream's next owner.

    An attempt is listed from the moment it is queued until its result is in the actor's mailbox;
    recovery does not repeat a listed attempt.
    """

    def __init__(
        self,
        *,
        pool: BlockingPool,
        loop: LoopThread,
        timers: Timers,
        clock: Clock,
        failpoints: Failpoints,
        shard_of: Callable[[str], int],
        is_ours: Callable[[str], bool],
    ) -> None:
        """Execute on ``pool`` and ``loop``; ``is_ours`` tells if this process owns a stream."""
        self.clock = clock
        self.meters = ProcessorMeters(clock)
        self.failpoints = failpoints
        self.closed = False  # results are dropped
        self.parent = 0  # in a forked child: the process that owns these attempts
        self.late_results = 0  # results of attempts that had been given up
        self.pool = pool
        self._shard_of = shard_of
        self.held_shards = HeldShards(shard_of, is_ours)
        self._loop = loop
        self._timers = timers
        self._attempts: dict[tuple[Any, ...], A] = {}
        self._deadlines: dict[A, Timer] = {}
        self._calls: dict[A, LoopCall] = {}  # of asynchronous ones
        self._begins = threading.Lock()  # no attempt begins after hold() has held its stream
        self._returned = threading.Condition()  # notified when an attempt ends
        watch(self)

    def _forked(self, parent: int) -> None:
        """In a forked child, which may be inside a step: it ends when the step's function does."""
        self.parent = parent

    # -- for subclasses

    def _report_unbegun(self, actor: DurableActor, attempts: Sequence[A]) -> None:
        """Let ``actor`` record that ``attempts`` have not begun, and will not in this process."""
        raise NotImplementedError

    # -- attempts

    def _enqueue(self, attempt: A) -> None:
        """Queue ``attempt``, which is recorded."""
        key = attempt.key
        self._attempts[key] = attempt
        # checked after listing: either hold() finds this attempt, or the hold is found here
        if self.held_shards.any and self.held(attempt.actor.stream):
            self._report_unbegun(attempt.actor, [attempt])
            return
        if attempt.blocking:
            self.pool.enqueue(attempt)
            self.pool.kick()
        else:
            self._calls[attempt] = self._loop.enqueue(attempt.run, _logged)
            if key not in self._attempts:  # the loop was awake, and the attempt has ended already
                self._calls.pop(attempt, None)
            self._loop.kick()

    def begins(self, attempt: A) -> bool:
        """Whether the attempt may begin; called on its thread before its function."""
        stream, held_shards = attempt.actor.stream, self.held_shards
        with self._begins:
            if (held_shards.any and held_shards.cover(stream)) or not held_shards.is_ours(stream):
                return False  # stays listed as not begun: hold() reports it, or leave() drops it
            attempt.begun = True
        if self.failpoints.armed:
            self.failpoints.hit("step.before")
        timeout = attempt.timeout
        if timeout is not None:
            due = self.clock.now() + round(timeout * 1_000_000)
            late = partial(self._time_out, attempt)
            self._deadlines[attempt] = self._timers.at(due, attempt.timer_key, late)
        return True

    def ended(self, attempt: A, message: Any) -> None:
        """Deliver the result; called on the attempt's thread after its function."""
        if attempt.timeout is not None:
            deadline = self._deadlines.pop(attempt, None)
            if deadline is not None:
                self._timers.cancel(deadline)
        if self._attempts.get(attempt.key) is not attempt:
            self.late_results += 1  # its shard has left this process; leave() has logged that
            return
        if attempt.context.cancelled:
            self.late_results += 1
            logger.info("late result of %s", attempt.name)
        if self.closed:
            return  # another process may own the store by now
        actor = attempt.actor
        if attempt.blocking:
            actor.deliver_here(message)
        else:
            actor.deliver(message)  # the event loop must neither decide nor commit
        self._attempts.pop(attempt.key, None)  # _forget() inlined: saves a call for each step
        if not attempt.blocking:
            self._calls.pop(attempt, None)
        if self.held_shards.any:
            self._notify_waiters()

    def abandoned(self, attempt: A) -> None:
        """Forget an asynchronous attempt that was cancelled and given up."""
        self._forget(attempt)

    def _forget(self, attempt: A) -> None:
        self._attempts.pop(attempt.key, None)
        if not attempt.blocking:
            self._calls.pop(attempt, None)
        if self.held_shards.any:
            self._notify_waiters()

    def _notify_waiters(self) -> None:
        with self._returned:
            self._returned.notify_all()

    def _time_out(self, attempt: A) -> None:
        assert attempt.timeout is not None
        attempt.cancel()
        attempt.actor.deliver(attempt.timed_out(attempt.timeout))
        self._deadlines.pop(attempt, None)
        call = self._calls.get(attempt)
        if call is not None:
            self._loop.cancel(call)
        self._notify_waiters()

    # -- closing, and giving shards away

    @property
    def holding(self) -> bool:
        """Whether the system is closing: no attempt begins."""
        return self.held_shards.everything

    def held(self, stream: str) -> bool:
        """Whether no attempt may begin in ``stream``."""
        return self.held_shards.any and self.held_shards.cover(stream)

    def hold(self, shards: Collection[int] | None = None) -> None:
        """Begin no more attempts, and report those that are recorded and have not begun.

        With ``shards`` only in these, until :meth:`take` or :meth:`leave`.
        """
        with self._begins:
            self.held_shards.hold(shards)
            waiting = [a for a in self._all() if not a.begun and self.held(a.actor.stream)]
        unbegun: dict[DurableActor, list[A]] = {}
        for attempt in waiting:
            unbegun.setdefault(attempt.actor, []).append(attempt)
        for actor, attempts in unbegun.items():
            self._report_unbegun(actor, attempts)

    def finish(self, timeout: float) -> list[str]:
        """Wait ``timeout`` seconds for held attempts that run; cancel and name those still running.

        An attempt that has exceeded its own time-out is not waited for.
        """
        with self._returned:
            self._returned.wait_for(lambda: not self._held_running(), timeout)
            left = self._held_running()
        for attempt in left:
            attempt.cancel()
        return [attempt.name for attempt in left]

    def find(self, key: tuple[Any, ...]) -> A | None:
        """The attempt with ``key``, if this process has it and it has not ended."""
        return self._attempts.get(key)

    def running(self) -> list[str]:
        """Names of the attempts whose functions are being called."""
        return [attempt.name for attempt in self._all() if attempt.running]

    def queued(self) -> int:
        """How many recorded attempts wait for a thread or for the loop."""
        return sum(not attempt.begun for attempt in self._all())

    def _held_running(self) -> list[A]:
        return [a for a in self._all() if a.running and self.held(a.actor.stream)]

    def take(self, shards: Collection[int]) -> None:
        """Let actors of ``shards``, which this process owns from now on, begin attempts."""
        self.held_shards.release(shards)

    def leave(self, shards: Collection[int], why: BaseException) -> None:  # noqa: ARG002 - in runs
        """Forget the attempts of ``shards``, which another process continues; never waits.

        Running attempts are cancelled; callers that wait for the end of a run there get ``why``.
        """
        self.hold(shards)
        gone = [a for a in self._all() if self._shard_of(a.actor.stream) in shards]
        if late := [attempt.name for attempt in gone if attempt.running]:
            logger.warning(
                "%d steps still run although their shards %s have left this process, such as %s;"
                " their results are ignored",
                len(late),
                sorted(shards),
                ", ".join(late[:_NAMED]),
            )
        for attempt in gone:
            attempt.cancel()
            deadline = self._deadlines.pop(attempt, None)
            if deadline is not None:
                self._timers.cancel(deadline)
            self._forget(attempt)

    def occupied(self) -> int:
        """How many threads are occupied by blocking attempts that have not returned."""
        return sum(a.begun and a.blocking for a in self._all())

    def close(self) -> None:
        """Forget all attempts; called after the threads have ended."""
        self.closed = True
        for table in (self._attempts, self._deadlines, self._calls):
            table.clear()

    def _all(self) -> list[A]:
        return list(self._attempts.values())


def _logged(_result: Any, error: BaseException | None) -> None:
    if error is not None:
        logger.error("an attempt raised outside of its function", exc_info=error)
