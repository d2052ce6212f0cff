"""Reads all shards of a log after a cursor, page by page, and without gaps.

Keeps invariant 8: the positions of a shard are returned in order and without a gap.  There is no
thread and no waiting here; one page and one batch are in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from indelible.errors import CursorAheadError, EventGapError, StoreError
from indelible.events.model.event import RecordedEvent
from indelible.events.store import Cursor, EventStore
from indelible.events.subscribe.batches import Decode, EventBatch, Selection

MAX_BATCH = 500
"""Events of a batch: enough to make a commit's cost small, few enough to handle in a second."""

PAGE = MAX_BATCH
"""Events that one statement reads at most: some 200 KiB of usual events."""

MAX_BYTES = 4 * 1024 * 1024
"""Bytes of payloads and metadata of a batch; one event may be that large."""

_FIRST_PAGE = 64  # events: even 64 of the largest fit in memory
_SCAN = 8 * PAGE  # events read for a batch before an empty one is returned

_recorded_at = attrgetter("recorded_at")


class ShardPages:
    """Reads a log page by page, shard by shard, fairly; for one thread at a time.

    Attributes:
        cursor: The positions of the events returned, or read and not selected.
    """

    def __init__(
        self,
        store: EventStore,
        decode: Decode,
        selection: Selection,
        after: Cursor,
        *,
        max_batch: int = MAX_BATCH,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """Begin after ``after``; ``decode`` converts recorded events to typed ones.

        Raises:
            ValueError: A bound is below 1, or ``after`` is not a cursor.
        """
        if max_batch < 1 or max_bytes < 1:
            raise ValueError("max_batch and max_bytes must be at least 1")
        self.cursor = check_cursor(after)
        self._store = store
        self._decode = decode
        self._wants = None if selection.everything else selection.wants
        self._max_batch = max_batch
        self._max_bytes = max_bytes
        self._heads: Cursor = {}
        self._shard = -1  # the shard that was read last
        self._page = _FIRST_PAGE
        self._rest: Sequence[RecordedEvent] = ()  # events of that shard, read and not returned

    def read(self) -> EventBatch | None:
        """Return the next events, ``None`` if there are none; an empty batch moves the cursor.

        Raises:
            EventGapError: An event below the shard's head cannot be read; all events before it
                were returned, and the next call tries again.
            CursorAheadError: The log ends before the cursor.
            StoreUnavailableError: The database failed; the next call tries again.
        """
        start, cursor = self.cursor, dict(self.cursor)
        found: list[RecordedEvent] = []
        size = scanned = 0
        while scanned < _SCAN and len(found) < self._max_batch and size < self._max_bytes:
            if not self._rest and not self._may_fetch(cursor, found, scanned):
                break
            page, taken = self._rest, 0
            for event in page:
                if len(found) >= self._max_batch or size >= self._max_bytes:
                    break
                taken += 1
                if self._wants is None or self._wants(event):
                    found.append(event)
                    size += _size(event)
            self._rest = page[taken:]
            scanned += taken
            cursor[self._shard] = page[taken - 1].position
        if not scanned:
            return None
        if len({event.shard for event in found}) > 1:
            found.sort(key=_recorded_at)  # stable; within a shard it never decreases
        self.cursor = cursor
        return EventBatch(found, start, dict(cursor), self._decode)

    def _may_fetch(self, cursor: Cursor, found: Sequence[RecordedEvent], scanned: int) -> bool:
        try:
            return self._fetch(cursor, refresh=not found)
        except StoreError:
            if scanned:
                return False  # the events before the failure are returned first
            raise

    def _fetch(self, cursor: Cursor, *, refresh: bool) -> bool:
        """Read the next page after ``cursor``; if all is read, ``refresh`` the heads first."""
        shard = self._next_shard(cursor)
        if shard is None and refresh:
            self._read_heads(cursor)
            shard = self._next_shard(cursor)
        if shard is None:
            return False
        after = cursor.get(shard, 0)
        page = self._store.read_shard(shard, after, self._page)
        found = [event.position for event in page]
        if found != list(range(after + 1, after + 1 + len(found))):
            page = page[: next(n for n, position in enumerate(found) if position != after + 1 + n)]
        if not page:
            raise EventGapError(shard, after, found[:2])
        self._shard = shard
        self._rest = page
        self._adapt(page)
        return True

    def _next_shard(self, cursor: Cursor) -> int | None:
        """Return the next shard, round robin; ``None`` if all are read up to the known heads."""
        lagging = [shard for shard, head in self._heads.items() if head > cursor.get(shard, 0)]
        later = [shard for shard in lagging if shard > self._shard]
        return min(later or lagging, default=None)

    def _read_heads(self, cursor: Cursor) -> None:
        self._heads = dict(self._store.positions())
        for shard, position in cursor.items():
            head = self._heads.get(shard, 0)
            if position > head:
                raise CursorAheadError(self._store.url, shard, position, head)

    def _adapt(self, page: Sequence[RecordedEvent]) -> None:
        """Set the size of the next page so that a page of such events keeps the byte limit."""
        size = sum(map(_size, page))
        fitting = max(1, len(page) * self._max_bytes // max(1, size))
        self._page = min(PAGE, 2 * self._page, fitting)


def _size(event: RecordedEvent) -> int:
    """Return the bytes of payload and metadata; 0 if damage has changed their types."""
    try:
        return len(event.payload) + len(event.metadata)
    except TypeError:
        return 0


def check_cursor(cursor: Cursor) -> Cursor:
    """Check ``cursor`` and return a copy.

    Raises:
        ValueError: ``cursor`` is not a dict of shards and positions.
    """
    if not isinstance(cursor, dict) or not all(
        type(shard) is int and type(position) is int and shard >= 0 and position >= 0
        for shard, position in cursor.items()
    ):
        raise ValueError(
            f"{cursor!r:.100} is no cursor: give {{shard: position}}, such as {{0: 17}}"
        )
    return dict(cursor)


def format_cursor(cursor: Cursor) -> str:
    """Return ``cursor`` as a short text; the beginning of the log is ``start``.

    >>> format_cursor({3: 4, 0: 17, 1: 0}), format_cursor({})
    ('0:17,3:4', 'start')
    """
    parts = [f"{shard}:{position}" for shard, position in sorted(cursor.items()) if position]
    return ",".join(parts) or "start"


def parse_cursor(text: str) -> Cursor:
    """Parse a text of :func:`format_cursor`.

    Raises:
        ValueError: ``text`` has another form.

    >>> parse_cursor("0:17,3:4"), parse_cursor("start")
    ({0: 17, 3: 4}, {})
    """
    cursor: Cursor = {}
    for part in () if text == "start" else text.split(","):
        shard, colon, position = part.partition(":")
        if not colon or not shard.isdecimal() or not position.isdecimal() or int(shard) in cursor:
            raise ValueError(f"{text!r:.100} is no cursor: write SHARD:POSITION,..., or start")
        cursor[int(shard)] = int(position)
    return cursor
