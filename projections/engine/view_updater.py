"""Applies batches of events to views.

Rows, parked events and cursor change in one transaction, which views with equal cursors share.  An
event that a view cannot apply is parked; the other events are applied.
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
from indelible.projections.engine import view_cursors
from indelible.projections.engine.view_batch import Bad, ViewBatch
from indelible.projections.parked import parked_rows
from indelible.projections.sql.pipelined_statements import PipelinedStatements
from indelible.projections.views.view import Pair, View

_log = logging.getLogger(__name__)


class ViewUpdater:
    """A view and its cursor; for the runner's thread.

    Attributes:
        projection: Folds the events.
        name: The name of the cursor.
        cursor: The committed positions; replaced, never changed, so that any thread may read it.
        suspect: Whether its last batch failed, so that the stored cursor may differ and the next
            batch is applied alone.
        failures: How often in a row a batch of its own has failed.
        retry_at: When to try again, on the monotonic clock in ns.
    """

    def __init__(self, projection: View, name: str, cursor: Cursor) -> None:
        """Begin at ``cursor``."""
        self.projection = projection
        self.name = name
        self.cursor = cursor
        self.suspect = False
        self.failures = 0
        self.retry_at = 0

    def wanted(self, batch: ViewBatch) -> list[Pair]:
        """Return the events of ``batch`` that the view handles."""
        types = self.projection.event_types
        return [pair for pair in batch.pairs if pair[0].type in types]

    def undecodable(self, batch: ViewBatch) -> list[Bad]:
        """Return the events of ``batch`` that the view handles and that cannot be decoded."""
        types = {*self.projection.event_types, UNREADABLE}
        return [bad for bad in batch.undecodable if bad[0].type in types]

    def moved(self, batch: ViewBatch) -> view_cursors.Moved:
        """Return the change of its cursor by ``batch``."""
        return view_cursors.Moved(self.name, self.projection.version, batch.positions, self.cursor)

    def advance(self, positions: Cursor) -> None:
        """Move the cursor to ``positions``, which are committed."""
        self.set_cursor({**self.cursor, **positions})

    def set_cursor(self, cursor: Cursor) -> None:
        """Set the cursor to the committed one, which may be further back."""
        self.cursor = cursor
        self.suspect = False
        self.failures = 0


Transaction = Callable[[], AbstractContextManager[sa.Connection]]

Decide = Callable[[sa.Connection, ViewUpdater, ViewBatch], None]
"""Applies the decisions about parked events in a batch."""


def apply_together(
    updaters: Sequence[ViewUpdater],
    batch: ViewBatch,
    begin: Transaction,
    decide: Decide,
    before_commit: Callable[[], None],
) -> None:
    """Apply ``batch`` to all of ``updaters``, or to none and raise the error."""
    work = []
    for updater in updaters:
        pairs = updater.wanted(batch)
        changes = updater.projection.fold(pairs) if pairs else None
        work.append((updater, changes, updater.undecodable(batch)))
    with begin() as connection:
        statements = PipelinedStatements(connection)
        for updater, changes, bad in work:
            if changes is not None:
                updater.projection.write(statements, changes)
            parked_rows.park(connection, updater.name, bad)
            if batch.decisions:
                statements.run()
                decide(connection, updater, batch)
        view_cursors.move(statements, [updater.moved(batch) for updater in updaters])
        statements.run()
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
    """Apply ``batch`` to ``updater``, and park the events that it cannot apply.

    If an earlier commit of the batch was reported as failed and has happened, only the updater's
    cursor moves.
    """
    with begin() as connection:
        view_cursor = view_cursors.read_view_cursors(connection).get(updater.name)
        cursor = view_cursor.cursor if view_cursor is not None else {}
        if cursor != updater.cursor:
            updater.set_cursor(cursor)
            return
        bad = updater.undecodable(batch)
        bad += apply_part(updater.projection, connection, updater.wanted(batch))
        parked_rows.park(connection, updater.name, bad)
        decide(connection, updater, batch)
        statements = PipelinedStatements(connection)
        view_cursors.move(statements, [updater.moved(batch)])
        statements.run()
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
    """Apply ``pairs``, in halves until a failing half is a single event; return these events."""
    if not pairs:
        return []
    connection.exec_driver_sql("SAVEPOINT part")
    try:
        statements = PipelinedStatements(connection)
        projection.write(statements, projection.fold(pairs))
        statements.run()
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
    """Whether the event causes the error, not the database: it would fail again."""
    if isinstance(error, exc.DBAPIError):
        return isinstance(error, exc.IntegrityError | exc.DataError)
    return not isinstance(error, StoreError)
