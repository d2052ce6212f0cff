"""Hosts whose clocks are a day off: who owns what, and the order of events, do not notice."""

from __future__ import annotations

from collections.abc import Collection
from queue import SimpleQueue
from typing import Literal

import pytest

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.clock import SystemClock
from indelible.errors import AskTimeoutError, ShardNotOwnedError
from indelible.events.postgres.lease.lease_rows import LeaseView
from indelible.events.postgres.store import PostgresEventStore
from indelible.testing.contract.builders import some_event
from members import SHARDS, Members, stream_in
from unit.inbox.counters import Counter

DAY = 86_400_000_000  # microseconds


class OffClock(SystemClock):
    """A host's clock that somebody has moved."""

    def __init__(self, off: int) -> None:
        self.off = off

    def now(self) -> int:
        return super().now() + self.off


@pytest.mark.parametrize("off", [DAY, -DAY])
def test_a_process_whose_clock_is_a_day_off_takes_no_shard_of_a_living_one(
    members: Members, off: int
) -> None:
    first = members.open(clock=OffClock(0))
    second = members.open(clock=OffClock(off))
    mine, theirs = first.wait_for_share(SHARDS // 2), second.wait_for_share(SHARDS // 2)
    assert not mine & theirs
    for shard in mine:
        first.store.append(stream_in(shard), [some_event()], expected=0)
        with pytest.raises(ShardNotOwnedError):
            second.store.append(stream_in(shard, 1), [some_event()], expected=0)
    assert first.lost == sorted(theirs)  # given away when the second came, and none since


@pytest.mark.parametrize("off", [DAY, -DAY])
def test_leases_go_on_being_renewed_when_the_clock_is_moved_while_they_run(
    members: Members, off: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = OffClock(0)
    first = members.open(clock=clock)
    clock.off = off
    second = members.open(clock=OffClock(0))
    mine = first.wait_for_share(SHARDS // 2)
    second.wait_for_share(SHARDS // 2)
    renewed: SimpleQueue[LeaseView] = SimpleQueue()
    leases = first.store._member._leases
    assert leases is not None
    renew = leases.renew

    def note(owned: Collection[int]) -> LeaseView:
        view = renew(owned)
        renewed.put(view)
        return view

    monkeypatch.setattr(leases, "renew", note)
    for version in range(3):
        first.store._member.wake()  # now, rather than in a third of a lease
        assert renewed.get(timeout=30).renewed == mine
        for shard in mine:
            first.store.append(stream_in(shard), [some_event()], expected=version)
    assert first.store.owned() == mine


def test_recorded_times_of_a_shard_never_go_back_from_one_owner_to_the_next(
    members: Members,
) -> None:
    first = members.open(clock=OffClock(DAY))
    stream = stream_in(0)
    [early] = first.store.append(stream, [some_event()], expected=0)
    first.store.close()
    second = members.open(clock=OffClock(-DAY))
    second.wait_for_shards(0)
    [late] = second.store.append(stream, [some_event()], expected=1)
    assert late.recorded_at == early.recorded_at
    assert second.store.verify() == 2


@pytest.mark.parametrize("off", [DAY, -DAY])
def test_a_command_from_a_host_whose_clock_is_a_day_off_is_neither_late_nor_for_ever(
    postgres_url: str, off: int
) -> None:
    def process(mode: Literal["own", "client"], clock: OffClock) -> ActorSystem:
        store = PostgresEventStore(postgres_url, mode=mode, clock=clock)
        return ActorSystem(store, mode=mode, actors=[Counter()], clock=clock)

    with process("own", OffClock(0)) as owner, process("client", OffClock(off)) as client:
        assert client.actor("counter", "c").ask(1, timeout=20) == 1
        access_to(owner).parts.inbox_worker.stop()
        with pytest.raises(AskTimeoutError):
            client.actor("counter", "c").ask(1, timeout=0.01)
        [seq] = client.store.inbox.waiting(range(64), 10)
        while not owner.store.inbox.take([seq])[0].late:
            pass  # by the database's clock its time is over in a moment
