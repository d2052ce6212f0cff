"""Copying the WAL back into the database, off the hot path, on a thread of its own."""

from __future__ import annotations

import sqlalchemy as sa

from indelible.events.concurrency.fair_lock import FairLock

WAL_GROWTH = 2_000
"""Pages, about, after which to copy back: 8 MiB, read again in some 10 ms after a crash."""

_FEW = 200  # pages that may be left for the turn in which nobody writes: a millisecond or two
_ROUNDS = 3
_COMMIT, _VIEWS = 4, 64  # pages, about, of a commit however small, and of a batch of the views
_LEAST_SPREAD = 0.1  # pages an event; in large groups a page takes up to eight


class WalGrowth:
    """Estimates how many pages the WAL has grown by, since SQLite does not tell while it grows.

    An event takes a page and more of a small commit, and a fraction of one in a large group: each
    copying back, which counts the pages, corrects the estimate for the next.  Guesses only; the
    committing threads add, another one corrects, and a lost update does no harm.
    """

    def __init__(self) -> None:
        """Expect a page for each event."""
        self._fixed = 0
        self._events = 0
        self._spread = 1.0

    def commit(self, events: int) -> None:
        """Count a commit of so many events; a message counts as one."""
        self._fixed += _COMMIT
        self._events += events

    def views(self) -> None:
        """Count a batch of the views."""
        self._fixed += _VIEWS

    @property
    def pages(self) -> float:
        """About how many there are."""
        return self._fixed + self._events * self._spread

    def take(self) -> tuple[int, int]:
        """Begin anew; the result is for :meth:`correct`, once the pages have been counted."""
        counted = self._fixed, self._events
        self._fixed = self._events = 0
        return counted

    def correct(self, counted: tuple[int, int], pages: int) -> None:
        """Learn that what was ``counted`` took so many pages.

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
    """Copy the WAL into the database and let the next commit begin it anew; its pages before.

    While others write, the WAL is copied on a connection of its own; only what has come meanwhile
    is copied in a turn, since a WAL that is always being added to never begins anew.  A reader that
    holds on to an old state delays it until the next time.
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
    """Copy what can be copied without waiting for anybody; the pages there were, and are left."""
    row = connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()
    return int(row[1]), int(row[1]) - int(row[2])
