"""What the group commit needs of a database: a small port that every store fills in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from indelible.events.commit.shard_plan import Head, Shard, ShardPlan


class Backend(Protocol):
    """One writer's hold on the database; called by one thread at a time, under the writer's turn.

    Any exception except :class:`~indelible.errors.StaleEpochError` means that the database
    failed: the caller discards the connection and loads again.
    """

    @property
    def shards(self) -> int:
        """How many shards the store has."""
        ...

    def load(self) -> Mapping[int, Shard]:
        """Read where the shards end that this writer owns, on a connection that is good or new.

        Raises:
            StaleEpochError: The only shard has another owner; where there are several, one that
                has is left out.
        """
        ...

    def find_heads(self, names: Sequence[str]) -> Sequence[Head]:
        """The heads of those of ``names`` that exist, in any order."""
        ...

    def write(self, plans: Sequence[ShardPlan]) -> None:
        """Make all of ``plans``, one a shard, durable in one transaction, or nothing of them.

        Raises:
            StaleEpochError: One of the shards, which it names, has another owner; nothing was
                written, and the connection is as good as before.
        """
        ...

    def event_ids(self, places: Sequence[tuple[int, int]]) -> Sequence[bytes | None]:
        """The event id at each (stream id, version), ``None`` where there is no event."""
        ...

    def probe(self) -> None:
        """Write and commit something that leaves no trace, to see whether writing works."""
        ...

    def discard(self) -> None:
        """Drop the connection, in whatever state it is; never raises."""
        ...

    def upkeep(self) -> None:
        """Do what was put off while appends were waiting; on a thread of its own."""
        ...

    @property
    def wants_upkeep(self) -> bool:
        """Whether :meth:`upkeep` is due."""
        ...
