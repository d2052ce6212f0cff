"""The event store in memory: the reference for all others, and the store of tests."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from heapq import nsmallest
from operator import attrgetter
from typing import TYPE_CHECKING

import sqlalchemy as sa

from indelible.clock import Clock, SystemClock
from indelible.errors import ForkedError, StoreCorruptError, SystemClosedError
from indelible.events.commit.group_commit import GroupCommit
from indelible.events.commit.grouped_store import GroupedStore
from indelible.events.commit.shard_plan import STREAM_ID_BITS, Head
from indelible.events.concurrency.fair_lock import FairLock
from indelible.events.inbox.inbox import Inbox
from indelible.events.lease.store_owner import StoreOwner
from indelible.events.memory.backend import MemoryBackend
from indelible.events.memory.inbox import MemoryInbox
from indelible.events.memory.views import MemoryViews
from indelible.events.model.event import RecordedEvent
from indelible.events.read.stream_gaps import Span, gapless_events
from indelible.events.sqlite.fork_guard import check_not_in_use_at_fork, note_use_at_fork
from indelible.events.store import FIRST, NEVER, Cursor, Place, Sleepers, StreamHead
from indelible.failpoints import Failpoints
from indelible.forks import watch

if TYPE_CHECKING:  # the verifying modules are imported by verify() only
    from indelible.events.verification.anchor import Anchor
    from indelible.events.verification.chain_walk import ShardEnd


class MemoryEventStore(GroupedStore):
    """Keeps its events while the object exists, also while closed, so that tests can restart it."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        failpoints: Failpoints | None = None,
        url: str = "memory://",
        shards: int = 1,
    ) -> None:
        """Start empty and without a thread.  With several ``shards`` it owns them all."""
        self.url = url
        clock, failpoints = clock or SystemClock(), failpoints or Failpoints()
        self._memory = MemoryBackend(failpoints, shards, MemoryInbox(clock.now))
        self._views = MemoryViews()
        self._writer_lock = FairLock()
        name = "event store (memory)"
        self._group = GroupCommit(self._memory, clock, failpoints, self._writer_lock, name)
        watch(self)

    @property
    def shards(self) -> int:
        """The number of shards."""
        return self._memory.shards

    def holds(self, stream: str) -> bool:
        """Whether this process may act for ``stream`` at this instant; tests may set a deadline."""
        return self._group.holds(self.shard_of(stream))

    @property
    def inbox(self) -> Inbox:
        """The inbox, to which only this process can submit commands."""
        return self._memory.inbox

    def owners(self) -> Sequence[StoreOwner]:
        """Return no owner: no other process can see this store."""
        return ()

    def open(self) -> None:
        """Raise the epoch and accept appends.

        Raises:
            ForkedError: SQLite, which holds the views, was in use when this process was forked.
        """
        self.check_process()
        check_not_in_use_at_fork()
        if self.state == "closed":
            self._group.begin(self._memory.raise_epoch())

    def close(self) -> None:
        """Commit the queued appends, then refuse later ones; may be called twice."""
        self.check_process()
        self._group.end(SystemClosedError("the event store", f"{self.url} is closed"))

    def _forked(self, parent: int) -> None:
        """Close the store in a forked child, whose copy may be in the middle of a change."""
        if self.state != "closed":
            self._parent = parent
            note_use_at_fork(self.url, parent)
            self._group.abandon(ForkedError("the event store", self.url, parent))

    # -- reading

    def read(
        self, stream: str, after: int = 0, until: int | None = None
    ) -> Iterable[RecordedEvent]:
        """Return the events of ``stream`` with ``after < version <= until``, in order."""
        self._check_open()
        memory, after = self._memory, max(after, 0)
        with memory.lock:
            head, events = memory.heads.get(stream), memory.streams.get(stream, [])
            end = None if until is None else _index_after(events, until, _version)
            part = events[_index_after(events, after, _version) : end]
        if head is None:
            return ()
        limit = head.version if until is None else until
        span = Span.of(self.url, stream, (head.id, head.version), after, limit, len(part) + 1)
        return gapless_events(span, part, lambda _: (), self.read_shard)

    def read_firsts(
        self, streams: Sequence[str], limit: int
    ) -> Mapping[str, Sequence[RecordedEvent]]:
        """Return the first ``limit`` events of each of ``streams`` that has any."""
        self._check_open()
        with self._memory.lock:
            known = {name: self._memory.streams.get(name, []) for name in streams}
            found = {
                name: events[: _index_after(events, limit, _version)]
                for name, events in known.items()
            }
        return {name: events for name, events in found.items() if events}

    def read_shard(self, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
        """Return at most ``limit`` events after position ``after``, in order."""
        self._check_open()
        with self._memory.lock:
            events = self._memory.events.get(shard, [])
            start = _index_after(events, max(after, 0), _position)
            return events[start : start + limit]

    def event_id(self, stream: str, version: int) -> bytes | None:
        """Return the id of the event at ``version``, ``None`` if there is no such event."""
        return next((event.event_id for event in self.read(stream, version - 1, version)), None)

    def head(self, stream: str) -> StreamHead | None:
        """Return the head of ``stream``, ``None`` if it has no event."""
        self._check_open()
        head = self._memory.heads.get(stream)
        return None if head is None else _stream_head(head)

    def heads(
        self,
        category: str,
        statuses: Sequence[str] | None = None,
        shards: Collection[int] | None = None,
        *,
        wake_at: int | None = None,
    ) -> Sequence[StreamHead]:
        """Return the heads of a category's streams in order of their creation, filtered."""
        self._check_open()
        with self._memory.lock:
            heads = sorted(self._memory.heads.values(), key=lambda head: head.id)
        return [
            _stream_head(head)
            for head in heads
            if head.category == category
            and (statuses is None or head.status in statuses)
            and (shards is None or head.id >> STREAM_ID_BITS in shards)
            and wake_at in (None, head.wake_at)
        ]

    def heads_of(self, streams: Collection[str]) -> Mapping[str, StreamHead]:
        """Return the heads of ``streams``; unknown ones are left out."""
        self._check_open()
        with self._memory.lock:
            heads = self._memory.heads
            return {name: _stream_head(heads[name]) for name in streams if name in heads}

    def sleeping(
        self,
        shards: Collection[int] | None = None,
        *,
        after: Place = FIRST,
        until: int = NEVER,
        limit: int = 1_000,
    ) -> Sleepers:
        """Return at most ``limit`` streams with a wake-up time, in the order of these times."""
        self._check_open()
        with self._memory.lock:
            heads = [
                head
                for head in self._memory.heads.values()
                if 0 < head.wake_at <= until
                and (head.wake_at, head.id) > after
                and (shards is None or head.id >> STREAM_ID_BITS in shards)
            ]
        page = nsmallest(limit, heads, key=_place)
        place = _place(page[-1]) if len(page) == limit else None
        return Sleepers(list(map(_stream_head, page)), place)

    def blob(self, digest: bytes) -> bytes:
        """Return the payload with this sha256."""
        self._check_open()
        content = self._memory.blobs.get(digest)
        if content is None or sha256(content).digest() != digest:
            found = "is missing" if content is None else "has other contents"
            raise StoreCorruptError(self.url, f"blob {digest.hex()} {found}")
        return content

    def positions(self) -> Cursor:
        """Return the last committed position of every shard."""
        self._check_open()
        with self._memory.lock:
            return {number: shard.head for number, shard in self._memory.ends.items()}

    def anchor(self) -> Anchor:
        """Return the ends of all shards, to keep outside the store."""
        from indelible.events.verification.log_check import anchor_of

        return anchor_of(self._ends())

    def verify(self, anchor: Anchor | None = None) -> int:
        """Verify the hash chains, and nothing else, and return the number of events."""
        from indelible.events.verification.log_check import verify_chains

        return verify_chains(self._ends(), self.read_shard, anchor or {})

    def _ends(self) -> Sequence[ShardEnd]:
        from indelible.events.verification.chain_walk import ShardEnd

        self._check_open()
        memory = self._memory
        with memory.lock:
            return [
                ShardEnd(e.number, e.head, e.chain, len(memory.events[n]), e.epoch, e.streams)
                for n, e in memory.ends.items()
            ]

    # -- views

    @contextmanager
    def write_views(self) -> Iterator[sa.Connection]:
        """Open a transaction for views and cursors; it excludes appends."""
        self._check_open()
        with self._writer_lock, self._views.begin() as connection:
            yield connection

    @contextmanager
    def read_views(self) -> Iterator[sa.Connection]:
        """Open a connection to the views; waits for a transaction that writes them."""
        self._check_open()
        with self._views.begin() as connection:
            yield connection

    def _check_open(self) -> None:
        if self._group.state == "closed":
            self.check_process()
            raise SystemClosedError("the event store", f"{self.url} is not open")


_version, _position = attrgetter("version"), attrgetter("position")
_place = attrgetter("wake_at", "id")


def _index_after(
    events: Sequence[RecordedEvent], number: int, key: Callable[[RecordedEvent], int]
) -> int:
    """Return the index of the first event whose version or position is above ``number``."""
    return bisect_right(events, number, key=key)


def _stream_head(head: Head) -> StreamHead:
    return StreamHead(head.name, head.category, head.version, head.status, head.wake_at)
