"""The inbox on PostgreSQL: hints wake the watchers, and polling makes up for lost hints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import sqlalchemy as sa

from indelible.events.connections.database_clock import POSTGRESQL as NOW
from indelible.events.inbox.inbox import InboxWatcher, InboxWatchers
from indelible.events.inbox.sql_inbox import Begin, SqlInbox

INBOX_CHANNEL = "indelible_inbox"
"""Channel of hints, without a payload, that commands were submitted or answered."""

_BUSY, _IDLE = 0.050, 0.250
"""Seconds between polls; hints come sooner."""

NOTIFY: LiteralString = f"SELECT pg_notify('{INBOX_CHANNEL}', '')"


class PostgresInbox(SqlInbox):
    """The inbox table, and its watchers in this process."""

    def __init__(self, *, write: Begin, read: Begin) -> None:
        """No I/O yet; ``write`` begins transactions at full durability."""
        super().__init__(
            write=lambda: _notifying(write),
            read=read,
            now=sa.literal_column(NOW, sa.BigInteger),
            watch=self._watch,
        )
        self._watchers = InboxWatchers()

    def wake(self, _: str = "") -> None:
        """Wake the watchers; quick, never raises."""
        self._watchers.wake()

    def _watch(self, _for_commands: bool) -> InboxWatcher:
        return self._watchers.add(lambda: True, busy=_BUSY, idle=_IDLE)


@contextmanager
def _notifying(write: Begin) -> Iterator[sa.Connection]:
    """Send the hint in the transaction itself: commands are few compared with events."""
    with write() as connection:
        yield connection
        connection.exec_driver_sql(NOTIFY)
