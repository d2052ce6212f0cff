"""Performs the calls of actors: attempts at functions of the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from indelible.actors.durable.actor import DurableActor
from indelible.actors.durable.commit.promise_keeping import CallAction, ResumeCall
from indelible.actors.durable.commit.promises import check_key
from indelible.actors.durable.timers.stream_timers import StreamTimers
from indelible.actors.effects.attempts.attempt_queue import Attempts
from indelible.actors.effects.calls.call_attempt import CallAttempt
from indelible.actors.effects.calls.call_decisions import (
    BeginCall,
    CallAt,
    CallCutOff,
    CallDue,
    policy_of,
)
from indelible.actors.effects.calls.host_functions import CallFunctions
from indelible.actors.effects.effect_types import Call, Caused
from indelible.errors import RefusedError

MAX_ATTEMPTS = 1_000_000
_MAX_SECONDS = 10 * 366 * 86_400


class CallEffects(Attempts[CallAttempt]):
    """The performer of :class:`Call`."""

    def __init__(
        self, functions: CallFunctions, remind: Callable[[str, Any], None], **surroundings: Any
    ) -> None:
        """Call ``functions``; ``surroundings`` are the arguments of :class:`Attempts`.

        ``remind`` delivers to the actor of a stream that this process owns, loading it if needed.
        """
        super().__init__(**surroundings)
        self._functions = functions
        self._remind = remind
        self._call_timers = StreamTimers(self._timers)

    def check(self, call: Call) -> None:
        """Check that ``call`` can be made.

        Raises:
            RefusedError: It cannot be made; the error says why.
        """
        self._functions.check(call.function)
        check_key("a call's key", call.key)
        timeout, wanted = call.timeout, call.on_unknown_outcome
        if timeout is not None and not (
            type(timeout) in (int, float) and 0 < timeout <= _MAX_SECONDS
        ):
            raise RefusedError(f"a call's timeout is seconds, more than 0: {timeout!r:.80}")
        if wanted not in ("retry", "fail"):
            raise RefusedError(f"on_unknown_outcome is 'retry' or 'fail': {wanted!r:.80}")
        attempts = policy_of(call).attempts
        if type(attempts) is not int or not 1 <= attempts <= MAX_ATTEMPTS:
            raise RefusedError(f"a call's retry is 1 or more attempts: {call.retry!r:.80}")

    def perform(self, actor: DurableActor, caused: Caused) -> None:
        """Make the first attempt."""
        self._begin(actor, caused, 1)

    def perform_action(self, actor: DurableActor, call_action: CallAction) -> None:
        """Perform the action that the engine has decided for a call."""
        caused, action = call_action
        if type(action) is BeginCall:
            self._begin(actor, caused, action.attempt)
        elif type(action) is CallAt:
            due = partial(self._due, actor.stream, caused, action)
            self._call_timers.set(actor.stream, caused.effect.key, action.due, due)
        else:
            assert type(action) is ResumeCall
            if self.find((actor.stream, caused.id, action.attempt)) is None:
                now = self.clock.now()
                actor.deliver(CallCutOff(caused.effect.key, caused.id, action.attempt, now))

    def left(self, stream: str) -> None:
        """Forget the timers of a stream that has left memory: its row has the wake time."""
        self._call_timers.forget(stream)

    def _due(self, stream: str, caused: Caused, action: CallAt) -> None:
        if not self.held(stream):  # otherwise the stream's next owner process makes the attempt
            now = max(self.clock.now(), action.due)
            self._remind(stream, CallDue(caused.effect.key, caused.id, action.attempt, now))

    def _begin(self, actor: DurableActor, caused: Caused, number: int) -> None:
        call: Call = caused.effect
        self.check(call)
        function = self._functions.get(call.function)
        assert function is not None
        key = (actor.stream, caused.id, number)
        self._enqueue(
            CallAttempt(self, actor, caused, number, function, key, function.blocking, call.timeout)
        )

    def _report_unbegun(self, actor: DurableActor, attempts: Sequence[CallAttempt]) -> None:
        for attempt in attempts:
            actor.deliver(attempt.not_begun())
