"""The attempts that this process has taken on: queued, running, timed out, held, left behind.

Knows nothing of runs or actors' own calls: what an attempt is comes from who makes it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from indelible.actors.durable.actor import DurableActor
from indelible.actors.effects.attempts.holds import Holds
from indelible.actors.effects.attempts.processor_time import ProcessorMeters
from indelible.actors.runtime.event_loop import LoopCall, LoopThread
from indelible.actors.runtime.pool.blocking_pool import BlockingPool
from indelible.actors.runtime.timers import Timer, Timers
from indelible.clock import Clock
from indelible.failpoints import Failpoints
from indelible.forks import watch

logger = logging.getLogger("indelible.workflow")

_NAMED = 3  # attempts in a line of log


class Attempt(Protocol):
    """One call of a function, on the pool if it blocks, else on the event loop.

    Attributes:
        actor: Who gets its result.
        key: What no other attempt has; its first part is the actor's stream.
        blocking: Whether it runs on a thread of the pool.
        timeout: Seconds after which nobody waits for it any more, if there is such a limit.
        context: What its function gets, from when it begins; ``cancelled`` says to it that nobody
            waits for it any more.
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
        """What people call it."""
        ...

    @property
    def running(self) -> bool:
        """Whether its function is being called, and somebody waits for it."""
        ...

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for it any more."""
        ...

    @property
    def timer_key(self) -> str:
        """Orders its time-out among others of the same instant."""
        ...

    def cancel(self) -> None:
        """Say to the function that nobody waits for it any more."""
        ...

    def __call__(self) -> None:
        """Call a blocking function and deliver its result."""
        ...

    async def run(self) -> None:
        """Call an asynchronous function and deliver its result."""
        ...

    def timed_out(self, timeout: float) -> Any:
        """What to tell the actor, as ``timeout`` seconds have passed."""
        ...


A = TypeVar("A", bound=Attempt)


class Attempts(Generic[A]):
    """Begins attempts, and sees that each is told of once or left to the next owner.

    They are listed from the moment they are queued until their result is in the actor's mailbox;
    recovery leaves them alone.
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
        """Execute on ``pool`` and ``loop``, as long as ``is_ours`` says so of the stream."""
        self.clock = clock
        self.meters = ProcessorMeters(clock)
        self.failpoints = failpoints
        self.closed = False  # take no result any more
        self.parent = 0  # in a forked child, the process whose attempts these are
        self.late_results = 0  # came back when nobody waited for them any more
        self.pool = pool
        self._shard_of = shard_of
        self.holds = Holds(shard_of, is_ours)
        self._loop = loop
        self._timers = timers
        self._attempts: dict[tuple[Any, ...], A] = {}
        self._deadlines: dict[A, Timer] = {}
        self._calls: dict[A, LoopCall] = {}  # of asynchronous ones
        self._begins = threading.Lock()  # so that nothing begins once it is held
        self._returned = threading.Condition()  # tells who waits for running attempts
        watch(self)

    def _forked(self, parent: int) -> None:
        """In a child, which may be inside a step: that ends with the step's function."""
        self.parent = parent

    # -- what those who make attempts do

    def _give_back(self, actor: DurableActor, attempts: Sequence[A]) -> None:
        """Have ``actor`` record that ``attempts`` have not begun, and will not here."""
        raise NotImplementedError

    # -- attempts

    def _enqueue(self, attempt: A) -> None:
        """Take on ``attempt``, which is durable."""
        key = attempt.key
        self._attempts[key] = attempt
        # looked at last: hold() sees this attempt, or is seen here
        if self.holds.any and self.held(attempt.actor.stream):
            self._give_back(attempt.actor, [attempt])
            return
        if attempt.blocking:
            self.pool.enqueue(attempt)
            self.pool.kick()
        else:
            self._calls[attempt] = self._loop.enqueue(attempt.run, _logged)
            if key not in self._attempts:  # the loop was awake, and it is over already
                self._calls.pop(attempt, None)
            self._loop.kick()

    def begins(self, attempt: A) -> bool:
        """Called on the attempt's thread before its function: may it begin?"""
        stream, holds = attempt.actor.stream, self.holds
        with self._begins:
            if (holds.any and holds.cover(stream)) or not holds.is_ours(stream):
                return False  # it stays listed as not begun, and is released or left
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
        """Called on the attempt's thread after its function: deliver the result from here."""
        if attempt.timeout is not None:
            deadline = self._deadlines.pop(attempt, None)
            if deadline is not None:
                self._timers.cancel(deadline)
        if self._attempts.get(attempt.key) is not attempt:
            self.late_results += 1  # its actor has left, as leave() has said
            return
        if attempt.context.cancelled:
            self.late_results += 1
            logger.info("late result of %s", attempt.name)
        if self.closed:
            return  # the store may have another owner by now
        actor = attempt.actor
        if attempt.blocking:
            actor.deliver_here(message)
        else:
            actor.deliver(message)  # the event loop must neither decide nor commit
        self._attempts.pop(attempt.key, None)  # as _forget() does, a call less a step
        if not attempt.blocking:
            self._calls.pop(attempt, None)
        if self.holds.any:
            self._tell_who_waits()

    def abandoned(self, attempt: A) -> None:
        """Called for an asynchronous attempt that was cancelled, and whose result nobody awaits."""
        self._forget(attempt)

    def _forget(self, attempt: A) -> None:
        self._attempts.pop(attempt.key, None)
        if not attempt.blocking:
            self._calls.pop(attempt, None)
        if self.holds.any:
            self._tell_who_waits()

    def _tell_who_waits(self) -> None:
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
        self._tell_who_waits()

    # -- closing, and giving shards away

    @property
    def holding(self) -> bool:
        """Whether the system closes: nothing more begins."""
        return self.holds.everything

    def held(self, stream: str) -> bool:
        """Whether nothing more may begin in ``stream``."""
        return self.holds.any and self.holds.cover(stream)

    def hold(self, shards: Collection[int] | None = None) -> None:
        """Start nothing more, and give back the attempts that were recorded and have not begun.

        With ``shards`` only in these, until :meth:`take` or :meth:`leave`.
        """
        with self._begins:
            self.holds.hold(shards)
            waiting = [a for a in self._all() if not a.begun and self.held(a.actor.stream)]
        unbegun: dict[DurableActor, list[A]] = {}
        for attempt in waiting:
            unbegun.setdefault(attempt.actor, []).append(attempt)
        for actor, attempts in unbegun.items():
            self._give_back(actor, attempts)

    def finish(self, timeout: float) -> list[str]:
        """Wait for running attempts that are held, and name those not back in ``timeout`` seconds.

        These are told that nobody waits for them any more.  For one that has exceeded its own
        time-out nobody waits here, either.
        """
        with self._returned:
            self._returned.wait_for(lambda: not self._held_running(), timeout)
            left = self._held_running()
        for attempt in left:
            attempt.cancel()
        return [attempt.name for attempt in left]

    def find(self, key: tuple[Any, ...]) -> A | None:
        """The attempt with ``key`` that this process has taken on and that is not over."""
        return self._attempts.get(key)

    def running(self) -> list[str]:
        """Names of the attempts whose functions are being called."""
        return [attempt.name for attempt in self._all() if attempt.running]

    def queued(self) -> int:
        """How many attempts are recorded as started and wait for a thread or for the loop."""
        return sum(not attempt.begun for attempt in self._all())

    def _held_running(self) -> list[A]:
        return [a for a in self._all() if a.running and self.held(a.actor.stream)]

    def take(self, shards: Collection[int]) -> None:
        """Let actors of ``shards``, which are this process's from now on, begin attempts."""
        self.holds.release(shards)

    def leave(self, shards: Collection[int], why: BaseException) -> None:  # noqa: ARG002 - for who waits
        """Forget the attempts of ``shards``, which another process goes on with; never waits.

        Those that run are told that nobody waits for them, and who waits for what comes of them
        gets ``why``.
        """
        self.hold(shards)
        gone = [a for a in self._all() if self._shard_of(a.actor.stream) in shards]
        if late := [attempt.name for attempt in gone if attempt.running]:
            logger.warning(
                "%d steps run on though their shards %s have left this process, such as %s; what"
                " they return is ignored",
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
        """How many threads are held by blocking attempts that have not returned."""
        return sum(a.begun and a.blocking for a in self._all())

    def close(self) -> None:
        """Let go of everyone who waits; after the threads have ended."""
        self.closed = True
        for table in (self._attempts, self._deadlines, self._calls):
            table.clear()

    def _all(self) -> list[A]:
        return list(self._attempts.values())


def _logged(_result: Any, error: BaseException | None) -> None:
    if error is not None:
        logger.error("an attempt ended outside its step", exc_info=error)
