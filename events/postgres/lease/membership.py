"""This process as one of those that write to a database: it joins, keeps leases, and leaves."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Mapping

import sqlalchemy as sa

from indelible.clock import Clock
from indelible.errors import IndelibleError, StoreCorruptError, SystemClosedError
from indelible.events.commit.group_commit import GroupCommit
from indelible.events.concurrency.fair_lock import FairLock
from indelible.events.lease.lease_term import LeaseTerm
from indelible.events.lease.store_owner import StoreOwner
from indelible.events.postgres.connect.engines import Engines
from indelible.events.postgres.lease.lease_keeper import LeaseKeeper
from indelible.events.postgres.lease.lease_rows import Leases
from indelible.events.postgres.lease.shard_followers import ShardFollowers
from indelible.events.postgres.notify.notifier import Notifier
from indelible.events.postgres.write.writer import PostgresWriter
from indelible.failpoints import Failpoints

_log = logging.getLogger(__name__)


class Membership:
    """The writing half of a store; it can join again after leaving."""

    def __init__(
        self,
        address: sa.URL,
        url: str,
        engines: Engines,
        *,
        clock: Clock,
        failpoints: Failpoints,
        owner: str,
        lease: float,
    ) -> None:
        """No I/O and no thread yet; ``lease`` is in seconds."""
        self.process = ""
        """The id of this process, new each time it joins."""
        self.followers = ShardFollowers()
        self._url = url
        self._clock = clock
        self._owner = owner
        self._term = LeaseTerm(lease)
        self._name = f"event store ({address.database})"
        self._engine = engines.writing()
        writer_lock = FairLock()
        self.writer = PostgresWriter(self._engine, url, clock, failpoints, self._term.microseconds)
        self.group = GroupCommit(self.writer, clock, failpoints, writer_lock, self._name)
        self._leases: Leases | None = None
        self._keeper: LeaseKeeper | None = None
        self._notifier: Notifier | None = None

    def join(self, shards: int) -> None:
        """Acquire this process's share of the free shards, accept appends and keep the leases.

        Raises:
            StoreUnavailableError: The database failed; no shard is held.
            ThreadUnavailableError: The host gives too few threads; the shards are released.
        """
        self.process = uuid.uuid4().hex
        self.writer.shards = shards
        owner = StoreOwner(self._owner, socket.gethostname(), os.getpid(), 0)
        lease = self._term.microseconds
        leases = Leases(self._engine, self._url, self.process, owner, lease)
        keeper = LeaseKeeper(
            leases,
            self.process,
            self.group,
            self.writer,
            self._clock,
            self._term,
            self._name,
            self.followers,
        )
        try:
            keeper.begin()
        except BaseException:
            self.group.end(SystemClosedError("the event store", f"{self._url} was not opened"))
            leases.close()
            self.writer.close()
            raise
        notifier = Notifier(self._engine, self.process, self._name)
        self.writer.on_written = notifier.add
        self._leases, self._keeper, self._notifier = leases, keeper, notifier
        try:
            notifier.start()
            keeper.start()
        except BaseException:
            self.leave("was not opened")
            raise

    def leave(self, why: str = "is closed") -> None:
        """Commit the queued appends, refuse later ones, release all shards."""
        leases, keeper, notifier = self._leases, self._keeper, self._notifier
        if keeper is not None:
            keeper.stop()
        self.group.end(SystemClosedError("the event store", f"{self._url} {why}"))
        self._leases = self._keeper = self._notifier = None
        if notifier is not None:
            notifier.stop()
        if leases is not None:
            try:
                leases.leave()
            except IndelibleError as error:
                _log.warning("the leases could not be released, and run out: %s", error)
            leases.close()
        self.writer.close()

    def owned(self) -> frozenset[int]:
        """The shards that this process may write now."""
        return frozenset() if self._keeper is None else self._keeper.owned()

    def set_aside(self) -> Mapping[int, StoreCorruptError]:
        """The shards that this process leases but cannot write, with the damage of their ends."""
        return {} if self._keeper is None else self._keeper.set_aside

    @property
    def trouble(self) -> str:
        """Why shards cannot be written now, as text; empty if no trouble is known."""
        return "" if self._keeper is None else self._keeper.trouble

    def wake(self, _: str = "") -> None:
        """Have the keeper renew and acquire leases soon, on a hint of another process."""
        keeper = self._keeper
        if keeper is not None:
            keeper.wake()

    def abandon(self, error: BaseException) -> None:
        """Refuse all appends in a forked child with ``error``, without using the parent's parts."""
        self.group.abandon(error)
        self._inherited = (self._leases, self._keeper, self._notifier)
        self._leases = self._keeper = self._notifier = None
