"""When to stop writing, by a clock that only the test moves; and how many shards are fair."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from indelible.clock import ManualClock
from indelible.events.postgres.lease.fair_share import fair_share
from indelible.events.postgres.lease.lease_deadlines import LeaseDeadlines

SECOND = 1_000_000_000


class Watched:
    """Deadlines, and the shards that were told to be over."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.over: list[frozenset[int]] = []
        self._told = threading.Semaphore(0)
        self.deadlines = LeaseDeadlines(self.clock, self._note, "deadlines of a test")

    def _note(self, numbers: frozenset[int]) -> None:
        self.over.append(numbers)
        self._told.release()

    def next(self) -> frozenset[int]:
        """Have the thread look again; what is told next."""
        assert self._told.acquire(timeout=30)
        return self.over[-1]


def test_a_deadline_that_passed_is_told_once_and_alone() -> None:
    watched = Watched()
    watched.deadlines.extend(1, 1 * SECOND)
    watched.deadlines.extend(2, 5 * SECOND)
    watched.clock.advance(2)
    watched.deadlines.start()
    assert watched.next() == {1}
    watched.clock.advance(10)
    watched.deadlines.extend(3, 20 * SECOND)  # makes it look
    assert watched.next() == {2}
    watched.deadlines.stop()
    assert watched.over == [{1}, {2}]


def test_a_deadline_is_extended_and_never_brought_forward() -> None:
    watched = Watched()
    assert watched.deadlines.extend(1, 5 * SECOND)
    assert not watched.deadlines.extend(1, 3 * SECOND)
    assert watched.deadlines.extend(1, 9 * SECOND)
    watched.deadlines.extend(2, 6 * SECOND)
    watched.clock.advance(7)
    watched.deadlines.start()
    assert watched.next() == {2}
    watched.deadlines.stop()


def test_a_forgotten_shard_is_not_told() -> None:
    watched = Watched()
    watched.deadlines.extend(1, 1 * SECOND)
    watched.deadlines.extend(2, 1 * SECOND)
    watched.deadlines.forget([1, 7])
    watched.clock.advance(2)
    watched.deadlines.start()
    assert watched.next() == {2}
    watched.deadlines.stop()


@given(st.integers(1, 200), st.integers(1, 40))
def test_all_shares_together_are_all_shards_and_differ_by_one(shards: int, count: int) -> None:
    living = [f"p{n}" for n in range(count)]
    shares = [fair_share(shards, living, one) for one in living]
    assert sum(shares) == shards
    assert max(shares) - min(shares) <= 1
    assert fair_share(shards, living, "dead") == 0
