"""One view on its way along the log, and how a batch of events reaches its rows.

Rows, parked events and cursor change in one transaction; views that stand at the same cursor
share it.  An event that a view cannot apply is parked and stops nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import sqlalchemy as sa
from sqlalchemy import exc

from indelible.errors import StoreError
from indelible.events.model.event import UNREADABLE
from indelible.events.store import Cursor
from indelible.projections.engine import view_cursors as cursors
from indelible.projections.engine.view_batch import Bad, ViewBatch
from indelible.projections.parked import parked_rows as parking
from indelible.projections.sql.pipelined_statements import PipelinedStatements
from indelible.projections.views.view import Pair, View

_log = logging.getLogger(__name__)


class ViewUpdater:
    """A view and how far it has come; belongs to the runner's thread.

    Attributes:
        projection: What folds the events.
        name: The cursor's name.
        cursor: Positions that are committed; replaced, never changed, so any thread may read it.
        suspect: Whether its last batch failed, so that it goes alone and its cursor is in doubt.
        failures: How often in a row its batch has failed when it went alone.
        retry_at: When to try again, on the monotonic clock in ns.
    """

    def __init__(self, projection: View, name: str, cursor: Cursor) -> None:
        """Stand at ``cursor``."""
        self.projection = projection
        self.name = name
        self.cursor = cursor
        self.suspect = False
        self.failures = 0
        self.retry_at = 0

    def wanted(self, batch: ViewBatch) -> list[Pair]:
        """The events of ``batch`` that the view asks for."""
        types = self.projection.event_types
        return [pair for pair in batch.pairs if pair[0].type in types]

    def undecodable(self, batch: ViewBatch) -> list[Bad]:
        """Those that it asks for and that nobody can read."""
        types = {*self.projection.event_types, UNREADABLE}
        return [bad for bad in batch.undecodable if bad[0].type in types]

    def moved(self, batch: ViewBatch) -> cursors.Moved:
        """Its cursor behind ``batch``."""
        return cursors.Moved(self.name, self.projection.version, batch.positions, self.cursor)

    def advance(self, positions: Cursor) -> None:
        """Take note that everything up to ``positions`` is committed."""
        self.stand_at({**self.cursor, **positions})

    def stand_at(self, cursor: Cursor) -> None:
        """Take note that what is committed ends at ``cursor``, which may lie further back."""
        self.cursor = cursor
        self.suspect = False
        self.failures = 0


Transaction = Callable[[], AbstractContextManager[sa.Connection]]

Decide = Callable[[sa.Connection, ViewUpdater, ViewBatch], None]
"""Carries out what a batch says about parked events."""


def apply_together(
    updaters: Sequence[ViewUpdater],
    batch: ViewBatch,
    begin: Transaction,
    decide: Decide,
    before_commit: Callable[[], None],
) -> None:
    """Apply ``batch`` to all of ``updaters`` or to none, and raise what stood in the way."""
    work = []
    for updater in updaters:
        pairs = updater.wanted(batch)
        changes = updater.projection.fold(pairs) if pairs else None
        work.append((updater, changes, updater.undecodable(batch)))
    with begin() as connection:
        together = PipelinedStatements(connection)
        for updater, changes, bad in work:
            if changes is not None:
                updater.projection.write(together, changes)
            parking.park(connection, updater.name, bad)
            if batch.decisions:
                together.run()
                decide(connection, updater, batch)
        cursors.move(together, [updater.moved(batch) for updater in updaters])
        together.run()
        before_commit()
    for updater in updaters:
        updater.advance(batch.positions)


def apply_or_park(
    updater: ViewUpdater,
    batch: ViewBatch,
    begin: Transaction,
    decide: Decide,
    before_commit: Callable[[], None],
) -> None:
    """Apply what can be applied of ``batch`` to ``updater`` and park the rest.

    A batch whose commit failed may have been committed: then only the updater's cursor moves.
    """
    with begin() as connection:
        stand = cursors.read_stands(connection).get(updater.name)
        cursor = stand.cursor if stand is not None else {}
        if cursor != updater.cursor:
            updater.stand_at(cursor)
            return
        bad = updater.undecodable(batch)
        bad += apply_part(updater.projection, connection, updater.wanted(batch))
        parking.park(connection, updater.name, bad)
        decide(connection, updater, batch)
        together = PipelinedStatements(connection)
        cursors.move(together, [updater.moved(batch)])
        together.run()
        before_commit()
    updater.advance(batch.positions)
    for event, error in bad:
        _log.warning(
            "view %s set aside %s at position %d of shard %d: %s",
            updater.name,
            event.type,
            event.position,
            event.shard,
            error,
        )


def apply_part(projection: View, connection: sa.Connection, pairs: Sequence[Pair]) -> list[Bad]:
    """Apply ``pairs``, halving them until what fails is a single event; return what failed."""
    if not pairs:
        return []
    connection.exec_driver_sql("SAVEPOINT part")
    try:
        together = PipelinedStatements(connection)
        projection.write(together, projection.fold(pairs))
        together.run()
    except Exception as error:
        if not _is_about_the_event(error):
            raise
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT part")
        connection.exec_driver_sql("RELEASE SAVEPOINT part")
        if len(pairs) == 1:
            return [(pairs[0][0], error)]
        middle = len(pairs) // 2
        return apply_part(projection, connection, pairs[:middle]) + apply_part(
            projection, connection, pairs[middle:]
        )
    connection.exec_driver_sql("RELEASE SAVEPOINT part")
    return []


def _is_about_the_event(error: Exception) -> bool:
    """Whether trying the same event again would fail again: no fault of the database."""
    if isinstance(error, exc.DBAPIError):
        return isinstance(error, exc.IntegrityError | exc.DataError)
    return not isinstance(error, StoreError)
