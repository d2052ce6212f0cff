"""Performs what runs ask for once it is durable: executes attempts, keeps their timers."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from indelible.actors.durable.actor import DurableActor
from indelible.actors.durable.port import Perform
from indelible.actors.runtime.blocking import BlockingPool
from indelible.actors.runtime.loop import LoopCall, LoopThread
from indelible.actors.runtime.timers import Timer, Timers
from indelible.actors.step_types.base import StepTypes
from indelible.actors.workflow.attempt import Attempt
from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.effects import AwaitType, Begin, Ended, RetryAt, Say, SetAside
from indelible.actors.workflow.endings import Endings
from indelible.actors.workflow.holds import Holds
from indelible.actors.workflow.messages import (
    Proceed,
    Release,
    Resume,
    RetryDue,
    StepRaised,
    StepReturned,
    StepUnread,
)
from indelible.actors.workflow.metering import Meters
from indelible.actors.workflow.results import ReadBlob
from indelible.actors.workflow.resume import running
from indelible.actors.workflow.state import RunState
from indelible.actors.workflow.unregistered import Unregistered, Waiting, lacking
from indelible.clock import Clock
from indelible.errors import StepTimeoutError, SystemClosedError
from indelible.events.event import Event
from indelible.failpoints import Failpoints
from indelible.forks import watch

logger = logging.getLogger("indelible.workflow")

_CHECKED = 1_000
"""Definitions known to be executable here; one that was forgotten is checked step by step."""

_NAMED = 3  # steps in a line of log


class Executor:
    """Performs the effects of runs.

    The attempts of a run that this process has taken on are listed from the moment they are
    queued until their result is in the run's mailbox; recovery leaves them alone.
    """

    def __init__(
        self,
        *,
        step_types: StepTypes,
        pool: BlockingPool,
        loop: LoopThread,
        timers: Timers,
        clock: Clock,
        failpoints: Failpoints,
        read_blob: ReadBlob,
        retire: Callable[[DurableActor], object],
        shard_of: Callable[[str], int],
        is_ours: Callable[[str], bool],
    ) -> None:
        """Execute on ``pool`` and ``loop``; ``retire`` gets actors whose run is over."""
        self.step_types = step_types
        self.clock = clock
        self.meters = Meters(clock)
        self.failpoints = failpoints
        self.read_blob = read_blob
        self.endings = Endings()
        self.unregistered = Unregistered()
        self._shard_of = shard_of
        self._holds = Holds(shard_of, is_ours)
        self.closed = False  # take no result any more
        self.parent = 0  # in a forked child, the process whose steps these are
        self.late_results = 0  # came back when nobody waited for them any more
        self.pool = pool
        self._loop = loop
        self._timers = timers
        self._retire = retire
        self._attempts: dict[tuple[str, int, int], Attempt] = {}
        self._deadlines: dict[Attempt, Timer] = {}
        self._calls: dict[Attempt, LoopCall] = {}  # of asynchronous ones
        self._checked: OrderedDict[bytes, None] = OrderedDict()  # digests of plans
        self._begins = threading.Lock()  # so that nothing begins once it is held
        self._returned = threading.Condition()  # tells who waits for running steps
        self._stop_listening = step_types.on_register(self.unregistered.registered)
        watch(self)

    def _forked(self, parent: int) -> None:
        """In a child, which may be inside a step: that ends with the step's function."""
        self.parent = parent

    # -- effects, and what recovery asks

    @property
    def performers(self) -> Mapping[type, Perform]:
        """What is done for each effect of a run, on the thread that led the commit."""
        return {
            Begin: self._begin,
            Ended: self._end,
            RetryAt: self._retry_at,
            AwaitType: self._await,
            SetAside: lambda actor, effect: actor.set_aside(effect.why),
            Say: lambda actor, effect: actor.deliver(effect.message),
        }

    def resumption(self, actor: DurableActor, state: RunState, own: Sequence[Event]) -> Resume:
        """The first message of a run that was read back from the log."""
        self.unregistered.forget(actor.stream)
        starts = [start for event in own for start in getattr(event, "starts", ())]
        recorded = {(state.plan.by_path[path], attempt) for path, attempt in starts}
        live, stream = self._attempts, actor.stream
        idle = [attempt for attempt in running(state) if (stream, *attempt) not in live]
        return Resume(
            now=self.clock.now(),
            cut_off=[attempt for attempt in idle if attempt not in recorded],
            unbegun=[attempt for attempt in idle if attempt in recorded],
            known=frozenset(self.step_types.names()),
            hold=self.held(actor.stream),
        )

    def set_aside(self, actor: DurableActor, why: BaseException) -> None:
        """Tell who waits for the run's end that it will not come."""
        self.unregistered.forget(actor.stream)
        self.endings.missed(actor.stream, why)

    def _retry_at(self, actor: DurableActor, retry: RetryAt) -> None:
        key = _timer_key(actor.stream, retry.node)
        self._timers.at(retry.due, key, partial(self._due, actor, retry))

    def _due(self, actor: DurableActor, retry: RetryAt) -> None:
        actor.deliver(
            RetryDue(retry.node, max(self.clock.now(), retry.due), self.held(actor.stream))
        )

    def _end(self, actor: DurableActor, ended: Ended) -> None:
        self.unregistered.forget(actor.stream)
        self.endings.reached(actor.stream, ended.state)
        self._retire(actor)

    def _await(self, actor: DurableActor, wish: AwaitType) -> None:
        """Let a step wait for its type, or for what else it lacks."""
        state = actor.state
        if state is None:
            return  # as in _begin()
        node = state.plan.nodes[wish.node]

        def go_on() -> None:
            now = self.clock.now()
            hold = self.held(actor.stream)
            actor.deliver(Proceed(wish.node, wish.attempt, wish.unbegun, now, hold))

        def give_back() -> None:
            if wish.unbegun and not wish.begun:
                self._release(actor, wish.node, wish.attempt)

        words = wish.lacks or f"its type {node.type!r} is not registered, call register_step()"
        self.unregistered.add(node.type, Waiting(actor.stream, node.name, words, go_on, give_back))
        if wish.again:
            look = partial(self.unregistered.registered, node.type)
            self._timers.at(wish.again, _timer_key(actor.stream, wish.node), look)
        elif not wish.lacks and self.step_types.get(node.type) is not None:
            self.unregistered.registered(node.type)  # it was a moment before that
        if self.held(actor.stream):
            give_back()

    def _release(self, actor: DurableActor, node: int, attempt: int) -> None:
        actor.deliver(Release(((node, attempt),), self.clock.now()))

    # -- attempts

    def _begin(self, actor: DurableActor, begin: Begin) -> None:
        state = actor.state
        if state is None:
            return  # the actor reads its stream again and will find this attempt there
        node = state.plan.nodes[begin.node]
        step_type = self.step_types.get(node.type)
        if step_type is None:
            self._await(actor, AwaitType(begin.node, begin.attempt, unbegun=True))
            return
        if state.plan.digest not in self._checked:
            lacks = lacking(node, step_type)
            if lacks:
                wish = AwaitType(begin.node, begin.attempt, unbegun=True, lacks=lacks)
                self._await(actor, wish)
                return
        key = (actor.stream, begin.node, begin.attempt)
        attempt = Attempt(self, actor, state, node, begin.attempt, step_type, key)
        self._attempts[key] = attempt
        # looked at last: hold() sees this attempt, or is seen here
        if self._holds.any and self.held(actor.stream):
            self._release(actor, begin.node, begin.attempt)
            return
        if step_type.blocking:
            self.pool.enqueue(attempt)
            self.pool.kick()
        else:
            self._calls[attempt] = self._loop.enqueue(attempt.run, _logged)
            if key not in self._attempts:  # the loop was awake, and it is over already
                self._calls.pop(attempt, None)
            self._loop.kick()

    def trust(self, plan: Plan) -> None:
        """Take ``plan`` for checked: all that its steps need is here."""
        self._checked[plan.digest] = None
        while len(self._checked) > _CHECKED:
            self._checked.popitem(last=False)

    def look_again(self) -> None:
        """Have every waiting step try again: something has been registered."""
        for step_type in self.unregistered.types():
            self.unregistered.registered(step_type)

    def begins(self, attempt: Attempt) -> bool:
        """Called on the step's thread before its function: may it begin?"""
        stream, holds = attempt.actor.stream, self._holds
        with self._begins:
            if (holds.any and holds.cover(stream)) or not holds.is_ours(stream):
                return False  # it stays listed as not begun, and is released or left
            attempt.begun = True
        if self.failpoints.armed:
            self.failpoints.hit("step.before")
        timeout = attempt.node.timeout
        if timeout is not None:
            due = self.clock.now() + round(timeout * 1_000_000)
            key = _timer_key(attempt.actor.stream, attempt.node.index)
            self._deadlines[attempt] = self._timers.at(due, key, partial(self._time_out, attempt))
        return True

    def ended(self, attempt: Attempt, message: StepReturned | StepRaised | StepUnread) -> None:
        """Called on the step's thread after its function: deliver the result from here."""
        if attempt.node.timeout is not None:
            deadline = self._deadlines.pop(attempt, None)
            if deadline is not None:
                self._timers.cancel(deadline)
        if self._attempts.get(attempt.key) is not attempt:
            self.late_results += 1  # its run has left, as leave() has said
            return
        if attempt.cancelled:
            self.late_results += 1
            logger.info("late result of step %s, attempt %d", attempt.node.name, attempt.number)
        if self.closed:
            return  # the store may have another owner by now
        actor = attempt.actor
        if attempt.step_type.blocking:
            actor.deliver_here(message)
        else:
            actor.deliver(message)  # the event loop must neither decide nor commit
        self._forget(attempt)

    def abandoned(self, attempt: Attempt) -> None:
        """Called for an asynchronous step that was cancelled, and whose result nobody awaits."""
        self._forget(attempt)

    def _forget(self, attempt: Attempt) -> None:
        self._attempts.pop(attempt.key, None)
        if not attempt.step_type.blocking:
            self._calls.pop(attempt, None)
        if self._holds.any:
            self._tell_who_waits()

    def _tell_who_waits(self) -> None:
        with self._returned:
            self._returned.notify_all()

    def _time_out(self, attempt: Attempt) -> None:
        node = attempt.node
        assert node.timeout is not None
        attempt.cancel()
        late = StepTimeoutError(node.name, node.timeout)
        attempt.actor.deliver(attempt.failure(late, round(node.timeout * 1_000_000), 0))
        self._deadlines.pop(attempt, None)
        call = self._calls.get(attempt)
        if call is not None:
            self._loop.cancel(call)
        self._tell_who_waits()

    # -- closing, and giving shards away

    @property
    def holding(self) -> bool:
        """Whether the system closes: nothing more begins."""
        return self._holds.everything

    def held(self, stream: str) -> bool:
        """Whether nothing more may begin in ``stream``."""
        return self._holds.any and self._holds.cover(stream)

    def hold(self, shards: Collection[int] | None = None) -> None:
        """Start nothing more, and give back the attempts that were recorded and have not begun.

        With ``shards`` only in these, until :meth:`take` or :meth:`leave`.
        """
        with self._begins:
            self._holds.hold(shards)
            waiting = [a for a in self._all() if not a.begun and self.held(a.actor.stream)]
        unbegun: dict[DurableActor, list[tuple[int, int]]] = {}
        for attempt in waiting:
            unbegun.setdefault(attempt.actor, []).append((attempt.node.index, attempt.number))
        for actor, keys in unbegun.items():
            actor.deliver(Release(tuple(keys), self.clock.now()))
        self.unregistered.give_back(self.held)

    def finish(self, timeout: float) -> list[str]:
        """Wait for running steps that are held, and name those not back in ``timeout`` seconds.

        These are told that nobody waits for them any more.  For one that has exceeded its own
        time-out nobody waits here, either.
        """
        with self._returned:
            self._returned.wait_for(lambda: not self._held_running(), timeout)
            left = self._held_running()
        for attempt in left:
            attempt.cancel()
        return [attempt.name for attempt in left]

    def find(self, key: tuple[str, int, int]) -> Attempt | None:
        """The attempt with ``key`` that this process has taken on and that is not over."""
        return self._attempts.get(key)

    def running(self) -> list[str]:
        """Names of the steps whose functions are being called, as ``RUN/PATH``."""
        return [attempt.name for attempt in self._all() if attempt.running]

    def queued(self) -> int:
        """How many attempts are recorded as started and wait for a thread or for the loop."""
        return sum(not attempt.begun for attempt in self._all())

    def _held_running(self) -> list[Attempt]:
        return [a for a in self._all() if a.running and self.held(a.actor.stream)]

    def take(self, shards: Collection[int]) -> None:
        """Let runs of ``shards``, which are this process's from now on, begin steps."""
        self._holds.release(shards)

    def leave(self, shards: Collection[int], why: BaseException) -> None:
        """Forget the runs of ``shards``, which another process goes on with; never waits.

        Their running steps are told that nobody waits for them, and who waits for the end of
        such a run gets ``why``.
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
            self.unregistered.forget(attempt.actor.stream)
            self._forget(attempt)
        self.endings.leave(lambda stream: self._shard_of(stream) in shards, why)

    def occupied(self) -> int:
        """How many threads are held by blocking steps that have not returned."""
        return sum(a.begun and a.step_type.blocking for a in self._all())

    def close(self) -> None:
        """Let go of everyone who waits; after the threads have ended."""
        self.closed = True
        self._stop_listening()
        self.endings.close(SystemClosedError("the run's result", "the system was closed"))
        for table in (self._attempts, self._deadlines, self._calls):
            table.clear()

    def _all(self) -> list[Attempt]:
        return list(self._attempts.values())


def _logged(_result: Any, error: BaseException | None) -> None:
    if error is not None:
        logger.error("an attempt ended outside its step", exc_info=error)


def _timer_key(stream: str, node: int) -> str:
    return f"{stream}/{node:08d}"
