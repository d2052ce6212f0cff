"""Applies people's decisions about parked events, when a view reads them in the log.

A view that can erase a stream's rows retries an event by folding its whole stream again, in order.
Other views apply the event late, which makes no difference to a commutative view.
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
from indelible.projections.parked import parked_rows

_BATCH = 1_000  # events that a projection gets at once


class ParkedDecisions:
    """Applies decisions with events read from the log; for the runner's thread."""

    def __init__(self, store: EventStore, types: EventTypes) -> None:
        """``types`` decode the events, as for the views."""
        self._store = store
        self._types = types

    def apply(self, connection: sa.Connection, updater: ViewUpdater, batch: ViewBatch) -> None:
        """Apply the decisions of ``batch`` about parked events of ``updater``, after its events."""
        cursor = {**updater.cursor, **batch.positions}
        for decision in batch.decisions:
            if decision.projection != updater.projection.name:
                continue
            place = (decision.shard, decision.position)
            if isinstance(decision, EventSkipped):
                parked_rows.skip(connection, updater.name, [place])
            else:
                self._retry(connection, updater, cursor, place)

    def _retry(
        self,
        connection: sa.Connection,
        updater: ViewUpdater,
        cursor: Cursor,
        place: tuple[int, int],
    ) -> None:
        stream = parked_rows.stream_of(connection, updater.name, *place)
        if stream is None:
            return  # the event is not parked any more
        shard, position = place
        events = read_places(self._store, shard, position - 1, 1)
        gap = self._gap(stream)
        if gap is not None or not events:  # folding a stream with a gap would give other rows
            parked_rows.park(connection, updater.name, [(event, gap) for event in events if gap])
            return
        skipped = [
            one for one in parked_rows.skipped(connection, updater.name, stream) if one != place
        ]
        if stream != UNREADABLE and updater.projection.erase(connection, stream):
            parked_rows.unpark_stream(connection, updater.name, stream)
            bad = self._fold_again(connection, updater, cursor, stream)
        else:
            parked_rows.unpark(connection, updater.name, *place)
            bad = self._apply_events(connection, updater, events)
        parked_rows.park(connection, updater.name, bad)
        parked_rows.skip(connection, updater.name, skipped)

    def _gap(self, stream: str) -> StoreCorruptError | None:
        """Return the error if an event of ``stream`` is missing, ``None`` if none is."""
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
        while part := list(islice(events, _BATCH)):
            covered = [event for event in part if event.position <= cursor.get(event.shard, 0)]
            bad += self._apply_events(connection, updater, covered)
            if len(covered) < len(part):
                break
        return bad

    def _apply_events(
        self, connection: sa.Connection, updater: ViewUpdater, events: Sequence[RecordedEvent]
    ) -> list[Bad]:
        pairs, bad = decode(events, updater.projection.event_types, self._types)
        return bad + apply_part(updater.projection, connection, pairs)
