"""A batch of the log for views, decoded once for all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from indelible.errors import EventDecodeError, UnknownEventTypeError
from indelible.events.model.event import UNREADABLE, Event, RecordedEvent
from indelible.events.model.event_types import EventTypes
from indelible.events.model.projection_events import PROJECTION_EVENTS, EventRetried, EventSkipped
from indelible.events.store import Cursor
from indelible.projections.views.view import Pair

Bad = tuple[RecordedEvent, Exception]
"""An event that cannot be applied, and the error."""

_DECISIONS = EventTypes(PROJECTION_EVENTS)
_DECISION_TYPES = frozenset(cls.wire_name for cls in PROJECTION_EVENTS)

_place = attrgetter("shard", "position")


class ViewBatch(NamedTuple):
    """The next events of the log."""

    pairs: list[Pair]
    undecodable: list[Bad]
    decisions: Sequence[EventRetried | EventSkipped]
    positions: Cursor  # the last position of every shard in the batch


def decode(
    events: Iterable[RecordedEvent], wanted: Collection[str], types: EventTypes
) -> tuple[list[Pair], list[Bad]]:
    """Return the typed events with ``wanted`` wire names, and those that cannot be decoded.

    An event with an unreadable type counts as wanted and undecodable.
    """
    wanted = {*wanted, UNREADABLE}
    pairs: list[Pair] = []
    undecodable: list[Bad] = []
    for event in events:
        if event.type in wanted:
            try:
                data = event.data  # a live event has it: this saves a call for each
                pairs.append((event, types.decode(event) if data is None else data))
            except (EventDecodeError, UnknownEventTypeError) as error:
                undecodable.append((event, error))
    return pairs, undecodable


def make_batch(
    events: Sequence[RecordedEvent], wanted: Collection[str], types: EventTypes
) -> ViewBatch:
    """Return the batch of ``events``, which have no gap within a shard."""
    pairs, undecodable = decode(events, wanted, types)
    made = [event for event in events if event.type in _DECISION_TYPES]  # nearly always none
    decisions = [_decision(event) for _, event in decode(made, _DECISION_TYPES, _DECISIONS)[0]]
    return ViewBatch(pairs, undecodable, decisions, dict(map(_place, events)))


def _decision(event: Event) -> EventRetried | EventSkipped:
    assert isinstance(event, EventRetried | EventSkipped)
    return event
