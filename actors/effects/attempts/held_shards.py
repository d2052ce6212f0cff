"""Shards in which no attempt may begin: the system closes, or they leave this process."""

from __future__ import annotations

from collections.abc import Callable, Collection


class HeldShards:
    """Held shards.  Changed under the lock of :class:`Attempts`, read by any thread.

    Attributes:
        any: Whether anything is held; checked first, because every step passes here.
        everything: Whether all streams are held: the system closes.
        is_ours: Tells whether this process still owns a stream; no attempt begins in others.
    """

    def __init__(self, shard_of: Callable[[str], int], is_ours: Callable[[str], bool]) -> None:
        """Hold nothing; ``shard_of`` gives the shard of a stream."""
        self.any = False
        self.is_ours = is_ours
        self._shard_of = shard_of
        self.everything = False
        self._shards: frozenset[int] = frozenset()

    def hold(self, shards: Collection[int] | None = None) -> None:
        """Hold the streams of ``shards``; ``None`` holds all streams, and is never released."""
        if shards is None:
            self.everything = True
        else:
            self._shards |= frozenset(shards)
        self.any = True

    def release(self, shards: Collection[int]) -> None:
        """End the hold of ``shards``."""
        self._shards -= frozenset(shards)
        self.any = self.everything or bool(self._shards)

    def cover(self, stream: str) -> bool:
        """Whether ``stream`` is held."""
        return self.everything or self._shard_of(stream) in self._shards
