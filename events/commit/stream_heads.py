"""A cache of the stream heads that a writer used last, so that appends need not read them."""

from __future__ import annotations

from collections.abc import Iterable

from indelible.events.commit.shard_plan import Head

HEADS_KEPT = 100_000
"""Streams to remember: about 30 MiB, and more than are written in a burst of appends."""


class StreamHeads:
    """A bounded map of heads that drops the least recently written; for the leader only."""

    def __init__(self, bound: int = HEADS_KEPT) -> None:
        """Remember at most ``bound`` heads."""
        self._bound = bound
        self._heads: dict[str, Head] = {}

    def among(self, names: Iterable[str]) -> tuple[dict[str, Head], list[str]]:
        """Return the known heads of ``names``, and the names without a known head."""
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
        """Remember ``heads`` as the newest, and drop the oldest above the bound."""
        kept = self._heads
        for head in heads:
            kept.pop(head.name, None)
            kept[head.name] = head
        while len(kept) > self._bound:
            del kept[next(iter(kept))]

    def clear(self) -> None:
        """Forget all heads."""
        self._heads.clear()
