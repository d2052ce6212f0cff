"""Reading all shards of a log behind a cursor: which to read next, how much, and without gaps.

Keeps invariant 8: positions of a shard come out one by one without a gap, never n before a lower
one.  No thread and no waiting here; memory holds one page and one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from indelible.errors import CursorAheadError, EventGapError, StoreError
from indelible.events.model.event import RecordedEvent
from indelible.events.store import Cursor, EventStore
from indelible.events.subscribe.batches import Decode, EventBatch, Selection

MAX_BATCH = 500
"""Events of a batch: enough to make a commit's cost small, few enough to be handled in a second."""

PAGE = MAX_BATCH
"""Events that one statement reads at most: some 200 KiB of usual ones."""

MAX_BYTES = 4 * 1024 * 1024
"""Bytes of payloads and metadata of a batch; one event may be that large."""

_FIRST_PAGE = 64  # events: of the largest ones 64 fit in memory, whatever comes
_SCAN = 8 * PAGE  # events that are looked at for a batch before the caller may look around

_recorded_at = attrgetter("recorded_at")


class ShardPages:
    """Reads a log page by page, shard by shard, fairly; for one thread at a time.

    Attributes:
        cursor: Positions handed out, or passed over as nobody wants them.
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
        """Go on behind ``after``; ``decode`` makes typed events of recorded ones.

        Raises:
            ValueError: A bound below 1, or a cursor that is none.
        """
        if max_batch < 1 or max_bytes < 1:
            raise ValueError("max_batch and max_bytes must be at least 1")
        self.cursor = check_cursor(after)
        self._store = store
        self._decode = decode
        self._wants = None if selection.everything else selection.wants
        self._max_batch = max_batch
        self._max_bytes = max_bytes
        self._tips: Cursor = {}
        self._turn = -1  # the shard that was read last
        self._page = _FIRST_PAGE
        self._rest: Sequence[RecordedEvent] = ()  # read, not handed out; of the shard in turn

    def read(self) -> EventBatch | None:
        """The next events, ``None`` when there are none; an empty batch only moves the cursor.

        Raises:
            EventGapError: An event that is known to be there cannot be read; all before it was
                handed out, and the next call tries again.
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
            cursor[self._turn] = page[taken - 1].position
        if not scanned:
            return None
        if len({event.shard for event in found}) > 1:
            found.sort(key=_recorded_at)  # stable, and never falling within a shard
        self.cursor = cursor
        return EventBatch(found, start, dict(cursor), self._decode)

    def _may_fetch(self, cursor: Cursor, found: Sequence[RecordedEvent], scanned: int) -> bool:
        try:
            return self._fetch(cursor, look=not found)
        except StoreError:
            if scanned:
                return False  # what comes before the trouble is handed out first
            raise

    def _fetch(self, cursor: Cursor, *, look: bool) -> bool:
        """Read the next page behind ``cursor``; ``look`` for news when all known is read."""
        shard = self._next(cursor)
        if shard is None and look:
            self._look(cursor)
            shard = self._next(cursor)
        if shard is None:
            return False
        after = cursor.get(shard, 0)
        page = self._store.read_shard(shard, after, self._page)
        found = [event.position for event in page]
        if found != list(range(after + 1, after + 1 + len(found))):
            page = page[: next(n for n, position in enumerate(found) if position != after + 1 + n)]
        if not page:
            raise EventGapError(shard, after, found[:2])
        self._turn = shard
        self._rest = page
        self._adapt(page)
        return True

    def _next(self, cursor: Cursor) -> int | None:
        """The shard to read, each in its turn; ``None`` when all known events are read."""
        lagging = [shard for shard, tip in self._tips.items() if tip > cursor.get(shard, 0)]
        later = [shard for shard in lagging if shard > self._turn]
        return min(later or lagging, default=None)

    def _look(self, cursor: Cursor) -> None:
        self._tips = dict(self._store.positions())
        for shard, position in cursor.items():
            tip = self._tips.get(shard, 0)
            if position > tip:
                raise CursorAheadError(self._store.url, shard, position, tip)

    def _adapt(self, page: Sequence[RecordedEvent]) -> None:
        """Choose the next page's size so that a page of such events fits the bound in bytes."""
        size = sum(map(_size, page))
        fitting = max(1, len(page) * self._max_bytes // max(1, size))
        self._page = min(PAGE, 2 * self._page, fitting)


def _size(event: RecordedEvent) -> int:
    """Bytes of its payload and metadata; none of a damaged one that holds something else."""
    try:
        return len(event.payload) + len(event.metadata)
    except TypeError:
        return 0


def check_cursor(cursor: Cursor) -> Cursor:
    """A copy of ``cursor``.

    Raises:
        ValueError: It is not a mapping of shards to positions.
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
    """``cursor`` as a short text; the beginning is ``start``.

    >>> format_cursor({3: 4, 0: 17, 1: 0}), format_cursor({})
    ('0:17,3:4', 'start')
    """
    parts = [f"{shard}:{position}" for shard, position in sorted(cursor.items()) if position]
    return ",".join(parts) or "start"


def parse_cursor(text: str) -> Cursor:
    """The cursor that :func:`format_cursor` wrote.

    Raises:
        ValueError: It is something else.

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
