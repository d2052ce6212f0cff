"""Which shards a writer owns, until when, and what became of those it has lost (invariant 3)."""

from __future__ import annotations

from collections.abc import Mapping

from indelible.errors import ShardNotOwnedError, StaleEpochError
from indelible.events.commit.shard_plan import Shard


class OwnedShards:
    """The shards of one writer; changed by who holds the lead, looked at by anyone.

    Attributes:
        shards: What is owned, by number.
    """

    def __init__(self) -> None:
        """Own nothing."""
        self.shards: dict[int, Shard] = {}
        self._deadlines: dict[int, int] = {}
        self._lost: dict[int, BaseException] = {}

    def replace(self, shards: Mapping[int, Shard]) -> None:
        """Own ``shards`` and nothing else, without deadlines."""
        self.shards = dict(shards)
        self._deadlines, self._lost = {}, {}

    def adopt(self, shard: Shard) -> None:
        """Own one more."""
        self._deadlines.pop(shard.number, None)
        self._lost.pop(shard.number, None)
        self.shards[shard.number] = shard

    def lose(self, number: int, error: BaseException) -> None:
        """Own one less; who appends to it gets ``error``."""
        self.shards.pop(number, None)
        self._deadlines.pop(number, None)
        self._lost[number] = error

    def keep(self, loaded: Mapping[int, Shard]) -> list[StaleEpochError]:
        """Take over where the owned shards end; those that are missing are lost."""
        gone = [
            StaleEpochError(number, shard.epoch)
            for number, shard in self.shards.items()
            if number not in loaded
        ]
        for stale in gone:
            self.lose(stale.shard, stale)
        for number in self.shards:
            self.shards[number] = loaded[number]
        return gone

    def advance(self, shard: Shard) -> None:
        """Build on ``shard`` from now on, if it is still owned in that epoch."""
        owned = self.shards.get(shard.number)
        if owned is not None and owned.epoch == shard.epoch:
            self.shards[shard.number] = shard

    def set_deadline(self, number: int, monotonic: int) -> None:
        """Write to an owned shard only until ``monotonic`` ns; a later call may put that off.

        Any thread may call.
        """
        if number in self.shards:
            self._deadlines[number] = monotonic

    def holds(self, number: int, monotonic: int) -> bool:
        """Whether a shard is owned and its deadline has not passed; any thread may ask."""
        until = self._deadlines.get(number)
        return number in self.shards and (until is None or monotonic <= until)

    def expired(self, monotonic: int) -> list[int]:
        """The owned shards whose deadline has passed."""
        deadlines = list(self._deadlines.items())  # set by a thread that does not hold the lead
        return [number for number, at in deadlines if at < monotonic and number in self.shards]

    def why_not(self, number: int) -> BaseException:
        """What an append to a shard that is not owned fails with."""
        return self._lost.get(number) or ShardNotOwnedError(number)
