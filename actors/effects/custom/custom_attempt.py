"""One attempt at an effect of a user's own type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from indelible.actors.durable.actor import DurableActor
from indelible.actors.effects.attempts.error_record import record_of
from indelible.actors.effects.attempts.failure_log import log_failure
from indelible.actors.effects.attempts.function_attempt import FunctionAttempt
from indelible.actors.effects.calls.call_context import CallContext
from indelible.actors.effects.calls.host_functions import CallFunction
from indelible.actors.effects.current_attempt import RUNNING
from indelible.actors.effects.effect_types import Caused
from indelible.forks import leave

if TYPE_CHECKING:
    from indelible.actors.effects.custom.custom_effects import CustomEffects


class CustomAttempt(FunctionAttempt, msgspec.Struct, gc=False, eq=False):
    """A callable for the pool, or a coroutine for the event loop.

    Attributes:
        key: Unique among attempts: stream and the effect's id.
        blocking: Whether it runs on a thread of the pool.
        timeout: Always ``None``: its result is not used.
        context: The context for the handler; made when the attempt begins.
        begun: Whether the handler has been called, or is about to be.
    """

    attempts: CustomEffects
    actor: DurableActor
    caused: Caused
    function: CallFunction
    key: tuple[str, str]
    blocking: bool
    timeout: float | None = None
    context: CallContext | None = None
    begun: bool = False
    task: int = 0

    @property
    def name(self) -> str:
        """Name for logs: ``STREAM/TYPE``."""
        return f"{self.actor.stream}/{type(self.caused.effect).__name__}"

    @property
    def timer_key(self) -> str:
        """There is no time-out."""
        return self.name

    def prepare(self) -> CallContext:
        """Make the context for the handler."""
        self.context = CallContext(self.actor.stream, self.caused, 1)
        return self.context

    def call(self, context: CallContext) -> object:
        """Call the handler; an asynchronous handler returns its coroutine."""
        RUNNING.set(context)
        function, takes_context, _ = self.function
        effect = self.caused.effect
        return function(context, effect) if takes_context else function(effect)

    def message(self, value: Any, error: BaseException | None, took: int, cpu: int) -> None:  # noqa: ARG002 - no message
        """There is no message for the actor; an error is logged."""
        if self.attempts.parent:  # the handler has forked, and this is the child
            leave(error)
        if error is not None:
            kind = type(self.caused.effect).__name__
            names = {"stream": self.actor.stream, "effect": kind}
            what = f"effect {kind} of {self.actor.stream}"
            log_failure(what, names, 1, error, record_of(error), again=False)

    def timed_out(self, timeout: float) -> None:
        """There is no time-out."""
