"""Your own views: a name, tables, the handled events, and how these events change the tables.

Such a view works like the built-in ones: its rows and its cursor change in one transaction, an
event that it cannot apply is parked, and it can be rebuilt beside the live one.
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
_NAME_LIMIT = 40  # with a table's ending and __rebuild below PostgreSQL's limit of 63 bytes
_TABLE_LIMIT = 50


class Projection:
    """Base of your own views.

    Subclass it, set the four attributes, write :meth:`apply`, and pass an instance to
    ``ActorSystem(projections=[...])``.  The rows must depend on the events alone: not on a clock,
    random numbers or another table.  Streams have no order between them, so fold each stream
    separately, or use sums.

    Attributes:
        name: Name of the view, such as ``sales``: lower-case words with underscores.
        version: Raise it when the same events give other rows: the view is then rebuilt when the
            system opens, and the old rows stay until the new ones are complete.
        tables: Created when the system opens.  Their names are the view's name, or begin with it
            and an underscore; they refer to no other table.
        handles: The classes of the events that the view handles.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    tables: ClassVar[sa.MetaData]
    handles: ClassVar[Sequence[type[Event]]] = ()

    _bound: Mapping[str, sa.Table] | None = None

    def apply(self, connection: sa.Connection, events: Sequence[Pair], /) -> None:
        """Update the tables with ``events``; called on the views' thread.

        Args:
            connection: In the transaction that also moves the cursor; do not commit.
            events: At most 1,000 handled events, as (recorded event, typed event), in order within
                each stream.

        If it raises, the batch is rolled back, the event that causes the error is parked, and the
        other events are applied without it.
        """
        raise NotImplementedError

    def erase(self, connection: sa.Connection, stream: str, /) -> bool:  # noqa: ARG002 - for subclasses
        """Remove the effect of all events of ``stream``; ``False`` if that is not possible.

        If it is, retrying a parked event applies all events of its stream again, in order;
        otherwise the event is applied late, after other events of its stream.
        """
        return False

    def table(self, name: str) -> sa.Table:
        """Return the table ``name`` of :attr:`tables`, or its copy during a rebuild.

        Use it for every statement in :meth:`apply` and :meth:`erase`.
        """
        return (self._bound or self.tables.tables)[name]


class CustomView:
    """A :class:`Projection` as a :class:`View`, on tables whose names end in a suffix."""

    def __init__(self, given: Projection, suffix: str = "") -> None:
        """Take ``given`` without checks; see :func:`check_projections`."""
        self.name = given.name
        self.version = given.version
        self.event_types = frozenset(cls.wire_name for cls in given.handles)
        own = given.tables.sorted_tables
        self.tables: Sequence[sa.Table] = renamed(own, suffix)
        self._given = given
        self._projection = copy.copy(given)
        self._projection._bound = {
            table.name: bound for table, bound in zip(own, self.tables, strict=True)
        }

    def beside(self, suffix: str) -> CustomView:
        """Return the same view on other tables."""
        return CustomView(self._given, suffix)

    def make_tables(self, connection: sa.Connection) -> None:
        """Create the tables that do not exist."""
        for table in self.tables:
            table.create(connection, checkfirst=True)

    def fold(self, events: Sequence[Pair]) -> Sequence[Pair]:
        """Return the events for :meth:`write`."""
        return events

    def write(self, statements: PipelinedStatements, changes: Sequence[Pair]) -> None:
        """Call the projection's ``apply``."""
        self._projection.apply(statements.connection, changes)

    def erase(self, connection: sa.Connection, stream: str) -> bool:
        """Call the projection's ``erase``."""
        return self._projection.erase(connection, stream)


_STORE_TABLES = (
    *("alembic_version", "blobs", "consumers", "events", "inbox", "processes", "roles"),
    *("shards", "snapshots", "streams"),
)
"""Tables of the store that belong to no view."""


def check_projections(given: Iterable[Projection]) -> None:
    """Refuse views that are incomplete, or that use names of other views or tables.

    Raises:
        ValueError: It names the first mistake, and how to correct it.
    """
    tables = {*_STORE_TABLES, *METADATA.tables}
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
