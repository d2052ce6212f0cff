"""Views of your own: a name, tables, the events they are made of, and how those change the tables.

Such a view is kept like the built-in ones: its rows and its cursor move in one transaction, an
event that it cannot apply is parked, and it can be rebuilt beside itself.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar

import sqlalchemy as sa

from indelible.events.model.event import Event
from indelible.projections.sql.pipelined_statements import PipelinedStatements
from indelible.projections.tables import METADATA, renamed
from indelible.projections.views.view import Pair

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_NAME_LIMIT = 40  # with a table's part and __rebuild below the 63 bytes that PostgreSQL keeps
_TABLE_LIMIT = 50


class Projection:
    """Base of your own views.

    Subclass it, set the four attributes, write :meth:`apply`, and pass an instance to
    ``ActorSystem(projections=[...])``.  The rows must follow from the events alone: no clock, no
    chance, no other table.  Between streams no order is promised, so fold per stream, or add up.

    Attributes:
        name: The view's, such as ``sales``: lower-case words with underscores.
        version: Raise it when the same events give other rows: the view is then rebuilt when the
            system is opened, and the old rows stay until the new ones are complete.
        tables: They are made when the system is opened.  Their names are the view's, or begin with
            it and an underscore; they refer to no other table.
        handles: The classes of the events that it wants.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    tables: ClassVar[sa.MetaData]
    handles: ClassVar[Sequence[type[Event]]] = ()

    _bound: Mapping[str, sa.Table] | None = None

    def apply(self, connection: sa.Connection, events: Sequence[Pair], /) -> None:
        """Bring the tables up to date with ``events``; called on the views' thread.

        Args:
            connection: In the transaction that also moves the cursor; do not commit.
            events: At most 1,000 of the handled ones, as (recorded event, typed event), in order
                within each stream.

        Whatever it raises parks the event that causes it; then nothing of the batch is kept, and
        the others are applied without it.
        """
        raise NotImplementedError

    def erase(self, connection: sa.Connection, stream: str, /) -> bool:  # noqa: ARG002 - for subclasses
        """Remove all that the events of ``stream`` have made; ``False`` if that cannot be done.

        If it can be, retrying a parked event applies all events of its stream again, in order;
        else the event is applied late, after others of its stream.
        """
        return False

    def table(self, name: str) -> sa.Table:
        """The table that is called ``name`` in :attr:`tables`, or its twin during a rebuild.

        :meth:`apply` and :meth:`erase` use it for every statement.
        """
        return (self._bound or self.tables.tables)[name]


class CustomView:
    """A :class:`Projection` as the runner wants it, on tables whose names end in a suffix."""

    def __init__(self, given: Projection, suffix: str = "") -> None:
        """Check nothing; see :func:`check_projections`."""
        self.name = given.name
        self.version = given.version
        self.event_types = frozenset(cls.wire_name for cls in given.handles)
        own = given.tables.sorted_tables
        self.tables: Sequence[sa.Table] = renamed(own, suffix)
        self._given = given
        self._mine = copy.copy(given)
        self._mine._bound = {
            table.name: bound for table, bound in zip(own, self.tables, strict=True)
        }

    def beside(self, suffix: str) -> CustomView:
        """The same view in other tables."""
        return CustomView(self._given, suffix)

    def make_tables(self, connection: sa.Connection) -> None:
        """Make those that do not exist."""
        for table in self.tables:
            table.create(connection, checkfirst=True)

    def fold(self, events: Sequence[Pair]) -> Sequence[Pair]:
        """Keep the events for :meth:`write`."""
        return events

    def write(self, together: PipelinedStatements, changes: Sequence[Pair]) -> None:
        """Apply them."""
        self._mine.apply(together.connection, changes)

    def erase(self, connection: sa.Connection, stream: str) -> bool:
        """Ask the projection."""
        return self._mine.erase(connection, stream)


_OTHERS = (
    *("alembic_version", "blobs", "consumers", "events", "inbox", "processes", "roles"),
    *("shards", "snapshots", "streams"),
)
"""Tables of the store that are no views'."""


def check_projections(given: Iterable[Projection]) -> None:
    """Refuse views that cannot be kept, or that would get in the way of others.

    Raises:
        ValueError: The first thing that is wrong, and what to do about it.
    """
    tables = {*_OTHERS, *METADATA.tables}
    names: set[str] = set()
    for one in given:
        name = one.name
        if not _NAME.fullmatch(name) or len(name) > _NAME_LIMIT:
            raise ValueError(
                f"{type(one).__qualname__}.name is {name!r}: choose lower-case words with single "
                f"underscores, at most {_NAME_LIMIT} characters"
            )
        if name in tables or name in names:
            raise ValueError(f"the view {name!r} exists already; choose another name")
        if one.version < 1:
            raise ValueError(f"the view {name!r} has version {one.version}; versions begin at 1")
        if not one.handles or not all(cls.wire_name for cls in one.handles):
            raise ValueError(f"the view {name!r} must handle event classes with a wire_name")
        if not one.tables.tables:
            raise ValueError(f"the view {name!r} has no tables")
        names.add(name)
        for table in one.tables.sorted_tables:
            _check_table(name, table, tables)
            tables.add(table.name)


def _check_table(view: str, table: sa.Table, taken: Collection[str]) -> None:
    name = table.name
    belongs = name == view or name.startswith(f"{view}_")
    if not belongs or not _NAME.fullmatch(name) or len(name) > _TABLE_LIMIT or table.schema:
        raise ValueError(
            f"the table {table.fullname!r} of the view {view!r} must be called {view!r} or "
            f"'{view}_...', in at most {_TABLE_LIMIT} characters, and in no schema"
        )
    if name in taken:
        raise ValueError(f"there is a table {name!r} already; rename that of the view {view!r}")
    if not table.primary_key.columns:
        raise ValueError(f"the table {name!r} needs a primary key: views are compared by it")
    if table.foreign_keys:
        raise ValueError(f"the table {name!r} refers to another; views must stand alone")
