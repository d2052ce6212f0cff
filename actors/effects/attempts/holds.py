"""What may not begin at the moment: all while a system closes, or what leaves this process."""

from __future__ import annotations

from collections.abc import Callable, Collection


class Holds:
    """Held runs, by shard.  Changed under the lock of the attempts' beginning, read by anyone.

    Attributes:
        any: Whether anything is held; looked at first, where every step passes.
        everything: Whether all runs are: the system closes.
        is_ours: Tells whether a stream still is this process's; nothing begins in another.
    """

    def __init__(self, shard_of: Callable[[str], int], is_ours: Callable[[str], bool]) -> None:
        """Hold nothing; ``shard_of`` gives the shard of a stream."""
        self.any = False
        self.is_ours = is_ours
        self._shard_of = shard_of
        self.everything = False
        self._shards: frozenset[int] = frozenset()

    def hold(self, shards: Collection[int] | None = None) -> None:
        """Hold the runs of ``shards``; ``None`` is all, for ever."""
        if shards is None:
            self.everything = True
        else:
            self._shards |= frozenset(shards)
        self.any = True

    def release(self, shards: Collection[int]) -> None:
        """Let runs of ``shards`` go on."""
        self._shards -= frozenset(shards)
        self.any = self.everything or bool(self._shards)

    def cover(self, stream: str) -> bool:
        """Whether the run in ``stream`` is held."""
        return self.everything or self._shard_of(stream) in self._shards
