"""Where views stand, as far as that is to be believed: their rows or the log may contradict it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from indelible.events.store import Cursor
from indelible.projections.engine.view_cursors import DAMAGED, Stand, read_stands
from indelible.projections.views.view import View

_LOST = Stand(DAMAGED, {})


def standing(connection: sa.Connection, views: Iterable[View]) -> Mapping[str, Stand]:
    """Where each of ``views`` stands, by name; one without any row is at the beginning.

    Rows whose place in the log is lost are good for nothing: their view is DAMAGED.
    """
    stands = read_stands(connection)
    for view in views:
        if view.name not in stands:
            lost = _has_rows(connection, view)
            stands[view.name] = _LOST if lost else Stand(view.version, {})
    return stands


def within(stand: Stand, ends: Cursor) -> Stand:
    """``stand``, DAMAGED if the log, which reaches to ``ends`` at least, does not reach as far.

    >>> within(Stand(1, {0: 5}), {0: 7})
    Stand(version=1, cursor={0: 5})
    >>> within(Stand(1, {0: 5}), {0: 4})
    Stand(version=-1, cursor={})
    """
    beyond = any(position > ends.get(shard, 0) for shard, position in stand.cursor.items())
    return _LOST if beyond else stand


def _has_rows(connection: sa.Connection, view: View) -> bool:
    query = sa.select(sa.literal(1)).limit(1)
    return any(connection.execute(query.select_from(table)).first() for table in view.tables)
