"""Messages delivered directly inside one process, whose inbox rows a poll must not deliver again.

A message is claimed before its row is committed.  It is released after the row is deleted, or to
give it back to the inbox.  So the row of a direct message that a poll reads is claimed, or was
released during that poll.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from indelible.events.inbox.inbox import Submitted


class DirectHandover:
    """The ids of the claimed messages; for any thread, but one poll at a time."""

    def __init__(self) -> None:
        """Begin without claims."""
        self._lock = threading.Lock()
        self._ids: set[str] = set()
        self._released: set[str] | None = None  # during a poll

    def claim(self, ids: Iterable[str]) -> None:
        """Keep polls from delivering ``ids``, whose rows are not committed yet."""
        with self._lock:
            self._ids.update(ids)

    def release(self, ids: Iterable[object]) -> None:
        """End the claims: the rows are deleted, or the next poll is to deliver them."""
        with self._lock:
            released = self._ids.intersection(ids)
            self._ids -= released
            if self._released is not None:
                self._released |= released

    @contextmanager
    def polling(self) -> Iterator[None]:
        """Poll in this block, and pass all rows read to :meth:`unclaimed`."""
        with self._lock:
            self._released = set()
        try:
            yield
        finally:
            with self._lock:
                self._released = None

    def unclaimed(self, rows: Sequence[Submitted]) -> Sequence[Submitted]:
        """The ``rows`` that are not claimed, and were not when they were read."""
        with self._lock:
            claimed = self._ids.union(self._released or ())
        return [row for row in rows if row.command.message_id not in claimed] if claimed else rows
