"""From when a lease counts: from before what extended it was sent, however late the answer."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from indelible.clock import ManualClock
from indelible.events.commit.shard_plan import Shard
from indelible.events.lease.lease_term import LeaseTerm
from indelible.events.postgres.lease.lease_keeper import LeaseKeeper
from indelible.events.postgres.lease.lease_rows import LeaseView
from indelible.events.postgres.lease.shard_followers import ShardFollowers
from indelible.events.postgres.write.writer import Ends
from indelible.failpoints import Failpoints
from indelible.testing.contract.builders import some_event
from members import Members, stream_in

LEASE = 10.0
TERM = 9_000_000_000  # nanoseconds: a tenth is the margin
SLOW = 3.0
"""Seconds that each answer of the database takes."""
SECONDS = 3_000_000_000  # the same in nanoseconds


class SlowLeases:
    """The leases of two shards in a database that answers late."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._mine: frozenset[int] = frozenset()
        self.free: list[int] = [0, 1]

    def renew(self, owned: Collection[int]) -> LeaseView:
        self._clock.advance(SLOW)
        return LeaseView(frozenset(owned), self._mine, len(self.free), ["me"], None)

    def acquire(self, limit: int, excluded: Collection[int]) -> Ends:
        self._clock.advance(SLOW)
        free, self.free = self.free[:limit], self.free[limit:]
        assert not set(free) & set(excluded)
        self._mine |= frozenset(free)
        return Ends({number: Shard(1, 0, bytes(32), 0, 0, number) for number in free}, {})

    def announce(self) -> None:
        """There is nobody else."""


class Group:
    """Notes until when each shard may be written."""

    def __init__(self) -> None:
        self.until: dict[int, int] = {}

    def begin(self, shards: Any) -> None:
        """Own nothing."""

    def on_lost(self, listener: Any) -> None:
        """Nothing is lost here."""

    def adopt(self, shard: Shard) -> None:
        """Take appends."""

    def deadline(self, number: int, monotonic: int) -> None:
        self.until[number] = monotonic


class Writer:
    """What the keeper asks of the writer."""

    shards = 2

    def __init__(self) -> None:
        self.extended: dict[int, int] = {}

    def own(self, number: int, epoch: int) -> None:
        """Write to it."""


class Kept:
    """A keeper whose every question takes three seconds, by a clock that only the test moves."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.group, self.writer = Group(), Writer()
        self.leases = leases = SlowLeases(self.clock)
        group, writer = self.group, self.writer
        lease, who = LeaseTerm(LEASE), ShardFollowers()
        parts: Any = (leases, "me", group, writer, self.clock, lease, "a test", who)
        self.keeper = LeaseKeeper(*parts)


def test_an_acquired_lease_counts_from_before_it_was_asked_for() -> None:
    kept = Kept()
    kept.leases.free = [0]
    asked = kept.clock.monotonic() + SECONDS  # after one slow look at what is free
    kept.keeper.begin()
    assert kept.group.until[0] <= asked + TERM
    kept.leases.free = [1]
    asked = kept.clock.monotonic() + SECONDS
    kept.keeper._tick()
    assert kept.group.until[1] == asked + TERM


def test_a_renewed_lease_counts_from_before_its_renewal_was_sent() -> None:
    kept = Kept()
    kept.keeper.begin()
    sent = kept.clock.monotonic()
    kept.keeper._tick()
    assert kept.clock.monotonic() == sent + SECONDS
    assert kept.group.until == {0: sent + TERM, 1: sent + TERM}


def test_a_lease_that_a_group_extended_counts_from_before_that_was_sent() -> None:
    kept = Kept()
    kept.keeper.begin()
    kept.clock.advance(1)
    sent = kept.writer.extended[1] = kept.clock.monotonic() + 1  # a group, right after the renewal
    kept.keeper._tick()
    assert kept.group.until == {0: sent - 1 + TERM, 1: sent + TERM}


def test_a_group_notes_when_it_was_sent_and_not_when_it_came_back(members: Members) -> None:
    clock = ManualClock()
    failpoints = Failpoints({"commit.before": lambda: clock.advance(SLOW)})
    store = members.open(clock=clock, failpoints=failpoints).store
    sent = clock.monotonic()
    store.append(stream_in(0), [some_event()], expected=0)
    assert clock.monotonic() == sent + SECONDS
    assert store._member.writer.extended == {0: sent}
