"""Gives the runner its events: from committed groups in memory, else from the rows.

The positions of a shard are returned without gaps (invariant 8).  Memory is bounded; events that
are dropped from it are read from the rows.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter

from indelible.errors import StoreUnavailableError
from indelible.events.model.event import RecordedEvent
from indelible.events.read.shard_gaps import read_places
from indelible.events.store import Cursor, EventStore

KEPT = 20_000
"""Events waiting in memory, some 20 to 40 MiB; above that the oldest are dropped."""

FLOOD = 5_000
"""Events a second at which appends need the whole host: views then wait for larger batches."""

_shard = attrgetter("shard")


class EventFeed:
    """The events of a store after a cursor, in order.

    ``push`` is for committing threads, ``pending`` for any thread, the rest for the runner's.
    """

    def __init__(self, store: EventStore, kept: int) -> None:
        """Keep at most ``kept`` events, or one group if that is larger."""
        self._store = store
        self._kept = kept
        self.lock = threading.Lock()
        self.pending = 0  # events pushed and not yet taken; under the lock
        self.wake_at = 0  # a push that reaches this many pending events wakes the runner
        self.wake: Callable[[], None] = lambda: None  # called under the lock
        self.idle = False  # whether this process moves no view: pushed events are dropped
        self._first_shard = 0  # index of the shard with which the next batch begins
        self._groups: deque[Sequence[RecordedEvent]] = deque()
        self._dropped: Cursor = {}  # ends of the dropped groups; under the lock
        self._windows: dict[int, list[RecordedEvent]] = {}
        self._heads: Cursor = {}

    def push(self, group: Sequence[RecordedEvent]) -> None:
        """Add a committed group; the store calls it on the thread that committed."""
        if self.idle:
            return
        with self.lock:
            self._groups.append(group)
            self.pending += len(group)
            while self.pending > self._kept and len(self._groups) > 1:
                dropped = self._groups.popleft()
                self.pending -= len(dropped)
                for event in dropped:  # later groups may not have these shards
                    self._dropped[event.shard] = event.position
            if 0 < self.wake_at <= self.pending:
                self.wake_at = 0
                self.wake()

    def take(self) -> bool:
        """Take the groups pushed since the last call; return whether there were any."""
        with self.lock:
            groups, dropped = list(self._groups), self._dropped
            self._groups.clear()
            self._dropped = {}
            self.pending = 0
        self.note_committed(dropped)
        for group in groups:
            self._put(group)
        if sum(map(len, self._windows.values())) > self._kept:
            share = max(1, self._kept // len(self._windows))
            for window in self._windows.values():
                del window[:-share]
        return bool(groups)

    def _put(self, group: Sequence[RecordedEvent]) -> None:
        """Add a group, in which the events of one shard are contiguous."""
        for shard, events in groupby(group, _shard):
            piece = list(events)
            window = self._windows.setdefault(shard, [])
            if window and window[-1].position + 1 != piece[0].position:
                window.clear()  # a group was dropped: its events are read from the rows
            window += piece
            if piece[-1].position > self._heads.get(shard, 0):
                self._heads[shard] = piece[-1].position

    def note_committed(self, positions: Cursor) -> None:
        """Note that the events up to ``positions`` are committed."""
        for shard, position in positions.items():
            if position > self._heads.get(shard, 0):
                self._heads[shard] = position

    def count_unknown(self, positions: Cursor) -> int:
        """Return how many events up to ``positions`` are beyond the known heads."""
        return sum(max(0, end - self._heads.get(shard, 0)) for shard, end in positions.items())

    def lag(self, cursor: Cursor) -> int:
        """Return how many known events are after ``cursor``."""
        return sum(max(0, head - cursor.get(shard, 0)) for shard, head in self._heads.items())

    def read(self, cursor: Cursor, limit: int) -> list[RecordedEvent]:
        """Return the next events after ``cursor``, at most ``limit``; empty if there are none.

        A lost event is returned as a damaged one, so that views park it.

        Raises:
            StoreUnavailableError: Events that are known to exist could not be read.
        """
        found: list[RecordedEvent] = []
        heads = list(self._heads.items())
        first = self._first_shard % len(heads) if heads else 0
        for shard, head in (*heads[first:], *heads[:first]):
            after = cursor.get(shard, 0)
            wanted = min(limit - len(found), head - after)
            if wanted > 0:
                found.extend(self._read_shard(shard, after, wanted))
        if len(found) == limit:
            self._first_shard = first + 1  # so that a busy shard does not delay the others
        return found

    def _read_shard(self, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
        window = self._windows.get(shard)
        if window:
            first = window[0].position
            if first <= after + 1 <= window[-1].position:
                start = after + 1 - first
                return window[start : start + limit]
            if first > after:
                limit = min(limit, first - after - 1)  # the next read continues in memory
        events = read_places(self._store, shard, after, limit)
        if not events:
            raise StoreUnavailableError(f"shard {shard} has no event behind position {after}")
        return events

    def pause(self) -> None:
        """Drop all events from memory, and all later ones until :attr:`idle` is reset."""
        self.idle = True
        with self.lock:
            self._groups.clear()
            self.pending = 0
        self._windows.clear()

    def forget(self, cursor: Cursor) -> None:
        """Drop the events up to ``cursor`` from memory."""
        for shard, window in self._windows.items():
            if window:
                done = cursor.get(shard, 0) + 1 - window[0].position
                if done > 0:
                    del window[:done]
