"""What becomes of a call when something is known of an attempt: pure.

An attempt behind the first is an event before it is made; the first is counted by the event that
promised the call.  One that failed is followed by another as its policy says; one that was cut off
by a crash does not use the policy up, but ten of them end the call.
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

CUT_OFFS = 10
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
    """It is time for the attempt behind ``attempt``, which failed or has not begun."""

    key: str
    id: str
    attempt: int
    at: int


class CallCutOff(msgspec.Struct, frozen=True):
    """An attempt is under way by the log, and not in this process."""

    key: str
    id: str
    attempt: int
    at: int


class CallNotBegun(msgspec.Struct, frozen=True):
    """An attempt that the log has has not begun, and will not in this process."""

    key: str
    id: str
    attempt: int
    at: int


class BeginCall(msgspec.Struct, frozen=True):
    """Make the attempt, which is durable."""

    attempt: int


class CallAt(msgspec.Struct, frozen=True):
    """Say :class:`CallDue` at ``due``, microseconds UTC."""

    attempt: int
    due: int


class Settled(msgspec.Struct, frozen=True):
    """What follows.

    Attributes:
        events: Of the engine.
        then: What is done after their commit.
        told: What the actor's decider gets, if the call is over.
    """

    events: Sequence[Event] = ()
    then: BeginCall | CallAt | None = None
    told: CallReturned | CallFailed | None = None


def settle(call: Call, cut_offs: int, message: Any) -> Settled:
    """What follows from ``message`` about the last attempt of ``call``.

    ``cut_offs`` of its attempts were cut off.
    """
    key, number, at = call.key, message.attempt, message.at
    if type(message) is CallDue:
        return Settled([CallBegan(key, number + 1, at)], BeginCall(number + 1))
    if type(message) is CallNotBegun:
        return Settled([CallReleased(key, number, at)])
    if type(message) is CallCutOff:
        if call.on_unknown_outcome == "fail" or cut_offs + 1 >= CUT_OFFS:
            words = f"attempt {number} was cut off, and its outcome is unknown"
            return Settled(told=CallFailed(key, "CallCutOff", words, number, unknown=True))
        return Settled([CallBegan(key, number + 1, at, cut_off=True)], BeginCall(number + 1))
    assert type(message) is CallOver
    if message.value is not None:
        return Settled(told=CallReturned(key, decode_value(message.value), number))
    policy = policy_of(call)
    if not message.retryable or number - cut_offs >= policy.attempts:
        return Settled(told=CallFailed(key, message.error_type, message.error_message, number))
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
    return Settled([failed], CallAt(number, retry_at))


def policy_of(call: Call) -> RetryPolicy:
    """When a failed attempt is followed by another."""
    retry = call.retry
    return retry if isinstance(retry, RetryPolicy) else RetryPolicy(attempts=retry)
