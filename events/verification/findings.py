"""What does not fit, collected: one piece of damage hides no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from indelible.errors import StoreCorruptError, VerificationError

MOST = 100
"""Findings after which verifying ends: a store with more of them is restored as a whole."""


class Findings:
    """What one verification has found so far, in order; for one thread."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._found: list[VerificationError] = []
        self._others: list[str] = []
        self._sum: VerificationError | None = None
        self.shards: set[int] = set()
        """The shards in which something does not fit."""

    def add(self, shard: int, position: int, found: str) -> None:
        """Note that ``found`` does not fit; ``position`` is 0 and ``shard`` -1 if it has none.

        Raises:
            VerificationError: Enough was found.
        """
        self._take(VerificationError(shard, position, found))
        if len(self._found) + len(self._others) >= MOST:
            self.check()

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what the block raises of what does not fit, and of what cannot be read."""
        try:
            yield
        except VerificationError as error:
            if error is self._sum:
                raise
            self._take(error)
        except StoreCorruptError as error:
            where = f"stream {error.stream!r}: " if error.stream else ""
            self._take(VerificationError(error.shard, error.position, where + error.found))

    def check(self) -> None:
        """See that nothing was found.

        Raises:
            VerificationError: The first finding, with the others behind it.
        """
        if self._found:
            first, *rest = self._found
            others = [*map(str, rest), *self._others]
            self._sum = VerificationError(first.shard, first.position, first.found, others)
            raise self._sum

    def _take(self, error: VerificationError) -> None:
        self.shards.add(error.shard)
        self._found.append(VerificationError(error.shard, error.position, error.found))
        self._others += error.others
