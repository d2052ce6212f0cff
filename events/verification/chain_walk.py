"""Computes the hash chain of a shard again, over its events in the order of their positions."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from indelible.events.model.event import UNREADABLE, DamagedEvent, RecordedEvent
from indelible.events.model.hash_chain import GENESIS, event_hash, link
from indelible.events.verification.anchor import AnchoredEnd
from indelible.events.verification.findings import Findings

PAGE = 1_000
"""Events read at once: enough to make reading cheap, few enough to keep in memory."""

ReadShard = Callable[[int, int, int], Sequence[RecordedEvent]]
"""See :meth:`~indelible.events.store.EventStore.read_shard`."""

OnPage = Callable[[Sequence[RecordedEvent]], None]
"""Called with the events of each page that match the chain."""

_CHAIN = 32  # bytes
_INT_MAX = 2**63 - 1
_UNKNOWN = (GENESIS,)


class ShardEnd(NamedTuple):
    """The row of a shard, and the position of its last event, read together."""

    shard: int
    head: int
    chain: bytes
    last: int
    epoch: int
    streams: int

    @property
    def wrong(self) -> str:
        """The first invalid value, as text; empty if all are valid."""
        for name, value in self._asdict().items():
            if type(value) is not (bytes if name == "chain" else int):
                return f"its row in shards says that {name} is {value!r:.80}"
        return "" if self.epoch < _INT_MAX else "its row in shards says that its epochs are used up"


def walk_shard(
    end: ShardEnd,
    read: ReadShard,
    anchored: AnchoredEnd | None,
    on_page: OnPage,
    findings: Findings,
) -> int:
    """Check the chain of a shard up to its head and return the number of its events.

    An event that was edited, deleted, inserted or moved breaks the chain at its position; the walk
    continues after it, and adds the first such event of each stream to ``findings``.  The row of
    the shard shows events that were cut off the end.  If the row was changed with them, or the
    chain was computed anew, the ``anchored`` end shows it.  Epochs must never decrease, nor exceed
    the shard's epoch.

    Raises:
        VerificationError: The limit of findings is reached.
    """
    shard, head = end.shard, end.head
    if end.last > head:
        findings.add(shard, head + 1, f"the shard's row ends at {head}")
    if anchored is not None and anchored.position > head:
        found = f"the log ends at {head}, and the anchor knows of position {anchored.position}"
        findings.add(shard, head + 1, found)
    walk = _ChainWalk(end, anchored, findings)
    count = 0
    while walk.position < head:
        before = walk.position
        page = read(shard, before, min(PAGE, head - before))
        good = [event for event in page if walk.step(event)]
        count += len(page)
        if walk.position == before:
            findings.add(shard, before + 1, "the events from here on are missing")
            return count
        on_page(good)
    if walk.chains and end.chain not in walk.chains:
        findings.add(shard, head, "the shard's row holds another chain")
    return count


class _ChainWalk:
    """The state of a walk.

    Attributes:
        position: The position of the last event.
        chains: The possible chains at that position.  After a damaged event these are its stored
            chain and its computed ones; after a gap there are none.
    """

    def __init__(self, end: ShardEnd, anchored: AnchoredEnd | None, findings: Findings) -> None:
        self.position = 0
        self.chains: Sequence[bytes] = (GENESIS,)
        self._shard = end.shard
        self._anchored = anchored or AnchoredEnd(0, b"")
        self._findings = findings
        self._epoch, self._highest = 1, end.epoch
        self._streams: set[str] = set()  # streams with a finding

    def step(self, event: RecordedEvent) -> bool:
        """Move to ``event`` and return whether it matches the chain."""
        if event.position != self.position + 1:
            return self._step_over_gap(event)
        self.position += 1
        return self._check(event)

    def _step_over_gap(self, event: RecordedEvent) -> bool:
        """Move to an event whose position is not the next one."""
        position = event.position
        found = f"position {position!r} stands in its place"
        self._findings.add(self._shard, self.position + 1, found)
        if type(position) is int and position > self.position:
            self.position, self.chains = position, ()
            self._check(event)
        return False

    def _check(self, event: RecordedEvent) -> bool:
        chain, links = event.chain, self._links(event)
        if chain not in links and (self.chains or not links or not _stored_chain(event)):
            self._add_finding(event)
            self.chains = (*_stored_chain(event), *links)
            return False
        self.chains = (chain,)
        if not self._epoch <= event.epoch <= self._highest:
            found = f"epoch {event.epoch} is not from {self._epoch} to {self._highest}"
            self._findings.add(self._shard, self.position, found)
            self._epoch, self._highest = event.epoch, max(event.epoch, self._highest)
            return False
        self._epoch = event.epoch
        if self.position == self._anchored.position and chain != self._anchored.chain:
            found = "the anchor holds another chain: events up to here were written anew"
            self._findings.add(self._shard, self.position, found)
        return True

    def _links(self, event: RecordedEvent) -> Sequence[bytes]:
        """Return the chains that ``event`` may have; none if the event or a column is damaged."""
        try:
            hashed = event_hash(
                event.stream,
                event.version,
                event.event_id,
                event.type,
                event.schema,
                event.recorded_at,
                event.metadata,
                event.payload,
            )
            place = self._shard, self.position, event.epoch, hashed
            links = [link(chain, *place) for chain in self.chains or _UNKNOWN]
        except (TypeError, ValueError, AttributeError, struct.error):
            return ()
        return () if isinstance(event, DamagedEvent) else links

    def _add_finding(self, event: RecordedEvent) -> None:
        """Add a finding for ``event``, if it is the first one of its stream."""
        found = f"event {event.version} of {event.stream!r} was changed, or moved here"
        stream = event.stream
        if isinstance(event, DamagedEvent):
            found = event.found
            stream = found if stream == UNREADABLE else stream
        if stream not in self._streams:
            self._streams.add(stream)
            self._findings.add(self._shard, self.position, found)


def _stored_chain(event: RecordedEvent) -> Sequence[bytes]:
    """Return the chain in the event's row, if it is one."""
    chain = event.chain
    return (chain,) if isinstance(chain, bytes) and len(chain) == _CHAIN else ()
