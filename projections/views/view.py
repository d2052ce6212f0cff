"""The port of a view, which every projection implements for the runner.

A view is a function of the log alone (invariant 8): it reads no clock, and its rows do not depend
on how the runner divides the log into batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import sqlalchemy as sa

from indelible.events.model.event import Event, RecordedEvent
from indelible.projections.sql.pipelined_statements import PipelinedStatements

Pair: TypeAlias = tuple[RecordedEvent, Event]
"""An event of the log with its typed form; several views share both and must not change them."""


class View(Protocol):
    """Folds events into tables; only the runner's thread calls it.

    A batch takes two steps, so that no lock is held while Python computes: ``fold`` outside a
    transaction, then ``write`` inside the one that also moves the cursor.

    Attributes:
        name: Wire name, which never changes; also the name of the cursor.
        version: Raised when the same events give other rows; the view is then rebuilt on open.
        tables: The tables of the rows; a migration creates them, and only the view writes to them.
        event_types: Wire names of the handled events.
    """

    @property
    def name(self) -> str:
        """Wire name."""
        ...

    @property
    def version(self) -> int:
        """Version of the rules that make the rows."""
        ...

    @property
    def tables(self) -> Sequence[sa.Table]:
        """The tables of the rows."""
        ...

    @property
    def event_types(self) -> frozenset[str]:
        """Wire names of the handled events."""
        ...

    def fold(self, events: Sequence[Pair]) -> Any:
        """Return the changes by ``events`` (at most 1,000, in order within a shard); no I/O.

        If it raises, the event that causes the error is parked.
        """
        ...

    def write(self, statements: PipelinedStatements, changes: Any) -> None:
        """Write ``changes`` to the rows, in as few statements as possible.

        It adds them to ``statements``, or uses its connection, and must not commit.  If the
        database refuses a row, or the view itself raises, the batch is rolled back and the event
        that causes the error is parked.
        """
        ...

    def erase(self, connection: sa.Connection, stream: str) -> bool:
        """Remove the effect of all events of ``stream``, so that they can be folded again.

        ``False``, with nothing removed, if the view cannot tell it from that of other streams.
        """
        ...

    def beside(self, suffix: str) -> View:
        """Return the same view on tables whose names end in ``suffix``, for a rebuild."""
        ...
