"""A whole system whose database goes silent: its calls return in their time, and it says so."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from indelible import ActorSystem, step
from indelible.api.run_handle import RunHandle
from indelible.errors import AskTimeoutError, ResultTimeoutError, StoreUnavailableError
from indelible.testing.hold import Hold
from members import LONG
from silent_proxy import SilentProxy
from unit.inbox.counters import Add, Counter

DEFINITION = {"name": "w", "steps": [{"name": "one", "type": "stand"}]}
SOON = 0.2
"""Seconds that calls are given; the database has 20 for an answer, and a lease lasts 60."""


class Scene:
    """A system behind a proxy, and a run in it that does not end by itself."""

    def __init__(self, proxy: SilentProxy, hold: Hold) -> None:
        self.proxy = proxy
        self.hold = hold

        @step("stand")
        def stand() -> None:
            hold()

        self.options: dict[str, Any] = {"steps": [stand], "actors": [Counter()], "drain": 0.1}

    def system(self, **options: Any) -> ActorSystem:
        return ActorSystem(**{"url": self.proxy.url, "lease": LONG, **self.options, **options})


@pytest.fixture
def scene(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr("indelible.assembly.lifecycle.GRACE", 0.2)
    hold = Hold()
    hold.close()
    with SilentProxy(postgres_url) as proxy:
        yield Scene(proxy, hold)
        hold.open()


def begin(call: Callable[[], Any]) -> Future[Any]:
    """Begin ``call`` on a thread of its own."""
    future: Future[Any] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def outcome(call: Future[Any]) -> Any:
    """What ``call`` returns or raises, in less time than the database may take."""
    return call.exception(LONG / 4) or call.result()


Call = Callable[[ActorSystem, RunHandle], Any]
CALLS: dict[str, tuple[Call, type | bool]] = {
    "result": (lambda _, run: run.result(SOON), ResultTimeoutError),
    "result_async": (
        lambda _, run: asyncio.run(run.result_async(SOON)),
        ResultTimeoutError,
    ),
    "ask": (
        lambda system, _: system.actor("counter", "a").ask(Add(1), timeout=SOON),
        AskTimeoutError,
    ),
    "ask_async": (
        lambda system, _: asyncio.run(system.actor("counter", "a").ask_async(Add(1), timeout=SOON)),
        AskTimeoutError,
    ),
    "execute": (
        lambda system, _: system.workflow_agent("a").execute_workflow(DEFINITION, timeout=SOON),
        AskTimeoutError,
    ),
    "execute_async": (
        lambda system, _: asyncio.run(
            system.workflow_agent("a").execute_workflow_async(DEFINITION, timeout=SOON)
        ),
        AskTimeoutError,
    ),
    "caught_up": (lambda system, _: system.caught_up(SOON), False),
    "caught_up_async": (lambda system, _: asyncio.run(system.caught_up_async(SOON)), False),
}


def check_calls(system: ActorSystem, run: RunHandle) -> None:
    """Each call with a time-out comes back in time, and says what it has to say.

    They begin together: each waits on a connection of its own.
    """
    begun = {name: begin(functools.partial(call, system, run)) for name, (call, _) in CALLS.items()}
    came = {name: outcome(call) for name, call in begun.items()}
    told = {name: one if isinstance(one, bool) else type(one) for name, one in came.items()}
    assert told == {name: wanted for name, (_, wanted) in CALLS.items()}


def test_calls_of_an_owner_keep_their_time_when_the_database_is_silent(scene: Scene) -> None:
    with scene.system() as system:
        run = system.workflow_agent("a").start(DEFINITION, run_id="r")
        scene.hold.wait()
        scene.proxy.silence(newcomers=True)
        check_calls(system, run)


def test_calls_of_a_client_keep_their_time_when_the_database_is_silent(
    scene: Scene, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "indelible.service.health.READ_TIMEOUT", SOON
    )  # what health() gives the database
    with scene.system(url=postgres_url) as owner, scene.system(mode="client") as client:
        owner.workflow_agent("a").start(DEFINITION, run_id="r")
        scene.hold.wait()
        run = client.run("r")
        client.actor("counter", "a").ask(Add(1))
        scene.proxy.silence(newcomers=True)
        health = begin(client.health)
        check_calls(client, run)
        assert isinstance(outcome(health), StoreUnavailableError)
        scene.hold.open()


def test_closing_keeps_its_limit_when_the_database_is_silent(scene: Scene) -> None:
    system = scene.system()
    system.open()
    system.workflow_agent("a").start(DEFINITION, run_id="r")
    scene.hold.wait()
    scene.proxy.silence(newcomers=True)
    assert outcome(begin(system.close)) is None


def test_a_system_is_ready_again_once_its_database_speaks(scene: Scene) -> None:
    with scene.system(lease=6.0) as system:
        assert system.health()["ready"]
        scene.proxy.silence(newcomers=True)
        while (health := system.health())["ready"]:
            pass
        assert health["state"] == "unavailable"
        while system.health()["shards"]["held"]:
            pass
        assert not system.health()["ready"]
        scene.proxy.speak()
        while not (health := system.health())["ready"] or not health["shards"]["held"]:
            pass
