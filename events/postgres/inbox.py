"""The inbox on PostgreSQL: hints wake those who wait, looks now and then make up for lost ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from indelible.events.database_clock import POSTGRESQL as NOW
from indelible.events.inbox import Watcher
from indelible.events.inbox_sql import Begin, SqlInbox

INBOX_CHANNEL = "indelible_inbox"
"""Rung, without words, when commands were submitted or answered."""

_BUSY, _IDLE = 0.050, 0.250
"""Seconds between looks; hints come sooner."""

_RING = f"SELECT pg_notify('{INBOX_CHANNEL}', '')"


class PostgresInbox(SqlInbox):
    """The table, and who waits for it to change."""

    def __init__(self, *, write: Begin, read: Begin) -> None:
        """Touch nothing yet; ``write`` begins transactions at full durability."""
        super().__init__(
            write=lambda: _ringing(write),
            read=read,
            now=sa.literal_column(NOW, sa.BigInteger),
            watch=self._watch,
        )
        self._lock = threading.Lock()
        self._watchers: tuple[Watcher, ...] = ()

    def ring(self, _: str = "") -> None:
        """Wake who waits; quick, never raises."""
        for watcher in self._watchers:
            watcher.wake()

    def _watch(self, _for_commands: bool) -> Watcher:
        def end() -> None:
            with self._lock:
                self._watchers = tuple(one for one in self._watchers if one is not watcher)

        watcher = Watcher(lambda: True, busy=_BUSY, idle=_IDLE, end=end)
        with self._lock:
            self._watchers = (*self._watchers, watcher)
        return watcher


@contextmanager
def _ringing(write: Begin) -> Iterator[sa.Connection]:
    """The hint travels with the commit: commands are few beside events."""
    with write() as connection:
        yield connection
        connection.exec_driver_sql(_RING)
