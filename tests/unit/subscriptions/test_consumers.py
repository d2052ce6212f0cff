"""Consumers: durable positions, one at a time, nothing skipped, nothing stored by a stale one."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest
import sqlalchemy as sa

from indelible.errors import (
    CursorAheadError,
    RoleLostError,
    StoreUnavailableError,
    SystemClosedError,
)
from indelible.events.lease.role_holder import RoleHolder
from indelible.events.subscribe.batches import Selection
from indelible.testing.contract.builders import some_event

LONG = 30.0


def stored(log: Any, name: str = "billing") -> dict[int, int]:
    """What the table says."""
    with log.store.read_views() as connection:
        rows = connection.execute(
            sa.text("SELECT shard, position FROM consumers WHERE name = :name"), {"name": name}
        )
        return {row.shard: row.position for row in rows}


def streams(batch: Any) -> list[str]:
    return [item.recorded.stream for item in batch]


def test_what_was_committed_is_not_delivered_again_and_all_else_is(make_log: Any) -> None:
    log = make_log()
    for number in range(6):
        log.append(f"thing-{number}")
    with log.consumer(max_batch=2) as consumer:
        consumer.commit(next(consumer).cursor)
        assert streams(next(consumer)) == ["thing-2", "thing-3"]
    log.store.close()
    again = make_log().consumer(max_batch=10)
    assert again.committed == {}  # it has not asked yet
    assert streams(next(again)) == ["thing-2", "thing-3", "thing-4", "thing-5"]
    assert again.committed == {0: 2}


def test_one_delivery_of_a_batch_can_be_committed(log: Any) -> None:
    log.fill(streams=9, each=3)
    with log.consumer() as consumer:
        batch = next(consumer)
        consumer.commit(batch[4].cursor)
    with log.consumer() as consumer:
        rest = next(consumer)
    places = [(item.recorded.shard, item.recorded.position) for item in batch]
    left = [(item.recorded.shard, item.recorded.position) for item in rest]
    assert sorted(left) == sorted(places[5:])


def test_names_have_positions_of_their_own(log: Any) -> None:
    log.append("thing-1")
    with log.consumer("billing") as one, log.consumer("audit") as other:
        one.commit(next(one).cursor)
        assert len(next(other)) == 1
    assert stored(log, "audit") == {}


def test_an_older_cursor_changes_nothing(log: Any) -> None:
    log.append("thing-1", *(some_event() for _ in range(4)))
    shard = log.store.shard_of("thing-1")
    with log.consumer(max_batch=2) as consumer:
        first, second = next(consumer), next(consumer)
        consumer.commit(second.cursor)
        consumer.commit(first.cursor)
        assert consumer.committed == stored(log) == {shard: 4}


def test_what_was_not_delivered_cannot_be_committed(log: Any) -> None:
    log.append("thing-1", *(some_event() for _ in range(4)))
    shard = log.store.shard_of("thing-1")
    with log.consumer(max_batch=2) as consumer:
        for cursor in ({shard: 1}, {shard: 0, 99: 1}):
            with pytest.raises(ValueError, match="not delivered"):
                consumer.commit(cursor)
        next(consumer)
        with pytest.raises(ValueError, match="not delivered"):
            consumer.commit({shard: 3})
        with pytest.raises(ValueError, match="no cursor"):
            consumer.commit({shard: -1})
        assert stored(log) == {}
        consumer.commit({shard: 1})
        assert stored(log) == {shard: 1}


def test_a_name_that_begins_at_the_end_stays_there_although_nothing_was_committed(
    log: Any,
) -> None:
    log.append("thing-1")
    with log.consumer(after="end") as consumer:
        log.append("thing-2")
        assert streams(next(consumer)) == ["thing-2"]
    log.append("thing-3")
    with log.consumer(after="end") as consumer:
        assert sorted(streams(next(consumer))) == ["thing-2", "thing-3"]
    with log.consumer(after={}) as consumer:  # a known name goes on where it stands
        assert sorted(streams(next(consumer))) == ["thing-2", "thing-3"]


def test_a_position_ahead_of_the_log_is_an_error(log: Any) -> None:
    log.append("thing-1")
    with log.consumer(after={0: 1_000}) as consumer, pytest.raises(CursorAheadError):
        next(consumer)


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb"])
def test_a_name_is_short_and_printable(log: Any, name: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        log.consumer(name)


def test_the_way_over_what_nobody_wants_is_stored_once_all_that_was_delivered_is(
    log: Any,
) -> None:
    shard = log.store.shard_of("note-1")
    log.append("note-1", log.note("a"))
    with log.consumer(selection=Selection(types=["note.noted"])) as consumer:
        batch = next(consumer)
        log.append("note-1", *(some_event() for _ in range(5_000)), log.note("b"))
        assert len(next(consumer)) == 1
        assert stored(log) == {}  # "a" is not committed
    with log.consumer(selection=Selection(types=["note.noted"])) as consumer:
        batch = next(consumer)
        consumer.commit(batch.cursor)
        at = stored(log)[shard]
        log.append("note-1", *(some_event() for _ in range(5_000)), log.note("c"))
        while not any(item.event.text == "c" for item in batch):
            consumer.commit(batch.cursor)
            batch = next(consumer)
        assert stored(log)[shard] > at + 4_000  # before "c" was committed


# -- one at a time


def test_a_second_consumer_of_a_name_waits_for_the_first_and_goes_on_where_it_ended(
    log: Any,
) -> None:
    log.append("thing-1", *(some_event() for _ in range(4)))
    shard = log.store.shard_of("thing-1")
    first, second = log.consumer(max_batch=1), log.consumer(max_batch=9)
    first.commit(next(first).cursor)
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(next(second)), daemon=True)
    thread.start()
    assert not second.active
    first.commit(next(first).cursor)
    first.close()
    thread.join(LONG)
    [batch] = got
    assert [item.recorded.position for item in batch] == [3, 4]
    assert second.active
    assert second.committed == {shard: 2}
    second.close()


def test_closing_wakes_who_waits_for_the_name(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indelible.events.lease.role_holder._RETRY", 1_000.0)
    log.append("thing-1")
    first, second = log.consumer(), log.consumer()
    next(first)
    assert second._read() == 1_000  # without a word it would look again only then
    thread = threading.Thread(target=first.close)
    assert len(next(_closing(second, thread))) == 1
    second.close()


def _closing(consumer: Any, thread: threading.Thread) -> Any:
    thread.start()
    return consumer


def test_a_consumer_that_waits_can_be_closed(log: Any) -> None:
    first, second = log.consumer(), log.consumer()
    log.append("thing-1")
    next(first)
    thread = threading.Thread(target=lambda: list(second), daemon=True)
    thread.start()
    second.close()
    thread.join(LONG)
    assert not thread.is_alive()
    assert first.active


def test_a_consumer_that_was_left_does_not_keep_its_name(log: Any) -> None:
    log.append("thing-1")
    for _ in log.consumer():
        break
    gc.collect()
    with log.consumer() as consumer:
        assert len(next(consumer)) == 1


def test_another_process_on_sqlite_is_gone_and_its_name_free_at_once(make_log: Any) -> None:
    log = make_log()
    log.append("thing-1")
    next(log.consumer())  # and the process dies: nothing is released
    log.store.close()
    log = make_log()
    log.roles = log.process("the next process")
    with log.consumer() as consumer:
        assert len(next(consumer)) == 1


class TakenOver:
    """Lets another process take the role of a consumer, as after a lease that has ended."""

    def __init__(self, log: Any) -> None:
        other = RoleHolder(log.store, "another process", log.clock)
        self.role = other.take("consumer:billing", lambda: None, lambda _: None)


def test_a_stale_consumer_stores_nothing_and_then_waits_for_its_turn(log: Any) -> None:
    log.append("thing-1", *(some_event() for _ in range(4)))
    shard = log.store.shard_of("thing-1")
    consumer = log.consumer(max_batch=1)
    consumer.commit(next(consumer).cursor)
    batch = next(consumer)
    TakenOver(log)
    with pytest.raises(RoleLostError, match="another process"):
        consumer.commit(batch.cursor)
    assert stored(log) == {shard: 1}
    assert not consumer.active
    with pytest.raises(RoleLostError):
        consumer.commit(batch.cursor)
    # On a database with one owner it may take the role back at once.
    assert [item.recorded.position for item in next(consumer)] == [2]
    assert consumer.active


def test_a_lost_role_ends_the_iteration_with_an_error_before_another_batch(log: Any) -> None:
    log.append("thing-1", *(some_event() for _ in range(4)))
    consumer = log.consumer(max_batch=1)
    next(consumer)
    TakenOver(log)
    log.roles.renew()
    with pytest.raises(RoleLostError):
        next(consumer)
    assert [item.recorded.position for item in next(consumer)] == [1]


def test_a_commit_that_fails_can_be_repeated(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append("thing-1")
    consumer = log.consumer()
    batch = next(consumer)
    with monkeypatch.context() as away:

        def fail() -> Any:
            raise StoreUnavailableError("gone")

        away.setattr(log.store, "write_views", fail)
        with pytest.raises(StoreUnavailableError):
            consumer.commit(batch.cursor)
        assert consumer.committed == {}
    consumer.commit(batch.cursor)
    assert consumer.committed == stored(log) == batch.cursor
    consumer.close()


def test_a_closed_consumer_commits_nothing(log: Any) -> None:
    log.append("thing-1")
    with log.consumer() as consumer:
        batch = next(consumer)
    with pytest.raises(SystemClosedError, match="'billing' is closed"):
        consumer.commit(batch.cursor)
    assert stored(log) == {}


def test_an_async_consumer_is_the_same(log: Any) -> None:
    log.append("thing-1", *(some_event() for _ in range(4)))

    async def consume() -> list[int]:
        seen: list[int] = []
        async with log.consumer(max_batch=3) as consumer:
            async for batch in consumer:
                seen += [item.recorded.position for item in batch]
                await consumer.commit_async(batch.cursor)
                if len(seen) == 4:
                    break
        return seen

    assert asyncio.run(consume()) == [1, 2, 3, 4]
    assert stored(log) == {log.store.shard_of("thing-1"): 4}
