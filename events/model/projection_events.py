"""The events of views: people's decisions about events that a view could not apply.

They stand in the stream ``projection-NAME``.  A view applies a decision when it reads it in the
log, in the transaction that moves its cursor: it happens once, in whichever process runs the view.
"""

from __future__ import annotations

from typing import ClassVar

from indelible.events.model.event import Event

CATEGORY = "projection"


class EventRetried(Event, frozen=True, gc=False):
    """A person decided that the view applies the event again."""

    wire_name: ClassVar[str] = "projection.event_retried"

    projection: str
    shard: int
    position: int
    at: int  # microseconds UTC
    by: str = ""
    reason: str = ""


class EventSkipped(Event, frozen=True, gc=False):
    """A person decided that the view leaves the event out."""

    wire_name: ClassVar[str] = "projection.event_skipped"

    projection: str
    shard: int
    position: int
    at: int  # microseconds UTC
    by: str = ""
    reason: str = ""


PROJECTION_EVENTS: tuple[type[Event], ...] = (EventRetried, EventSkipped)


def stream_of(projection: str) -> str:
    """Return the name of the stream with the decisions about a view.

    >>> stream_of("metrics")
    'projection-metrics'
    """
    return f"{CATEGORY}-{projection}"
