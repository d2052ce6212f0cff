"""Decides the next action for a call after a message about an attempt; pure.

Each attempt after the first is recorded as an event before it is made; the first is implied by the
event that promised the call.  A failed attempt is retried by the policy.  An attempt that was cut
off by a crash does not count against the policy, but ten of them end the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from indelible.actors.effects.effect_types import Call, CallFailed, CallReturned
from indelible.actors.effects.retry_policy import RetryPolicy, retry_delay
from indelible.events.codec.values import decode_value
from indelible.events.model.call_events import CallAttemptFailed, CallBegan, CallReleased
from indelible.events.model.event import Event

MAX_CUT_OFFS = 10
"""Attempts of one call that a crash may cut off."""


class CallOver(msgspec.Struct, frozen=True):
    """An attempt has returned ``value``, encoded, or failed with an error."""

    key: str
    id: str
    attempt: int
    at: int
    value: bytes | None = None
    error_type: str = ""
    error_message: str = ""
    retryable: bool = True
    duration: int = 0
    traceback: str = ""


class CallDue(msgspec.Struct, frozen=True):
    """The attempt after ``attempt``, which failed or has not begun, is due."""

    key: str
    id: str
    attempt: int
    at: int


class CallCutOff(msgspec.Struct, frozen=True):
    """The log says that an attempt is under way, but this process does not run it."""

    key: str
    id: str
    attempt: int
    at: int


class CallNotBegun(msgspec.Struct, frozen=True):
    """An attempt that is recorded in the log has not begun, and will not begin in this process."""

    key: str
    id: str
    attempt: int
    at: int


class BeginCall(msgspec.Struct, frozen=True):
    """Make the attempt, which is recorded."""

    attempt: int


class CallAt(msgspec.Struct, frozen=True):
    """Send :class:`CallDue` at ``due``, microseconds UTC."""

    attempt: int
    due: int


class CallDecision(msgspec.Struct, frozen=True):
    """The engine's decision about a call.

    Attributes:
        events: The engine's events to append.
        action: The action after their commit.
        message: The message for the actor's decider, if the call has ended.
    """

    events: Sequence[Event] = ()
    action: BeginCall | CallAt | None = None
    message: CallReturned | CallFailed | None = None


def decide_call(call: Call, cut_offs: int, message: Any) -> CallDecision:
    """Decide after ``message`` about the last attempt of ``call``.

    ``cut_offs`` is how many of its attempts were cut off.
    """
    key, number, at = call.key, message.attempt, message.at
    if type(message) is CallDue:
        return CallDecision([CallBegan(key, number + 1, at)], BeginCall(number + 1))
    if type(message) is CallNotBegun:
        return CallDecision([CallReleased(key, number, at)])
    if type(message) is CallCutOff:
        if call.on_unknown_outcome == "fail" or cut_offs + 1 >= MAX_CUT_OFFS:
            words = f"attempt {number} was cut off, and its outcome is unknown"
            return CallDecision(message=CallFailed(key, "CallCutOff", words, number, unknown=True))
        return CallDecision([CallBegan(key, number + 1, at, cut_off=True)], BeginCall(number + 1))
    assert type(message) is CallOver
    if message.value is not None:
        return CallDecision(message=CallReturned(key, decode_value(message.value), number))
    policy = policy_of(call)
    if not message.retryable or number - cut_offs >= policy.attempts:
        return CallDecision(
            message=CallFailed(key, message.error_type, message.error_message, number)
        )
    retry_at = at + round(retry_delay(policy, message.id, key, number) * 1_000_000)
    failed = CallAttemptFailed(
        key,
        number,
        at,
        message.error_type,
        message.error_message,
        retry_at,
        message.duration,
        message.traceback,
    )
    return CallDecision([failed], CallAt(number, retry_at))


def policy_of(call: Call) -> RetryPolicy:
    """The retry policy of ``call``."""
    retry = call.retry
    return retry if isinstance(retry, RetryPolicy) else RetryPolicy(attempts=retry)
