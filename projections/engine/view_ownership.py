"""Which views the engine of this process moves: all of an owned store, else those it has taken.

Every transaction of a view checks the epoch of its role, so that a process which was paused past
its lease writes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from indelible.clock import Clock
from indelible.errors import RoleLostError
from indelible.events.lease.role_rows import hold_roles, is_leased, leave_role, take_role
from indelible.events.store import EventStore

_log = logging.getLogger(__name__)

LEASE = 10.0
"""Seconds after which the views of a process that died may be taken."""

_LOOK = 1_000_000_000
"""ns between looks for a view that nobody moves; what a clean hand-over takes at most."""

_PREFIX = "projection:"  # of the role of a view
_RENEWALS = 3  # in a lease: two may fail


class ViewOwnership:
    """Takes, keeps and gives up views; belongs to the runner's thread.

    Attributes:
        shared: Whether several processes write the store's views; a SQLite database has one owner.
    """

    def __init__(self, store: EventStore, clock: Clock, owner: str, lease: float) -> None:
        """``owner`` is this process, as no other is called; ``lease`` is seconds."""
        self.shared = False
        self._store = store
        self._clock = clock
        self._owner = owner
        self._lease = lease
        self._held: dict[str, int] = {}  # epochs, by the name of the view's cursor
        self._keep_at = 0  # on the monotonic clock
        self._look_at = 0

    def open(self) -> None:
        """Learn what kind of database it is."""
        with self._store.read_views() as connection:
            self.shared = is_leased(connection)

    def holds(self, name: str) -> bool:
        """Whether this process moves the view of the cursor ``name``; for any thread."""
        return not self.shared or name in self._held

    @contextmanager
    def begin(self, names: Collection[str]) -> Iterator[sa.Connection]:
        """One transaction that may write the views ``names``.

        Raises:
            RoleLostError: Another process has taken one of them; nothing is written.
        """
        with self._store.write_views() as connection:
            if self.shared:
                self._hold(connection, names)
            yield connection

    def take(self, names: Collection[str], *, by_force: bool = False) -> list[str]:
        """Take those of ``names`` that nobody moves, or all; which ones are held now."""
        if not self.shared:
            return list(names)
        taken: dict[str, int] = {}
        with self._store.write_views() as connection:
            for name in sorted(names):
                epoch = take_role(
                    connection, _role(name), self._owner, self._microseconds, by_force=by_force
                )
                if epoch is not None:
                    taken[name] = epoch
        self._held.update(taken)
        return list(taken)

    def tend(self, names: Collection[str]) -> list[str]:
        """When it is time, extend what is held and take what is free of ``names``; the new ones."""
        now = self._clock.monotonic()
        if now >= self._keep_at:
            third = round(self._lease * 1e9 / _RENEWALS)
            self._keep_at = now + min(third, _LOOK)  # if this try fails
            for name in list(self._held):
                self._keep(name)
            self._keep_at = now + third
        lacking = [name for name in names if name not in self._held]
        if not lacking or now < self._look_at:
            return []
        self._look_at = now + _LOOK
        return self.take(lacking)

    def lose(self, name: str) -> None:
        """Take note that another process moves ``name`` now."""
        if self._held.pop(name, None):
            _log.info("the view %s is moved by another process now", name)

    def leave(self, connection: sa.Connection, name: str) -> None:
        """Give up ``name`` when the transaction commits; then call :meth:`left`."""
        if self.shared:
            leave_role(connection, _role(name), self._owner, self._held.get(name, 0))

    def left(self, name: str) -> None:
        """Take note that the transaction of :meth:`leave` is committed."""
        self._held.pop(name, None)

    def give_up(self, name: str) -> None:
        """Let another process take ``name`` at once."""
        with self._store.write_views() as connection:
            self.leave(connection, name)
        self.left(name)

    def close(self) -> None:
        """Give up everything, so that others need not wait for the leases."""
        if self._held:
            with self._store.write_views() as connection:
                for name in sorted(self._held):
                    self.leave(connection, name)
            self._held.clear()

    def due_in(self, names: Collection[str]) -> float | None:
        """Seconds until :meth:`tend` has something to do, ``None`` for never."""
        if not self.shared:
            return None
        lacks = any(name not in self._held for name in names)
        at = min(self._keep_at, self._look_at) if lacks else self._keep_at
        return max(0, at - self._clock.monotonic()) / 1e9

    @property
    def _microseconds(self) -> int:
        return round(self._lease * 1e6)

    def _hold(self, connection: sa.Connection, names: Collection[str]) -> None:
        epochs = {_role(name): self._held.get(name, 0) for name in names}  # 0 is nobody's
        try:
            hold_roles(connection, epochs, self._owner, self._microseconds)
        except RoleLostError as error:
            raise RoleLostError(error.role.removeprefix(_PREFIX)) from None

    def _keep(self, name: str) -> None:
        try:
            with self.begin([name]):
                pass
        except RoleLostError:
            self.lose(name)


def _role(name: str) -> str:
    return _PREFIX + name
