"""Carries out what people decide about parked events, when a view comes to it in the log.

To retry is to fold the event's stream once more, in order, in a view that can tell streams apart;
elsewhere the event is applied late, which a commutative view does not notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import sqlalchemy as sa

from indelible.errors import StoreCorruptError
from indelible.events.model.event import UNREADABLE, RecordedEvent
from indelible.events.model.event_types import EventTypes
from indelible.events.model.projection_events import EventSkipped
from indelible.events.read.shard_gaps import read_places
from indelible.events.store import Cursor, EventStore
from indelible.projections.engine.view_batch import Bad, ViewBatch, decode
from indelible.projections.engine.view_updater import ViewUpdater, apply_part
from indelible.projections.parked import parked_rows as parking

_AT_ONCE = 1_000  # events: what a projection takes


class ParkedDecisions:
    """Knows the log that parked events are read from; belongs to the runner's thread."""

    def __init__(self, store: EventStore, types: EventTypes) -> None:
        """``types`` decode as they do for the views."""
        self._store = store
        self._types = types

    def carry_out(self, connection: sa.Connection, updater: ViewUpdater, batch: ViewBatch) -> None:
        """Do what ``batch`` says about events that ``updater`` parked, after its other events."""
        cursor = {**updater.cursor, **batch.positions}
        for decision in batch.decisions:
            if decision.projection != updater.projection.name:
                continue
            place = (decision.shard, decision.position)
            if isinstance(decision, EventSkipped):
                parking.skip(connection, updater.name, [place])
            else:
                self._retry(connection, updater, cursor, place)

    def _retry(
        self,
        connection: sa.Connection,
        updater: ViewUpdater,
        cursor: Cursor,
        place: tuple[int, int],
    ) -> None:
        stream = parking.stream_of(connection, updater.name, *place)
        if stream is None:
            return  # it has been applied
        shard, position = place
        events = read_places(self._store, shard, position - 1, 1)
        hole = self._hole(stream)
        if hole is not None or not events:  # to fold what is left would give other rows
            parking.park(connection, updater.name, [(event, hole) for event in events if hole])
            return
        skipped = [one for one in parking.skipped(connection, updater.name, stream) if one != place]
        if stream != UNREADABLE and updater.projection.erase(connection, stream):
            parking.unpark_stream(connection, updater.name, stream)
            bad = self._fold_again(connection, updater, cursor, stream)
        else:
            parking.unpark(connection, updater.name, *place)
            bad = self._apply(connection, updater, events)
        parking.park(connection, updater.name, bad)
        parking.skip(connection, updater.name, skipped)

    def _hole(self, stream: str) -> StoreCorruptError | None:
        """What is missing in ``stream``, so that it cannot be folded again."""
        try:
            for _ in self._store.read(stream):
                pass
        except StoreCorruptError as error:
            return error
        return None

    def _fold_again(
        self, connection: sa.Connection, updater: ViewUpdater, cursor: Cursor, stream: str
    ) -> list[Bad]:
        """Apply the events of ``stream`` that ``cursor`` covers."""
        bad: list[Bad] = []
        events = iter(self._store.read(stream))
        while part := list(islice(events, _AT_ONCE)):
            covered = [event for event in part if event.position <= cursor.get(event.shard, 0)]
            bad += self._apply(connection, updater, covered)
            if len(covered) < len(part):
                break
        return bad

    def _apply(
        self, connection: sa.Connection, updater: ViewUpdater, events: Sequence[RecordedEvent]
    ) -> list[Bad]:
        pairs, bad = decode(events, updater.projection.event_types, self._types)
        return bad + apply_part(updater.projection, connection, pairs)
