"""The shards that a writer owns, their deadlines, and the errors of lost shards (invariant 3)."""

from __future__ import annotations

from collections.abc import Mapping

from indelible.errors import ShardNotOwnedError, StaleEpochError
from indelible.events.commit.shard_plan import Shard


class OwnedShards:
    """The shards of one writer; the leader's thread changes them, any thread may read them.

    Attributes:
        shards: The owned shards, by number.
    """

    def __init__(self) -> None:
        """Own no shard."""
        self.shards: dict[int, Shard] = {}
        self._deadlines: dict[int, int] = {}
        self._lost: dict[int, BaseException] = {}

    def replace(self, shards: Mapping[int, Shard]) -> None:
        """Own exactly ``shards``, without deadlines."""
        self.shards = dict(shards)
        self._deadlines, self._lost = {}, {}

    def adopt(self, shard: Shard) -> None:
        """Own one more shard."""
        self._deadlines.pop(shard.number, None)
        self._lost.pop(shard.number, None)
        self.shards[shard.number] = shard

    def lose(self, number: int, error: BaseException) -> None:
        """Own the shard no more; appends to it fail with ``error``."""
        self.shards.pop(number, None)
        self._deadlines.pop(number, None)
        self._lost[number] = error

    def keep(self, loaded: Mapping[int, Shard]) -> list[StaleEpochError]:
        """Update the owned shards from ``loaded``; an owned shard that is not in it is lost."""
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
        """Set the end of a shard to ``shard``, if it is still owned in that epoch."""
        owned = self.shards.get(shard.number)
        if owned is not None and owned.epoch == shard.epoch:
            self.shards[shard.number] = shard

    def set_deadline(self, number: int, monotonic: int) -> None:
        """Write to an owned shard only until ``monotonic`` ns, which a later call may extend.

        For any thread.
        """
        if number in self.shards:
            self._deadlines[number] = monotonic

    def holds(self, number: int, monotonic: int) -> bool:
        """Whether a shard is owned and its deadline has not passed; for any thread."""
        until = self._deadlines.get(number)
        return number in self.shards and (until is None or monotonic <= until)

    def expired(self, monotonic: int) -> list[int]:
        """Return the owned shards whose deadline has passed."""
        deadlines = list(self._deadlines.items())  # another thread may add one meanwhile
        return [number for number, at in deadlines if at < monotonic and number in self.shards]

    def why_not(self, number: int) -> BaseException:
        """Return the error for an append to a shard that is not owned."""
        return self._lost.get(number) or ShardNotOwnedError(number)
