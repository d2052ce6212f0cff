"""One attempt at a step: call the function, encode the result, report to the run (invariant 6)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from indelible.actors.durable.actor import DurableActor
from indelible.actors.effects.attempts.error_record import record_of
from indelible.actors.effects.attempts.failure_log import log_failure
from indelible.actors.effects.attempts.function_attempt import FunctionAttempt
from indelible.actors.effects.current_attempt import RUNNING
from indelible.actors.runtime.pool.wait_graph import RunEnd
from indelible.actors.step_types.base import StepType
from indelible.actors.workflow.definition.plan import Node
from indelible.actors.workflow.definition.references import resolve
from indelible.actors.workflow.execute.failed_references import check_reference
from indelible.actors.workflow.execute.step_context import StepContext
from indelible.actors.workflow.run_messages import StepRaised, StepReturned, StepUnread
from indelible.actors.workflow.state.run_values import RunValues
from indelible.errors import (
    FailedReferenceError,
    PayloadTooLargeError,
    StepFailedError,
    StepTimeoutError,
    StoreCorruptError,
    StoreError,
    StoreUnavailableError,
    ValueNotStorableError,
)
from indelible.events.codec.conversions import PLAIN, convert_once, encode_given
from indelible.forks import leave

if TYPE_CHECKING:
    from indelible.actors.workflow.execute.executor import Executor

_NOT_STORABLE = (ValueNotStorableError, PayloadTooLargeError)
"""Errors of a result that the log cannot store."""

_FINAL = (*_NOT_STORABLE, FailedReferenceError)
"""Errors that another attempt would raise again."""


_MAX_LINKS = 20  # links followed from an error to its cause; a chain may be a cycle


class StepAttempt(FunctionAttempt, msgspec.Struct, gc=False, eq=False):
    """One attempt; a callable for the blocking pool, or a coroutine for the event loop.

    Thousands wait at a time, so the garbage collector does not track them: an attempt must not be
    part of a reference cycle, except with the executor, which forgets all attempts when it closes.

    Attributes:
        values: The values that the step may read.
        number: Number of the attempt, from 1.
        failures: How many attempts at the step have failed before.
        key: Unique among attempts: stream, node and number.
        blocking: Whether it runs on a thread of the pool.
        timeout: Seconds after which the attempt is given up, or ``None``.
        context: The context for the step's function; made when the attempt begins.
        begun: Whether its function has been called, or is about to be.
        task: The identity of the asyncio task that runs it; 0 if there is none.
    """

    attempts: Executor
    actor: DurableActor
    values: RunValues
    node: Node
    number: int
    failures: int
    step_type: StepType
    key: tuple[str, int, int]
    blocking: bool
    timeout: float | None
    context: StepContext | None = None
    begun: bool = False
    task: int = 0

    @property
    def name(self) -> str:
        """Name for logs: ``RUN/PATH``."""
        return f"{self.actor.identity}/{self.node.path}"

    @property
    def wait_key(self) -> RunEnd:
        """The node in the graph of waits: the run cannot end while this attempt waits."""
        return RunEnd(id(self.attempts), self.actor.stream)

    @property
    def timer_key(self) -> str:
        """Orders time-outs that are due at the same instant."""
        return timer_key(self.actor.stream, self.node.index)

    def prepare(self) -> StepContext:
        """Make the context for the step's function."""
        read_blob, given = self.attempts.read_blob, self.actor.context
        self.context = StepContext(self.values, self.node, self.number, read_blob, given)
        return self.context

    def call(self, context: StepContext) -> Any:
        """Call the step's function; an asynchronous function returns its coroutine."""
        RUNNING.set(context)
        return self.step_type.run(context, self.definition(context))

    def definition(self, context: StepContext) -> Mapping[str, Any]:
        """A copy of the step's definition with its references resolved."""
        node = self.node
        if not node.params:
            return {**node.source, "params": {}}
        check = partial(check_reference, self.values, node)
        try:
            params = resolve(node.params, context.__getitem__, context.input, node.label, check)
        except (StoreCorruptError, StoreUnavailableError):
            self.begun = False
            raise
        return {**node.source, "params": params}

    def message(
        self, value: Any, error: BaseException | None, took: int, cpu: int
    ) -> StepReturned | StepRaised | StepUnread:
        """The message for the run: the encoded result or the error; times in ns.

        Never raises, even if code of the value or the error does.
        """
        executor = self.attempts
        if executor.parent:  # the step's function has forked, and this is the child
            leave(error)
        if executor.failpoints.armed:
            executor.failpoints.hit("step.after")
        clock, context = executor.clock, self.context
        assert context is not None
        if context._read_error is not None or not self.begun:
            unread = self._deciding_read_error(context, error)
            if unread is not None:
                return StepUnread(self.node.index, self.number, unread, self.begun, clock.now())
        duration, cpu = took // 1_000, cpu // 1_000
        if error is None:
            try:
                if type(value) not in PLAIN:
                    value = convert_once(value)
                if type(value) is dict and value.get("success") is False:
                    said = value.get("error") or value.get("message") or value
                    raise StepFailedError(self.node.label, str(said))
                result = encode_given(value)
            except BaseException as failed:  # noqa: BLE001 - the texts and sizes are the user's code
                error = self._with_note(failed, value)
            else:
                index, number, held_shards = self.node.index, self.number, executor.held_shards
                hold = held_shards.any and held_shards.cover(self.actor.stream)
                return StepReturned(index, number, result, clock.now(), duration, cpu, hold)
        return self.failure(error, duration, cpu, late=self.cancelled)

    def _deciding_read_error(
        self, context: StepContext, error: BaseException | None
    ) -> StoreError | None:
        """The error of reading the run's stored data, if that decides the attempt's outcome.

        Damaged data always do, even if the function handled the error.  An unavailable store does
        only if the function ended with that error and may run again.
        """
        if not self.begun:
            assert isinstance(error, StoreError)
            return error
        cause = context._read_error
        if isinstance(cause, StoreCorruptError):
            return cause
        return cause if self.node.on_unknown == "retry" and _is_caused_by(cause, error) else None

    def _with_note(self, error: BaseException, value: Any) -> BaseException:
        """``error``, which the result has caused, with a note that says so."""
        if isinstance(error, _NOT_STORABLE):
            error.add_note(f"It is the result of step {self.node.name!r}.")
            if inspect.iscoroutine(value):
                with suppress(BaseException):  # it may have begun: closing it runs the user's code
                    value.close()  # else the interpreter warns later that it was never awaited
                error.add_note(
                    "The registered function calls an async one and does not await it: make it "
                    "`async def`, and await the inner one there."
                )
        return error

    def timed_out(self, timeout: float) -> StepRaised:
        """The message for the run after ``timeout`` seconds have passed."""
        error = StepTimeoutError(self.node.label, timeout)
        return self.failure(error, round(timeout * 1_000_000), 0)

    def failure(
        self, error: BaseException, duration: int, cpu: int, *, late: bool = False
    ) -> StepRaised:
        """The message for the run about ``error``, which is logged unless it is ``late``.

        Times are microseconds.
        """
        executor, node = self.attempts, self.node
        record = record_of(error)
        retryable = not isinstance(error, _FINAL)
        if not late:
            again = retryable and self.failures + 1 < node.retry.attempts
            names = {"run": self.actor.identity, "step": node.path}
            what = f"step {node.path} of run {self.actor.identity}"
            log_failure(what, names, self.number, error, record, again=again)
        return StepRaised(
            node.index,
            self.number,
            record.error_type,
            record.message,
            executor.clock.now(),
            duration,
            cpu,
            retryable,
            executor.held(self.actor.stream),
            record.traceback,
            record.causes,
        )


def _is_caused_by(cause: BaseException | None, error: BaseException | None) -> bool:
    """Whether ``error`` is ``cause``, or was raised because of it or while it was handled."""
    for _ in range(_MAX_LINKS):
        if cause is None or error is None:
            return False
        if error is cause:
            return True
        error = error.__cause__ or error.__context__
    return False


def timer_key(stream: str, node: int) -> str:
    """Orders the timers of a run that are due at the same instant."""
    return f"{stream}/{node:08d}"
