"""Runs that need nobody by their rows in ``streams``, and go on by a view of their events.

A row is what the log's writer said, and may be edited, or restored from another time.  The view
``workflow_status`` is made from the events: what it knows no end of, and what by it runs or is due
earlier than its row says, is looked at.  It may lag, or be damaged itself, so that nobody believes
it either: the events tell.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from indelible.actors.workflow.state.run_state import RESUMED
from indelible.events.store import Cursor, EventStore, StreamHead
from indelible.projections.queries.view_queries import ACTIVE
from indelible.projections.tables import WORKFLOW_STATUS

logger = logging.getLogger("indelible.system")

PAGE = 1_000
"""Runs that are compared at once."""

_STATUS = WORKFLOW_STATUS.c
_COLUMNS = (
    *(_STATUS.run_id, _STATUS.started_at, _STATUS.position),
    *(_STATUS.steps_running, _STATUS.steps_retrying, _STATUS.steps_unknown, _STATUS.wake_at),
)

After = tuple[str, Any, Any]
"""A state, and start and id of the last run of the page before."""


class Doubts:
    """Compares the runs of some shards that go on by the view with their rows, page by page."""

    def __init__(self, store: EventStore, shards: Collection[int], known: Collection[str]) -> None:
        """Leave out the streams ``known``, and what moves from now on: its rows are our own."""
        self._store = store
        self._shards = frozenset(shards)
        self._known = frozenset(known)
        self._began: Cursor = store.positions()
        self._after: After | None = (ACTIVE[0], None, None)

    @property
    def over(self) -> bool:
        """Whether all have been compared."""
        return self._after is None

    def page(self) -> Sequence[StreamHead]:
        """Heads of the doubtful runs of the next page.

        Costs a look or three at the view, and one at the rows.

        Raises:
            StoreCorruptError: The view cannot be read.
            StoreUnavailableError: The database does not answer; the page is still to come.
        """
        rows: list[Mapping[Any, Any]] = []
        after = self._after
        while after is not None and len(rows) < PAGE:
            found = self._rows(*after)
            rows += found
            after = _behind(after[0], found)
        doubtful = self._compare([row for row in rows if self._is_meant(row)])
        self._after = after
        return doubtful

    def _rows(self, state: str, start: Any, run_id: Any) -> Sequence[Mapping[Any, Any]]:
        """Runs of ``state`` behind one that started at ``start``."""
        query = sa.select(*_COLUMNS).where(_STATUS.state == state).limit(PAGE)
        query = query.order_by(_STATUS.started_at, _STATUS.run_id)
        if run_id is not None:
            last = sa.tuple_(sa.literal(start), sa.literal(run_id))
            query = query.where(sa.tuple_(_STATUS.started_at, _STATUS.run_id) > last)
        with self._store.read_views() as connection:
            return connection.execute(query).mappings().all()

    def _is_meant(self, row: Mapping[Any, Any]) -> bool:
        run_id, position = row["run_id"], row["position"]
        stream = f"run-{run_id}"
        if not isinstance(run_id, str) or stream in self._known:
            return False
        shard = self._store.shard_of(stream)
        moved = isinstance(position, int) and position > self._began.get(shard, 0)
        return shard in self._shards and not moved

    def _compare(self, rows: Sequence[Mapping[Any, Any]]) -> Sequence[StreamHead]:
        heads = self._store.heads_of([f"run-{row['run_id']}" for row in rows])
        doubtful: list[StreamHead] = []
        for row in rows:
            stream = f"run-{row['run_id']}"
            head = heads.get(stream)
            if head is None:
                words = "passed over: %s is known to a view, and has no row in streams to be read"
                logger.warning(words, stream)
            elif not _fits(row, head):
                words = "%s is %r by its row, to be woken at %d; its events are looked at"
                logger.info(words, stream, head.status, head.wake_at)
                doubtful.append(head)
        return doubtful


def _behind(state: str, rows: Sequence[Mapping[Any, Any]]) -> After | None:
    """Where the page behind ``rows`` begins, which are of ``state``."""
    if len(rows) == PAGE:
        return state, rows[-1]["started_at"], rows[-1]["run_id"]
    others = ACTIVE[ACTIVE.index(state) + 1 :]
    return (others[0], None, None) if others else None


def _fits(row: Mapping[Any, Any], head: StreamHead) -> bool:
    """Whether a run that goes on by the view is, or will be, where its row brings it in time."""
    if head.category != "run" or head.status not in RESUMED:
        return False
    if head.wake_at == 0 and head.status != "waiting":
        return True  # it is in memory
    running, retrying, unknown, wake_at = (
        row[name] for name in ("steps_running", "steps_retrying", "steps_unknown", "wake_at")
    )
    if not all(type(value) is int for value in (running, retrying, unknown, wake_at)):
        return False
    if running > 0:
        return False
    if retrying > 0:
        return bool(0 < head.wake_at <= wake_at)
    return bool(unknown > 0 and head.wake_at >= 0)
