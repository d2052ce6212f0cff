"""Reads a stream and raises if an event is missing: versions are gapless up to its head.

Keeps invariant 4: a fold stops at a gap and never continues after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Self

from indelible.errors import StoreCorruptError
from indelible.events.commit.shard_plan import STREAM_ID_BITS
from indelible.events.model.event import DamagedEvent, RecordedEvent

_NEAR = 10_000
"""Positions of a shard that are searched for the lost event, once for each gap: some 20 ms."""

Events = Sequence[RecordedEvent]

ReadShard = Callable[[int, int, int], Events]
"""See :meth:`~indelible.events.store.EventStore.read_shard`."""


class Span(NamedTuple):
    """The part of a stream to read.

    Attributes:
        url: Address of the store.
        stream: Name of the stream.
        number: Id of the stream.
        after: The version before the first one to read.
        last: The last version to read that is known to exist; later ones may follow.
        page: Events in one full page.
    """

    url: str
    stream: str
    number: int
    after: int
    last: int
    page: int

    @property
    def shard(self) -> int:
        """The stream's shard."""
        return self.number >> STREAM_ID_BITS

    @classmethod
    def of(
        cls, url: str, stream: str, end: Sequence[Any], after: int, until: int, page: int
    ) -> Self:
        """Return the span from ``after`` to ``until``; ``end`` is the row's id and version.

        Raises:
            StoreCorruptError: The version in the row is not an int.
        """
        number, version = end
        if not isinstance(version, int):
            found = f"its version in streams is {version!r:.80}, where int was wanted"
            raise StoreCorruptError(url, found, stream=stream)
        return cls(url, stream, number, after, min(version, until), page)


def gapless_events(
    span: Span, first: Events, next_page: Callable[[int], Events], read_shard: ReadShard
) -> Iterable[RecordedEvent]:
    """Return the events of the ``first`` page, then those that ``next_page`` reads.

    Raises:
        StoreCorruptError: A version is missing; all events before it have been returned.
    """
    after, count = span.after, len(first)
    if count < span.page and after + count >= span.last and _is_gapless(first, after):
        return first  # most streams have one page: no Python code for each event
    return _page_by_page(span, first, next_page, read_shard)


def _is_gapless(page: Events, after: int) -> bool:
    """Whether the versions of ``page``, in increasing order, have no gap after ``after``.

    The last version shows a gap; the sum, for 10 ns an event, also shows a damaged index.
    """
    count = len(page)
    wanted = count * after + count * (count + 1) // 2
    return not count or (
        page[-1].version == after + count and sum([event.version for event in page]) == wanted
    )


def _page_by_page(
    span: Span, page: Events, next_page: Callable[[int], Events], read_shard: ReadShard
) -> Iterator[RecordedEvent]:
    after, before = span.after, 0
    while page:
        good = len(page)
        if not _is_gapless(page, after):
            good = gapless([event.version for event in page], after)
            yield from page[:good]
            before = _position(page[good - 1]) if good else before
            raise _gap_error(span, after + good + 1, before, page[good], read_shard)
        yield from page
        after, before = after + good, _position(page[-1])
        page = next_page(after) if good == span.page else ()
    if after < span.last:
        raise _gap_error(span, after + 1, before, None, read_shard)


def gapless(numbers: Sequence[int], after: int) -> int:
    """Return how many of the first ``numbers`` follow ``after`` without a gap.

    >>> gapless([3, 4, 5], 2), gapless([3, 5], 2), gapless([4], 2), gapless([], 2)
    (3, 1, 0, 0)
    """
    wanted = range(after + 1, after + 1 + len(numbers))
    if numbers == list(wanted):
        return len(numbers)
    pairs = enumerate(zip(numbers, wanted, strict=True))
    return next(index for index, (number, want) in pairs if number != want)


def _gap_error(
    span: Span, version: int, before: int, found: RecordedEvent | None, read_shard: ReadShard
) -> StoreCorruptError:
    """Return the error for a missing ``version`` between position ``before`` and ``found``."""
    reaches = f"version {found.version} follows" if found else f"it reaches version {span.last}"
    what = f"event {version} is missing, although {reaches}"
    if isinstance(found, DamagedEvent) and not found.version:
        what, position = found.found, found.position
    elif found is not None and not _is_placed(found):
        what, position = f"{what}, at position {found.position!r:.80}", 0
    elif before or found is None:
        position = _first_lost(span.shard, before, read_shard)
    else:
        position = _lost_before(found, found.version - version, read_shard)
    place = {"version": version, "shard": span.shard, "position": position}
    return StoreCorruptError(span.url, what, stream=span.stream, **place)


def _is_placed(event: RecordedEvent) -> bool:
    """Whether an event has a version and a position; SQLite takes any type for any column."""
    return type(event.version) is type(event.position) is int


def _position(event: RecordedEvent) -> int:
    return event.position if _is_placed(event) else 0


def _first_lost(shard: int, after: int, read_shard: ReadShard) -> int:
    """Return the first position after ``after`` without an event; 0 if it is not near."""
    positions = [event.position for event in read_shard(shard, after, _NEAR)]
    good = gapless(positions, after)
    return 0 if good == _NEAR else after + good + 1


def _lost_before(found: RecordedEvent, count: int, read_shard: ReadShard) -> int:
    """Return the first of the last ``count`` positions that are missing before ``found``."""
    end = found.position
    start = max(0, end - 1 - _NEAR)
    present = {event.position for event in read_shard(found.shard, start, end - 1 - start)}
    lost = [position for position in range(start + 1, end) if position not in present]
    return lost[-count] if len(lost) >= count else 0
