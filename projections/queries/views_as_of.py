"""Views of the past: the log folded up to a moment, in a database in memory.

Keeps invariant 8: a view of the past is the same function, of the events up to that moment.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import sqlalchemy as sa
from sqlalchemy.event import listens_for

from indelible.errors import StoreCorruptError
from indelible.events.model.event_types import EventTypes
from indelible.events.read.as_of import AsOf, cursor_at
from indelible.events.read.shard_gaps import read_places
from indelible.events.store import Cursor, EventStore
from indelible.projections.engine.view_batch import ViewBatch, make_batch
from indelible.projections.engine.view_updater import ViewUpdater, apply_or_park, apply_together
from indelible.projections.parked.parked_decisions import ParkedDecisions
from indelible.projections.queries.view_queries import Views
from indelible.projections.tables import METADATA
from indelible.projections.views.custom import CustomView
from indelible.projections.views.view import View

_BATCH = 1_000  # events that a projection gets at once


class TimedViews(Views):
    """Queries of the views as they are and as they were; for any thread."""

    def __init__(
        self,
        store: EventStore,
        types: EventTypes,
        projections: Callable[[], Sequence[View]],
    ) -> None:
        """Query ``store``; ``projections`` makes new instances of all its views."""
        super().__init__(store, [one.name for one in projections()])
        self._types = types
        self._projections = projections

    def as_of(self, moment: AsOf) -> Views:
        """Return the same queries over views of the events up to ``moment``.

        Folds all these events on this thread, some 100,000 a second.  The answers do not change
        later; their memory is freed with the result.

        Args:
            moment: A time with its zone, a position, or a cursor, in which a missing shard is at
                position 0.

        Raises:
            AsOfError: There is no such moment.
            StoreUnavailableError: The log cannot be read.
            StoreCorruptError: The end of the log is lost; events lost before it are parked.
        """
        cursor = cursor_at(self._store, moment)
        past = _Past(cursor)
        _fold(self._store, self._types, self._projections(), cursor, past)
        return Views(cast("EventStore", past), self._names)  # queries use only these methods


class _Past:
    """A database in memory for the queries of :class:`Views`; it serves one thread at a time."""

    url = "views of the past"

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._lock = threading.Lock()
        self._engine = sa.create_engine(
            "sqlite://",
            poolclass=sa.StaticPool,
            connect_args={"check_same_thread": False, "isolation_level": None},
        )

        @listens_for(self._engine, "begin")
        def _(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN")

        weakref.finalize(self, self._engine.dispose)

    def positions(self) -> Cursor:
        """Return the end of the log at that moment."""
        return dict(self._cursor)

    @contextmanager
    def write_views(self) -> Iterator[sa.Connection]:
        """Open a transaction."""
        with self._lock, self._engine.begin() as connection:
            yield connection

    @contextmanager
    def read_views(self) -> Iterator[sa.Connection]:
        """Open a connection whose changes are not committed."""
        with self._lock, self._engine.connect() as connection:
            yield connection


def _fold(
    store: EventStore,
    types: EventTypes,
    projections: Sequence[View],
    cursor: Cursor,
    past: _Past,
) -> None:
    with past.write_views() as connection:
        METADATA.create_all(connection)
        for projection in projections:
            if isinstance(projection, CustomView):
                projection.make_tables(connection)
    updaters = [ViewUpdater(projection, projection.name, {}) for projection in projections]
    wanted = frozenset().union(*(projection.event_types for projection in projections))
    decide = ParkedDecisions(store, types).apply
    for batch in _batches(store, types, wanted, cursor):
        try:
            apply_together(updaters, batch, past.write_views, decide, _do_nothing)
        except Exception:  # noqa: BLE001 - each view is then tried alone and parks the event
            for updater in updaters:
                apply_or_park(updater, batch, past.write_views, decide, _do_nothing)


def _batches(
    store: EventStore, types: EventTypes, wanted: frozenset[str], cursor: Cursor
) -> Iterator[ViewBatch]:
    """Return the events up to ``cursor``, shard by shard: shards have no order between them."""
    for shard, end in cursor.items():
        after = 0
        while after < end:
            events = read_places(store, shard, after, min(_BATCH, end - after))
            if not events:
                found = "the event is missing, and so are all behind it"
                raise StoreCorruptError(store.url, found, shard=shard, position=after + 1)
            yield make_batch(events, wanted, types)
            after = events[-1].position


def _do_nothing() -> None:
    """Replace the failpoint before the commit."""
