"""The heads of the streams that a writer used last, so that an append need not read them."""

from __future__ import annotations

from collections.abc import Iterable

from indelible.events.commit.shard_plan import Head

HEADS_KEPT = 100_000
"""Streams to remember: about 30 MiB, and more than are ever written between two quiet moments."""


class StreamHeads:
    """A bounded map of heads, least recently written first out; for the leader only."""

    def __init__(self, bound: int = HEADS_KEPT) -> None:
        """Remember at most ``bound`` heads."""
        self._bound = bound
        self._heads: dict[str, Head] = {}

    def among(self, names: Iterable[str]) -> tuple[dict[str, Head], list[str]]:
        """The known heads of ``names``, and the names that are not known here."""
        heads = self._heads
        known: dict[str, Head] = {}
        unknown: dict[str, None] = {}
        for name in names:
            head = heads.get(name)
            if head is None:
                unknown[name] = None
            else:
                known[name] = head
        return known, list(unknown)

    def keep(self, heads: Iterable[Head]) -> None:
        """Remember ``heads`` as the newest; what exceeds the bound is forgotten."""
        mine = self._heads
        for head in heads:
            mine.pop(head.name, None)
            mine[head.name] = head
        while len(mine) > self._bound:
            del mine[next(iter(mine))]

    def clear(self) -> None:
        """Forget all."""
        self._heads.clear()
