"""Keeping leases: one thread renews, takes what is free and gives away what is too much.

A loss is told before anything that may wait for the database, so that actors stop before their
lease ends; a shard is given away only when its actors have come to rest.
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
from indelible.events.postgres.lease.fair_share import fair_share
from indelible.events.postgres.lease.lease_deadlines import LeaseDeadlines
from indelible.events.postgres.lease.lease_rows import Leases, LeaseView
from indelible.events.postgres.lease.shard_followers import ShardFollowers
from indelible.events.postgres.write.writer import PostgresWriter
from indelible.loops import Loop
from indelible.threads import start_now

_RENEWALS = 3  # in one lease, so that two may fail
_MARGIN = 10  # a tenth of the lease: for clocks that run unevenly, and for actors to stop
_LATE = 0.005  # seconds after a lease's end at which to look: then it is over for sure
_AGAIN = 0.05  # seconds to the next look when the database failed, or others were in the way

_log = logging.getLogger(__name__)


class LeaseKeeper:
    """The leases of one process's store, from its opening to its end."""

    def __init__(
        self,
        leases: Leases,
        process: str,
        group: GroupCommit,
        writer: PostgresWriter,
        clock: Clock,
        lease: int,
        name: str,
        followers: ShardFollowers,
    ) -> None:
        """``lease`` is in microseconds; nothing is asked and no thread exists yet."""
        self._leases = leases
        self._process = process
        self._group = group
        self._writer = writer
        self._clock = clock
        self._pause = lease / _RENEWALS / 1e6
        self._term = lease * 1_000 * (_MARGIN - 1) // _MARGIN
        self._silence = lease * 1_000 * 2 // _RENEWALS
        self._heard = 0  # when the last renewal that came back was sent, monotonic
        self._wanted = 0  # shards that are this process's share
        self._lock = threading.Lock()
        self._held: dict[int, int] = {}  # epochs
        self.set_aside: dict[int, StoreCorruptError] = {}
        """Leased shards that cannot be written, until the store is opened again, and why."""
        self._leaving: Counter[int] = Counter()  # given or lost, the group does not know it yet
        self._followers = followers
        self._woken = threading.Event()
        self._stopped = False
        self._troubled = False
        self._thread = threading.Thread(target=self._work, name=f"{name}: leases", daemon=True)
        self._loop = Loop(self._thread.name)
        self._deadlines = LeaseDeadlines(clock, self._expired, f"{name}: deadlines")
        self._telling = TaskThread(f"{name}: shards")
        self._parting = TaskThread(f"{name}: leaving shards")

    def owned(self) -> frozenset[int]:
        """The shards that are held."""
        with self._lock:
            return frozenset(self._held)

    @property
    def trouble(self) -> str:
        """Why no shard can be written now, in words; empty if they can, as far as is known."""
        heard = max(self._heard, *self._writer.extended.copy().values(), 0)
        silent = self._clock.monotonic() - heard
        if silent > self._silence:
            return f"the database has not answered for {silent / 1e9:.0f} s"
        if self._wanted and not self.owned():
            return f"it holds none of the {self._wanted} shards that are its share"
        return ""

    def begin(self) -> None:
        """Say that this process lives and take its share of what is free, on this thread.

        The group commit takes appends from here on.
        """
        self._group.begin({})
        self._group.on_lost(self._found_lost)
        sent = self._clock.monotonic()
        view = self._leases.renew(())
        self._note(view, sent)
        for shard in self._acquire(view):
            self._adopt(shard, sent)
        self._leases.announce()

    def start(self) -> None:
        """Keep the leases from now on, on a thread.

        Raises:
            ThreadUnavailableError: The host gives too few threads; :meth:`stop` ends the others.
        """
        self._woken.set()
        self._deadlines.start()
        start_now(self._thread)

    def wake(self) -> None:
        """Look at the leases soon; from any thread."""
        self._woken.set()

    def stop(self) -> None:
        """Keep nothing any more: leases end, unless they are released.  Not for its own threads."""
        self._stopped = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()
        self._deadlines.stop()
        self._parting.stop()
        self._telling.stop()

    # -- the keeper's thread

    def _work(self) -> None:
        self._until_next = self._pause
        self._loop.run(self._turn, self._woken.wait)

    def _turn(self) -> bool:
        self._woken.wait(self._until_next)
        self._woken.clear()
        if self._stopped:
            return False
        self._until_next = min(self._pause, _AGAIN)
        try:
            self._until_next = self._tick()
            self._troubled = False
        except IndelibleError as error:
            if not self._troubled:
                _log.warning("leases cannot be renewed: %s", error)
            self._troubled = True
        return True

    def _tick(self) -> float:
        """Renew, take and give; seconds until the next time."""
        self._put_off(self._writer.extended.copy().items())
        sent = self._clock.monotonic()
        view = self._leases.renew(self.owned() | self.set_aside.keys())
        self._note(view, sent)
        self._put_off((number, sent) for number in view.renewed)
        self._put_off(self._writer.extended.copy().items())
        self.set_aside = {n: why for n, why in self.set_aside.items() if n in view.mine}
        with self._lock:
            lost = frozenset(self._held) - view.mine - self._leaving.keys()
        self._lose(lost)
        sent = self._clock.monotonic()
        gained = self._acquire(view)
        for shard in gained:
            self._adopt(shard, sent)
        if gained:
            self._tell(frozenset(shard.number for shard in gained), frozenset())
        self._give_surplus(view)
        return self._next(view, len(gained))

    def _note(self, view: LeaseView, sent: int) -> None:
        self._heard = sent
        self._wanted = fair_share(self._writer.shards, view.living, self._process)

    def _next(self, view: LeaseView, gained: int) -> float:
        with self._lock:
            mine = len(self._held)
        wanted = fair_share(self._writer.shards, view.living, self._process)
        if mine < wanted and view.free > gained:  # somebody was in the way
            return min(self._pause, _AGAIN)
        if view.next_end is None:
            return self._pause
        return min(self._pause, view.next_end / 1e6 + _LATE)

    def _acquire(self, view: LeaseView) -> list[Shard]:
        with self._lock:
            kept_out = {*self._held, *self._leaving, *self.set_aside}
        lacking = fair_share(self._writer.shards, view.living, self._process) - len(kept_out)
        if lacking <= 0 or not (view.free or view.mine - kept_out):
            return []
        ends = self._leases.acquire(lacking, kept_out)
        for number, error in ends.damaged.items():
            _log.error("shard %d is set aside: %s", number, error)
            self._group.drop(number, error)
        self.set_aside = {**self.set_aside, **ends.damaged}
        return list(ends.shards.values())

    def _adopt(self, shard: Shard, sent: int) -> None:
        """Let the group write to ``shard``, whose lease was asked for at ``sent``."""
        number = shard.number
        self._writer.own(number, shard.epoch)
        self._group.adopt(shard)
        with self._lock:
            self._held[number] = shard.epoch
        self._put_off([(number, sent)])

    def _put_off(self, sent: Iterable[tuple[int, int]]) -> None:
        """Let each lease, extended by what was sent then, last for a term from there."""
        for number, at in sent:
            with self._lock:
                held = number in self._held
            if held and self._deadlines.put_off(number, at + self._term):
                self._group.deadline(number, at + self._term)

    # -- what leaves

    def _give_surplus(self, view: LeaseView) -> None:
        with self._lock:
            mine = sorted(self._held.keys() - self._leaving.keys())
            surplus = len(mine) - fair_share(self._writer.shards, view.living, self._process)
            if surplus <= 0 or self._process not in view.living:
                return
            given = frozenset(mine[-surplus:])
            self._leaving.update(given)
        self._parting.run(lambda: self._give(given))

    def _give(self, given: frozenset[int]) -> None:
        """Drain, stop writing, then let others have them."""
        try:
            if not self._stopped:
                self._followers.drain(given)
        except Exception as error:  # noqa: BLE001 - the shards are due to others all the same
            log_error(_log, error, "draining shards failed")
        with self._lock:
            mine = frozenset(number for number in given if self._held.pop(number, None))
        self._part(given, [ShardNotOwnedError(number) for number in sorted(given)])
        self._tell(frozenset(), mine)
        try:
            self._leases.release(given)
        finally:
            self._forget(given)

    def _expired(self, numbers: frozenset[int]) -> None:
        """The time of shards is over, on the deadlines' thread: nobody may write to them."""
        _log.warning("the leases of the shards %s could not be renewed in time", sorted(numbers))
        self._lose(numbers)

    def _found_lost(self, numbers: frozenset[int]) -> None:
        """A commit has found shards to be another's, on the group's own thread."""
        self._lose(numbers)

    def _lose(self, numbers: frozenset[int]) -> None:
        with self._lock:
            lost = {n: epoch for n in numbers if (epoch := self._held.pop(n, None)) is not None}
            self._leaving.update(lost.keys())
        if not lost:
            return
        self._tell(frozenset(), frozenset(lost))
        errors = [StaleEpochError(number, epoch) for number, epoch in lost.items()]
        self._parting.run(lambda: self._part_for_good(frozenset(lost), errors))

    def _part_for_good(self, lost: frozenset[int], errors: list[StaleEpochError]) -> None:
        try:
            self._part(lost, errors)
        finally:
            self._forget(lost)
            self.wake()  # if nobody has taken them they are ours again, with a new epoch

    def _part(self, numbers: frozenset[int], errors: Iterable[StaleEpochError]) -> None:
        """Write to shards no more; waits for the group under way."""
        self._deadlines.forget(numbers)
        for error in errors:
            self._group.drop(error.shard, error)
            self._writer.disown(error.shard)

    def _forget(self, numbers: frozenset[int]) -> None:
        """The group writes to them no more: whoever acquires them next may be this process."""
        with self._lock:
            self._leaving.subtract(numbers)
            self._leaving = +self._leaving

    def _tell(self, gained: frozenset[int], lost: frozenset[int]) -> None:
        """Tell the listeners, on a thread that holds up no lease, in the order of what happened."""
        for listener in self._followers.listeners:
            self._telling.run(partial(listener, gained, lost))
