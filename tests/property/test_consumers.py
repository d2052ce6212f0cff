"""Consumers over several shards: whatever is appended, read, committed, crashed or taken over.

Every event is delivered at least once, in the order of its shard; from a commit on everything
comes exactly once until the next crash; and no commit is ever undone or passes over an event.
"""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from indelible.clock import ManualClock
from indelible.errors import EventGapError, RoleLostError
from indelible.events.lease.role_holder import RoleHolder
from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.event_types import EventTypes
from indelible.events.store import Cursor
from indelible.events.subscribe.batches import EventBatch, Selection
from indelible.events.subscribe.consumers import Consumer
from indelible.events.subscribe.log_followers import LogFollowers
from indelible.testing.contract.builders import some_event

SHARDS = 3
STREAMS = st.sampled_from([f"{category}-{n}" for category in ("run", "thing") for n in range(4)])
KINDS = st.sampled_from(["thing.happened", "thing.ignored"])
WANTED = "thing.happened"


class ConsumerMachine(RuleBasedStateMachine):
    """One name, read by one process after the other, or by two at once for a while."""

    selection = Selection()

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryEventStore(shards=SHARDS)
        self.store.open()
        self.read_shard = self.store.read_shard
        self.hidden = 0  # newest events of each shard that reads do not show yet
        self.store.read_shard = self.show  # type: ignore[method-assign]
        self.log: dict[int, list[str]] = {shard: [] for shard in range(SHARDS)}  # types
        self.versions: dict[str, int] = {}
        self.delivered: dict[int, set[int]] = {shard: set() for shard in range(SHARDS)}
        self.processes = 0
        self.consumer = self.new_consumer()
        self.stale: Consumer | None = None
        self.batch: EventBatch | None = None  # handed out last, by self.consumer
        self.reached: Cursor = {}  # delivered by self.consumer
        self.fresh = True  # it has not been asked for anything yet

    def new_consumer(self, max_batch: int = 3) -> Consumer:
        self.processes += 1
        roles = RoleHolder(self.store, f"process {self.processes}", ManualClock())
        return Consumer(
            LogFollowers(self.store),
            EventTypes(),
            roles,
            "billing",
            selection=self.selection,
            max_batch=max_batch,
        )

    def show(self, shard: int, after: int, limit: int) -> list[Any]:
        last = len(self.log[shard]) - self.hidden
        return [e for e in self.read_shard(shard, after, limit) if e.position <= last]

    def stored(self) -> Cursor:
        with self.store.read_views() as connection:
            rows = connection.execute(sa.text("SELECT shard, position FROM consumers"))
            return {row.shard: row.position for row in rows}

    def wants(self, kind: str) -> bool:
        return self.selection.everything or kind == WANTED

    def take(self, consumer: Consumer) -> EventBatch | None:
        """The next batch if there is one, without waiting."""
        try:
            consumer._fill()
        except EventGapError:
            assert self.hidden
            consumer._gaps = 0
        return consumer._take()

    def see(self, batch: EventBatch) -> None:
        """Check that ``batch`` is what comes next, and nothing else."""
        assert len(batch) > 0
        for item in batch:
            shard, position = item.recorded.shard, item.recorded.position
            before = self.reached.get(shard, 0)
            skipped = self.log[shard][before : position - 1]
            assert position > before
            assert not any(self.wants(kind) for kind in skipped)
            assert self.wants(self.log[shard][position - 1])
            self.reached[shard] = position
            self.delivered[shard].add(position)

    # -- what can happen

    @rule(stream=STREAMS, kinds=st.lists(KINDS, min_size=1, max_size=4))
    def append(self, stream: str, kinds: list[str]) -> None:
        version = self.versions.get(stream, 0)
        self.store.append(stream, [some_event(event_type=kind) for kind in kinds], expected=version)
        self.versions[stream] = version + len(kinds)
        self.log[self.store.shard_of(stream)] += kinds

    @rule(hidden=st.integers(0, 3))
    def hide_the_newest(self, hidden: int) -> None:
        self.hidden = hidden

    @rule()
    def read(self) -> None:
        if self.fresh:
            self.reached, self.fresh = self.stored(), False
        batch = self.take(self.consumer)
        if batch is not None:
            self.see(batch)
            self.batch = batch

    @precondition(lambda self: self.batch is not None)
    @rule(part=st.floats(0, 1))
    def commit(self, part: float) -> None:
        assert self.batch is not None
        before = self.stored()
        cursor = self.batch[round(part * (len(self.batch) - 1))].cursor
        self.consumer.commit(cursor)
        after = self.stored()
        for shard in range(SHARDS):
            position = max(before.get(shard, 0), cursor.get(shard, 0))
            assert after.get(shard, 0) == position

    @rule(size=st.integers(1, 5))
    def crash(self, size: int) -> None:
        self.consumer = self.new_consumer(size)
        self.batch, self.fresh = None, True

    @rule(size=st.integers(1, 5))
    def close(self, size: int) -> None:
        self.consumer.close()
        self.crash(size)

    @rule(size=st.integers(1, 5))
    def lose_the_name_to_another_process(self, size: int) -> None:
        self.stale = self.consumer
        self.crash(size)
        self.read()  # the other one begins

    @precondition(lambda self: self.stale is not None and self.stale.cursor)
    @rule()
    def wake_as_the_stale_one_and_commit(self) -> None:
        assert self.stale is not None
        before, cursor = self.stored(), self.stale.cursor
        behind = {s: p for s, p in cursor.items() if p > self.stale.committed.get(s, 0)}
        if behind:
            with pytest.raises(RoleLostError):
                self.stale.commit(cursor)
        assert self.stored() == before
        self.stale = None

    @invariant()
    def a_position_is_stored_only_behind_what_was_delivered(self) -> None:
        for shard, position in self.stored().items():
            wanted = {
                number
                for number, kind in enumerate(self.log[shard][:position], 1)
                if self.wants(kind)
            }
            assert wanted <= self.delivered[shard]

    def teardown(self) -> None:
        self.hidden = 0
        self.crash(2)
        self.read()
        while (batch := self.take(self.consumer)) is not None:
            self.see(batch)
        for shard, kinds in self.log.items():
            wanted = {number for number, kind in enumerate(kinds, 1) if self.wants(kind)}
            assert self.delivered[shard] == wanted
        self.store.close()


class SelectiveMachine(ConsumerMachine):
    """The same for a consumer that does not want everything."""

    selection = Selection(types=[WANTED])


TestConsumers = ConsumerMachine.TestCase
TestConsumers.settings = settings(
    max_examples=settings().max_examples * 4 // 10, stateful_step_count=30
)
TestSelectiveConsumers = SelectiveMachine.TestCase
TestSelectiveConsumers.settings = settings(
    max_examples=settings().max_examples * 3 // 10, stateful_step_count=30
)
