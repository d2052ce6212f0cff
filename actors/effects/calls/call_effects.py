"""Performs what actors call: attempts at functions of the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from indelible.actors.durable.actor import DurableActor
from indelible.actors.durable.commit.promise_keeping import Again, ResumeCall
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
    """The handler of :class:`Call`."""

    def __init__(
        self, functions: CallFunctions, remind: Callable[[str, Any], None], **surroundings: Any
    ) -> None:
        """Call ``functions``; the ``surroundings`` are those of all attempts.

        ``remind`` reaches the actor of a stream that is this process's, in memory or not.
        """
        super().__init__(**surroundings)
        self._functions = functions
        self._remind = remind
        self._later = StreamTimers(self._timers)

    def check(self, call: Call) -> None:
        """See that ``call`` can be made.

        Raises:
            RefusedError: It cannot, and why.
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

    def go_on(self, actor: DurableActor, again: Again) -> None:
        """Do what the engine has decided about a call."""
        caused, then = again
        if type(then) is BeginCall:
            self._begin(actor, caused, then.attempt)
        elif type(then) is CallAt:
            due = partial(self._due, actor.stream, caused, then)
            self._later.set(actor.stream, caused.effect.key, then.due, due)
        else:
            assert type(then) is ResumeCall
            if self.find((actor.stream, caused.id, then.attempt)) is None:
                now = self.clock.now()
                actor.deliver(CallCutOff(caused.effect.key, caused.id, then.attempt, now))

    def left(self, stream: str) -> None:
        """Forget what is due later in a stream that has left memory: its row says when."""
        self._later.forget(stream)

    def _due(self, stream: str, caused: Caused, then: CallAt) -> None:
        if not self.held(stream):  # or it is a matter of who comes next
            now = max(self.clock.now(), then.due)
            self._remind(stream, CallDue(caused.effect.key, caused.id, then.attempt, now))

    def _begin(self, actor: DurableActor, caused: Caused, number: int) -> None:
        call: Call = caused.effect
        self.check(call)
        function = self._functions.get(call.function)
        assert function is not None
        key = (actor.stream, caused.id, number)
        self._enqueue(
            CallAttempt(self, actor, caused, number, function, key, function.blocking, call.timeout)
        )

    def _give_back(self, actor: DurableActor, attempts: Sequence[CallAttempt]) -> None:
        for attempt in attempts:
            actor.deliver(attempt.not_begun())
