"""Consumers: readers with a durable name, whose positions are stored in table ``consumers``.

An event is delivered at least once and never skipped: a position moves only over delivered events,
in a transaction that the consumer's role fences.  So one process at a time continues, and a stale
process stores nothing.
"""

from __future__ import annotations

import sqlalchemy as sa

from indelible.errors import RoleLostError, StoreReadOnlyError, SystemClosedError
from indelible.events.lease.role_holder import Role, RoleHolder
from indelible.events.model.event_types import EventTypes
from indelible.events.model.stream_names import NAME_LIMIT
from indelible.events.store import Cursor
from indelible.events.subscribe.batches import EventBatch, Selection
from indelible.events.subscribe.log_followers import LogFollowers
from indelible.events.subscribe.shard_pages import MAX_BATCH, MAX_BYTES, ShardPages, check_cursor
from indelible.events.subscribe.subscription import After, Following, starting

_READ = sa.text("SELECT shard, position FROM consumers WHERE name = :name")
_MOVE = sa.text("""
    INSERT INTO consumers (name, shard, position) VALUES (:name, :shard, :position)
    ON CONFLICT (name, shard) DO UPDATE SET position = excluded.position
""")

_UNSELECTED = 1_000
"""Events outside the selection after which the position is stored, so as not to reread them."""


class Consumer(Following):
    """The events that a name has not committed yet, as batches; for one thread or task at a time.

    The first batch waits until no other consumer has the name, in this process or another.

    Attributes:
        name: Its name, the same after every restart.
        cursor: The cursor after the batches that it has returned.
    """

    def __init__(
        self,
        followers: LogFollowers,
        types: EventTypes,
        roles: RoleHolder,
        name: str,
        *,
        after: After = None,
        selection: Selection | None = None,
        live: bool = True,
        max_batch: int = MAX_BATCH,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """Continue at the stored positions of ``name``; the first time after ``after``.

        Raises:
            ValueError: The name is not 1 to 255 printable characters, or as for a subscription.
        """
        if not 1 <= len(name) <= NAME_LIMIT or not name.isprintable():
            raise ValueError(
                f"{name!r:.100} is no name: use 1 to {NAME_LIMIT} printable characters"
            )
        self.name = name
        self._role: Role | None = None
        super().__init__(followers)
        self._types = types
        self._roles = roles
        self._live = live
        self._after = starting(followers.store, after)
        self._selection = selection or Selection()
        self._bounds = (max_batch, max_bytes)
        self._pages = self._pages_from(check_cursor(self._after))
        self._committed: Cursor = {}

    def __del__(self) -> None:
        """Free the name for another consumer, if this one was not closed."""
        role = getattr(self, "_role", None)
        if role is not None:
            role.abandon()

    @property
    def committed(self) -> Cursor:
        """The stored cursor, as far as this consumer knows; the next consumer continues there."""
        return dict(self._committed)

    @property
    def active(self) -> bool:
        """Whether this consumer holds the name."""
        return self._role is not None and not self._role.lost

    def commit(self, cursor: Cursor) -> None:
        """Store that all events up to ``cursor`` are handled; later ones will be delivered.

        Pass the cursor of a batch or of one of its deliveries; an older cursor changes nothing.

        Raises:
            ValueError: The cursor covers undelivered events; nothing was stored.
            RoleLostError: Another process has the name; nothing was stored, and that process
                delivers the uncommitted events again.
            StoreUnavailableError: The cursor may have been stored; commit again.
            SystemClosedError: The consumer is closed; nothing was stored.
            BlockingCallError: This is the system's event loop; nothing was stored.
            ForkedError: This process was forked from the consumer's; nothing was stored.
        """
        self._check_process()
        self._followers.check_may_block("commit", "commit_async")
        delivered = self._cursor
        for shard, position in check_cursor(cursor).items():
            if position > delivered.get(shard, 0):
                raise ValueError(
                    f"position {position} of shard {shard} was not delivered to {self.name!r}, "
                    f"which has got up to {delivered.get(shard, 0)}: commit what was handled"
                )
        self._store_cursor(cursor)

    async def commit_async(self, cursor: Cursor) -> None:
        """Do what :meth:`commit` does without blocking the event loop."""
        self._check_process()
        await self._followers.off_loop(self.commit, cursor)

    def _forked(self, parent: int) -> None:
        """Give up the role in a forked child: the parent keeps the name."""
        super()._forked(parent)
        self._role = None

    def close(self) -> None:
        """End the iteration and free the name for another consumer; may be called twice."""
        super().close()
        role, self._role = self._role, None
        if role is not None:
            role.release()

    # -- the iteration

    def _waits_for_more(self) -> bool:
        return self._live

    def _read(self) -> EventBatch | float | None:
        if self._role is None:
            pause = self._take_role()
            if pause is not None:
                return pause
        role = self._role
        if role is None:  # closed meanwhile
            return None
        if role.lost:
            self._role = None  # the next call waits for it, and reads the stored positions again
            role.check()
        batch = self._pages.read()
        if batch is not None and not batch:
            self._store_unselected(batch.cursor)
        return batch

    def _take_role(self) -> float | None:
        """Take the name and return ``None``, or return in how many seconds to try again."""
        stored: Cursor = {}

        def read_or_begin(connection: sa.Connection) -> None:
            rows = connection.execute(_READ, {"name": self.name})
            stored.update((row.shard, row.position) for row in rows)
            if not stored and self._after:
                _move(connection, self.name, self._after)
                stored.update(self._after)

        try:
            taken = self._roles.take(f"consumer:{self.name}", self._wake_up.set, read_or_begin)
        except StoreReadOnlyError as error:
            raise StoreReadOnlyError(
                self._store.url,
                f"the position of consumer {self.name!r} is stored in it, by a process that may "
                "write it; to read only, follow events() and keep its cursor yourself",
            ) from error
        if not isinstance(taken, Role):
            return taken
        self._pages = self._pages_from(stored)
        self._committed, self._cursor = dict(stored), dict(stored)
        self._role = taken
        if self._ended:  # closed during the query
            self.close()
        return None

    def _store_unselected(self, cursor: Cursor) -> None:
        """Store the cursor after unselected events, if all delivered events are committed."""
        committed = self._committed
        if all(committed.get(shard, 0) >= position for shard, position in self._cursor.items()):
            count = sum(position - committed.get(s, 0) for s, position in cursor.items())
            if count >= _UNSELECTED:
                self._store_cursor(cursor)

    def _store_cursor(self, cursor: Cursor) -> None:
        moved = {
            shard: position
            for shard, position in cursor.items()
            if position > self._committed.get(shard, 0)
        }
        role = self._role
        if role is None:
            if self._ended:
                raise SystemClosedError("commit()", f"consumer {self.name!r} is closed")
            raise RoleLostError(f"consumer:{self.name}")
        try:
            role.check()
            if moved:
                with role.writing() as connection:
                    _move(connection, self.name, moved)
                self._committed = self._committed | moved
        except RoleLostError:
            self._role = None  # the next batch waits for the role
            raise

    def _pages_from(self, cursor: Cursor) -> ShardPages:
        events, size = self._bounds
        decode = self._types.decode
        return ShardPages(
            self._store, decode, self._selection, cursor, max_batch=events, max_bytes=size
        )


def _move(connection: sa.Connection, name: str, cursor: Cursor) -> None:
    rows = [
        {"name": name, "shard": shard, "position": position} for shard, position in cursor.items()
    ]
    connection.execute(_MOVE, rows)
