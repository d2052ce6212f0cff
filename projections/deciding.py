"""Carries out what people decide about parked events, when a view comes to it in the log.

To retry is to fold the event's stream once more, in order, in a view that can tell streams apart;
elsewhere the event is applied late, which a commutative view does not notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import sqlalchemy as sa

from indelible.errors import StoreCorruptError
from indelible.events.event import UNREADABLE, RecordedEvent
from indelible.events.lost import read_places
from indelible.events.projection_events import EventSkipped
from indelible.events.store import Cursor, EventStore
from indelible.events.types import EventTypes
from indelible.projections import parking
from indelible.projections.batch import Bad, Batch, decode
from indelible.projections.lane import Lane, apply_part

_AT_ONCE = 1_000  # events: what a projection takes


class Decider:
    """Knows the log that parked events are read from; belongs to the runner's thread."""

    def __init__(self, store: EventStore, types: EventTypes) -> None:
        """``types`` decode as they do for the views."""
        self._store = store
        self._types = types

    def carry_out(self, connection: sa.Connection, lane: Lane, batch: Batch) -> None:
        """Do what ``batch`` says about events that ``lane`` has parked, after its other events."""
        cursor = {**lane.cursor, **batch.positions}
        for decision in batch.decisions:
            if decision.projection != lane.projection.name:
                continue
            place = (decision.shard, decision.position)
            if isinstance(decision, EventSkipped):
                parking.skip(connection, lane.name, [place])
            else:
                self._retry(connection, lane, cursor, place)

    def _retry(
        self, connection: sa.Connection, lane: Lane, cursor: Cursor, place: tuple[int, int]
    ) -> None:
        stream = parking.stream_of(connection, lane.name, *place)
        if stream is None:
            return  # it has been applied
        shard, position = place
        events = read_places(self._store, shard, position - 1, 1)
        hole = self._hole(stream)
        if hole is not None or not events:  # to fold what is left would give other rows
            parking.park(connection, lane.name, [(event, hole) for event in events if hole])
            return
        skipped = [one for one in parking.skipped(connection, lane.name, stream) if one != place]
        if stream != UNREADABLE and lane.projection.erase(connection, stream):
            parking.unpark_stream(connection, lane.name, stream)
            bad = self._fold_again(connection, lane, cursor, stream)
        else:
            parking.unpark(connection, lane.name, *place)
            bad = self._apply(connection, lane, events)
        parking.park(connection, lane.name, bad)
        parking.skip(connection, lane.name, skipped)

    def _hole(self, stream: str) -> StoreCorruptError | None:
        """What is missing in ``stream``, so that it cannot be folded again."""
        try:
            for _ in self._store.read(stream):
                pass
        except StoreCorruptError as error:
            return error
        return None

    def _fold_again(
        self, connection: sa.Connection, lane: Lane, cursor: Cursor, stream: str
    ) -> list[Bad]:
        """Apply the events of ``stream`` that ``cursor`` covers."""
        bad: list[Bad] = []
        events = iter(self._store.read(stream))
        while part := list(islice(events, _AT_ONCE)):
            covered = [event for event in part if event.position <= cursor.get(event.shard, 0)]
            bad += self._apply(connection, lane, covered)
            if len(covered) < len(part):
                break
        return bad

    def _apply(
        self, connection: sa.Connection, lane: Lane, events: Sequence[RecordedEvent]
    ) -> list[Bad]:
        pairs, bad = decode(events, lane.projection.event_types, self._types)
        return bad + apply_part(lane.projection, connection, pairs)
