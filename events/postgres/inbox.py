"""The inbox on PostgreSQL: hints wake those who wait, looks now and then make up for lost ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import sqlalchemy as sa

from indelible.events.connections.database_clock import POSTGRESQL as NOW
from indelible.events.inbox.inbox import InboxWatcher, InboxWatchers
from indelible.events.inbox.sql_inbox import Begin, SqlInbox

INBOX_CHANNEL = "indelible_inbox"
"""Rung, without words, when commands were submitted or answered."""

_BUSY, _IDLE = 0.050, 0.250
"""Seconds between looks; hints come sooner."""

RING: LiteralString = f"SELECT pg_notify('{INBOX_CHANNEL}', '')"


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
        self._watchers = InboxWatchers()

    def ring(self, _: str = "") -> None:
        """Wake who waits; quick, never raises."""
        self._watchers.wake()

    def _watch(self, _for_commands: bool) -> InboxWatcher:
        return self._watchers.add(lambda: True, busy=_BUSY, idle=_IDLE)


@contextmanager
def _ringing(write: Begin) -> Iterator[sa.Connection]:
    """The hint travels with the commit: commands are few beside events."""
    with write() as connection:
        yield connection
        connection.exec_driver_sql(RING)
