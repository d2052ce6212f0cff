"""What a system says of its health: every figure moves with what it counts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from indelible import ActorSystem, Decider
from indelible.actors.runtime.future import PooledFuture
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.errors import BlockingCallError, StoreUnavailableError, SystemClosedError
from indelible.events.addresses import Mode
from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.event import Event
from indelible.failpoints import Failpoints
from indelible.service.health import READ_TIMEOUT
from indelible.testing.contract.builders import url_of
from indelible.testing.faults import Fault
from indelible.testing.hold import Hold


class Noted(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "note.noted"


class Note(Decider[int]):
    category = "note"
    event_types = (Noted,)

    def __init__(self) -> None:
        self.hold = Hold()
        self.stopped = threading.Semaphore(0)  # released by each message that comes to the hold

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> Any:
        self.stopped.release()
        self.hold()
        return [Noted()]

    def evolve(self, state: int, event: Any) -> int:
        return state + 1


@pytest.fixture
def system() -> Iterator[ActorSystem]:
    with ActorSystem("memory://", drain=20) as system:
        yield system


def one_step(type_: str, **more: Any) -> dict[str, Any]:
    return {"name": "w", "steps": [{"name": "one", "type": type_, **more}]}


def test_an_idle_system_is_ready_and_holds_all_its_shards() -> None:
    with ActorSystem(MemoryEventStore(shards=4)) as system:
        health = system.health()
    assert (health["state"], health["ready"], health["why"]) == ("ready", True, ())
    assert health["shards"] == {"held": 4, "of": 4}
    assert health["steps"] == {"running": 0, "queued": 0, "unregistered": 0}
    assert health["mailboxes"] == {"messages": 0, "longest": 0, "longest_of": ""}
    assert (health["actors"], health["inbox"], health["store"]) == (0, 0, "open")


def test_steps_that_run_and_steps_that_wait_for_a_thread_are_told_apart() -> None:
    hold = Hold()
    hold.close()
    with ActorSystem("memory://", max_threads=1, drain=20) as system:
        system.register_step("stand", lambda context, step: hold())
        system.workflow_agent("a").start_many([(f"r{i}", {}) for i in range(3)], one_step("stand"))
        hold.wait()
        health = system.health()
        assert health["steps"] == {"running": 1, "queued": 2, "unregistered": 0}
        assert health["actors"] == 3
        assert len(access_to(system).executor.running()) == 1
        assert access_to(system).executor.running()[0].endswith("/one")
        hold.open()
        for i in range(3):
            system.run(f"r{i}").result(20)
        assert system.health()["steps"] == {"running": 0, "queued": 0, "unregistered": 0}


def test_a_step_of_no_registered_type_is_counted() -> None:
    store = MemoryEventStore()
    hold = Hold()
    hold.close()
    with ActorSystem(store, drain=0) as first:
        first.register_step("stand", lambda context, step: hold())
        first.workflow_agent("a").start(one_step("stand"), run_id="r")
        hold.wait()
        hold.open()
        access_to(first).parts.executor.closed = True  # the result is lost, as at a crash
    with ActorSystem(store) as second:
        assert "not registered" in second.run("r").status()["waiting_for"][0]
        assert second.health()["steps"]["unregistered"] == 1


def test_mailboxes_are_summed_and_the_longest_is_named() -> None:
    note = Note()
    with ActorSystem("memory://", actors=[note]) as system:
        note.hold.close()
        ask = access_to(system).directory.ask
        futures: list[PooledFuture[Any]] = [ask("note-a", 0), ask("note-b", 0)]
        assert all(note.stopped.acquire(timeout=20) for _ in futures)  # on a thread each
        futures += [ask("note-a", i) for i in range(5)]
        futures += [ask("note-b", i) for i in range(2)]
        boxes = system.health()["mailboxes"]
        note.hold.open()
        for future in futures:
            future.get(timeout=20)
        assert boxes == {"messages": 7, "longest": 5, "longest_of": "note-a"}
        assert system.health()["mailboxes"]["messages"] == 0


def test_a_timer_that_is_due_and_has_not_fired_is_late() -> None:
    clock = ManualClock()
    hold = Hold()
    with ActorSystem("memory://", clock=clock) as system:
        timers = access_to(system).parts.runtime.timers
        before = system.health()["timers"]
        hold.close()
        timers.at(clock.now() + 500_000, "long", hold)
        timers.at(clock.now() + 1_000_000, "test", lambda: None)
        assert system.health()["timers"] == {"pending": before["pending"] + 2, "late_s": 0.0}
        clock.advance(3.5)
        hold.wait()  # on the timers' thread, which is busy now
        assert system.health()["timers"]["late_s"] == 2.5
        hold.open()
        timers.run_due()
        assert system.health()["timers"]["late_s"] == 0.0


def test_unanswered_commands_in_the_inbox_are_counted(system: ActorSystem) -> None:
    row = (
        "INSERT INTO inbox (message_id, shard, stream, kind, body, sender, submitted_at, deadline,"
        " answered_at) VALUES (:id, :shard, 's', 'k', '', '', 1, 0, :answered)"
    )
    with system.store.write_views() as connection:
        for id_, shard, answered in (("a", 9, 0), ("b", 9, 1), ("c", 9, 0)):
            values = {"id": id_, "shard": shard, "answered": answered}
            connection.execute(sa.text(row), values)
    assert system.health()["inbox"] == 2


def test_a_view_that_is_behind_says_by_how_much() -> None:
    store = MemoryEventStore()
    with ActorSystem(store) as system:
        system.register_step("now", lambda context, step: 1)
        agent = system.workflow_agent("a")
        agent.start(one_step("now"), run_id="r1").result(20)
        assert system.caught_up(20)
        access_to(system).parts.projections.stop()
        agent.start(one_step("now"), run_id="r2").result(20)
        views = system.health()["views"]
        assert views is not None
        lag = views["metrics"]
        assert lag["events"] == len(list(store.read("run-r2")))
        assert lag["seconds"] >= 0
    with ActorSystem(store) as system:
        assert system.caught_up(20)
        views = system.health()["views"]
        assert views is not None
        assert views["metrics"]["events"] == 0


def test_a_system_whose_store_fails_is_not_ready_until_it_is_mended() -> None:
    fault = Fault()
    store = MemoryEventStore(failpoints=Failpoints({"commit.begun": fault}))
    with ActorSystem(store, actors=[Note()]) as system:
        fault.arm(1_000_000)
        with pytest.raises(StoreUnavailableError):
            system.actor("note", "a").ask("x")
        health = system.health()
        assert (health["state"], health["ready"]) == ("unavailable", False)
        assert health["why"] == ("the store is unavailable",)
        fault.arm(0)
        answer = None
        while answer is None:  # until the store has looked at the database again
            with suppress(StoreUnavailableError):
                answer = [system.actor("note", "a").ask("x")]
        assert system.health()["ready"]


def test_a_system_that_cannot_read_its_store_is_not_ready(
    system: ActorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Any:
        raise StoreUnavailableError("connection lost")

    monkeypatch.setattr(system.store, "read_views", fail)
    health = system.health()
    assert (health["state"], health["ready"]) == ("unavailable", False)
    assert (health["views"], health["inbox"]) == (None, None)
    monkeypatch.undo()
    assert system.health()["ready"]


@pytest.mark.parametrize("mode", ["own", "client", "read"])
def test_health_gives_the_database_one_limit_of_time_for_all_that_it_reads(
    mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, limits = threading.get_ident(), list[float]()  # the limits in force now
    begun: list[float] = []  # those that are in no other
    within_limits: list[bool] = []  # of each reading

    @contextmanager
    def within(seconds: float) -> Iterator[None]:
        if threading.get_ident() != me:
            yield
            return
        if not limits:
            begun.append(seconds)
        limits.append(seconds)
        yield
        limits.pop()

    def noted(read: Callable[[], Any]) -> Callable[[], Any]:
        def reading() -> Any:
            if threading.get_ident() == me:
                within_limits.append(bool(limits))
            return read()

        return reading

    url = url_of(tmp_path / "log.db")
    ActorSystem(url).open().close()
    with ActorSystem(url, mode=mode) as system:
        monkeypatch.setattr(system.store, "within", within)
        for name in ("read_views", "positions"):
            monkeypatch.setattr(system.store, name, noted(getattr(system.store, name)))
        system.health()
        monkeypatch.undo()
    assert begun == [READ_TIMEOUT]
    assert within_limits
    assert all(within_limits)


def test_draining_ends_readiness_and_names_the_steps_that_do_not_return() -> None:
    hold = Hold()
    hold.close()
    with ActorSystem("memory://", drain=20) as system:
        system.register_step("stand", lambda context, step: hold())
        system.workflow_agent("a").start(one_step("stand"), run_id="r")
        hold.wait()
        assert system.drain(0) == ["r/one"]
        health = system.health()
        assert (health["state"], health["ready"]) == ("draining", False)
        left = access_to(system).executor.running()
        assert left == []  # so that closing does not wait for it again
        hold.open()


def test_draining_waits_for_steps_that_return_in_time() -> None:
    hold = Hold()
    hold.close()
    store = MemoryEventStore()
    with ActorSystem(store) as system:
        system.register_step("stand", lambda context, step: hold())
        system.workflow_agent("a").start(one_step("stand"), run_id="r")
        hold.wait()
        threading.Timer(0, hold.open).start()
        assert system.drain(20) == []
    with ActorSystem(store) as again:
        assert again.run("r").result(20)["status"] == "success"


def test_health_and_draining_are_there_for_an_event_loop() -> None:
    async def ask() -> list[str]:
        async with ActorSystem("memory://") as system:
            assert (await system.health_async())["ready"]
            return await system.drain_async(1)

    assert asyncio.run(ask()) == []


def test_the_own_event_loop_may_not_block_on_health() -> None:
    async def inside(context: Any) -> str:
        found = []
        for call in (own.health, lambda: own.drain(1)):
            with pytest.raises(BlockingCallError) as refused:
                call()
            found.append(str(refused.value))
        return " ".join(found)

    with ActorSystem("memory://") as own:
        own.register_step("inside", inside)
        outcome = own.workflow_agent("a").start(one_step("inside"), run_id="r").result(20)
    assert "health_async" in outcome["result"]["one"]
    assert "drain_async" in outcome["result"]["one"]


def test_a_closed_system_has_no_health() -> None:
    with pytest.raises(SystemClosedError):
        ActorSystem("memory://").health()


def test_a_system_that_only_reads_is_ready_if_somebody_serves(tmp_path: Any) -> None:
    from indelible.reports import Reporter

    url = f"sqlite:///{tmp_path}/runs.db"
    with ActorSystem(url) as owner, ActorSystem(url, mode="read") as reader:
        unserved = reader.health()
        assert (unserved["state"], unserved["ready"]) == ("unserved", False)
        assert unserved["why"] == ("no process serves this store",)
        with Reporter(owner):
            served = reader.health()
        assert (served["state"], served["ready"], served["why"]) == ("served", True, ())
