"""The backend of the store in memory: lists and dicts; readers see a group whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from indelible.errors import StaleEpochError
from indelible.events.commit.shard_plan import SHARD, Head, Shard, ShardPlan
from indelible.events.memory.inbox import MemoryInbox
from indelible.events.model.event import RecordedEvent
from indelible.failpoints import Failpoints


class MemoryBackend:
    """The lists and dicts of the store; readers see a group whole or not at all."""

    wants_upkeep = False

    def __init__(self, failpoints: Failpoints, shards: int, inbox: MemoryInbox) -> None:
        """Start empty."""
        self.shards = shards
        self.inbox = inbox
        self.lock = threading.Lock()  # for readers that read more than one of these
        self.ends = {number: Shard(0, number=number) for number in range(shards)}
        self.events: dict[int, list[RecordedEvent]] = {number: [] for number in range(shards)}
        self.streams: dict[str, list[RecordedEvent]] = {}
        self.heads: dict[str, Head] = {}
        self.blobs: dict[bytes, bytes] = {}
        self._failpoints = failpoints
        self._epoch = 0

    def raise_epoch(self) -> Mapping[int, Shard]:
        """Raise the epoch, which fences earlier writers, and return the shards."""
        with self.lock:
            self._epoch = self.ends[SHARD].epoch + 1
            for number, end in self.ends.items():
                self.ends[number] = _with_epoch(end, self._epoch)
        return dict(self.ends)

    def load(self) -> Mapping[int, Shard]:
        """Return the owned shards."""
        owned = {number: end for number, end in self.ends.items() if end.epoch == self._epoch}
        if self.shards == 1 and not owned:
            raise StaleEpochError(SHARD, self._epoch)
        return owned

    def find_heads(self, names: Sequence[str]) -> Sequence[Head]:
        """Return the heads of the streams in ``names`` that exist."""
        return [self.heads[name] for name in names if name in self.heads]

    def write(self, plans: Sequence[ShardPlan]) -> None:
        """Write all of ``plans`` under the readers' lock."""
        hit = self._failpoints.hit
        hit("commit.begun")
        for plan in plans:
            number, epoch = plan.before.number, plan.before.epoch
            if self.ends[number].epoch != epoch:
                raise StaleEpochError(number, epoch)
        hit("commit.before")
        with self.lock:
            for plan in plans:
                self._store(plan)
                if plan.late is not None:
                    self.inbox.change_late(plan.late)
                if plan.answers or plan.done:
                    self.inbox.answer([*plan.answers, *((id_, None) for id_ in plan.done)])
                if plan.commands:
                    self.inbox.keep(plan.commands)
        hit("commit.after")

    def _store(self, plan: ShardPlan) -> None:
        self.blobs.update(plan.blobs)
        for events in filter(None, plan.events):
            # Readers decode the bytes, as from any other store.
            stored = [_without_data(event) for event in events]
            self.streams.setdefault(events[0].stream, []).extend(stored)
            self.events[plan.after.number].extend(stored)
        for heads in (plan.new, plan.moved, plan.restated):
            self.heads.update((head.name, head) for head in heads)
        self.ends[plan.after.number] = plan.after

    def event_ids(self, places: Sequence[tuple[int, int]]) -> Sequence[bytes | None]:
        """Return the event id at each (stream id, version)."""
        names = {head.id: head.name for head in self.heads.values()}
        found: list[bytes | None] = []
        for stream, version in places:
            events = self.streams.get(names.get(stream, ""), [])
            found.append(events[version - 1].event_id if version <= len(events) else None)
        return found

    def probe(self) -> None:
        """Succeed, unless a failpoint of a test raises."""
        self._failpoints.hit("commit.begun")

    def discard(self) -> None:
        """Do nothing: there is no connection."""

    def upkeep(self) -> None:
        """Do nothing: there is no maintenance."""


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
