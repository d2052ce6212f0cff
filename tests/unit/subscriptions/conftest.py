"""A log of several shards, readers of it, and a count of what they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from indelible.clock import ManualClock
from indelible.events.lease.role_holder import RoleHolder
from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.event import EncodedEvent, Event, RecordedEvent
from indelible.events.model.event_types import EventTypes
from indelible.events.sqlite.store import SqlEventStore
from indelible.events.store import Cursor
from indelible.events.subscribe.batches import Selection
from indelible.events.subscribe.consumers import Consumer
from indelible.events.subscribe.log_followers import LogFollowers
from indelible.events.subscribe.shard_pages import ShardPages
from indelible.events.subscribe.subscription import Subscription
from indelible.testing.contract.builders import some_event


class Noted(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "note.noted"
    text: str


class Log:
    """A store, and short ways to fill and to read it."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.clock = ManualClock()
        self.types = EventTypes([Noted])
        self.followers = LogFollowers(store)
        self.roles = RoleHolder(store, "this process", self.clock)
        self.pages_read: list[tuple[int, int, int]] = []  # shard, after, limit
        self.versions: dict[str, int] = {}
        self._read_shard = store.read_shard
        store.read_shard = self._count

    def _count(self, shard: int, after: int, limit: int) -> Sequence[RecordedEvent]:
        events = self._read_shard(shard, after, limit)
        self.pages_read.append((shard, after, len(events)))
        return list(events)

    def append(self, stream: str, *events: EncodedEvent) -> None:
        """Commit ``events``, or one of no account."""
        events = events or (some_event(),)
        version = self.versions.get(stream, 0)
        self.store.append(stream, events, expected=version)
        self.versions[stream] = version + len(events)

    def fill(self, streams: int, each: int) -> None:
        """Commit ``each`` events to each of some streams."""
        for number in range(streams):
            self.append(f"thing-{number}", *(some_event() for _ in range(each)))

    def stream_on(self, shard: int) -> str:
        """A stream that lies on ``shard``."""
        names = (f"thing-{number}" for number in range(1_000))
        return next(name for name in names if self.store.shard_of(name) == shard)

    def note(self, text: str) -> EncodedEvent:
        return self.types.encode(Noted(text), some_event().event_id)

    def pages(self, after: Cursor | None = None, **how: Any) -> ShardPages:
        selection = how.pop("selection", Selection())
        return ShardPages(self.store, self.types.decode, selection, after or {}, **how)

    def subscription(self, **how: Any) -> Subscription:
        return Subscription(self.followers, self.types, **how)

    def consumer(self, name: str = "billing", **how: Any) -> Consumer:
        return Consumer(self.followers, self.types, self.roles, name, **how)

    def process(self, owner: str) -> RoleHolder:
        """The roles of another process on the same database."""
        return RoleHolder(self.store, owner, self.clock)


@pytest.fixture
def log() -> Iterator[Log]:
    """In memory, four shards."""
    store = MemoryEventStore(shards=4)
    store.open()
    yield Log(store)
    store.close()


@pytest.fixture
def make_log(tmp_path: Path) -> Iterator[Callable[[], Log]]:
    """On SQLite, again and again the same file."""
    made: list[SqlEventStore] = []

    def make() -> Log:
        store = SqlEventStore(f"sqlite:///{tmp_path}/log.db")
        store.open()
        made.append(store)
        return Log(store)

    yield make
    for store in made:
        store.close()
