"""The roles that this process has, and the thread that renews their leases.

A role is held until it is released, or lost: its holder learns that before the lease ends, by
monotonic time counted from before the last renewal was sent.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from indelible.clock import Clock
from indelible.errors import IndelibleError, RoleLostError
from indelible.events.lease.role_rows import hold_roles, is_leased, leave_role, take_role, time_left
from indelible.events.store import EventStore
from indelible.loops import Loop
from indelible.threads import wanted

_log = logging.getLogger(__name__)

LEASE = 10.0
"""Seconds for which a role is held without a renewal; what a take-over waits for at most."""

_RENEWALS = 3  # in a lease: two may fail
_MARGIN = 0.1  # of a lease: the holder stops so much earlier than anybody may take over
_SOON = 1.0  # s until a taken role is looked at again: its holder may have released it


class Role:
    """A role while this process has it.

    Attributes:
        name: Such as ``consumer:billing``.
        epoch: Fencing token, raised by every holder.
    """

    def __init__(
        self,
        holder: RoleHolder,
        name: str,
        epoch: int,
        until: int | None,
        on_lost: Callable[[], None],
    ) -> None:
        """``until`` is monotonic ns, ``None`` for as long as the process lives.

        ``on_lost`` is called on any thread, once; quick, never raises.
        """
        self.name = name
        self.epoch = epoch
        self._holder = holder
        self._on_lost = on_lost
        self._lost = False
        self._until = until

    @property
    def lost(self) -> bool:
        """Whether the holder must stop: released, taken, or not renewed in time."""
        until = self._until
        return self._lost or (until is not None and self._holder.clock.monotonic() >= until)

    def check(self) -> None:
        """See that the role is still held.

        Raises:
            RoleLostError: It is not.
        """
        if self.lost:
            self.lose()
            raise RoleLostError(self.name)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that commits only in this role, and extends its lease.

        Raises:
            RoleLostError: The role is not held any more; nothing was written.
            StoreUnavailableError: The database failed; it may have been written.
        """
        self.check()
        holder = self._holder
        sent = holder.clock.monotonic()
        with holder.store.write_views() as connection:
            try:
                hold_roles(connection, {self.name: self.epoch}, holder.owner, holder.lease)
            except RoleLostError:
                self.lose()
                raise
            yield connection
        self.renewed(sent)

    def renewed(self, sent: int) -> None:
        """Learn that the lease was extended by a statement sent at ``sent``, monotonic ns."""
        if self._until is not None:
            self._until = max(self._until, sent + self._holder.trusted)

    def lose(self) -> None:
        """Have it no more; nothing is written."""
        known, self._lost = self._lost, True
        self._holder.forget(self)
        if not known:
            self._on_lost()

    def abandon(self) -> None:
        """Have it no more, from wherever garbage is collected: takes no lock, writes nothing."""
        self._lost = True

    def release(self) -> None:
        """Give it up, so that the next one has it at once; may be called twice."""
        if not self._lost:
            self._lost = True
            self._holder.give_up(self)


class RoleHolder:
    """All roles of one open system; any thread may call any method."""

    def __init__(self, store: EventStore, owner: str, clock: Clock, lease: float = LEASE) -> None:
        """``owner`` names this process for others, and no other process is called so.

        No I/O and no thread yet; ``lease`` in seconds.
        """
        self.owner = owner
        self.clock = clock
        self.lease = round(lease * 1e6)  # microseconds
        self.trusted = round(lease * (1 - _MARGIN) * 1e9)  # ns
        self.store = store
        self._pause = lease / _RENEWALS
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
        then: Callable[[sa.Connection], None],
    ) -> Role | float:
        """Take the role ``name``, or say in how many seconds to try again.

        Args:
            name: Such as ``consumer:billing``.
            on_change: Called when the role is lost; or once, when somebody here releases it.
            then: Runs in the transaction that takes it, to read or write what belongs to it.

        Raises:
            StoreReadOnlyError: The store was opened for reading.
            StoreUnavailableError: The database failed; the role may be taken, by this process.
        """
        with self._lock:
            held = self._held.get(name)
            if name in self._taking or (held is not None and not held.lost):
                self._waiting.setdefault(name, set()).add(on_change)
                return _SOON
            self._taking.add(name)
        try:
            return self._take(name, on_change, then)
        finally:
            with self._lock:
                self._taking.discard(name)

    def _take(
        self, name: str, on_change: Callable[[], None], then: Callable[[sa.Connection], None]
    ) -> Role | float:
        sent = self.clock.monotonic()
        with self.store.write_views() as connection:
            epoch = take_role(connection, name, self.owner, self.lease)
            if epoch is None:
                return min(_SOON, max(0.0, time_left(connection, name) / 1e6))
            until = sent + self.trusted if is_leased(connection) else None
            then(connection)
        role = Role(self, name, epoch, until, on_change)
        with self._lock:
            self._held[name] = role
        if until is not None:
            self._begin()
        return role

    def _begin(self) -> None:
        """Start to renew; while there is no thread for it, roles are lost when their time ends."""
        with self._lock:
            if self._held and self._thread is None and not self._stopped.is_set():
                thread = threading.Thread(target=self._work, name="indelible-roles", daemon=True)
                if wanted.start(thread, self._begin):
                    self._thread = thread

    def _work(self) -> None:
        Loop("indelible-roles").run(self._turn, self._stopped.wait)

    def _turn(self) -> bool:
        if self._stopped.wait(self._pause):
            return False
        self.renew()
        return True

    def renew(self) -> None:
        """Extend the leases of all roles; one that cannot be is lost."""
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
                _log.info("%s is done by another process now", role.name)
            except IndelibleError as error:  # the database is away; there is time for another try
                _log.warning("the lease of %s could not be renewed: %s", role.name, error)

    def give_up(self, role: Role) -> None:
        """Release ``role`` in the database, as far as that works; the lease ends anyway."""
        try:
            with self.store.write_views() as connection:
                leave_role(connection, role.name, self.owner, role.epoch)
        except IndelibleError as error:
            _log.info("%s was left without a word: %s", role.name, error)
        self.forget(role)

    def forget(self, role: Role) -> None:
        """Have ``role`` no more, and tell who waits for it here."""
        with self._lock:
            if self._held.get(role.name) is role:
                del self._held[role.name]
            waiting = self._waiting.pop(role.name, ())
        for tell in waiting:
            tell()

    def close(self) -> None:
        """Release all roles and end the thread; may be called twice."""
        self._stopped.set()
        with self._lock:
            roles, thread = list(self._held.values()), self._thread
        wanted.forget(self._begin)
        for role in roles:
            role.release()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
