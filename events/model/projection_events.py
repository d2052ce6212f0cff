"""The events of views: what people have decided about events that a view could not apply.

They stand in the stream ``projection-NAME``.  A view carries a decision out when it comes to it in
the log, in the transaction that moves its cursor, so it is done once, whoever runs the view.
"""

from __future__ import annotations

from typing import ClassVar

from indelible.events.model.event import Event

CATEGORY = "projection"


class EventRetried(Event, frozen=True, gc=False):
    """The view is to try the event again."""

    wire_name: ClassVar[str] = "projection.event_retried"

    projection: str
    shard: int
    position: int
    at: int  # microseconds UTC
    by: str = ""
    reason: str = ""


class EventSkipped(Event, frozen=True, gc=False):
    """Nobody waits for the event any more; the view goes without it."""

    wire_name: ClassVar[str] = "projection.event_skipped"

    projection: str
    shard: int
    position: int
    at: int  # microseconds UTC
    by: str = ""
    reason: str = ""


PROJECTION_EVENTS: tuple[type[Event], ...] = (EventRetried, EventSkipped)


def stream_of(projection: str) -> str:
    """Where the decisions about a view stand.

    >>> stream_of("metrics")
    'projection-metrics'
    """
    return f"{CATEGORY}-{projection}"
