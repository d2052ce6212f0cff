"""The reading half that stores in a database share: each method calls an open reader."""

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

if TYPE_CHECKING:  # the verifying modules are imported by verify() only
    from indelible.events.verification.anchor import Anchor
    from indelible.events.verification.chain_walk import ShardEnd

_log = logging.getLogger(__name__)


class Reader(Protocol):
    """The log of one open database."""

    def read(self, stream: str, after: int, until: int | None) -> Iterable[RecordedEvent]:
        """See :class:`~indelible.events.store.EventStore`."""
        ...

    def read_firsts(
        self, streams: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[RecordedEvent]]:
        """See :class:`~indelible.events.store.EventStore`."""
        ...

    def read_shard(self, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
        """See :class:`~indelible.events.store.EventStore`."""
        ...

    def event_id(self, stream: str, version: int) -> bytes | None:
        """See :class:`~indelible.events.store.EventStore`."""
        ...

    def head(self, stream: str) -> StreamHead | None:
        """See :class:`~indelible.events.store.EventStore`."""
        ...

    def heads(
        self,
        category: str,
        statuses: Sequence[str] | None,
        shards: Collection[int] | None,
        wake_at: int | None,
    ) -> Sequence[StreamHead]:
        """See :class:`~indelible.events.store.EventStore`."""
        ...

    def heads_of(self, streams: Collection[str]) -> Sequence[StreamHead]:
        """Return the heads of the ``streams`` that exist."""
        ...

    def sleeping(
        self, shards: Collection[int] | None, after: Place, until: int, limit: int
    ) -> Sleepers:
        """See :class:`~indelible.events.store.EventStore`."""
        ...

    def blob(self, digest: bytes) -> bytes:
        """See :class:`~indelible.events.store.EventStore`."""
        ...

    def positions(self) -> Cursor:
        """See :class:`~indelible.events.store.EventStore`."""
        ...

    def ends(self) -> Sequence[tuple[int, int, bytes, int, int, int]]:
        """Return the fields of each shard's ``ShardEnd`` (``verification.chain_walk``)."""
        ...


class StoredLog(GroupedStore):
    """Base of a store whose log a :class:`Reader` reads."""

    def read_views(self) -> AbstractContextManager[sa.Connection]:
        """Open a read-only connection."""
        raise NotImplementedError

    def _open_reader(self) -> Reader:
        """Return the reader.

        Raises:
            SystemClosedError: The store is not open.
        """
        raise NotImplementedError

    def read(
        self, stream: str, after: int = 0, until: int | None = None
    ) -> Iterable[RecordedEvent]:
        """Return the events of ``stream`` with ``after < version <= until``, read in pages."""
        return self._open_reader().read(stream, after, until)

    def read_firsts(
        self, streams: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[RecordedEvent]]:
        """Return the first ``limit`` events of each of ``streams`` that has any, in one query."""
        return self._open_reader().read_firsts(streams, limit)

    def read_shard(self, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
        """Return at most ``limit`` events of ``shard`` after position ``after``, in order."""
        return self._open_reader().read_shard(shard, after, limit)

    def event_id(self, stream: str, version: int) -> bytes | None:
        """Return the id of the event at ``version``, ``None`` if there is no such event."""
        return self._open_reader().event_id(stream, version)

    def head(self, stream: str) -> StreamHead | None:
        """Return the head of ``stream``, ``None`` if it has no event."""
        return self._open_reader().head(stream)

    def heads(
        self,
        category: str,
        statuses: Sequence[str] | None = None,
        shards: Collection[int] | None = None,
        *,
        wake_at: int | None = None,
    ) -> Sequence[StreamHead]:
        """Return the heads of a category's streams, in order of their creation within a shard."""
        heads = self._open_reader().heads(category, statuses, shards, wake_at)
        return [head for head in heads if _has_category(category, head)]

    def heads_of(self, streams: Collection[str]) -> Mapping[str, StreamHead]:
        """Return the heads of ``streams``, in one query; damaged or unknown ones are left out."""
        return {head.stream: head for head in self._open_reader().heads_of(streams)}

    def sleeping(
        self,
        shards: Collection[int] | None = None,
        *,
        after: Place = FIRST,
        until: int = NEVER,
        limit: int = 1_000,
    ) -> Sleepers:
        """Return at most ``limit`` streams with a wake-up time, in the order of these times."""
        page = self._open_reader().sleeping(shards, after, until, limit)
        heads = [head for head in page.heads if _has_category(head.category, head)]
        return Sleepers(heads, page.place)

    def blob(self, digest: bytes) -> bytes:
        """Return the payload with this sha256."""
        return self._open_reader().blob(digest)

    def positions(self) -> Cursor:
        """Return the last committed position of every shard."""
        return self._open_reader().positions()

    def anchor(self) -> Anchor:
        """Return the ends of all shards, to keep outside the store."""
        from indelible.events.verification.log_check import anchor_of

        return anchor_of(self._ends())

    def verify(self, anchor: Anchor | None = None) -> int:
        """Verify the whole store and return the number of its events."""
        from indelible.events.verification.findings import Findings
        from indelible.events.verification.inbox_check import check_inbox
        from indelible.events.verification.index_check import check_indexes
        from indelible.events.verification.log_check import verify_log
        from indelible.events.verification.log_tables import LogTables
        from indelible.events.verification.snapshot_check import check_snapshots

        reader = self._open_reader()
        tables, findings = LogTables(self.read_views, self._without_time_limit), Findings()
        with findings.collecting():
            check_indexes(self.read_views, self._without_time_limit, findings)
        count = verify_log(
            *(self._ends, reader.read_shard, tables, reader.blob),
            *(anchor or {}, self.shards, findings),
        )
        with findings.collecting():
            check_inbox(self.read_views, self.shards, findings)
        with findings.collecting():
            check_snapshots(self, findings)
        findings.check()
        return count

    def _without_time_limit(self, connection: sa.Connection) -> AbstractContextManager[None]:  # noqa: ARG002 - a file has no limit
        """Lift the time limit of statements in the block, if there is one."""
        return nullcontext()

    def _ends(self) -> Sequence[ShardEnd]:
        from indelible.events.verification.chain_walk import ShardEnd

        return [ShardEnd(*end) for end in self._open_reader().ends()]


def _has_category(category: str, head: StreamHead) -> bool:
    """Whether a stream's name has the category of its row; if not, it is logged."""
    matches = category_of(head.stream) == category
    if not matches:
        _log.error("skipped: stream %.300r is in category %r by its row", head.stream, category)
    return matches
