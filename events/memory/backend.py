"""What the store in memory writes to: lists and dicts, in which a group appears as a whole."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from indelible.errors import StaleEpochError
from indelible.events.commit.shard_plan import SHARD, Head, Shard, ShardPlan
from indelible.events.memory.inbox import MemoryInbox
from indelible.events.model.event import RecordedEvent
from indelible.failpoints import Failpoints


class MemoryBackend:
    """The lists and dicts behind the store; a group appears in them as a whole."""

    wants_upkeep = False

    def __init__(self, failpoints: Failpoints, shards: int, inbox: MemoryInbox) -> None:
        """Start empty."""
        self.shards = shards
        self.inbox = inbox
        self.lock = threading.Lock()  # for readers that look at more than one thing
        self.ends = {number: Shard(0, number=number) for number in range(shards)}
        self.events: dict[int, list[RecordedEvent]] = {number: [] for number in range(shards)}
        self.streams: dict[str, list[RecordedEvent]] = {}
        self.heads: dict[str, Head] = {}
        self.blobs: dict[bytes, bytes] = {}
        self._failpoints = failpoints
        self._epoch = 0

    def raise_epoch(self) -> Mapping[int, Shard]:
        """Fence off whoever wrote before."""
        with self.lock:
            self._epoch = self.ends[SHARD].epoch + 1
            for number, end in self.ends.items():
                self.ends[number] = _with_epoch(end, self._epoch)
        return dict(self.ends)

    def load(self) -> Mapping[int, Shard]:
        """Where the shards end."""
        owned = {number: end for number, end in self.ends.items() if end.epoch == self._epoch}
        if self.shards == 1 and not owned:
            raise StaleEpochError(SHARD, self._epoch)
        return owned

    def find_heads(self, names: Sequence[str]) -> Sequence[Head]:
        """The heads of those of ``names`` that exist."""
        return [self.heads[name] for name in names if name in self.heads]

    def write(self, plans: Sequence[ShardPlan]) -> None:
        """Show the whole of ``plans`` to readers at once."""
        hit = self._failpoints.hit
        hit("commit.begun")
        for plan in plans:
            number, epoch = plan.before.number, plan.before.epoch
            if self.ends[number].epoch != epoch:
                raise StaleEpochError(number, epoch)
        hit("commit.before")
        with self.lock:
            for plan in plans:
                self._show(plan)
                if plan.answers or plan.done:
                    self.inbox.answer([*plan.answers, *((one, None) for one in plan.done)])
                if plan.commands:
                    self.inbox.keep(plan.commands)
        hit("commit.after")

    def _show(self, plan: ShardPlan) -> None:
        self.blobs.update(plan.blobs)
        for events in plan.events:
            # Readers get what the bytes say, as from any other store.
            stored = [_without_data(event) for event in events]
            self.streams.setdefault(events[0].stream, []).extend(stored)
            self.events[plan.after.number].extend(stored)
        for heads in (plan.new, plan.moved, plan.restated):
            self.heads.update((head.name, head) for head in heads)
        self.ends[plan.after.number] = plan.after

    def event_ids(self, places: Sequence[tuple[int, int]]) -> Sequence[bytes | None]:
        """The event id at each (stream id, version)."""
        names = {head.id: head.name for head in self.heads.values()}
        found: list[bytes | None] = []
        for stream, version in places:
            events = self.streams.get(names.get(stream, ""), [])
            found.append(events[version - 1].event_id if version <= len(events) else None)
        return found

    def probe(self) -> None:
        """Memory always takes writes, unless a test says otherwise."""
        self._failpoints.hit("commit.begun")

    def discard(self) -> None:
        """There is no connection."""

    def upkeep(self) -> None:
        """There is nothing to do."""


def _with_epoch(shard: Shard, epoch: int) -> Shard:
    return Shard(epoch, shard.head, shard.chain, shard.recorded_at, shard.streams, shard.number)


def _without_data(event: RecordedEvent) -> RecordedEvent:
    return RecordedEvent(
        event.shard,
        event.position,
        event.stream,
        event.version,
        event.event_id,
        event.epoch,
        event.type,
        event.schema,
        event.payload,
        event.metadata,
        event.recorded_at,
        event.chain,
    )
