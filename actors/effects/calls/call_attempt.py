"""One attempt at a call of an actor."""

from __future__ import annotations

from contextlib import suppress
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any

import msgspec

from indelible.actors.durable.actor import DurableActor
from indelible.actors.effects.attempts.error_record import record_of
from indelible.actors.effects.attempts.failure_log import log_failure
from indelible.actors.effects.attempts.function_attempt import FunctionAttempt
from indelible.actors.effects.calls.call_context import CallContext
from indelible.actors.effects.calls.call_decisions import CallNotBegun, CallOver, policy_of
from indelible.actors.effects.calls.host_functions import CallFunction
from indelible.actors.effects.current_attempt import RUNNING
from indelible.actors.effects.effect_types import Call, Caused
from indelible.errors import CallTimeoutError, PayloadTooLargeError, ValueNotStorableError
from indelible.events.codec.conversions import encode_given
from indelible.forks import leave

if TYPE_CHECKING:
    from indelible.actors.effects.calls.call_effects import CallEffects

_NOT_STORABLE = (ValueNotStorableError, PayloadTooLargeError)
"""Errors of a result that the log cannot store: another attempt would have the same result."""


class CallAttempt(FunctionAttempt, msgspec.Struct, gc=False, eq=False):
    """A callable for the pool, or a coroutine for the event loop.

    Attributes:
        number: Number of the attempt, from 1.
        key: Unique among attempts: stream, call and number.
        blocking: Whether it runs on a thread of the pool.
        timeout: Seconds after which the attempt is given up, or ``None``.
        context: The context for the function; made when the attempt begins.
        begun: Whether the function has been called, or is about to be.
    """

    attempts: CallEffects
    actor: DurableActor
    caused: Caused
    number: int
    function: CallFunction
    key: tuple[str, str, int]
    blocking: bool
    timeout: float | None
    context: CallContext | None = None
    begun: bool = False
    task: int = 0

    @property
    def name(self) -> str:
        """Name for logs: ``STREAM/KEY``."""
        return f"{self.actor.stream}/{self._call.key}"

    @property
    def timer_key(self) -> str:
        """Orders time-outs that are due at the same instant."""
        return f"{self.actor.stream}#{self._call.key}"

    @property
    def _call(self) -> Call:
        call: Call = self.caused.effect
        return call

    def prepare(self) -> CallContext:
        """Make the context for the function."""
        self.context = CallContext(self.actor.stream, self.caused, self.number)
        return self.context

    def call(self, context: CallContext) -> Any:
        """Call the function; an asynchronous function returns its coroutine."""
        RUNNING.set(context)
        function, takes_context, _ = self.function
        argument = self._call.argument
        return function(context, argument) if takes_context else function(argument)

    def message(self, value: Any, error: BaseException | None, took: int, cpu: int) -> CallOver:  # noqa: ARG002 - runs meter it
        """The message for the actor: the encoded result, or the error; times in ns."""
        calls = self.attempts
        if calls.parent:  # the function has forked, and this is the child
            leave(error)
        if calls.failpoints.armed:
            calls.failpoints.hit("call.after")
        duration = took // 1_000
        if error is None:
            try:
                encoded = encode_given(value)
            except BaseException as failed:  # noqa: BLE001 - the texts and sizes are the user's code
                error = self._with_note(failed, value)
            else:
                place = self._call.key, self.caused.id, self.number, calls.clock.now()
                return CallOver(*place, encoded, duration=duration)
        return self._failure(error, duration, late=self.cancelled)

    def timed_out(self, timeout: float) -> CallOver:
        """The message for the actor after ``timeout`` seconds have passed."""
        error = CallTimeoutError(self._call.function, timeout)
        return self._failure(error, round(timeout * 1_000_000))

    def not_begun(self) -> CallNotBegun:
        """The message for the actor if the attempt will not begin in this process."""
        now = self.attempts.clock.now()
        return CallNotBegun(self._call.key, self.caused.id, self.number, now)

    def _with_note(self, error: BaseException, value: Any) -> BaseException:
        if isinstance(error, _NOT_STORABLE):
            error.add_note(f"It is the result of the call {self._call.key!r}.")
            if iscoroutine(value):
                with suppress(BaseException):  # avoids the warning "never awaited"
                    value.close()
                error.add_note("The function calls an async one and does not await it.")
        return error

    def _failure(self, error: BaseException, duration: int, *, late: bool = False) -> CallOver:
        record = record_of(error)
        retryable = not isinstance(error, _NOT_STORABLE)
        if not late:
            again = retryable and self.number < policy_of(self._call).attempts
            names = {"stream": self.actor.stream, "call": self._call.key}
            what = f"call {self._call.key} of {self.actor.stream}"
            log_failure(what, names, self.number, error, record, again=again)
        return CallOver(
            self._call.key,
            self.caused.id,
            self.number,
            self.attempts.clock.now(),
            None,
            record.error_type,
            record.message,
            retryable,
            duration,
            record.traceback,
        )
