"""The events of actors' own calls: what the engine writes into the stream of the actor that called.

They stand among the actor's own events and are not given to its decider.
"""

from __future__ import annotations

from typing import ClassVar

from indelible.events.model.event import Event


class CallBegan(Event, frozen=True, gc=False):
    """An attempt behind the first is about to be made; the promise is the first one's event."""

    wire_name: ClassVar[str] = "call.began"

    key: str
    attempt: int
    at: int  # microseconds UTC
    cut_off: bool = False  # the attempt before it was, so that its outcome is unknown


class CallAttemptFailed(Event, frozen=True, gc=False):
    """An attempt has failed, and another will follow."""

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
    """An attempt has not begun, as its process was about to end: it is made again."""

    wire_name: ClassVar[str] = "call.released"

    key: str
    attempt: int
    at: int  # microseconds UTC


EFFECT_EVENTS = (CallBegan, CallAttemptFailed, CallReleased)
