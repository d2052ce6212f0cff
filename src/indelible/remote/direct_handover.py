"""Which messages are handed over past the inbox that keeps them: a look leaves their rows alone.

A message is by hand from before its row is there until after the row is gone, or is given back to
the inbox.  So a row that a look has read is by hand, or was let go while that look was taken.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from indelible.events.inbox.inbox import Submitted


class DirectHandover:
    """Message ids; any thread may use it, and one at a time looks."""

    def __init__(self) -> None:
        """Nothing is handed over."""
        self._lock = threading.Lock()
        self._ids: set[str] = set()
        self._let_go: set[str] | None = None  # while a look is taken

    def take(self, ids: Iterable[str]) -> None:
        """Leave the rows of ``ids`` alone, which are not there yet."""
        with self._lock:
            self._ids.update(ids)

    def let_go(self, ids: Iterable[object]) -> None:
        """Leave them alone no more: they are gone, or the next look is to find them."""
        with self._lock:
            gone = self._ids.intersection(ids)
            self._ids -= gone
            if self._let_go is not None:
                self._let_go |= gone

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look in this block, and ask :meth:`others` of all that is found."""
        with self._lock:
            self._let_go = set()
        try:
            yield
        finally:
            with self._lock:
                self._let_go = None

    def others(self, found: Sequence[Submitted]) -> Sequence[Submitted]:
        """Those of ``found`` that are not by hand, and were not when they were read."""
        with self._lock:
            theirs = self._ids.union(self._let_go or ())
        return [one for one in found if one.command.message_id not in theirs] if theirs else found
