"""Compares a shard's row with its last event, before this process writes to the shard.

If they contradict each other, nothing is appended: a lost position would be given to another
event, and the chain would continue from a hash that is not in the log.
"""

from __future__ import annotations

from typing import NamedTuple

from indelible.events.commit.shard_plan import STREAM_ID_BITS, Shard
from indelible.events.model.hash_chain import GENESIS

_INT_MAX = 2**63 - 1


class End(NamedTuple):
    """The columns of a shard's row, its last event and its newest stream.

    On SQLite the values may have any type.
    """

    shard: int
    epoch: int
    head: int
    chain: bytes
    streams: int
    last: int
    last_chain: bytes | None
    last_epoch: int
    recorded_at: int
    highest: int
    raised: int = 0
    """How much this opening or lease has already raised the epoch."""

    @property
    def wrong(self) -> str:
        """The contradiction, as text; empty if there is none."""
        for name in ("epoch", "head", "chain", "recorded_at"):
            value = getattr(self, name)
            fits = type(value) is bytes if name == "chain" else type(value) is int and value >= 0
            if not fits:
                of = "its last event" if name == "recorded_at" else "its row in shards"
                return f"{name} in {of} is {value!r:.80}"
        return self._contradiction()

    def _contradiction(self) -> str:
        ends = f"its row in shards ends at {self.head}, its last event is {self.last}"
        if self.head > self.last:
            return f"{ends}: the events behind that are lost"
        if self.head < self.last:
            return f"{ends}: the row is older than the log"
        if self.chain != (self.last_chain or GENESIS):
            return f"its row in shards and its last event, {self.last}, hold different hashes"
        epoch = self.epoch - self.raised
        if type(self.last_epoch) is not int or self.last_epoch > epoch:
            last = f"its last event is of epoch {self.last_epoch!r:.80}"
            return f"{last}, its row in shards says {epoch}: the row is older than the log"
        number = self.highest - (self.shard << STREAM_ID_BITS) if self.highest else 0
        if type(self.streams) is not int or self.streams < number:
            counted = f"shards.streams of shard {self.shard} is {self.streams!r:.80}"
            return f"{counted}, below the number {number} that one of its streams has"
        return "" if self.epoch < _INT_MAX else "its epochs are used up"

    @property
    def as_shard(self) -> Shard:
        """The shard for a writer, if nothing is wrong."""
        return Shard(self.epoch, self.head, self.chain, self.recorded_at, self.streams, self.shard)
