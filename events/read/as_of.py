"""Converts a moment of the past, as a version, position, cursor or time, to a place in the log.

Within a shard neither positions nor ``recorded_at`` ever decrease, so each is found by bisection:
some twenty reads of one event, however long the log is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias

from indelible.errors import AsOfError, StoreCorruptError
from indelible.events.model.event import RecordedEvent
from indelible.events.read.shard_gaps import recorded_at
from indelible.events.store import Cursor, EventStore


class Position(NamedTuple):
    """A place in the log: right after the event at ``position`` of ``shard``; 0 is the start."""

    shard: int
    position: int


AsOf: TypeAlias = int | Position | Mapping[int, int] | datetime
"""A version of a stream, a position, a cursor, or a time with its zone; each is inclusive."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def version_at(store: EventStore, stream: str, as_of: AsOf) -> int:
    """Return the version that ``stream`` had at ``as_of``; 0 if it had no event.

    Raises:
        AsOfError: The version or position does not exist, the position belongs to another shard,
            or the time has no zone.
    """
    head = store.head(stream)
    last = 0 if head is None else head.version
    if isinstance(as_of, int):
        if isinstance(as_of, bool) or not 0 <= as_of <= last:
            found = f"{as_of!r} is no version of {stream!r}"
            raise AsOfError(found, f"it has the versions 1 to {last}; 0 is before the first")
        return as_of
    if isinstance(as_of, datetime):
        instant = _microseconds(as_of)
        return _count(last, lambda v: _recorded_at(store, _event_at(store, stream, v)) <= instant)
    cursor = _checked(store, as_of)
    if not last:
        return 0
    shard = _event_at(store, stream, 1).shard
    if isinstance(as_of, Position) and as_of.shard != shard:
        found = f"position {as_of.position} is of shard {as_of.shard}, and {stream!r} is in {shard}"
        raise AsOfError(found, f"give a position of shard {shard}, a version or a time")
    position = cursor.get(shard, 0)
    return _count(last, lambda v: _event_at(store, stream, v).position <= position)


def cursor_at(store: EventStore, as_of: AsOf) -> Cursor:
    """Return the positions that all shards had at ``as_of``.

    Raises:
        AsOfError: As for :func:`version_at`; or ``as_of`` is a version, which only a stream has,
            or a single position although there are several shards.
    """
    ends = store.positions()
    if isinstance(as_of, int):
        fix = "give a time, a position or a cursor"
        raise AsOfError(f"{as_of!r} is a version, and the log as a whole has none", fix)
    if isinstance(as_of, datetime):
        instant = _microseconds(as_of)
        return {shard: _position(store, shard, end, instant) for shard, end in ends.items()}
    cursor = _checked(store, as_of)
    if isinstance(as_of, Position) and set(ends) - {as_of.shard}:
        found = f"a position of shard {as_of.shard} says nothing about the other {len(ends) - 1}"
        raise AsOfError(found, "give a time, or a cursor with a position for each shard")
    return {shard: cursor.get(shard, 0) for shard in ends}


def _position(store: EventStore, shard: int, end: int, instant: int) -> int:
    """Return the last position of ``shard``, up to ``end``, recorded not later than ``instant``."""
    return _count(end, lambda position: recorded_at(store, shard, position) <= instant)


def _count(last: int, holds: Callable[[int], bool]) -> int:
    """Return how many of the numbers from 1 to ``last`` hold; the first ones hold, others not."""
    if last and holds(last):  # the usual moment is now, or in the future
        return last
    return bisect_right(range(1, last), 0, key=lambda number: 0 if holds(number) else 1)


def _event_at(store: EventStore, stream: str, version: int) -> RecordedEvent:
    return next(iter(store.read(stream, version - 1, version)))


def _recorded_at(store: EventStore, event: RecordedEvent) -> int:
    """Return the time of ``event``; on SQLite a damaged one may have any type."""
    if not isinstance(event.recorded_at, int):
        place = {name: getattr(event, name) for name in ("stream", "version", "shard", "position")}
        found = f"its recorded_at is {event.recorded_at!r:.80}"
        raise StoreCorruptError(store.url, found, **place)
    return event.recorded_at


def _microseconds(time: datetime) -> int:
    """Return ``time`` as microseconds UTC."""
    if time.utcoffset() is None:
        found = f"{time.isoformat()} has no time zone"
        raise AsOfError(found, "give it one, such as datetime.UTC")
    return (time - _EPOCH) // _MICROSECOND


def _checked(store: EventStore, as_of: Position | Mapping[int, int]) -> Mapping[int, int]:
    """Return ``as_of`` as a mapping, after checking that its positions exist."""
    if not isinstance(as_of, Position | Mapping):
        fix = "give a version, a Position, a cursor, or a datetime with its zone"
        raise AsOfError(f"{as_of!r} is no moment", fix)
    cursor = {as_of.shard: as_of.position} if isinstance(as_of, Position) else as_of
    ends = store.positions()
    for shard, position in cursor.items():
        end = ends.get(shard, 0)
        if isinstance(position, bool) or not isinstance(position, int):
            raise AsOfError(f"{position!r} is no position", "give an int of 0 or more")
        if not 0 <= position <= end or (shard not in ends and position):
            what = f"ends at position {end}" if shard in ends else "does not exist"
            raise AsOfError(
                f"there is no position {position} of shard {shard}, which {what}",
                "give one that has been recorded; 0 is before the first",
            )
    return cursor
