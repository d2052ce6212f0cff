"""Reads the cursors of views, and checks them against the views' rows and the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from indelible.events.store import Cursor
from indelible.projections.engine.view_cursors import DAMAGED, ViewCursor, read_view_cursors
from indelible.projections.views.view import View

_LOST = ViewCursor(DAMAGED, {})


def checked_cursors(connection: sa.Connection, views: Iterable[View]) -> Mapping[str, ViewCursor]:
    """Return the cursor of each of ``views``, by name; a view without rows is at the beginning.

    A view that has rows but no cursor is DAMAGED: its place in the log is lost.
    """
    stored_cursors = read_view_cursors(connection)
    for view in views:
        if view.name not in stored_cursors:
            lost = _has_rows(connection, view)
            stored_cursors[view.name] = _LOST if lost else ViewCursor(view.version, {})
    return stored_cursors


def within(view_cursor: ViewCursor, ends: Cursor) -> ViewCursor:
    """Return ``view_cursor``, or a DAMAGED cursor if it is beyond the ``ends`` of the log.

    >>> within(ViewCursor(1, {0: 5}), {0: 7})
    ViewCursor(version=1, cursor={0: 5})
    >>> within(ViewCursor(1, {0: 5}), {0: 4})
    ViewCursor(version=-1, cursor={})
    """
    beyond = any(position > ends.get(shard, 0) for shard, position in view_cursor.cursor.items())
    return _LOST if beyond else view_cursor


def _has_rows(connection: sa.Connection, view: View) -> bool:
    query = sa.select(sa.literal(1)).limit(1)
    return any(connection.execute(query.select_from(table)).first() for table in view.tables)
