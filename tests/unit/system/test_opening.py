"""Opening and closing a system: what is checked, what is undone, what is left behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any, ClassVar

import pytest

from indelible import ActorSystem, Decider
from indelible.errors import StoreNotFoundError, StoreOwnedError, SystemClosedError
from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.event import Event


class Noted(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "note.noted"


class Same(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "note.noted"


def decider(name: str, *types: Any) -> Decider[int]:
    class Made(Decider[int]):
        category = name
        event_types = types

    return Made()


def test_making_a_system_does_no_io_and_starts_no_thread(tmp_path: Any) -> None:
    before = set(threading.enumerate())
    system = ActorSystem(f"sqlite:///{tmp_path}/runs.db")
    system.register_step("x", lambda context, step: 1)
    system.workflow_agent("a")
    assert set(threading.enumerate()) <= before
    assert list(tmp_path.iterdir()) == []


def test_what_needs_an_open_system_says_so() -> None:
    system = ActorSystem("memory://")
    for call in (
        lambda: system.run("r"),
        lambda: system.workflow_agent("a").start({}),
        lambda: system.store,
        lambda: system.views,
        system.caught_up,
    ):
        with pytest.raises(SystemClosedError, match="open"):
            call()
    system.close()


def test_a_store_that_does_not_exist_is_not_created_by_a_reader(tmp_path: Any) -> None:
    with pytest.raises(StoreNotFoundError):
        ActorSystem(f"sqlite:///{tmp_path}/nope.db", mode="read").open()
    assert list(tmp_path.iterdir()) == []


def test_a_second_owner_is_refused_and_the_first_is_unharmed(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    with ActorSystem(url) as system:
        with pytest.raises(StoreOwnedError):
            ActorSystem(url).open()
        assert system.store.verify() == 0
    ActorSystem(url).open().close()


@pytest.mark.parametrize(
    ("deciders", "words"),
    [
        ([decider("run")], "'run' is the engine's own"),
        ([decider("")], "'' is no category"),
        ([decider("my-account")], "'my-account' is no category"),
        ([decider("a\nb")], "no category"),
        ([decider("x" * 101)], "no category"),
        ([decider("a"), decider("a")], "'a' is given twice"),
        ([Decider()], "'' is no category"),
    ],
)
def test_a_category_that_cannot_work_is_refused_at_once(deciders: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ActorSystem("memory://", actors=deciders)


def test_when_opening_fails_the_store_is_given_up_again(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    broken = ActorSystem(url, actors=[decider("a", Noted), decider("b", Same)])
    before = set(threading.enumerate())
    for _ in range(2):
        with pytest.raises(ValueError, match=r"note\.noted"):
            broken.open()
    assert set(threading.enumerate()) <= before
    with pytest.raises(SystemClosedError):
        _ = broken.store
    ActorSystem(url).open().close()


def test_a_system_is_opened_and_closed_without_blocking_the_loop(tmp_path: Any) -> None:
    async def use() -> str:
        system = await ActorSystem(f"sqlite:///{tmp_path}/runs.db").open_async()
        state = system.store.state
        await system.close_async()
        async with system:
            assert system.store.state == state
        return state

    assert asyncio.run(use()) == "open"


def test_a_system_that_is_opened_and_closed_again_and_again_leaves_nothing_behind(
    tmp_path: Any,
) -> None:
    def cycle(number: int) -> None:
        with ActorSystem(f"sqlite:///{tmp_path}/runs.db") as system:
            system.register_step("now", lambda context, step: 1)
            system.register_step("later", later)
            steps = [{"name": "one", "type": "now"}, {"name": "two", "type": "later"}]
            definition = {"name": "w", "steps": steps}
            agent = system.workflow_agent("a")
            runs = agent.start_many([(f"{number}-{i}", {}) for i in range(20)], definition)
            assert {run.result(20)["status"] for run in runs} == {"success"}
            assert system.caught_up(20)

    async def later(context: Any, step: Any) -> int:
        await asyncio.sleep(0)
        return 2

    def objects() -> int:
        gc.collect()
        return len(gc.get_objects())

    before = set(threading.enumerate())
    for number in range(5):
        cycle(number)
    settled = objects()
    for number in range(5, 20):
        cycle(number)
    assert set(threading.enumerate()) <= before
    assert objects() - settled < 2_000  # one system has several times as many


def test_many_runs_are_right_when_threads_switch_all_the_time(switching: None) -> None:
    ran: list[str] = []

    def step(context: Any, step: Any) -> int:
        ran.append(context.idempotency_key)
        seen = context.input["number"] + sum(context[name] for name in context if "step" in name)
        return int(seen)

    steps = [{"name": f"s{i}", "type": "add"} for i in range(10)]
    with ActorSystem("memory://") as system:
        system.register_step("add", step)
        agent = system.workflow_agent("a")
        runs = [(f"r{i}", {"number": i}) for i in range(1_000)]
        handles = agent.start_many(runs, {"name": "w", "steps": steps})
        for number, handle in enumerate(handles):
            outcome = handle.result(40)
            assert outcome["result"] == {f"s{i}": number * 2**i for i in range(10)}
        events = sum(head.version for head in system.store.heads("run"))
        assert system.store.verify() == events == 12_000
    assert len(ran) == len(set(ran)) == 10_000


@pytest.fixture
def switching() -> Any:
    import sys

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("url", ["memory://", MemoryEventStore()])
def test_a_lease_is_for_an_address_and_longer_than_nothing(url: Any) -> None:
    lease, wanted = (
        (0, "a finite number above 0") if isinstance(url, str) else (5, "it to your own store")
    )
    with pytest.raises(ValueError, match=f"lease={lease}: give {wanted}"):
        ActorSystem(url, lease=lease)
