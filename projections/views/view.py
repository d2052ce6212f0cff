"""The port of a view: what every projection offers to the runner.

A view is a function of the log alone (invariant 8), so nothing here reads a clock, and the result
must not depend on how the runner cuts the log into batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import sqlalchemy as sa

from indelible.events.model.event import Event, RecordedEvent
from indelible.projections.sql.pipelined_statements import PipelinedStatements

Pair: TypeAlias = tuple[RecordedEvent, Event]
"""An event of the log with its typed form; both are shared, so nobody changes them."""


class View(Protocol):
    """Folds events into tables; only the runner's thread calls it.

    A batch takes two steps, so that the writer's turn is not held while Python computes: ``fold``
    outside the transaction, then ``write`` inside the one that also moves the cursor.

    Attributes:
        name: Wire name, stable; the cursor is kept under it.
        version: Raised when the same events give other rows; the view is then rebuilt on open.
        tables: Where the rows live; a migration creates them, nobody else writes to them.
        event_types: Wire names of the events it wants.
    """

    @property
    def name(self) -> str:
        """Wire name."""
        ...

    @property
    def version(self) -> int:
        """Generation of the rules that make the rows."""
        ...

    @property
    def tables(self) -> Sequence[sa.Table]:
        """Where the rows live."""
        ...

    @property
    def event_types(self) -> frozenset[str]:
        """Wire names of the events it wants."""
        ...

    def fold(self, events: Sequence[Pair]) -> Any:
        """What ``events`` (at most 1,000, in order within a shard) change; touches no table.

        Whatever it raises parks the event that causes it.
        """
        ...

    def write(self, together: PipelinedStatements, changes: Any) -> None:
        """Bring the rows up to date with ``changes``, in as few statements as can be.

        It adds them to ``together``, or uses its connection, and must not commit.  A refusal of
        the database to take a row, and any error that is not the database's, parks the event that
        causes it; then nothing of the batch has been kept.
        """
        ...

    def erase(self, connection: sa.Connection, stream: str) -> bool:
        """Remove all that the events of ``stream`` have made, so that they can be folded again.

        ``False``, and nothing removed, if it cannot be told from what others have made.
        """
        ...

    def beside(self, suffix: str) -> View:
        """The same projection on tables whose names end in ``suffix``, for a rebuild."""
        ...
