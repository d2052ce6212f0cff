"""The port between the group commit and a database; each store implements it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from indelible.events.commit.shard_plan import Head, Shard, ShardPlan


class Backend(Protocol):
    """One writer's access to the database; the thread that calls it holds the writer lock.

    Any exception except :class:`~indelible.errors.StaleEpochError` means that the database
    failed: the caller discards the connection and calls :meth:`load` again.
    """

    @property
    def shards(self) -> int:
        """How many shards the store has."""
        ...

    def load(self) -> Mapping[int, Shard]:
        """Read the ends of the shards that this writer owns, on a good or new connection.

        Raises:
            StaleEpochError: The store has one shard, and another owner has it.  With several
                shards, the shards of other owners are left out.
        """
        ...

    def find_heads(self, names: Sequence[str]) -> Sequence[Head]:
        """Return the heads of the streams in ``names`` that exist, in any order."""
        ...

    def write(self, plans: Sequence[ShardPlan]) -> None:
        """Write all of ``plans``, one for each shard, in one durable transaction, or none.

        Raises:
            StaleEpochError: The shard that it names has another owner; nothing was written, and
                the connection can still be used.
        """
        ...

    def event_ids(self, places: Sequence[tuple[int, int]]) -> Sequence[bytes | None]:
        """Return the event id at each (stream id, version), ``None`` where there is no event."""
        ...

    def probe(self) -> None:
        """Write and commit something that leaves no trace, to check that writing works."""
        ...

    def discard(self) -> None:
        """Close the connection, whatever its state; never raises."""
        ...

    def upkeep(self) -> None:
        """Do maintenance that was deferred for the appends; called on a thread of its own."""
        ...

    @property
    def wants_upkeep(self) -> bool:
        """Whether :meth:`upkeep` is due."""
        ...
