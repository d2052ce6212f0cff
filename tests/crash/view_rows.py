"""Runs for views, and the rows that a fold of the log gives, made apart from any runner."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from indelible.clock import SystemClock
from indelible.errors import StaleEpochError
from indelible.events.model.event import Event
from indelible.events.model.event_types import run_event_types
from indelible.events.model.run_events import RunAccepted, RunCompleted, StepCompleted
from indelible.events.store import Cursor, EventStore
from indelible.ids import Ids
from indelible.projections.sql.pipelined_statements import PipelinedStatements
from indelible.projections.tables import METADATA
from indelible.projections.views.view import View

SHARDS = 4  # on PostgreSQL
LEASE = 1.0  # seconds, there
TYPES = run_event_types()

_clock, _ids = SystemClock(), Ids()


def write_run(store: EventStore, run: str, agent: str) -> bool:
    """A whole run in two appends; ``False`` if its shard is another process's, also by now."""
    now = _clock.now()

    def put(version: int, *events: Event) -> None:
        encoded = [TYPES.encode(event, _ids.uuid7()) for event in events]
        store.append(f"run-{run}", encoded, expected=version)

    try:
        put(0, RunAccepted(run, agent, "w", b"", b"", 1, now, (("s", 1),)))
        end = RunCompleted(now, "success", 1, 0, 0, now % 1_000, 9)
        put(1, StepCompleted("s", 1, now, now % 1_000), end)
    except StaleEpochError:
        return False
    return True


def rows_of(connection: sa.Connection, projection: View) -> list[Any]:
    """All rows of a view, by their primary keys."""
    return [
        [tuple(row) for row in connection.execute(sa.select(t).order_by(*t.primary_key.columns))]
        for t in projection.tables
    ]


def folded(store: EventStore, projection: View, until: Cursor) -> list[Any]:
    """The rows that the events up to ``until`` give."""
    events = [e for s, end in until.items() if end for e in store.read_shard(s, 0, end)]
    pairs = [(e, TYPES.decode(e)) for e in events if e.type in projection.event_types]
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with engine.begin() as connection:
        METADATA.create_all(connection)
        together = PipelinedStatements(connection)
        projection.write(together, projection.fold(pairs))
        together.run()
        rows = rows_of(connection, projection)
    engine.dispose()
    return rows
