"""A shard's events in the order of their positions: the hash chain, walked again."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from indelible.events.model.event import UNREADABLE, DamagedEvent, RecordedEvent
from indelible.events.model.hash_chain import GENESIS, event_hash, link
from indelible.events.verification.anchor import AnchoredEnd
from indelible.events.verification.findings import Findings

PAGE = 1_000
"""Events read at once: enough to make the reading cheap, little to hold."""

ReadShard = Callable[[int, int, int], Sequence[RecordedEvent]]
"""As :meth:`~indelible.events.store.EventStore.read_shard`."""

See = Callable[[Sequence[RecordedEvent]], None]
"""Gets events that fit the chain, page by page."""

_CHAIN = 32  # bytes
_INT_MAX = 2**63 - 1
_NOT_KNOWN = (GENESIS,)


class ShardEnd(NamedTuple):
    """The row of a shard, and the position of the last event there is, read together."""

    shard: int
    head: int
    chain: bytes
    last: int
    epoch: int
    streams: int

    @property
    def wrong(self) -> str:
        """What is wrong with its values as such; empty if nothing is."""
        for name, value in self._asdict().items():
            if type(value) is not (bytes if name == "chain" else int):
                return f"its row in shards says that {name} is {value!r:.80}"
        return "" if self.epoch < _INT_MAX else "its row in shards says that its epochs are used up"


def walk_shard(
    end: ShardEnd, read: ReadShard, anchored: AnchoredEnd | None, see: See, findings: Findings
) -> int:
    """Walk a shard up to its head and return how many events that was.

    An event that was edited, deleted, inserted or moved breaks the chain at its position; the walk
    goes on behind it, and notes the first such event of each stream.  Events cut off the end are
    found as long as the shard's own row tells of them; what was cut off, or written anew, together
    with that row is found by the place where the shard was ``anchored``.  Epochs must never fall,
    and not exceed the shard's.

    Raises:
        VerificationError: Enough was found.
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
        see(good)
    if walk.chains and end.chain not in walk.chains:
        findings.add(shard, head, "the shard's row holds another chain")
    return count


class _ChainWalk:
    """Where a walk stands.

    Attributes:
        position: Of the last event.
        chains: What the chain may be there.  Behind a damaged event it is what that event says, or
            what it would be if the event said something else; behind a hole nothing is known.
    """

    def __init__(self, end: ShardEnd, anchored: AnchoredEnd | None, findings: Findings) -> None:
        self.position = 0
        self.chains: Sequence[bytes] = (GENESIS,)
        self._shard = end.shard
        self._anchored = anchored or AnchoredEnd(0, b"")
        self._findings = findings
        self._epoch, self._highest = 1, end.epoch
        self._streams: set[str] = set()  # in which something was found

    def step(self, event: RecordedEvent) -> bool:
        """Go on to ``event``; whether it fits."""
        if event.position != self.position + 1:
            return self._jump(event)
        self.position += 1
        return self._follow(event)

    def _jump(self, event: RecordedEvent) -> bool:
        """Go on to an event that is not the next one."""
        place = event.position
        found = f"position {place!r} stands in its place"
        self._findings.add(self._shard, self.position + 1, found)
        if type(place) is int and place > self.position:
            self.position, self.chains = place, ()
            self._follow(event)
        return False

    def _follow(self, event: RecordedEvent) -> bool:
        chain, links = event.chain, self._links(event)
        if chain not in links and (self.chains or not links or not _likely(event)):
            self._note(event)
            self.chains = (*_likely(event), *links)
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
        """The chains that ``event`` may have; none if it or a column of it is damaged."""
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
            links = [link(chain, *place) for chain in self.chains or _NOT_KNOWN]
        except (TypeError, ValueError, AttributeError, struct.error):
            return ()
        return () if isinstance(event, DamagedEvent) else links

    def _note(self, event: RecordedEvent) -> None:
        """Note that ``event`` does not fit, if it is the first of its stream."""
        found = f"event {event.version} of {event.stream!r} was changed, or moved here"
        stream = event.stream
        if isinstance(event, DamagedEvent):
            found = event.found
            stream = found if stream == UNREADABLE else stream
        if stream not in self._streams:
            self._streams.add(stream)
            self._findings.add(self._shard, self.position, found)


def _likely(event: RecordedEvent) -> Sequence[bytes]:
    """The chain that a damaged event says, if it says one."""
    chain = event.chain
    return (chain,) if isinstance(chain, bytes) and len(chain) == _CHAIN else ()
