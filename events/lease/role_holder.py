"""The roles that this process holds, and the thread that renews their leases.

A role is held until it is released or lost.  Its holder stops before the lease ends, by monotonic
time counted from before the last renewal was sent.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from indelible.clock import Clock
from indelible.errors import IndelibleError, RoleLostError
from indelible.events.lease.lease_term import LEASE, LeaseTerm
from indelible.events.lease.role_rows import hold_roles, is_leased, leave_role, take_role, time_left
from indelible.events.store import EventStore
from indelible.loops import Loop
from indelible.threads import refusals

_log = logging.getLogger(__name__)

_RETRY = 1.0  # seconds until a taken role is tried again: its holder may have released it


class Role:
    """A role while this process has it.

    Attributes:
        name: Such as ``consumer:billing``.
        epoch: Fencing token; each new holder raises it.
    """

    def __init__(
        self,
        holder: RoleHolder,
        name: str,
        epoch: int,
        until: int | None,
        on_lost: Callable[[], None],
    ) -> None:
        """Hold the role until ``until``, monotonic ns; ``None`` is until the process ends.

        ``on_lost`` is called once, on any thread; it is quick and never raises.
        """
        self.name = name
        self.epoch = epoch
        self._holder = holder
        self._on_lost = on_lost
        self._lost = False
        self._until = until

    @property
    def lost(self) -> bool:
        """Whether the holder must stop: the role is released, taken, or not renewed in time."""
        until = self._until
        return self._lost or (until is not None and self._holder.clock.monotonic() >= until)

    def check(self) -> None:
        """Check that the role is still held.

        Raises:
            RoleLostError: The role is lost.
        """
        if self.lost:
            self.lose()
            raise RoleLostError(self.name)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open a transaction that commits only if the role is held, and extends its lease.

        Raises:
            RoleLostError: The role is lost; nothing was written.
            StoreUnavailableError: The database failed; the transaction may have committed.
        """
        self.check()
        holder = self._holder
        sent = holder.clock.monotonic()
        with holder.store.write_views() as connection:
            try:
                hold_roles(
                    connection, {self.name: self.epoch}, holder.owner, holder.term.microseconds
                )
            except RoleLostError:
                self.lose()
                raise
            yield connection
        self.renewed(sent)

    def renewed(self, sent: int) -> None:
        """Note that a statement sent at ``sent``, monotonic ns, has extended the lease."""
        if self._until is not None:
            self._until = max(self._until, sent + self._holder.term.valid)

    def lose(self) -> None:
        """Mark the role as lost; nothing is written."""
        was_lost, self._lost = self._lost, True
        self._holder.forget(self)
        if not was_lost:
            self._on_lost()

    def abandon(self) -> None:
        """Mark the role as lost without a lock or a write: for a finaliser, on any thread."""
        self._lost = True

    def release(self) -> None:
        """Release the role, so that another process gets it at once; may be called twice."""
        if not self._lost:
            self._lost = True
            self._holder.give_up(self)


class RoleHolder:
    """All roles of one open system; its methods are for any thread."""

    def __init__(self, store: EventStore, owner: str, clock: Clock, lease: float = LEASE) -> None:
        """Take the name ``owner``, which no other process has, and a ``lease`` in seconds.

        No I/O and no thread yet.
        """
        self.owner = owner
        self.clock = clock
        self.term = LeaseTerm(lease)
        self.store = store
        self._lock = threading.Lock()
        self._held: dict[str, Role] = {}
        self._taking: set[str] = set()
        self._waiting: dict[str, set[Callable[[], None]]] = {}
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def take(
        self,
        name: str,
        on_change: Callable[[], None],
        on_taken: Callable[[sa.Connection], None],
    ) -> Role | float:
        """Take the role ``name``, or return in how many seconds to try again.

        Args:
            name: Such as ``consumer:billing``.
            on_change: Called when the role is lost; or, if another user of this process holds it,
                once when that user releases it.
            on_taken: Reads or writes the role's data in the transaction that takes the role.

        Raises:
            StoreReadOnlyError: The store is open for reading.
            StoreUnavailableError: The database failed; this process may have taken the role.
        """
        with self._lock:
            held = self._held.get(name)
            if name in self._taking or (held is not None and not held.lost):
                self._waiting.setdefault(name, set()).add(on_change)
                return _RETRY
            self._taking.add(name)
        try:
            return self._take(name, on_change, on_taken)
        finally:
            with self._lock:
                self._taking.discard(name)

    def _take(
        self, name: str, on_change: Callable[[], None], on_taken: Callable[[sa.Connection], None]
    ) -> Role | float:
        sent = self.clock.monotonic()
        with self.store.write_views() as connection:
            epoch = take_role(connection, name, self.owner, self.term.microseconds)
            if epoch is None:
                return min(_RETRY, max(0.0, time_left(connection, name) / 1e6))
            until = sent + self.term.valid if is_leased(connection) else None
            on_taken(connection)
        role = Role(self, name, epoch, until, on_change)
        with self._lock:
            self._held[name] = role
        if until is not None:
            self._begin()
        return role

    def _begin(self) -> None:
        """Start the renewing thread; without one, roles are lost when their leases end."""
        with self._lock:
            if self._held and self._thread is None and not self._stopped.is_set():
                thread = threading.Thread(target=self._work, name="indelible-roles", daemon=True)
                if refusals.start(thread, self._begin):
                    self._thread = thread

    def _work(self) -> None:
        Loop("indelible-roles").run(self._turn, self._stopped.wait)

    def _turn(self) -> bool:
        if self._stopped.wait(self.term.pause):
            return False
        self.renew()
        return True

    def renew(self) -> None:
        """Extend the leases of all roles; a role that another process holds is lost."""
        with self._lock:
            roles = list(self._held.values())
        for role in roles:
            if role.lost:
                role.lose()
                continue
            try:
                with role.writing():
                    pass
            except RoleLostError:
                _log.info("%s is held by another process now", role.name)
            except IndelibleError as error:  # the database failed; the lease leaves time to retry
                _log.warning("the lease of %s could not be renewed: %s", role.name, error)

    def give_up(self, role: Role) -> None:
        """Release ``role`` in the database; if that fails, its lease ends later."""
        try:
            with self.store.write_views() as connection:
                leave_role(connection, role.name, self.owner, role.epoch)
        except IndelibleError as error:
            _log.info("%s could not be released, and its lease runs out: %s", role.name, error)
        self.forget(role)

    def forget(self, role: Role) -> None:
        """Remove ``role``, and call ``on_change`` of its waiters in this process."""
        with self._lock:
            if self._held.get(role.name) is role:
                del self._held[role.name]
            waiting = self._waiting.pop(role.name, ())
        for on_change in waiting:
            on_change()

    def close(self) -> None:
        """Release all roles and end the thread; may be called twice."""
        self._stopped.set()
        with self._lock:
            roles, thread = list(self._held.values()), self._thread
        refusals.forget(self._begin)
        for role in roles:
            role.release()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
