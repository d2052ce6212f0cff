"""Several processes on one database: each writes its shards, and they change hands in order."""

from __future__ import annotations

import threading

import pytest

from indelible.clock import ManualClock, SystemClock
from indelible.errors import ShardNotOwnedError, StaleEpochError, StoreUnavailableError
from indelible.events.store import Append
from indelible.testing.contract.builders import some_event
from members import SHARDS, SHORT, Member, Members, stream_in
from postgres_server import connect

ALL = frozenset(range(SHARDS))


def stop_keeping(member: Member) -> None:
    """Let a process be dead as far as others can see, though its store would still write."""
    keeper = member.store._member._keeper
    assert keeper is not None
    keeper.stop()


def epochs(members: Members) -> dict[int, int]:
    with connect(members.url) as connection:
        return dict(connection.execute("SELECT shard, epoch FROM shards").fetchall())  # type: ignore[arg-type]


def test_the_first_process_owns_all_shards(members: Members) -> None:
    first = members.open(owner="the service")
    assert first.store.owned() == ALL
    assert first.store.shards == SHARDS
    assert [owner.owner for owner in first.store.owners()] == ["the service"]
    for shard in ALL:
        [recorded] = first.store.append(stream_in(shard), [some_event()], expected=0)
        assert (recorded.shard, recorded.position, recorded.epoch) == (shard, 1, 1)
    assert first.store.positions() == dict.fromkeys(range(SHARDS), 1)
    assert first.store.verify() == SHARDS


def test_who_joins_gets_its_half_once_it_is_drained(members: Members) -> None:
    first = members.open()
    drained: list[int] = []
    second: list[Member] = []
    joined = threading.Event()

    def drain(shards: frozenset[int]) -> None:
        assert joined.wait(30)
        assert not second[0].store.owned()
        for shard in shards:  # its actors may still write
            first.store.append(stream_in(shard), [some_event()], expected=0)
        drained.extend(shards)

    first.store.on_drain(drain)
    second.append(members.open())
    joined.set()
    theirs = second[0].wait_for_share(SHARDS // 2)
    mine = first.wait_for_share(SHARDS // 2)
    assert theirs | mine == ALL
    assert sorted(drained) == sorted(theirs) == sorted(first.lost)
    for shard in theirs:
        [recorded] = second[0].store.append(stream_in(shard), [some_event()], expected=1)
        assert (recorded.version, recorded.epoch) == (2, 2)
        with pytest.raises(ShardNotOwnedError):
            first.store.append(stream_in(shard), [some_event()], expected=2)
    for shard in mine:
        first.store.append(stream_in(shard), [some_event()], expected=0)
        with pytest.raises(ShardNotOwnedError):
            second[0].store.append(stream_in(shard), [some_event()], expected=1)
    assert first.store.verify() == 2 * len(theirs) + len(mine)


def test_who_leaves_gives_its_shards_back_at_once(members: Members) -> None:
    first, second = members.open(), members.open()
    second.wait_for_share(SHARDS // 2)
    first.wait_for_share(SHARDS // 2)
    second.store.close()
    first.wait_for_shards(*ALL)
    assert len(first.store.owners()) == 1
    for shard in ALL:
        first.store.append(stream_in(shard), [some_event()], expected=0)


def test_three_processes_share_evenly_and_leave_nothing_over(members: Members) -> None:
    three = [members.open() for _ in range(3)]
    for member, share in zip(three, (3, 3, 2), strict=True):
        member.wait_for_share(share)
    assert frozenset().union(*(member.store.owned() for member in three)) == ALL


def test_a_draining_that_fails_holds_up_nobody(members: Members) -> None:
    first = members.open()

    def drain(_: frozenset[int]) -> None:
        raise ZeroDivisionError

    first.store.on_drain(drain)
    members.open().wait_for_share(SHARDS // 2)


def test_a_dead_process_is_taken_over_when_its_lease_ends(members: Members) -> None:
    maker = members.open()
    for shard in ALL:
        maker.store.append(stream_in(shard), [some_event()], expected=0)
    maker.store.close()
    first = members.open(lease=SHORT)
    stop_keeping(first)
    before = epochs(members)
    second = members.open()
    second.wait_for_shards(*ALL)
    for shard in ALL:
        [recorded] = second.store.append(stream_in(shard), [some_event()], expected=1)
        assert recorded.epoch == before[shard] + 1
    assert len(second.store.owners()) == 1


def test_a_stale_owner_is_refused_by_its_epoch_whatever_its_clock_says(members: Members) -> None:
    first = members.open(lease=SHORT, clock=ManualClock())  # its time stands still
    first.store.append(stream_in(0), [some_event()], expected=0)
    stop_keeping(first)
    second = members.open()
    second.wait_for_shards(*ALL)
    for shard in ALL:
        with pytest.raises(StaleEpochError):
            first.store.append(stream_in(shard, 1), [some_event()], expected=0)
    assert second.store.positions() == {**dict.fromkeys(range(SHARDS), 0), 0: 1}
    second.store.append(stream_in(0), [some_event()], expected=1)
    assert second.store.verify() == 2


def test_a_stale_shard_fails_alone_in_its_group(members: Members) -> None:
    first = members.open()
    with connect(members.url) as connection:
        connection.execute("UPDATE shards SET epoch = epoch + 1, owner = 'x' WHERE shard = 3")
    errors: dict[int, BaseException | None] = {}
    for shard in ALL:

        def note(_: Append, error: BaseException | None, shard: int = shard) -> None:
            errors[shard] = error

        first.store.submit(Append(stream_in(shard), 0, [some_event()], note))
    first.store.lead()
    assert {shard for shard, error in errors.items() if error} == {3}
    assert isinstance(errors[3], StaleEpochError)
    first.wait(lambda: first.lost == [3])
    assert first.store.owned() == ALL - {3}


def test_who_cannot_renew_stops_before_its_lease_ends_and_begins_anew(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = members.open(lease=SHORT)
    before = epochs(members)
    leases = first.store._member._leases
    assert leases is not None
    renew = leases.renew

    def fail(_: object) -> None:
        raise StoreUnavailableError("out of reach")

    monkeypatch.setattr(leases, "renew", fail)
    first.wait(lambda: set(first.lost) == ALL)
    assert not first.store.owned()
    with pytest.raises(StaleEpochError):
        first.store.append(stream_in(0), [some_event()], expected=0)
    monkeypatch.setattr(leases, "renew", renew)
    first.wait_for_shards(*ALL)
    [recorded] = first.store.append(stream_in(0), [some_event()], expected=0)
    assert recorded.epoch == epochs(members)[0] > before[0]


def test_appends_alone_keep_a_lease(members: Members) -> None:
    first = members.open(shards=1)
    stop_keeping(first)
    with connect(members.url) as connection:
        connection.execute("UPDATE shards SET lease_until = 1")
        first.store.append("run-1", [some_event()], expected=0)
        [[left]] = connection.execute(
            "SELECT lease_until - (extract(epoch FROM now()) * 1000000)::bigint FROM shards"
        ).fetchall()
    assert isinstance(left, int)
    assert left > 0


class OtherDay(SystemClock):
    """The clock of a host that was set to another day."""

    def __init__(self, days: int) -> None:
        self._moved = days * 86_400_000_000

    def now(self) -> int:
        return super().now() + self._moved


def test_a_host_s_clock_decides_nothing_about_leases(members: Members) -> None:
    late = members.open(clock=OtherDay(-1))
    early = members.open(clock=OtherDay(1))
    theirs = early.wait_for_share(SHARDS // 2)
    mine = late.wait_for_share(SHARDS // 2)
    for shard in ALL:
        owner = late if shard in mine else early
        [recorded] = owner.store.append(stream_in(shard), [some_event()], expected=0)
        assert recorded.epoch == (1 if shard in mine else 2)
    early.store.close()
    late.wait_for_shards(*ALL)
    for shard in theirs:  # its last event is of tomorrow, and time never falls in a shard
        [last] = late.store.read_shard(shard, 0, 1)
        [recorded] = late.store.append(stream_in(shard), [some_event()], expected=1)
        assert recorded.recorded_at == last.recorded_at


def test_the_number_of_shards_is_the_database_s(members: Members) -> None:
    members.open(shards=4).store.close()
    assert members.open(shards=16).store.owned() == frozenset(range(4))


def test_a_store_may_be_opened_again(members: Members) -> None:
    first = members.open()
    first.store.append(stream_in(0), [some_event()], expected=0)
    first.store.close()
    assert first.store.owned() == frozenset()
    first.store.open()
    [recorded] = first.store.append(stream_in(0), [some_event()], expected=1)
    assert recorded.epoch == 2


def test_another_process_hears_of_a_commit(members: Members) -> None:
    first = members.open()
    reader = members.make(mode="read")
    reader.open()
    heard = threading.Event()
    end = reader.on_remote(heard.set)
    assert heard.wait(30)  # listening now: something may have been missed
    heard.clear()
    first.store.append(stream_in(0), [some_event()], expected=0)
    assert heard.wait(30)
    end()


def test_a_reader_leaves_no_trace(members: Members) -> None:
    members.open().store.close()
    reader = members.make(mode="read")
    reader.open()
    assert reader.owned() == frozenset()
    assert list(reader.owners()) == []
    with connect(members.url) as connection:
        assert connection.execute("SELECT count(*) FROM processes").fetchall() == [(0,)]
