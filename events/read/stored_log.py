"""The reading half that stores in a database share: each method asks an open reader."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

import sqlalchemy as sa

from indelible.events.commit.grouped_store import GroupedStore
from indelible.events.model.event import RecordedEvent
from indelible.events.model.stream_names import category_of
from indelible.events.store import FIRST, NEVER, Cursor, Place, Sleepers, StreamHead

if TYPE_CHECKING:  # what verifies is imported when somebody verifies
    from indelible.events.verification.anchor import Anchor
    from indelible.events.verification.chain_walk import ShardEnd

_log = logging.getLogger(__name__)


class Reader(Protocol):
    """The log of one open database."""

    def read(self, stream: str, after: int, until: int | None) -> Iterable[RecordedEvent]:
        """As :class:`~indelible.events.store.EventStore` has it."""
        ...

    def read_firsts(
        self, streams: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[RecordedEvent]]:
        """As :class:`~indelible.events.store.EventStore` has it."""
        ...

    def read_shard(self, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
        """As :class:`~indelible.events.store.EventStore` has it."""
        ...

    def event_id(self, stream: str, version: int) -> bytes | None:
        """As :class:`~indelible.events.store.EventStore` has it."""
        ...

    def head(self, stream: str) -> StreamHead | None:
        """As :class:`~indelible.events.store.EventStore` has it."""
        ...

    def heads(
        self,
        category: str,
        statuses: Sequence[str] | None,
        shards: Collection[int] | None,
        wake_at: int | None,
    ) -> Sequence[StreamHead]:
        """As :class:`~indelible.events.store.EventStore` has it."""
        ...

    def heads_of(self, streams: Collection[str]) -> Sequence[StreamHead]:
        """Heads of those of ``streams`` that are found."""
        ...

    def sleeping(
        self, shards: Collection[int] | None, after: Place, until: int, limit: int
    ) -> Sleepers:
        """As :class:`~indelible.events.store.EventStore` has it."""
        ...

    def blob(self, digest: bytes) -> bytes:
        """As :class:`~indelible.events.store.EventStore` has it."""
        ...

    def positions(self) -> Cursor:
        """As :class:`~indelible.events.store.EventStore` has it."""
        ...

    def ends(self) -> Sequence[tuple[int, int, bytes, int, int, int]]:
        """What a :class:`~indelible.events.verification.chain_walk.ShardEnd` of each shard says."""
        ...


class StoredLog(GroupedStore):
    """Base of a store whose log a :class:`Reader` reads."""

    def read_views(self) -> AbstractContextManager[sa.Connection]:
        """A read-only connection."""
        raise NotImplementedError

    def _open_reader(self) -> Reader:
        """The reader.

        Raises:
            SystemClosedError: The store is not open.
        """
        raise NotImplementedError

    def read(
        self, stream: str, after: int = 0, until: int | None = None
    ) -> Iterable[RecordedEvent]:
        """Events of ``stream`` with ``after < version <= until``, in order, page by page."""
        return self._open_reader().read(stream, after, until)

    def read_firsts(
        self, streams: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[RecordedEvent]]:
        """The first ``limit`` events of each of ``streams`` that has any, in one look."""
        return self._open_reader().read_firsts(streams, limit)

    def read_shard(self, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
        """At most ``limit`` events of ``shard`` behind position ``after``, in order."""
        return self._open_reader().read_shard(shard, after, limit)

    def event_id(self, stream: str, version: int) -> bytes | None:
        """The id of one event of ``stream``, ``None`` if it has no such one."""
        return self._open_reader().event_id(stream, version)

    def head(self, stream: str) -> StreamHead | None:
        """Where ``stream`` ends, ``None`` if it has no event."""
        return self._open_reader().head(stream)

    def heads(
        self,
        category: str,
        statuses: Sequence[str] | None = None,
        shards: Collection[int] | None = None,
        *,
        wake_at: int | None = None,
    ) -> Sequence[StreamHead]:
        """Heads of a category's streams, in order of their creation within a shard."""
        heads = self._open_reader().heads(category, statuses, shards, wake_at)
        return [head for head in heads if _is_of(category, head)]

    def heads_of(self, streams: Collection[str]) -> Mapping[str, StreamHead]:
        """Heads of those of ``streams`` that have an event and can be read, in one look."""
        return {head.stream: head for head in self._open_reader().heads_of(streams)}

    def sleeping(
        self,
        shards: Collection[int] | None = None,
        *,
        after: Place = FIRST,
        until: int = NEVER,
        limit: int = 1_000,
    ) -> Sleepers:
        """At most ``limit`` streams that want to be woken, by the time at which they do."""
        page = self._open_reader().sleeping(shards, after, until, limit)
        return Sleepers([head for head in page.heads if _is_of(head.category, head)], page.place)

    def blob(self, digest: bytes) -> bytes:
        """The payload with this sha256."""
        return self._open_reader().blob(digest)

    def positions(self) -> Cursor:
        """The last committed position of every shard."""
        return self._open_reader().positions()

    def anchor(self) -> Anchor:
        """Where every shard ends, for keeping elsewhere."""
        from indelible.events.verification.log_check import anchor_of

        return anchor_of(self._ends())

    def verify(self, anchor: Anchor | None = None) -> int:
        """Verify the whole store and return how many events it has."""
        from indelible.events.verification.findings import Findings
        from indelible.events.verification.inbox_check import check_inbox
        from indelible.events.verification.index_check import check_indexes
        from indelible.events.verification.log_check import verify_log
        from indelible.events.verification.snapshot_check import check_snapshots
        from indelible.events.verification.tables import Tables

        reader = self._open_reader()
        tables, findings = Tables(self.read_views, self._at_length), Findings()
        with findings.noting():
            check_indexes(self.read_views, self._at_length, findings)
        count = verify_log(
            *(self._ends, reader.read_shard, tables, reader.blob),
            *(anchor or {}, self.shards, findings),
        )
        with findings.noting():
            check_inbox(self.read_views, self.shards, findings)
        with findings.noting():
            check_snapshots(self, findings)
        findings.check()
        return count

    def _at_length(self, connection: sa.Connection) -> AbstractContextManager[None]:  # noqa: ARG002 - a file has all the time
        """Let statements in the block take as long as they take."""
        return nullcontext()

    def _ends(self) -> Sequence[ShardEnd]:
        from indelible.events.verification.chain_walk import ShardEnd

        return [ShardEnd(*end) for end in self._open_reader().ends()]


def _is_of(category: str, head: StreamHead) -> bool:
    """Whether a stream's name says what its row says."""
    fits = category_of(head.stream) == category
    if not fits:
        _log.error("passed over: stream %.300r is in category %r by its row", head.stream, category)
    return fits
