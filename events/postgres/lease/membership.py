"""This process among those that write to a database, from its joining to its leaving."""

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
    """The writing half of a store; it may join again after it has left."""

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
        """Ask no server and start no thread yet; ``lease`` is in seconds."""
        self.process = ""
        """This process's id, a new one at each joining."""
        self.followers = ShardFollowers()
        self._url = url
        self._clock = clock
        self._owner = owner
        self._lease = round(lease * 1_000_000)
        self._name = f"event store ({address.database})"
        self._engine = engines.writing()
        writer_lock = FairLock()
        self.writer = PostgresWriter(self._engine, url, clock, failpoints, self._lease)
        self.group = GroupCommit(self.writer, clock, failpoints, writer_lock, self._name)
        self._leases: Leases | None = None
        self._keeper: LeaseKeeper | None = None
        self._hints: Notifier | None = None

    def join(self, shards: int) -> None:
        """Take this process's share of what is free, and appends to it; keep the leases.

        Raises:
            StoreUnavailableError: The database failed; nothing is held.
            ThreadUnavailableError: The host gives too few threads; nothing is held any more.
        """
        self.process = uuid.uuid4().hex
        self.writer.shards = shards
        owner = StoreOwner(self._owner, socket.gethostname(), os.getpid(), 0)
        leases = Leases(self._engine, self._url, self.process, owner, self._lease)
        keeper = LeaseKeeper(
            leases,
            self.process,
            self.group,
            self.writer,
            self._clock,
            self._lease,
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
        hints = Notifier(self._engine, self.process, self._name)
        self.writer.on_written = hints.written
        self._leases, self._keeper, self._hints = leases, keeper, hints
        try:
            hints.start()
            keeper.start()
        except BaseException:
            self.leave("was not opened")
            raise

    def leave(self, why: str = "is closed") -> None:
        """Commit what is queued, refuse what comes later, let others have everything at once."""
        leases, keeper, hints = self._leases, self._keeper, self._hints
        if keeper is not None:
            keeper.stop()
        self.group.end(SystemClosedError("the event store", f"{self._url} {why}"))
        self._leases = self._keeper = self._hints = None
        if hints is not None:
            hints.stop()
        if leases is not None:
            try:
                leases.leave()
            except IndelibleError as error:
                _log.warning("the leases are left to run out: %s", error)
            leases.close()
        self.writer.close()

    def owned(self) -> frozenset[int]:
        """The shards that this process may write now."""
        return frozenset() if self._keeper is None else self._keeper.owned()

    def set_aside(self) -> Mapping[int, StoreCorruptError]:
        """Shards that this process has and cannot write, and why."""
        return {} if self._keeper is None else self._keeper.set_aside

    @property
    def trouble(self) -> str:
        """What keeps shards from being written, in words; empty if nothing is known."""
        return "" if self._keeper is None else self._keeper.trouble

    def look(self, _: str = "") -> None:
        """Look at the leases soon: somebody gave a hint."""
        keeper = self._keeper
        if keeper is not None:
            keeper.wake()

    def abandon(self, error: BaseException) -> None:
        """In a forked child: hold nothing, use nothing of the parent's, refuse with ``error``."""
        self.group.abandon(error)
        self._inherited = (self._leases, self._keeper, self._hints)
        self._leases = self._keeper = self._hints = None
