"""A client whose service is gone is told so, with what is known, and goes on when one is back."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from indelible import ActorSystem, step
from indelible.clock import ManualClock
from indelible.errors import ResultTimeoutError, SystemClosedError
from indelible.reports import Reporter
from indelible.service.service_watch import CHECK_INTERVAL, ServiceWatch

HERE = f"process {os.getpid()} on {socket.gethostname()}"
DEFINITION = {"name": "w", "steps": [{"name": "s", "type": "gate"}]}
PATIENCE = 30.0


class Scene:
    """A service whose one step waits, a client of it, and the client's clock."""

    def __init__(self, url: str) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        self.clock = ManualClock()

        @step("gate")
        def gate() -> str:
            self.began.set()
            self.go_on.wait(PATIENCE)
            return "open"

        self.service = ActorSystem(url, steps=[gate], drain=0)
        self.client = ActorSystem(url, mode="client")

    def watch(self) -> ServiceWatch:
        return ServiceWatch(self.client.store, self.clock)

    def look(self, watch: ServiceWatch) -> str:
        self.clock.advance(CHECK_INTERVAL)
        return watch.check()


@pytest.fixture
def scene(each_url: str) -> Iterator[Scene]:
    scene = Scene(each_url)
    with scene.service, scene.client:
        yield scene
        scene.go_on.set()


def test_a_service_that_is_gone_is_named_and_so_is_the_one_that_follows(scene: Scene) -> None:
    watch = scene.watch()
    assert scene.look(watch) == ""
    scene.service.close()
    assert scene.look(watch) == ""  # it may be back in a moment
    said = scene.look(watch)
    assert said.startswith(f"{HERE}, which served ")
    assert "is gone; runs and commands wait until a process serves the store" in said
    assert "indelible serve" in said
    assert scene.look(watch) == ""  # once is enough
    scene.service.open()
    assert scene.look(watch).startswith(f"{HERE} serves ")
    assert scene.look(watch) == ""


def test_looks_come_once_a_second(scene: Scene) -> None:
    watch = scene.watch()
    scene.look(watch)
    scene.client.close()
    assert watch.check() == ""  # else it would have met the closed store
    with pytest.raises(SystemClosedError):
        scene.look(watch)
    scene.client.open()


def test_a_service_that_hangs_is_absent_though_it_holds_the_store(scene: Scene) -> None:
    watch = scene.watch()
    scene.look(watch)
    reporter = Reporter(scene.service)
    reporter.report()
    with scene.service.store.write_views() as connection:
        connection.execute(sa.text("UPDATE processes SET reported_at = reported_at - 12000000"))
    scene.look(watch)
    assert f"{HERE}, which served" in (said := scene.look(watch))
    assert "was last heard of 12 s ago" in said
    reporter.report()
    assert "serves" in scene.look(watch)


def test_a_client_that_has_met_no_service_says_that_none_is_there(scene: Scene) -> None:
    scene.service.close()
    assert scene.watch().absence().startswith("no process serves ")


def test_the_end_of_the_wait_says_that_no_process_goes_on_with_the_run(scene: Scene) -> None:
    run = scene.client.workflow_agent("a").start(DEFINITION, run_id="r")
    with pytest.raises(ResultTimeoutError, match="it continues: call result"):
        run.result(0.01)
    assert scene.began.wait(PATIENCE)
    scene.service.close()
    with pytest.raises(
        ResultTimeoutError, match=r"which served .* is gone; runs and commands wait"
    ) as late:
        run.result(0.01)
    assert late.value.unserved
    with pytest.raises(
        ResultTimeoutError, match=r"which served .* is gone; runs and commands wait"
    ):
        asyncio.run(run.result_async(0.01))
    scene.service.open()


def test_who_waits_is_warned_once_and_gets_the_result_when_a_service_is_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indelible.service.service_watch.CHECK_INTERVAL", 0.001)
    found = finds_a_service(monkeypatch)
    run = scene.client.workflow_agent("a").start(DEFINITION, run_id="r")
    assert scene.began.wait(PATIENCE)
    ended: list[Any] = []
    waiter = threading.Thread(target=lambda: ended.append(run.result(PATIENCE)["status"]))
    waiter.start()
    heard = Heard()
    assert found.wait(PATIENCE)  # or it would not know which one has gone
    logging.getLogger("indelible.clients").addHandler(heard)
    try:
        scene.service.close()
        assert heard.event.wait(PATIENCE)
        scene.go_on.set()
        scene.service.open()
        waiter.join(PATIENCE)
    finally:
        logging.getLogger("indelible.clients").removeHandler(heard)
    assert ended == ["success"]
    assert heard.said[0].startswith(f"{HERE}, which served ")


def finds_a_service(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a watch has seen that the store is served."""
    found, absence = threading.Event(), ServiceWatch.absence

    def look(watch: ServiceWatch) -> str:
        words = absence(watch)
        if not words:
            found.set()
        return words

    monkeypatch.setattr(ServiceWatch, "absence", look)
    return found


class Heard(logging.Handler):
    """Hears the first warning."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.event = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
        self.event.set()
