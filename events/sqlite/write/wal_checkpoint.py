"""Copies the WAL back into the database, off the hot path, on a thread of its own."""

from __future__ import annotations

import sqlalchemy as sa

from indelible.events.concurrency.fair_lock import FairLock

WAL_GROWTH = 2_000
"""Pages, about, after which to copy back: 8 MiB, which a restart reads in some 10 ms."""

_FEW = 200  # pages that may be left for the copy under the writer lock: a millisecond or two
_ROUNDS = 3
_COMMIT, _VIEWS = 4, 64  # pages, about, of even the smallest commit, and of a batch of the views
_LEAST_SPREAD = 0.1  # pages for each event; in large groups a page holds up to eight


class WalGrowth:
    """Estimates by how many pages the WAL has grown, which SQLite does not report.

    An event takes one page or more in a small commit, and a fraction of a page in a large group.
    Copying back counts the pages and so corrects the estimate.  The committing threads add and
    another thread corrects, without a lock: a lost update only makes the estimate less exact.
    """

    def __init__(self) -> None:
        """Expect a page for each event."""
        self._fixed = 0
        self._events = 0
        self._spread = 1.0

    def commit(self, events: int) -> None:
        """Count a commit of ``events``; a message counts as one event."""
        self._fixed += _COMMIT
        self._events += events

    def views(self) -> None:
        """Count a batch of the views."""
        self._fixed += _VIEWS

    @property
    def pages(self) -> float:
        """The estimated number of pages."""
        return self._fixed + self._events * self._spread

    def take(self) -> tuple[int, int]:
        """Reset the counts and return them, for :meth:`correct` once the pages are counted."""
        counted = self._fixed, self._events
        self._fixed = self._events = 0
        return counted

    def correct(self, counted: tuple[int, int], pages: int) -> None:
        """Correct the estimate: the commits in ``counted`` have taken ``pages``.

        >>> growth = WalGrowth()
        >>> growth.commit(1_000), growth.pages
        (None, 1004.0)
        >>> growth.correct(growth.take(), 254)
        >>> growth.commit(1_000), growth.pages
        (None, 254.0)
        """
        fixed, events = counted
        if events:
            self._spread = min(1.0, max(_LEAST_SPREAD, (pages - fixed) / events))


def copy_back(engine: sa.Engine, writer_lock: FairLock) -> int:
    """Copy the WAL into the database, so that the next commit restarts it; return its pages.

    Most of the WAL is copied on a connection of its own, beside the writer.  Only the rest is
    copied under the writer lock, since a WAL to which commits are added never restarts.  A reader
    that keeps an old state open delays the restart until the next call.
    """
    with engine.connect() as connection:
        pages, left = _checkpoint(connection)
        for _ in range(_ROUNDS - 1):
            if left <= _FEW:
                break
            _, left = _checkpoint(connection)
        with writer_lock:
            _checkpoint(connection)
    return pages


def _checkpoint(connection: sa.Connection) -> tuple[int, int]:
    """Copy pages without waiting for a lock; return the pages of the WAL, and those left."""
    row = connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()
    return int(row[1]), int(row[1]) - int(row[2])
