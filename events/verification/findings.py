"""Collects the findings of a verification, so that one piece of damage does not hide another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from indelible.errors import StoreCorruptError, VerificationError

LIMIT = 100
"""Findings after which verification ends: a store with more of them is restored as a whole."""


class Findings:
    """The findings of one verification so far, in order; for one thread."""

    def __init__(self) -> None:
        """Start without a finding."""
        self._found: list[VerificationError] = []
        self._others: list[str] = []
        self._sum: VerificationError | None = None
        self.shards: set[int] = set()
        """The shards with a finding."""

    def add(self, shard: int, position: int, found: str) -> None:
        """Add a finding; ``position`` is 0 and ``shard`` -1 if it has none.

        Raises:
            VerificationError: The limit of findings is reached.
        """
        self._take(VerificationError(shard, position, found))
        if len(self._found) + len(self._others) >= LIMIT:
            self.check()

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Add a VerificationError or StoreCorruptError of the block to the findings."""
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
        """Check that there is no finding.

        Raises:
            VerificationError: The first finding, with the other ones in ``others``.
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
