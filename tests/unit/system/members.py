"""Two systems in one process that share a log, as two processes share a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from indelible.clock import Clock, SystemClock
from indelible.errors import ShardNotOwnedError, StaleEpochError, SystemClosedError
from indelible.events.commit.group_commit import GroupCommit
from indelible.events.commit.shard_plan import Head, Shard, ShardPlan
from indelible.events.memory.backend import MemoryBackend
from indelible.events.memory.store import MemoryEventStore
from indelible.events.store import OwnershipListener
from indelible.failpoints import Failpoints

SHARDS = 4


class Handle:
    """One process's hold on the shared log."""

    shards = SHARDS
    wants_upkeep = False

    def __init__(self, shared: MemoryBackend) -> None:
        self.shared = shared
        self.epochs: dict[int, int] = {}

    def take(self, number: int) -> Shard:
        end = self.shared.ends[number]
        self.epochs[number] = end.epoch + 1
        self.shared.ends[number] = Shard(
            end.epoch + 1, end.head, end.chain, end.recorded_at, end.streams, number
        )
        return self.shared.ends[number]

    def load(self) -> Mapping[int, Shard]:
        ends = self.shared.ends
        return {n: ends[n] for n, epoch in self.epochs.items() if ends[n].epoch == epoch}

    def write(self, plans: Sequence[ShardPlan]) -> None:
        for plan in plans:
            number = plan.before.number
            if self.shared.ends[number].epoch != self.epochs.get(number):
                raise StaleEpochError(number, plan.before.epoch)
        self.shared.write(plans)

    def find_heads(self, names: Sequence[str]) -> Sequence[Head]:
        return self.shared.find_heads(names)

    def event_ids(self, places: Sequence[tuple[int, int]]) -> Sequence[bytes | None]:
        return self.shared.event_ids(places)

    def probe(self) -> None:
        """It is memory."""

    def discard(self) -> None:
        """There is no connection."""

    def upkeep(self) -> None:
        """There is nothing to do."""


class Member(MemoryEventStore):
    """The store of one of several processes; it owns what a test gives it."""

    def __init__(
        self,
        shared: MemoryBackend,
        name: str,
        shards: Collection[int] = (),
        clock: Clock | None = None,
    ) -> None:
        super().__init__(shards=SHARDS, url=f"memory://{name}")
        self._memory = shared
        self._handle = Handle(shared)
        clock = clock or SystemClock()
        self._group = GroupCommit(self._handle, clock, Failpoints(), self._writer_lock, name)
        self._first = tuple(shards)
        self._changed: list[OwnershipListener] = []
        self._drain: Callable[[frozenset[int]], None] | None = None

    def open(self) -> None:
        self._group.begin({number: self._handle.take(number) for number in self._first})

    def on_ownership(self, listener: OwnershipListener) -> Callable[[], None]:
        self._changed.append(listener)
        return lambda: self._changed.remove(listener)

    def on_drain(self, drain: Callable[[frozenset[int]], None]) -> None:
        self._drain = drain

    def gain(self, *shards: int) -> None:
        """Take shards from whoever has them, as after the end of a lease."""
        for number in shards:
            self._group.adopt(self._handle.take(number))
        for listener in list(self._changed):
            listener(frozenset(shards), frozenset())

    def lease_until(self, monotonic: int, *shards: int) -> None:
        """Write to these shards only until ``monotonic`` ns."""
        for number in shards:
            self._group.deadline(number, monotonic)

    def learn_of_loss(self, *shards: int) -> None:
        """Hear that another process has them."""
        for number in shards:
            self._group.drop(number, ShardNotOwnedError(number))
        for listener in list(self._changed):
            listener(frozenset(), frozenset(shards))

    def hand_over(self, other: Member, *shards: int) -> None:
        """Drain shards and give them to ``other``."""
        assert self._drain is not None
        self._drain(frozenset(shards))
        self.learn_of_loss(*shards)
        other.gain(*shards)

    def close(self) -> None:
        self._group.end(SystemClosedError("the event store", f"{self.url} is closed"))


def shared_log(clock: Clock | None = None) -> MemoryBackend:
    backend = MemoryEventStore(shards=SHARDS, clock=clock)._memory
    backend.raise_epoch()
    return backend


def ids_of(store: MemoryEventStore, number: int, count: int, category: str = "run") -> list[str]:
    """Ids whose streams are in shard ``number``."""
    found: list[str] = []
    n = 0
    while len(found) < count:
        if store.shard_of(f"{category}-{n}") == number:
            found.append(str(n))
        n += 1
    return found
