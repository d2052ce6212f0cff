"""A host that gives no thread: nothing is lost, health says so, and all goes on with one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from indelible import ActorSystem, WorkflowAgent
from indelible.errors import AskTimeoutError, StoreOwnedError, ThreadUnavailableError
from indelible.threads import refusals

Flow = dict[str, Any]


class Scarcity:
    """Refuses the threads whose names contain something given, while it lasts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refused = threading.Semaphore(0)
        self.names: list[str] = []
        self._parts: tuple[str, ...] = ()
        self._left = -1
        start = threading.Thread.start

        def refuse_or_start(thread: threading.Thread) -> None:
            if not self._refuses(thread.name):
                start(thread)
                return
            self.names.append(thread.name)
            self.refused.release()
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuse_or_start)

    def begin(self, *parts: str, times: int = -1) -> None:
        """Refuse threads that are called so, ``times`` or for good."""
        self._parts, self._left = parts, times

    def end(self) -> None:
        self._parts = ()

    def wait(self) -> None:
        assert self.refused.acquire(timeout=50), "no thread was refused"

    def _refuses(self, name: str) -> bool:
        if not self._left or not any(part in name for part in self._parts):
            return False
        self._left -= 1
        return True


@pytest.fixture
def scarcity(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scarcity]:
    scarcity = Scarcity(monkeypatch)
    yield scarcity
    scarcity.end()
    assert not refusals, "nothing may be left that waits for a thread"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/scarce.db"


def quick() -> str:
    return "quick"


async def soon() -> str:
    return "soon"


def opened(url: str) -> ActorSystem:
    system = ActorSystem(url)
    system.register_step("quick", quick)
    system.register_step("soon", soon)
    return system.open()


def flow(*kinds: str) -> Flow:
    return {"name": "w", "steps": [{"name": kind, "type": kind} for kind in kinds]}


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        ("indelible-actors", "quick"),
        ("indelible-steps", "quick"),
        ("indelible-loop", "soon"),
    ],
)
def test_a_run_whose_thread_is_refused_goes_on_when_there_is_one(
    url: str, scarcity: Scarcity, *, beginning: str, kind: str
) -> None:
    with opened(url) as system:
        scarcity.begin(beginning)
        run = system.workflow_agent("a")
        outcomes: list[Any] = []

        def execute() -> None:
            outcomes.append(run.execute_workflow(flow(kind), timeout=50))

        caller = threading.Thread(target=execute)
        caller.start()
        scarcity.wait()
        health = system.health()
        assert (health["ready"], health["state"]) == (False, "unavailable")
        assert f"the host gives no thread for {beginning}" in health["why"][0]
        scarcity.wait()  # it is tried again
        scarcity.end()
        caller.join(50)
        assert [outcome["status"] for outcome in outcomes] == ["success"]
        refusals.try_again()
        assert system.health()["ready"]


def blocking(agent: WorkflowAgent, timeout: float) -> Any:
    return agent.execute_workflow(flow("quick"), run_id="r", timeout=timeout)


def on_a_loop(agent: WorkflowAgent, timeout: float) -> Any:
    return asyncio.run(agent.execute_workflow_async(flow("quick"), run_id="r", timeout=timeout))


@pytest.mark.parametrize("execute", [blocking, on_a_loop])
def test_a_call_that_no_thread_answers_says_so(
    url: str, scarcity: Scarcity, execute: Callable[[WorkflowAgent, float], Any]
) -> None:
    with opened(url) as system:
        agent = system.workflow_agent("a")
        scarcity.begin("indelible-actors")
        with pytest.raises(AskTimeoutError, match=r"no thread for indelible-actors.*; it may"):
            execute(agent, 0.1)
        scarcity.end()
        assert execute(agent, 50)["status"] == "success"


def test_pools_that_cannot_grow_go_on_and_grow_when_there_are_threads(
    url: str, scarcity: Scarcity
) -> None:
    both = threading.Barrier(2)

    with opened(url) as system:
        system.register_step("meet", lambda: both.wait(50) >= 0)
        system.workflow_agent("a").execute_workflow(flow("quick"), timeout=50)
        scarcity.begin("indelible-steps")
        steps = [{"name": name, "type": "meet"} for name in "ab"]
        run = system.workflow_agent("a").start(
            {"name": "w", "steps": [{"name": "p", "pattern": "parallel", "steps": steps}]}
        )
        scarcity.wait()
        assert "indelible-steps" in system.health()["why"][0]
        scarcity.end()
        assert run.result(50)["status"] == "success"


@pytest.mark.parametrize("beginning", ["event store", "indelible-snapshots", "indelible-answers"])
def test_threads_for_the_side_are_no_condition_of_a_run(
    url: str, scarcity: Scarcity, beginning: str
) -> None:
    with opened(url) as system:
        scarcity.begin(beginning)
        outcome = system.workflow_agent("a").execute_workflow(flow("quick", "soon"), timeout=50)
        assert outcome["status"] == "success"
    scarcity.end()
    with opened(url) as system:
        assert len(system.workflow_agent("a").start(flow("quick")).events()) > 0


@pytest.mark.parametrize("beginning", ["indelible-timers", "indelible-views", "indelible-inbox"])
def test_an_open_that_gets_too_few_threads_leaves_nothing(
    url: str, scarcity: Scarcity, beginning: str
) -> None:
    with opened(url) as system:
        system.register_step("cut off", asyncio.Event().wait)
        system._drain = 0.0
        run_id = system.workflow_agent("a").start(flow("cut off")).run_id
    before = set(threading.enumerate())
    scarcity.begin(beginning)
    system = ActorSystem(url)
    begun = threading.Event()
    system.register_step("cut off", begun.set)
    with pytest.raises(ThreadUnavailableError, match=beginning):
        system.open()
    assert set(threading.enumerate()) <= before
    assert not begun.is_set()
    with pytest.raises(ThreadUnavailableError):
        system.open()  # the owner's lock was given back, or this would say that it is owned
    scarcity.end()
    with system:
        assert system.run(run_id).result(50)["status"] == "success"
    with opened(url), pytest.raises(StoreOwnedError):
        ActorSystem(url).open()


def test_a_consumer_without_a_thread_is_an_error_and_frees_its_name(
    url: str, scarcity: Scarcity
) -> None:
    with opened(url) as system:
        scarcity.begin("indelible-consumer")
        with pytest.raises(ThreadUnavailableError, match="indelible-consumer-billing"):
            system.consume("billing", lambda batch: None)
        assert not system.health()["why"]
        scarcity.end()
        task = system.consume("billing", lambda batch: None)
        assert task.stop(50)
        assert task.state == "stopped"


def test_a_command_for_another_process_waits_for_its_thread(url: str, scarcity: Scarcity) -> None:
    with opened(url), ActorSystem(url, mode="client") as client:
        scarcity.begin("indelible-inbox-client", times=2)
        outcome = client.workflow_agent("a").execute_workflow(flow("quick"), timeout=50)
        assert outcome["status"] == "success"
        assert scarcity.names == ["indelible-inbox-client"] * 2


def call_often(function: Callable[[], object], times: int) -> None:
    for _ in range(times):
        function()


def test_a_refusal_is_logged_once_and_not_each_time(
    url: str, scarcity: Scarcity, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(url) as system:
        scarcity.begin("indelible-steps")
        run = system.workflow_agent("a").start(flow("quick"))
        while "indelible-steps-1" not in scarcity.names:  # its watcher may be refused before it
            scarcity.wait()
        call_often(refusals.try_again, 20)
        scarcity.end()
        assert run.result(50)["status"] == "success"
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    tried = [text for text in said if "it is tried again" in text]
    reason = "could not be started (can't start new thread); it is tried again"
    assert f"thread indelible-steps-1 {reason}" in tried
    assert len(tried) == len({text.split()[1].rstrip("0123456789") for text in tried})


@pytest.mark.parametrize(
    "beginning", ["watchdog", "leases", "deadlines", "hints", "indelible-inbox"]
)
def test_on_postgresql_an_open_that_gets_too_few_threads_gives_the_shards_back(
    postgres_url: str, scarcity: Scarcity, beginning: str
) -> None:
    before = set(threading.enumerate())
    scarcity.begin(beginning)
    with pytest.raises(ThreadUnavailableError, match=beginning):
        ActorSystem(postgres_url).open()
    for thread in set(threading.enumerate()) - before:
        thread.join(50)  # the watchdog, which nobody waits for
        assert not thread.is_alive()
    scarcity.end()
    with ActorSystem(postgres_url) as system:  # at once, without waiting for a lease to end
        assert system.health()["shards"] == {"held": 64, "of": 64}
