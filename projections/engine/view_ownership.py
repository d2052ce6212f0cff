"""The views that this process moves: all on SQLite, on PostgreSQL those whose roles it has taken.

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
from indelible.events.lease.lease_term import LeaseTerm
from indelible.events.lease.role_rows import hold_roles, is_leased, leave_role, take_role
from indelible.events.store import EventStore

_log = logging.getLogger(__name__)

_TRY = 1_000_000_000
"""Nanoseconds between tries to take free views; a released view is taken within this time."""

_PREFIX = "projection:"  # the role of a view is this and its name


class ViewOwnership:
    """Takes, renews and releases views; for the runner's thread.

    Attributes:
        shared: Whether several processes write the store's views; a SQLite database has one owner.
    """

    def __init__(self, store: EventStore, clock: Clock, owner: str, lease: float) -> None:
        """``owner`` is a unique name of this process; ``lease`` is in seconds."""
        self.shared = False
        self._store = store
        self._clock = clock
        self._owner = owner
        self._term = LeaseTerm(lease)
        self._held: dict[str, int] = {}  # epochs, by the name of the view's cursor
        self._renew_at = 0  # on the monotonic clock
        self._take_at = 0

    def open(self) -> None:
        """Find out whether the database is shared."""
        with self._store.read_views() as connection:
            self.shared = is_leased(connection)

    def holds(self, name: str) -> bool:
        """Whether this process moves the view with the cursor ``name``; for any thread."""
        return not self.shared or name in self._held

    @contextmanager
    def begin(self, names: Collection[str]) -> Iterator[sa.Connection]:
        """Open a transaction that may write the views ``names``.

        Raises:
            RoleLostError: Another process has taken one of them; nothing is written.
        """
        with self._store.write_views() as connection:
            if self.shared:
                self._hold(connection, names)
            yield connection

    def take(self, names: Collection[str], *, by_force: bool = False) -> list[str]:
        """Take the free views in ``names``, ``by_force`` all; return the ones taken."""
        if not self.shared:
            return list(names)
        taken: dict[str, int] = {}
        with self._store.write_views() as connection:
            for name in sorted(names):
                epoch = take_role(
                    connection, _role(name), self._owner, self._term.microseconds, by_force=by_force
                )
                if epoch is not None:
                    taken[name] = epoch
        self._held.update(taken)
        return list(taken)

    def renew_and_take(self, names: Collection[str]) -> list[str]:
        """If due, renew the leases and take free views in ``names``; return the ones taken."""
        now = self._clock.monotonic()
        if now >= self._renew_at:
            pause = round(self._term.pause * 1e9)
            self._renew_at = now + min(pause, _TRY)  # if this try fails
            for name in list(self._held):
                self._renew(name)
            self._renew_at = now + pause
        lacking = [name for name in names if name not in self._held]
        if not lacking or now < self._take_at:
            return []
        self._take_at = now + _TRY
        return self.take(lacking)

    def lose(self, name: str) -> None:
        """Note that another process has taken ``name``."""
        if self._held.pop(name, None):
            _log.info("the view %s is moved by another process now", name)

    def leave(self, connection: sa.Connection, name: str) -> None:
        """Release ``name`` in a transaction; call :meth:`forget` after its commit."""
        if self.shared:
            leave_role(connection, _role(name), self._owner, self._held.get(name, 0))

    def forget(self, name: str) -> None:
        """Note that the transaction of :meth:`leave` is committed."""
        self._held.pop(name, None)

    def give_up(self, name: str) -> None:
        """Release ``name``, so that another process can take it at once."""
        with self._store.write_views() as connection:
            self.leave(connection, name)
        self.forget(name)

    def close(self) -> None:
        """Release all views, so that other processes need not wait for the leases."""
        if self._held:
            with self._store.write_views() as connection:
                for name in sorted(self._held):
                    self.leave(connection, name)
            self._held.clear()

    def due_in(self, names: Collection[str]) -> float | None:
        """Return the seconds until :meth:`renew_and_take` is due, ``None`` for never."""
        if not self.shared:
            return None
        lacks = any(name not in self._held for name in names)
        at = min(self._renew_at, self._take_at) if lacks else self._renew_at
        return max(0, at - self._clock.monotonic()) / 1e9

    def _hold(self, connection: sa.Connection, names: Collection[str]) -> None:
        epochs = {_role(name): self._held.get(name, 0) for name in names}  # no role has epoch 0
        try:
            hold_roles(connection, epochs, self._owner, self._term.microseconds)
        except RoleLostError as error:
            raise RoleLostError(error.role.removeprefix(_PREFIX)) from None

    def _renew(self, name: str) -> None:
        try:
            with self.begin([name]):
                pass
        except RoleLostError:
            self.lose(name)


def _role(name: str) -> str:
    return _PREFIX + name
