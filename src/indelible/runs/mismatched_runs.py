"""Finds runs whose row in ``streams`` says that they need no process, and a view says they do.

The log's writer wrote the row, but it may have been edited, or restored from a backup.  The view
``workflow_status`` is computed from the events.  A run is mismatched if the view shows it as
not ended and as running, or due earlier than its row says.  The view may lag or be damaged too, so
a mismatched run is activated, and its events decide.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from itertools import starmap
from typing import Any, NamedTuple

import sqlalchemy as sa

from indelible.actors.workflow.state.run_state import RESUMED
from indelible.events.store import Cursor, EventStore, StreamHead
from indelible.projections.queries.view_queries import ACTIVE
from indelible.projections.tables import WORKFLOW_STATUS

logger = logging.getLogger("indelible.system")

PAGE = 1_000
"""Runs that one page compares."""


class ViewRow(NamedTuple):
    """What the view says of a run; SQLite takes any type for any column."""

    run_id: Any
    started_at: Any
    position: Any
    steps_running: Any
    steps_retrying: Any
    steps_unknown: Any
    wake_at: Any


_PAGE = f"SELECT {', '.join(ViewRow._fields)} FROM {WORKFLOW_STATUS.name} WHERE state = :state"  # noqa: S608 - names of the view
_NEXT = " AND (started_at, run_id) > (:started_at, :run_id)"
_ORDER = " ORDER BY started_at, run_id LIMIT :limit"

# texts instead of expressions, which each opened store would compile anew
_FIRST_PAGE = sa.text(_PAGE + _ORDER)
_NEXT_PAGE = sa.text(_PAGE + _NEXT + _ORDER)

After = tuple[str, Any, Any]
"""A state, and the start and id of the last run of the previous page."""


class MismatchedRuns:
    """Compares the unfinished runs of some shards with their rows, page by page."""

    def __init__(self, store: EventStore, shards: Collection[int], known: Collection[str]) -> None:
        """Leave out the streams ``known``, and runs with events from now on: their rows are new."""
        self._store = store
        self._shards = frozenset(shards)
        self._known = frozenset(known)
        self._began: Cursor = store.positions()
        self._after: After | None = (ACTIVE[0], None, None)

    @property
    def finished(self) -> bool:
        """Whether all have been compared."""
        return self._after is None

    def page(self) -> Sequence[StreamHead]:
        """Heads of the mismatched runs in the next page.

        Costs one to three queries of the view, and one of the rows.

        Raises:
            StoreCorruptError: The view cannot be read.
            StoreUnavailableError: The database does not answer; call again for the same page.
        """
        rows: list[ViewRow] = []
        after = self._after
        while after is not None and len(rows) < PAGE:
            found = self._rows(*after)
            rows += found
            after = _next_page(after[0], found)
        mismatched = self._compare([row for row in rows if self._is_relevant(row)])
        self._after = after
        return mismatched

    def _rows(self, state: str, start: Any, run_id: Any) -> Sequence[ViewRow]:
        """Runs of ``state`` after the run ``run_id``, which started at ``start``."""
        query, values = _FIRST_PAGE, {"state": state, "limit": PAGE}
        if run_id is not None:
            query, values = _NEXT_PAGE, {**values, "started_at": start, "run_id": run_id}
        with self._store.read_views() as connection:
            return list(starmap(ViewRow, connection.execute(query, values)))

    def _is_relevant(self, row: ViewRow) -> bool:
        run_id, position = row.run_id, row.position
        stream = f"run-{run_id}"
        if not isinstance(run_id, str) or stream in self._known:
            return False
        shard = self._store.shard_of(stream)
        moved = isinstance(position, int) and position > self._began.get(shard, 0)
        return shard in self._shards and not moved

    def _compare(self, rows: Sequence[ViewRow]) -> Sequence[StreamHead]:
        heads = self._store.heads_of([f"run-{row.run_id}" for row in rows])
        mismatched: list[StreamHead] = []
        for row in rows:
            stream = f"run-{row.run_id}"
            head = heads.get(stream)
            if head is None:
                text = "%s is in a view and has no readable row in streams; it is left out"
                logger.warning(text, stream)
            elif not _row_agrees(row, head):
                text = (
                    "the row of %s has status %r and wake_at %d, a view differs; reading its events"
                )
                logger.info(text, stream, head.status, head.wake_at)
                mismatched.append(head)
        return mismatched


def _next_page(state: str, rows: Sequence[ViewRow]) -> After | None:
    """Where the page after ``rows`` begins, which are runs of ``state``."""
    if len(rows) == PAGE:
        return state, rows[-1].started_at, rows[-1].run_id
    others = ACTIVE[ACTIVE.index(state) + 1 :]
    return (others[0], None, None) if others else None


def _row_agrees(row: ViewRow, head: StreamHead) -> bool:
    """Whether the row of an unfinished run wakes it as early as the view says it must."""
    if head.category != "run" or head.status not in RESUMED:
        return False
    if head.wake_at == 0 and head.status != "waiting":
        return True  # its actor is in memory
    running, retrying, unknown = row.steps_running, row.steps_retrying, row.steps_unknown
    wake_at = row.wake_at
    if not all(type(value) is int for value in (running, retrying, unknown, wake_at)):
        return False
    if running > 0:
        return False
    if retrying > 0:
        return bool(0 < head.wake_at <= wake_at)
    return bool(unknown > 0 and head.wake_at >= 0)
