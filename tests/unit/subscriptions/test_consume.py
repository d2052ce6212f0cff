"""Consumers of a system on threads of their own: handlers, their failures, their end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.errors import (
    BlockingCallError,
    ConsumerFailedError,
    StoreReadOnlyError,
    StoreUnavailableError,
    SystemClosedError,
)
from indelible.events.lease.role_holder import Role, RoleHolder
from indelible.readers import consumer_thread
from indelible.testing.contract.builders import some_event, some_events

LONG = 30.0


@pytest.fixture
def system(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ActorSystem]:
    monkeypatch.setattr(consumer_thread, "_FIRST_PAUSE", 0.001)
    with ActorSystem(f"sqlite:///{tmp_path}/log.db", drain=LONG) as system:
        yield system


def fill(system: ActorSystem, count: int, stream: str = "thing-1") -> None:
    head = system.store.head(stream)
    system.store.append(stream, some_events(count), expected=head.version if head else 0)


class Noting:
    """A handler that notes positions, and fails, waits or stops when told to."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.calls = 0
        self.failures: list[BaseException] = []
        self.wanted = 0
        self.enough = threading.Event()

    def __call__(self, batch: Any) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.pop()
        self.seen += [item.recorded.position for item in batch]
        if len(self.seen) >= self.wanted:
            self.enough.set()

    def wait(self, wanted: int) -> None:
        self.wanted = wanted
        if len(self.seen) < wanted:
            self.enough.clear()
            assert self.enough.wait(LONG)


def test_a_handler_gets_every_batch_and_its_return_is_the_commit(system: ActorSystem) -> None:
    noting = Noting()
    fill(system, 5)
    task = system.consume("billing", noting, max_batch=2)
    fill(system, 3, "thing-2")
    noting.wait(8)
    assert noting.seen == list(range(1, 9))
    assert task.stop(LONG)
    assert (task.state, task.error, task.committed) == ("stopped", None, {0: 8})
    with system.consumer("billing") as one:
        fill(system, 1)
        assert [item.recorded.position for item in next(one)] == [9]


def test_a_handler_that_failed_gets_the_same_batch_again(system: ActorSystem) -> None:
    noting = Noting()
    noting.failures = [ValueError("first"), ValueError("second")]
    fill(system, 3)
    task = system.consume("billing", noting)
    noting.wait(3)
    assert task.stop(LONG)
    assert (noting.seen, noting.calls) == ([1, 2, 3], 3)
    assert (task.attempts, task.error) == (0, None)


def test_a_handler_that_keeps_failing_stops_its_consumer_which_skips_nothing(
    system: ActorSystem,
) -> None:
    noting = Noting()
    fill(system, 4)
    with system.consumer("billing", max_batch=1) as first:
        first.commit(next(first).cursor)
    noting.failures = [ValueError(f"no {number}") for number in range(9)]
    task = system.consume("billing", noting, max_attempts=3)
    assert task.wait(LONG)
    assert task.state == "failed"
    assert system.consumers == [task]
    assert isinstance(task.error, ConsumerFailedError)
    assert (task.error.consumer, task.error.attempts) == ("billing", 3)
    assert "0:2" in str(task.error)
    assert "ValueError: no 6" in str(task.error)
    assert task.committed == {0: 1}
    noting.failures = []
    system.consume("billing", noting)
    noting.wait(3)
    assert noting.seen == [2, 3, 4]


def test_health_names_a_consumer_that_failed_until_its_name_is_consumed_again(
    system: ActorSystem,
) -> None:
    noting = Noting()
    fill(system, 1)
    noting.failures = [ValueError("no such customer")]
    assert system.consume("billing", noting, max_attempts=1).wait(LONG)
    with ActorSystem("memory://") as other:
        health, others = system.health(), other.health()
    assert (health["ready"], health["state"]) == (True, "ready")  # commands are taken
    [why] = health["why"]
    assert why.startswith("consumer 'billing' has stopped: ConsumerFailedError: ")
    assert "no such customer" in why
    assert others["why"] == ()
    system.consume("billing", noting)
    noting.wait(1)
    assert system.health()["why"] == ()


def test_what_is_no_exception_stops_a_consumer_too(system: ActorSystem) -> None:
    noting = Noting()
    noting.failures = [SystemExit(3)]
    fill(system, 1)
    task = system.consume("billing", noting)
    assert task.wait(LONG)
    assert task.state == "failed"
    assert isinstance(task.error, SystemExit)


def test_a_commit_is_repeated_until_the_database_is_back(
    system: ActorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    noting, tries = Noting(), threading.Semaphore(0)
    write = system.store.write_views
    gone = threading.Event()

    def sometimes() -> Any:
        if gone.is_set() and threading.current_thread().name == "indelible-consumer-billing":
            tries.release()
            raise StoreUnavailableError("gone")
        return write()

    monkeypatch.setattr(system.store, "write_views", sometimes)
    task = system.consume("billing", noting)
    fill(system, 1)
    noting.wait(1)
    gone.set()
    fill(system, 1)
    for _ in range(3):
        assert tries.acquire(timeout=LONG)
    gone.clear()
    fill(system, 1)
    noting.wait(3)
    assert noting.calls == 3  # the handler was not called for it again
    assert task.stop(LONG)
    assert task.committed == {0: 3}


def test_an_async_handler_runs_on_the_event_loop_of_the_system(system: ActorSystem) -> None:
    threads: list[str] = []
    seen = threading.Event()

    async def handler(batch: Any) -> None:
        await asyncio.sleep(0)
        threads.append(threading.current_thread().name)
        if len(threads) == 1:
            raise ValueError("once")
        seen.set()

    task = system.consume("billing", handler)
    fill(system, 1)
    assert seen.wait(LONG)
    assert task.stop(LONG)
    assert threads == ["indelible-loop"] * 2
    assert task.committed == {0: 1}


def test_a_second_task_of_a_name_waits_and_takes_over(system: ActorSystem) -> None:
    one, other = Noting(), Noting()
    fill(system, 1)
    first = system.consume("billing", one)
    one.wait(1)
    second = system.consume("billing", other)
    fill(system, 1)
    one.wait(2)
    assert second.state == "waiting"
    assert first.stop(LONG)
    fill(system, 1)
    other.wait(1)
    assert (one.seen, other.seen) == ([1, 2], [3])
    assert system.consumers == [second]


def test_a_task_whose_name_was_taken_meanwhile_begins_where_the_other_has_ended(
    system: ActorSystem,
) -> None:
    other = RoleHolder(system.store, "another process", system.clock)
    seen: list[list[int]] = []
    done = threading.Event()

    def handler(batch: Any) -> None:
        seen.append([item.recorded.position for item in batch])
        if len(seen) == 1:
            role = other.take("consumer:billing", lambda: None, lambda _: None)
            assert isinstance(role, Role)
            with role.writing() as connection:
                connection.execute(sa.text("INSERT INTO consumers VALUES ('billing', 0, 3)"))
            access_to(system).parts.readers._role_holder().renew()
            raise ValueError("once")
        done.set()

    fill(system, 4)
    task = system.consume("billing", handler, max_batch=2)
    assert done.wait(LONG)
    assert task.stop(LONG)
    assert seen == [[1, 2], [4]]
    assert (task.state, task.committed) == ("stopped", {0: 4})


def test_a_task_can_stop_itself(system: ActorSystem) -> None:
    tasks: list[Any] = []
    ready = threading.Event()

    def handler(batch: Any) -> None:
        assert ready.wait(LONG)
        tasks[0].stop()

    fill(system, 3)
    tasks.append(system.consume("billing", handler, max_batch=1))
    ready.set()
    assert tasks[0].wait(LONG)
    assert (tasks[0].state, tasks[0].committed) == ("stopped", {0: 1})


def test_closing_the_system_waits_for_the_handler_before_the_actors_end(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = ActorSystem(f"sqlite:///{tmp_path}/log.db", drain=LONG).open()
    inside, go = threading.Event(), threading.Event()
    ended: list[bool] = []

    def handler(batch: Any) -> None:
        inside.set()
        assert go.wait(LONG)

    fill(system, 1)
    task = system.consume("billing", handler)
    assert inside.wait(LONG)
    stop, close = task.stop, access_to(system).parts.directory.close

    def stop_it(timeout: float) -> bool:
        if timeout > 0:  # now somebody waits for the handler
            go.set()
        return stop(timeout)

    def close_it() -> None:
        ended.append(task.wait(0))
        go.set()
        close()

    monkeypatch.setattr(task, "stop", stop_it)
    monkeypatch.setattr(access_to(system).parts.directory, "close", close_it)
    system.close()
    assert ended == [True]
    assert (task.state, task.committed) == ("stopped", {0: 1})


def test_a_handler_that_hangs_is_left_behind_and_its_batch_comes_again(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    inside, go = threading.Event(), threading.Event()

    def handler(batch: Any) -> None:
        inside.set()
        assert go.wait(LONG)

    system = ActorSystem(url, drain=0).open()
    fill(system, 1)
    task = system.consume("billing", handler)
    assert inside.wait(LONG)
    system.close()
    go.set()
    assert task.wait(LONG)
    with ActorSystem(url) as system, system.consumer("billing") as one:
        assert [item.recorded.position for item in next(one)] == [1]


def test_closing_the_system_ends_every_iteration(tmp_path: Any) -> None:
    system = ActorSystem(f"sqlite:///{tmp_path}/log.db").open()
    fill(system, 1)
    readers: list[Any] = [system.events(), system.consumer("billing")]
    threads = []
    started = threading.Barrier(len(readers) + 1)

    def read(reader: Any) -> None:
        next(reader)
        started.wait(LONG)
        assert list(reader) == []

    idle = system.events()
    for reader in readers:
        threads.append(threading.Thread(target=read, args=(reader,), daemon=True))
        threads[-1].start()
    started.wait(LONG)
    system.close()
    for thread in threads:
        thread.join(LONG)
        assert not thread.is_alive()
    assert idle.closed
    with pytest.raises(SystemClosedError):
        system.events()
    with ActorSystem(system.url, mode="read") as reader, reader.store.read_views() as connection:
        rows = connection.execute(sa.text("SELECT name, owner FROM roles")).all()
    assert [tuple(row) for row in rows if row.name == "consumer:billing"] == [
        ("consumer:billing", "")
    ]


def test_a_system_that_reads_has_events_and_no_consumers(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    with ActorSystem(url) as owner, ActorSystem(url, mode="read") as reader:
        fill(owner, 2)
        events = reader.events()
        assert len(next(events)) == 2
        owner.store.append("thing-9", [some_event()], expected=0)  # seen by looking
        assert [item.recorded.stream for item in next(events)] == ["thing-9"]
        with pytest.raises(StoreReadOnlyError, match=r"events\(after=cursor\)"):
            reader.consumer("billing")
        with pytest.raises(StoreReadOnlyError):
            reader.consume("billing", print)


def test_a_client_of_a_file_cannot_store_a_position_and_is_told_what_to_do(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    with ActorSystem(url), ActorSystem(url, mode="client") as client:
        with (
            client.consumer("billing") as one,
            pytest.raises(StoreReadOnlyError, match="keep its cursor yourself"),
        ):
            next(one)
        task = client.consume("billing", print)
        assert task.wait(LONG)
        assert (task.state, type(task.error)) == ("failed", StoreReadOnlyError)


def test_waiting_on_the_event_loop_of_the_system_is_refused(system: ActorSystem) -> None:
    refused: list[BaseException] = []
    done = threading.Event()

    async def handler(batch: Any) -> None:
        with system.events() as events, system.consumer("audit") as audit:
            for call in (lambda: next(events), lambda: audit.commit({})):
                with pytest.raises(BlockingCallError) as caught:
                    call()
                refused.append(caught.value)
            assert len(await anext(events)) == 1
            assert len(await anext(audit)) == 1
            await audit.commit_async({0: 1})
        done.set()

    system.consume("billing", handler)
    fill(system, 1)
    assert done.wait(LONG)
    assert [str(error).split(";")[1] for error in refused] == [
        " await anext() instead",
        " await commit_async() instead",
    ]


def test_at_least_one_attempt_is_needed(system: ActorSystem) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        system.consume("billing", print, max_attempts=0)
