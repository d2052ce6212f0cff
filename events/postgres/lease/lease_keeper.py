"""Keeps the leases of a process: one thread renews them, acquires free shards, releases surplus.

Listeners learn of a lost shard before any call that may wait for the database, so that actors stop
before their lease ends.  A shard is released only when its actors have stopped.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable
from functools import partial

from indelible.clock import Clock
from indelible.errors import (
    IndelibleError,
    ShardNotOwnedError,
    StaleEpochError,
    StoreCorruptError,
)
from indelible.errors.error_log import log_error
from indelible.events.commit.group_commit import GroupCommit
from indelible.events.commit.shard_plan import Shard
from indelible.events.concurrency.task_thread import TaskThread
from indelible.events.lease.lease_term import LeaseTerm
from indelible.events.postgres.lease.fair_share import fair_share
from indelible.events.postgres.lease.lease_deadlines import LeaseDeadlines
from indelible.events.postgres.lease.lease_rows import Leases, LeaseView
from indelible.events.postgres.lease.shard_followers import ShardFollowers
from indelible.events.postgres.write.writer import PostgresWriter
from indelible.loops import Loop
from indelible.threads import start_now

_LATE = 0.005  # seconds after the end of a lease at which to acquire its shard
_RETRY = 0.05  # seconds to the next try after a failure, or if a free shard was locked

_log = logging.getLogger(__name__)


class LeaseKeeper:
    """The leases of one process, while its store is open."""

    def __init__(
        self,
        leases: Leases,
        process: str,
        group: GroupCommit,
        writer: PostgresWriter,
        clock: Clock,
        term: LeaseTerm,
        name: str,
        followers: ShardFollowers,
    ) -> None:
        """No I/O and no thread yet."""
        self._leases = leases
        self._process = process
        self._group = group
        self._writer = writer
        self._clock = clock
        self._term = term
        self._silence_limit = round(2 * term.pause * 1e9)  # two renewals have failed
        self._renewed_at = 0  # when the last successful renewal was sent, monotonic
        self._share = 0  # shards that this process should have
        self._lock = threading.Lock()
        self._held: dict[int, int] = {}  # epochs
        self.set_aside: dict[int, StoreCorruptError] = {}
        """The leased shards with a damaged end, which cannot be written, and the damage."""
        self._leaving: Counter[int] = Counter()  # released or lost, and not yet dropped
        self._followers = followers
        self._woken = threading.Event()
        self._stopped = False
        self._warned = False
        self._thread = threading.Thread(target=self._work, name=f"{name}: leases", daemon=True)
        self._loop = Loop(self._thread.name)
        self._deadlines = LeaseDeadlines(clock, self._expired, f"{name}: deadlines")
        self._listener_thread = TaskThread(f"{name}: shards")
        self._leaving_thread = TaskThread(f"{name}: leaving shards")

    def owned(self) -> frozenset[int]:
        """The shards that this process may write."""
        with self._lock:
            return frozenset(self._held)

    @property
    def trouble(self) -> str:
        """Why no shard can be written now, as text; empty if no trouble is known."""
        answered = max(self._renewed_at, *self._writer.extended.copy().values(), 0)
        silent = self._clock.monotonic() - answered
        if silent > self._silence_limit:
            return f"the database has not answered for {silent / 1e9:.0f} s"
        if self._share and not self.owned():
            return f"it holds none of the {self._share} shards that are its share"
        return ""

    def begin(self) -> None:
        """Add the row of this process and acquire its share of the free shards, on this thread.

        The group commit accepts appends from now on.
        """
        self._group.begin({})
        self._group.on_lost(self._on_stale_commit)
        sent = self._clock.monotonic()
        view = self._leases.renew(())
        self._update_share(view, sent)
        for shard in self._acquire(view):
            self._adopt(shard, sent)
        self._leases.announce()

    def start(self) -> None:
        """Start the threads that keep the leases.

        Raises:
            ThreadUnavailableError: The host gives too few threads; :meth:`stop` ends the started
                ones.
        """
        self._woken.set()
        self._deadlines.start()
        start_now(self._thread)

    def wake(self) -> None:
        """Have the thread renew and acquire leases soon; from any thread."""
        self._woken.set()

    def stop(self) -> None:
        """Stop renewing; the leases end, or are released elsewhere.  Not for its own threads."""
        self._stopped = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()
        self._deadlines.stop()
        self._leaving_thread.stop()
        self._listener_thread.stop()

    # -- the keeper's thread

    def _work(self) -> None:
        self._until_next = self._term.pause
        self._loop.run(self._turn, self._woken.wait)

    def _turn(self) -> bool:
        self._woken.wait(self._until_next)
        self._woken.clear()
        if self._stopped:
            return False
        self._until_next = min(self._term.pause, _RETRY)
        try:
            self._until_next = self._tick()
            self._warned = False
        except IndelibleError as error:
            if not self._warned:
                _log.warning("leases cannot be renewed: %s", error)
            self._warned = True
        return True

    def _tick(self) -> float:
        """Renew, acquire and release leases; return the seconds until the next time."""
        self._extend_deadlines(self._writer.extended.copy().items())
        sent = self._clock.monotonic()
        view = self._leases.renew(self.owned() | self.set_aside.keys())
        self._update_share(view, sent)
        self._extend_deadlines((number, sent) for number in view.renewed)
        self._extend_deadlines(self._writer.extended.copy().items())
        self.set_aside = {n: why for n, why in self.set_aside.items() if n in view.mine}
        with self._lock:
            lost = frozenset(self._held) - view.mine - self._leaving.keys()
        self._lose(lost)
        sent = self._clock.monotonic()
        gained = self._acquire(view)
        for shard in gained:
            self._adopt(shard, sent)
        if gained:
            self._notify(frozenset(shard.number for shard in gained), frozenset())
        self._release_surplus(view)
        return self._next_pause(view, len(gained))

    def _update_share(self, view: LeaseView, sent: int) -> None:
        self._renewed_at = sent
        self._share = fair_share(self._writer.shards, view.living, self._process)

    def _next_pause(self, view: LeaseView, gained: int) -> float:
        with self._lock:
            mine = len(self._held)
        share = fair_share(self._writer.shards, view.living, self._process)
        if mine < share and view.free > gained:  # another process had locked a free shard
            return min(self._term.pause, _RETRY)
        if view.next_end is None:
            return self._term.pause
        return min(self._term.pause, view.next_end / 1e6 + _LATE)

    def _acquire(self, view: LeaseView) -> list[Shard]:
        with self._lock:
            excluded = {*self._held, *self._leaving, *self.set_aside}
        lacking = fair_share(self._writer.shards, view.living, self._process) - len(excluded)
        if lacking <= 0 or not (view.free or view.mine - excluded):
            return []
        ends = self._leases.acquire(lacking, excluded)
        for number, error in ends.damaged.items():
            _log.error("shard %d is set aside: %s", number, error)
            self._group.drop(number, error)
        self.set_aside = {**self.set_aside, **ends.damaged}
        return list(ends.shards.values())

    def _adopt(self, shard: Shard, sent: int) -> None:
        """Let the group write to ``shard``, whose lease was requested at ``sent``."""
        number = shard.number
        self._writer.own(number, shard.epoch)
        self._group.adopt(shard)
        with self._lock:
            self._held[number] = shard.epoch
        self._extend_deadlines([(number, sent)])

    def _extend_deadlines(self, sent: Iterable[tuple[int, int]]) -> None:
        """Set the deadline of each shard to a term after the time its renewal was sent."""
        for number, at in sent:
            with self._lock:
                held = number in self._held
            if held and self._deadlines.extend(number, at + self._term.valid):
                self._group.deadline(number, at + self._term.valid)

    # -- shards that this process releases or loses

    def _release_surplus(self, view: LeaseView) -> None:
        with self._lock:
            mine = sorted(self._held.keys() - self._leaving.keys())
            surplus = len(mine) - fair_share(self._writer.shards, view.living, self._process)
            if surplus <= 0 or self._process not in view.living:
                return
            released = frozenset(mine[-surplus:])
            self._leaving.update(released)
        self._leaving_thread.run(lambda: self._release(released))

    def _release(self, numbers: frozenset[int]) -> None:
        """Drain the shards, stop writing to them, then release their leases."""
        try:
            if not self._stopped:
                self._followers.drain(numbers)
        except Exception as error:  # noqa: BLE001 - the shards are released all the same
            log_error(_log, error, "draining shards failed")
        with self._lock:
            mine = frozenset(number for number in numbers if self._held.pop(number, None))
        self._stop_writing(numbers, [ShardNotOwnedError(number) for number in sorted(numbers)])
        self._notify(frozenset(), mine)
        try:
            self._leases.release(numbers)
        finally:
            self._forget(numbers)

    def _expired(self, numbers: frozenset[int]) -> None:
        """Lose shards whose deadline has passed; called on the deadlines' thread."""
        _log.warning("the leases of the shards %s could not be renewed in time", sorted(numbers))
        self._lose(numbers)

    def _on_stale_commit(self, numbers: frozenset[int]) -> None:
        """Lose shards that a commit found to have another owner; called on the group's thread."""
        self._lose(numbers)

    def _lose(self, numbers: frozenset[int]) -> None:
        with self._lock:
            lost = {n: epoch for n in numbers if (epoch := self._held.pop(n, None)) is not None}
            self._leaving.update(lost.keys())
        if not lost:
            return
        self._notify(frozenset(), frozenset(lost))
        errors = [StaleEpochError(number, epoch) for number, epoch in lost.items()]
        self._leaving_thread.run(lambda: self._drop_lost(frozenset(lost), errors))

    def _drop_lost(self, lost: frozenset[int], errors: list[StaleEpochError]) -> None:
        try:
            self._stop_writing(lost, errors)
        finally:
            self._forget(lost)
            self.wake()  # acquires shards that no other process has taken, with a new epoch

    def _stop_writing(self, numbers: frozenset[int], errors: Iterable[StaleEpochError]) -> None:
        """Stop writing to shards; waits for the group under way."""
        self._deadlines.forget(numbers)
        for error in errors:
            self._group.drop(error.shard, error)
            self._writer.disown(error.shard)

    def _forget(self, numbers: frozenset[int]) -> None:
        """Allow this process to acquire shards again to which the group has stopped writing."""
        with self._lock:
            self._leaving.subtract(numbers)
            self._leaving = +self._leaving

    def _notify(self, gained: frozenset[int], lost: frozenset[int]) -> None:
        """Call the listeners, in the order of the changes, on a thread that renews no lease."""
        for listener in self._followers.listeners:
            self._listener_thread.run(partial(listener, gained, lost))
