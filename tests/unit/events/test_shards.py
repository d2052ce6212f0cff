"""One writer over several shards: what one of them loses, the others do not feel."""

from __future__ import annotations

from typing import Any

import pytest

from indelible.clock import ManualClock
from indelible.errors import ShardNotOwnedError, StaleEpochError
from indelible.events.commit.group_commit import GroupCommit
from indelible.events.commit.shard_plan import Shard, shard_of
from indelible.events.concurrency.fair_lock import FairLock
from indelible.events.memory.backend import MemoryBackend
from indelible.events.memory.inbox import MemoryInbox
from indelible.events.memory.store import MemoryEventStore
from indelible.events.store import Append
from indelible.failpoints import Failpoints
from indelible.testing.contract.builders import some_event

SHARDS = 4
NAMES = {shard_of(f"run-{n}", SHARDS): f"run-{n}" for n in range(40)}


class Many:
    """A group commit over four shards in memory."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.backend = MemoryBackend(Failpoints(), SHARDS, MemoryInbox(self.clock.now))
        self.group = GroupCommit(self.backend, self.clock, Failpoints(), FairLock(), "of a test")
        self.group.begin(self.backend.raise_epoch())
        self.errors: dict[str, BaseException | None] = {}

    def send(self, *shards: int, expected: int = 0) -> None:
        for shard in shards:
            self.group.submit(Append(NAMES[shard], expected, [some_event()], self._done))

    def lead(self) -> None:
        self.group.lead()

    def _done(self, append: Append, error: BaseException | None) -> None:
        self.errors[append.stream] = error

    def steal(self, shard: int) -> None:
        end = self.backend.ends[shard]
        self.backend.ends[shard] = Shard(end.epoch + 1, end.head, end.chain, number=shard)


@pytest.fixture
def many() -> Many:
    return Many()


def test_a_group_may_write_to_several_shards_and_positions_have_no_gap(many: Many) -> None:
    many.send(0, 1, 2, 3)
    many.lead()
    many.send(0, 1, expected=1)
    many.lead()
    assert set(many.errors.values()) == {None}
    ends = {number: shard.head for number, shard in many.backend.ends.items()}
    assert ends == {0: 2, 1: 2, 2: 1, 3: 1}
    assert [event.position for event in many.backend.events[0]] == [1, 2]


def test_a_shard_with_another_owner_is_lost_alone_in_the_middle_of_a_group(many: Many) -> None:
    lost: list[frozenset[int]] = []
    many.group.on_lost(lost.append)
    many.steal(2)
    many.send(0, 2, 3)
    many.lead()
    assert many.errors[NAMES[0]] is None
    assert many.errors[NAMES[3]] is None
    assert isinstance(many.errors[NAMES[2]], StaleEpochError)
    assert many.group.owned() == {0, 1, 3}
    assert many.group.state == "open"
    assert not many.backend.events[2]
    many.group.end(OSError("over"))
    assert lost == [frozenset({2})]


def test_an_append_to_a_shard_that_was_never_owned_says_so(many: Many) -> None:
    many.group.begin({0: many.backend.ends[0]})
    many.send(0, 1)
    many.lead()
    assert many.errors[NAMES[0]] is None
    assert isinstance(many.errors[NAMES[1]], ShardNotOwnedError)


def test_a_dropped_shard_refuses_and_an_adopted_one_takes_appends(many: Many) -> None:
    many.group.drop(1, ShardNotOwnedError(1))
    many.send(1)
    many.lead()
    assert isinstance(many.errors[NAMES[1]], ShardNotOwnedError)
    many.group.adopt(many.backend.ends[1])
    many.send(1)
    many.lead()
    assert many.errors[NAMES[1]] is None


def test_after_its_deadline_a_shard_is_lost_without_asking_the_database(many: Many) -> None:
    many.group.deadline(0, many.clock.monotonic() + 1_000)
    many.send(0, 1)
    many.lead()
    many.clock.advance(1)
    many.send(0, 1, expected=1)
    many.lead()
    assert isinstance(many.errors[NAMES[0]], StaleEpochError)
    assert many.errors[NAMES[1]] is None
    assert len(many.backend.events[0]) == 1


def test_a_deadline_that_is_put_off_in_time_changes_nothing(many: Many) -> None:
    many.group.deadline(0, many.clock.monotonic() + 1_000)
    many.group.deadline(0, many.clock.monotonic() + 10**12)
    many.clock.advance(1)
    many.send(0)
    many.lead()
    assert many.errors[NAMES[0]] is None


def test_what_was_written_by_others_is_seen_when_a_shard_comes_back(many: Many) -> None:
    many.send(1)
    many.lead()
    many.group.drop(1, ShardNotOwnedError(1))
    other = GroupCommit(many.backend, many.clock, Failpoints(), FairLock(), "another")
    other.begin({1: many.backend.ends[1]})
    errors: list[Any] = []
    other.submit(Append(NAMES[1], 1, [some_event()], lambda _, error: errors.append(error)))
    other.lead()
    many.group.adopt(many.backend.ends[1])
    many.send(1, expected=2)
    many.lead()
    assert errors == [None]
    assert many.errors[NAMES[1]] is None


def test_a_store_in_memory_can_have_several_shards_and_verifies_them_all() -> None:
    store = MemoryEventStore(shards=SHARDS)
    store.open()
    for name in NAMES.values():
        store.append(name, [some_event()], expected=0)
    assert store.owned() == {0, 1, 2, 3}
    assert store.positions() == {0: 1, 1: 1, 2: 1, 3: 1}
    assert [store.shard_of(name) for name in NAMES.values()] == list(NAMES)
    assert store.verify() == SHARDS
    assert len(store.heads("run")) == SHARDS
    assert [head.stream for head in store.heads("run", shards={2})] == [NAMES[2]]
    store.close()
    assert store.owned() == frozenset()
