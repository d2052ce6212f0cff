"""Where the runner's events come from: the committed groups in memory, else the rows.

Positions of a shard come out without gaps (invariant 8); memory is bounded, and what falls out
of it is read back from the rows.
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
"""Events waiting in memory, some 20 to 40 MiB; later ones push out earlier ones."""

FLOOD = 5_000
"""Events a second at which appends want all of the host: views then wait, and fold more at once."""


_shard = attrgetter("shard")


class EventFeed:
    """Events of a store behind a cursor, in order.

    ``push`` is for the committing threads; everything else but ``pending`` is for the runner's.
    """

    def __init__(self, store: EventStore, kept: int) -> None:
        """Keep at most ``kept`` events, or one group if that is larger."""
        self._store = store
        self._kept = kept
        self.lock = threading.Lock()
        self.pending = 0  # events pushed and not yet taken; under the lock
        self.wake_at = 0  # a push that reaches this many pending events wakes the runner
        self.wake: Callable[[], None] = lambda: None  # called under the lock
        self.idle = False  # whether nobody here wants events: those pushed are dropped
        self._turn = 0  # the shard, by number of those known, that a full batch begins with
        self._groups: deque[Sequence[RecordedEvent]] = deque()
        self._dropped: Cursor = {}  # ends of groups that were pushed out; under the lock
        self._windows: dict[int, list[RecordedEvent]] = {}
        self._tips: Cursor = {}

    def push(self, group: Sequence[RecordedEvent]) -> None:
        """Take a committed group; the store calls it on the thread that committed."""
        if self.idle:
            return
        with self.lock:
            self._groups.append(group)
            self.pending += len(group)
            while self.pending > self._kept and len(self._groups) > 1:
                dropped = self._groups.popleft()
                self.pending -= len(dropped)
                for event in dropped:  # of shards that no other group may name
                    self._dropped[event.shard] = event.position
            if 0 < self.wake_at <= self.pending:
                self.wake_at = 0
                self.wake()

    def take(self) -> bool:
        """Look at what was pushed since the last call; whether there was anything."""
        with self.lock:
            groups, dropped = list(self._groups), self._dropped
            self._groups.clear()
            self._dropped = {}
            self.pending = 0
        self.expect(dropped)
        for group in groups:
            self._put(group)
        if sum(map(len, self._windows.values())) > self._kept:
            share = max(1, self._kept // len(self._windows))
            for window in self._windows.values():
                del window[:-share]
        return bool(groups)

    def _put(self, group: Sequence[RecordedEvent]) -> None:
        """Add a group: its events of one shard follow each other, and those of others them."""
        for shard, events in groupby(group, _shard):
            piece = list(events)
            window = self._windows.setdefault(shard, [])
            if window and window[-1].position + 1 != piece[0].position:
                window.clear()  # a group was pushed out: its events are in the rows
            window += piece
            if piece[-1].position > self._tips.get(shard, 0):
                self._tips[shard] = piece[-1].position

    def expect(self, positions: Cursor) -> None:
        """Learn that these positions are committed."""
        for shard, position in positions.items():
            if position > self._tips.get(shard, 0):
                self._tips[shard] = position

    def unknown(self, positions: Cursor) -> int:
        """How many events up to ``positions`` were not known of so far."""
        return sum(max(0, end - self._tips.get(shard, 0)) for shard, end in positions.items())

    def behind(self, cursor: Cursor) -> int:
        """How many known events lie behind ``cursor``."""
        return sum(max(0, tip - cursor.get(shard, 0)) for shard, tip in self._tips.items())

    def read(self, cursor: Cursor, limit: int) -> list[RecordedEvent]:
        """The next events after ``cursor``, at most ``limit``; empty when there are none.

        In the place of a lost one comes a damaged one, so that it is parked.

        Raises:
            StoreUnavailableError: Events that are known to exist could not be read.
        """
        found: list[RecordedEvent] = []
        tips = list(self._tips.items())
        turn = self._turn % len(tips) if tips else 0
        for shard, tip in (*tips[turn:], *tips[:turn]):
            after = cursor.get(shard, 0)
            wanted = min(limit - len(found), tip - after)
            if wanted > 0:
                found.extend(self._read_shard(shard, after, wanted))
        if len(found) == limit:
            self._turn = turn + 1  # a shard with more and more events holds up no other
        return found

    def _read_shard(self, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
        window = self._windows.get(shard)
        if window:
            first = window[0].position
            if first <= after + 1 <= window[-1].position:
                start = after + 1 - first
                return window[start : start + limit]
            if first > after:
                limit = min(limit, first - after - 1)  # go on from memory as soon as it reaches
        events = read_places(self._store, shard, after, limit)
        if not events:
            raise StoreUnavailableError(f"shard {shard} has no event behind position {after}")
        return events

    def rest(self) -> None:
        """Drop all that is in memory and take no more, until :attr:`idle` is taken back."""
        self.idle = True
        with self.lock:
            self._groups.clear()
            self.pending = 0
        self._windows.clear()

    def forget(self, cursor: Cursor) -> None:
        """Drop what nobody behind ``cursor`` needs from memory."""
        for shard, window in self._windows.items():
            if window:
                done = cursor.get(shard, 0) + 1 - window[0].position
                if done > 0:
                    del window[:done]
