"""The events of an actor's calls; the engine appends them to the stream of the calling actor.

They stand between the events of the actor's decider, which never receives them.
"""

from __future__ import annotations

from typing import ClassVar

from indelible.events.model.event import Event


class CallBegan(Event, frozen=True, gc=False):
    """A second or later attempt is about to begin; the event with the effect begins the first."""

    wire_name: ClassVar[str] = "call.began"

    key: str
    attempt: int
    at: int  # microseconds UTC
    cut_off: bool = False  # a crash cut off the attempt before it, whose outcome is unknown


class CallAttemptFailed(Event, frozen=True, gc=False):
    """An attempt has failed, and another attempt will follow."""

    wire_name: ClassVar[str] = "call.attempt_failed"

    key: str
    attempt: int
    at: int  # microseconds UTC
    error_type: str
    error_message: str
    retry_at: int  # microseconds UTC
    duration: int = 0  # microseconds
    traceback: str = ""


class CallReleased(Event, frozen=True, gc=False):
    """An attempt did not begin because its process was closing; it will be made again."""

    wire_name: ClassVar[str] = "call.released"

    key: str
    attempt: int
    at: int  # microseconds UTC


EFFECT_EVENTS = (CallBegan, CallAttemptFailed, CallReleased)
