"""Performs the effects of runs: executes attempts at steps, and keeps their timers."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from indelible.actors.durable.actor import DurableActor
from indelible.actors.durable.passivation import SOON
from indelible.actors.durable.timers.stream_timers import StreamTimers
from indelible.actors.effects.attempts.attempt_queue import Attempts
from indelible.actors.effects.effect_port import Perform
from indelible.actors.runtime.event_loop import LoopThread
from indelible.actors.runtime.pool.blocking_pool import BlockingPool
from indelible.actors.runtime.timers import Timers
from indelible.actors.step_types.base import StepTypes
from indelible.actors.workflow.decide.frontier import pending
from indelible.actors.workflow.decide.resume_run import running_attempts
from indelible.actors.workflow.definition.plan_cache import PlanCache
from indelible.actors.workflow.execute.run_endings import RunEndings
from indelible.actors.workflow.execute.step_attempt import StepAttempt, timer_key
from indelible.actors.workflow.execute.unregistered_steps import (
    UnregisteredSteps,
    WaitingStep,
    lacking,
)
from indelible.actors.workflow.run_effects import (
    AnswerCondition,
    AwaitType,
    Begin,
    Ended,
    RetryAt,
    SendToRun,
    SetAside,
)
from indelible.actors.workflow.run_messages import (
    ConditionAnswered,
    Proceed,
    Release,
    Resume,
    RetryDue,
)
from indelible.actors.workflow.state.condition_values import Answer, ConditionValues, answer_of
from indelible.actors.workflow.state.node_results import ReadBlob
from indelible.actors.workflow.state.run_state import RunState
from indelible.clock import Clock
from indelible.errors import StoreError, SystemClosedError
from indelible.events.model.event import Event
from indelible.failpoints import Failpoints

logger = logging.getLogger("indelible.workflow")

_NAMED = 3  # steps named in one log line


class Executor(Attempts[StepAttempt]):
    """Performs the effects of runs: attempts of their steps, and their timers."""

    def __init__(
        self,
        *,
        step_types: StepTypes,
        plans: PlanCache,
        pool: BlockingPool,
        loop: LoopThread,
        timers: Timers,
        clock: Clock,
        failpoints: Failpoints,
        read_blob: ReadBlob,
        retire: Callable[[DurableActor], object],
        rest: Callable[[DurableActor], object],
        remind: Callable[[str, object], object],
        tell: Callable[[str, object], bool],
        wake: Callable[[Sequence[str]], object],
        shard_of: Callable[[str], int],
        is_ours: Callable[[str], bool],
    ) -> None:
        """Execute on ``pool`` and ``loop``.

        ``retire`` gets actors whose run has ended, ``rest`` actors whose run may only wait from now
        on.  ``remind`` delivers to the actor of a stream that this process owns, loading it if
        needed.  ``tell`` delivers only to an actor with a state, and returns whether there is one;
        ``wake`` loads actors, which then resume.
        """
        super().__init__(
            pool=pool,
            loop=loop,
            timers=timers,
            clock=clock,
            failpoints=failpoints,
            shard_of=shard_of,
            is_ours=is_ours,
        )
        self.step_types = step_types
        self.plans = plans
        self.read_blob = read_blob
        self.endings = RunEndings()
        self.unregistered = UnregisteredSteps()
        self._retire = retire
        self._may_sleep = rest
        self._remind = remind
        self._tell = tell
        self._wake = wake
        self._retries = StreamTimers(timers)
        self._stop_listening = step_types.on_register(self._registered)

    # -- effects, and the work tracker's methods for recovery

    @property
    def performers(self) -> Mapping[type, Perform]:
        """The performer of each effect of runs, called on the thread that led the commit."""
        return {
            Begin: self._begin,
            Ended: self._end,
            RetryAt: self._retry_at,
            AwaitType: self._await,
            AnswerCondition: self._answer_condition,
            SetAside: lambda actor, effect: actor.set_aside(effect.why),
            SendToRun: lambda actor, effect: actor.deliver(effect.message),
        }

    def resumption(self, actor: DurableActor, state: RunState, own: Sequence[Event]) -> Resume:
        """The first message of a run that was recovered from the log."""
        starts = [start for event in own for start in getattr(event, "starts", ())]
        recorded = {(state.by_path[path], attempt) for path, attempt in starts}
        live, stream = self._attempts, actor.stream
        idle = [attempt for attempt in running_attempts(state) if (stream, *attempt) not in live]
        if self.unregistered.any:
            waiting = list(self.unregistered.of_run(stream).values())
            waiting = [one for one in waiting if (one.node, one.attempt) in idle]
            recorded |= {(one.node, one.attempt) for one in waiting if one.unbegun}
            still_waiting = [
                one.node for one in waiting if one.unbegun or not self._knows(one.type)
            ]
            self.unregistered.keep(stream, still_waiting)
        return Resume(
            now=self.clock.now(),
            cut_off=[attempt for attempt in idle if attempt not in recorded],
            unbegun=[attempt for attempt in idle if attempt in recorded],
            known=frozenset(self.step_types.names()),
            hold=self.held(actor.stream),
        )

    def rests(self, actor: DurableActor, state: RunState) -> bool:
        """Whether all steps under way in a run wait for a registration."""
        waiting = self.unregistered.of_run(actor.stream) if self.unregistered.any else None
        if not waiting or state.accepted is None or state.retry_at or pending(state):
            return False
        for node, attempt in running_attempts(state):
            one = waiting.get(node)
            if one is None or one.attempt != attempt or one.soon:
                return False
        return True

    def set_aside(self, actor: DurableActor, why: BaseException) -> None:
        """Tell the listeners for the run's end that it will not come."""
        self.unregistered.forget(actor.stream)
        self.endings.failed(actor.stream, why)

    def _retry_at(self, actor: DurableActor, retry: RetryAt) -> None:
        stream, node, due = actor.stream, retry.node, retry.due
        self._retries.set(stream, f"{node:08d}", due, partial(self._due, stream, node, due))
        if due > self.clock.now() + SOON:
            self._may_sleep(actor)

    def _due(self, stream: str, node: int, due: int) -> None:
        self._remind(stream, RetryDue(node, max(self.clock.now(), due), self.held(stream)))

    def left(self, stream: str) -> None:
        """Forget the retries of a run that has left memory: its row has the first wake time."""
        self._retries.forget(stream)

    def _end(self, actor: DurableActor, ended: Ended) -> None:
        self.unregistered.forget(actor.stream)
        self.endings.reached(actor.stream, ended.state)
        self._retire(actor)

    def _await(self, actor: DurableActor, effect: AwaitType) -> None:
        """Let a step wait for its type, or for something else that it lacks."""
        state = actor.state
        if state is None:
            return  # as in _begin()
        node, stream = state.nodes[effect.node], actor.stream
        waiting = WaitingStep(
            stream,
            effect.node,
            node.label,
            sys.intern(node.type),
            effect.attempt,
            effect.unbegun,
            released_on_close=effect.unbegun and not effect.begun,
            lacks=effect.lacks,
            soon=bool(effect.retry_at),
        )
        self.unregistered.add(waiting)
        if effect.retry_at:
            look = partial(self._retry_steps, [waiting])
            self._timers.at(effect.retry_at, timer_key(stream, effect.node), look)
        elif not effect.lacks and self._knows(node.type):
            self._retry_steps([waiting])  # the type was registered just before
        else:
            self._may_sleep(actor)
        if self.held(stream):
            self._release(waiting)

    def _knows(self, step_type: str) -> bool:
        return self.step_types.get(step_type) is not None

    def _registered(self, step_type: str) -> None:
        """Let every waiting step of ``step_type`` try again."""
        self._retry_steps(self.unregistered.of_type(step_type))

    def _retry_steps(self, waiting: Sequence[WaitingStep]) -> None:
        """Let steps try again: at once if their run has a state, else after its recovery."""
        now, asleep = self.clock.now(), list[str]()
        for one in waiting:
            hold = self.held(one.stream)
            if self._tell(one.stream, Proceed(one.node, one.attempt, one.unbegun, now, hold)):
                self.unregistered.drop(one)
            else:
                asleep.append(one.stream)
        if asleep:
            self._wake(asleep)

    def _answer_condition(self, actor: DurableActor, effect: AnswerCondition) -> None:
        """Answer a condition on a thread that may block."""
        if effect.retry_at:
            soon = partial(self._answer_condition, actor, AnswerCondition(effect.node))
            self._timers.at(effect.retry_at, timer_key(actor.stream, effect.node), soon)
            return
        self.pool.submit(partial(self._answer, actor, effect.node))

    def _answer(self, actor: DurableActor, node: int) -> None:
        state = actor.state
        if state is None or self.closed:
            return  # as in _begin()
        answer: Answer | None = ""
        unread = None
        try:
            answer = answer_of(state, node, ConditionValues(state.values, node, self.read_blob))
        except StoreError as error:
            unread = error
        assert answer is not None  # only a reader without blobs returns None
        hold = self.held(actor.stream)
        actor.deliver(ConditionAnswered(node, self.clock.now(), answer, unread, hold))

    def _release(self, waiting: WaitingStep) -> None:
        if waiting.released_on_close:
            release = Release(((waiting.node, waiting.attempt),), self.clock.now())
            self._remind(waiting.stream, release)

    # -- attempts

    def _begin(self, actor: DurableActor, begin: Begin) -> None:
        state = actor.state
        if state is None:
            return  # the actor recovers, and finds this attempt in its stream
        node = state.nodes[begin.node]
        step_type = self.step_types.get(node.type)
        if step_type is None:
            self._await(actor, AwaitType(begin.node, begin.attempt, unbegun=True))
            return
        if state.plan.digest not in self.plans.checked:
            lacks = lacking(node, step_type)
            if lacks:
                effect = AwaitType(begin.node, begin.attempt, unbegun=True, lacks=lacks)
                self._await(actor, effect)
                return
        if self.unregistered.any:
            self.unregistered.begins(actor.stream, begin.node)
        failures = state.failures.get(begin.node, 0) if state.failures else 0
        key = (actor.stream, begin.node, begin.attempt)
        blocking, timeout = step_type.blocking, node.timeout
        self._enqueue(
            StepAttempt(
                self,
                actor,
                state.values,
                node,
                begin.attempt,
                failures,
                step_type,
                key,
                blocking,
                timeout,
            )
        )

    def retry_waiting_steps(self) -> None:
        """Let every waiting step try again, after a registration."""
        for step_type in self.unregistered.types():
            self._registered(step_type)

    # -- closing, and giving shards away

    def _report_unbegun(self, actor: DurableActor, attempts: Sequence[StepAttempt]) -> None:
        keys = tuple((attempt.node.index, attempt.number) for attempt in attempts)
        actor.deliver(Release(keys, self.clock.now()))

    def hold(self, shards: Collection[int] | None = None) -> None:
        """Begin no more attempts, and release those that are recorded and have not begun.

        With ``shards`` only in these, until :meth:`take` or :meth:`leave`.
        """
        super().hold(shards)
        for waiting in self.unregistered.unbegun(self.held):
            self._release(waiting)

    def leave(self, shards: Collection[int], why: BaseException) -> None:
        """Forget the runs of ``shards``, which another process continues; never waits.

        Their running steps are cancelled, and listeners for the end of such a run get ``why``.
        """
        super().leave(shards, why)
        self.unregistered.leave(lambda stream: self._shard_of(stream) in shards)
        self.endings.leave(lambda stream: self._shard_of(stream) in shards, why)

    def close(self) -> None:
        """Forget all attempts and fail all listeners; called after the threads have ended."""
        super().close()
        self._stop_listening()
        self.endings.close(SystemClosedError("the run's result", "the system was closed"))
