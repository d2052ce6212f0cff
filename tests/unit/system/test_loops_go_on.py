"""Loops of our own threads: an error that nobody expected is logged, shows in health, ends none."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from indelible import ActorSystem
from indelible.events.lease.lease_term import LeaseTerm
from indelible.loops import Loop, failing_loops
from indelible.reports import Reporter

FLOW = {"name": "w", "steps": [{"name": "s", "type": "quick"}]}
FAILED = "failed and goes on after a pause"


class Faulty:
    """Makes a method raise the first times it is called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.raised = threading.Semaphore(0)
        self.again = threading.Semaphore(0)
        self.passed = threading.Semaphore(0)

    def fail(self, place: str, times: int = 2) -> None:
        """``place`` is module:class.method."""
        module, _, path = place.partition(":")
        owner, _, name = path.partition(".")
        cls = getattr(import_module(f"indelible.{module}"), owner)
        original: Callable[..., Any] = getattr(cls, name)
        left = iter(range(times))

        def method(*args: Any, **options: Any) -> Any:
            if next(left, None) is not None:
                self.raised.release()
                raise KeyError("nobody expected this")
            self.again.release()
            result = original(*args, **options)
            self.passed.release()
            return result

        self._monkeypatch.setattr(cls, name, method)

    def wait(self, times: int = 2) -> None:
        for _ in range(times):
            assert self.raised.acquire(timeout=50)


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Faulty:
    return Faulty(monkeypatch)


def opened(url: str, **options: Any) -> ActorSystem:
    system = ActorSystem(url, **options)
    system.register_step("quick", lambda: None)
    return system


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    return [text.removesuffix(f" {FAILED}") for text in said if text.endswith(FAILED)]


def test_a_loop_logs_once_shows_why_it_fails_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    turns = iter([True, KeyError("one"), SystemExit("two"), True, KeyError("three"), False])
    shown: list[list[str]] = []

    def turn() -> bool:
        shown.append(failing_loops())
        result = next(turns)
        if isinstance(result, BaseException):
            raise result
        return bool(result)

    pauses: list[float] = []
    Loop("test").run(turn, pauses.append)
    one, two, three = (
        "test (KeyError: 'one')",
        "test (SystemExit: two)",
        "test (KeyError: 'three')",
    )
    assert shown == [[], [], [one], [two], [], [three]]
    assert pauses == [0.05, 0.1, 0.05]
    assert failures(caplog) == ["test", "test"]
    assert failing_loops() == []


def test_the_inbox_is_followed_on(
    tmp_path: Path, faulty: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    faulty.fail("remote.inbox_worker:InboxWorker._poll_until_stopped")
    with opened(url), opened(url, mode="client") as client:
        faulty.wait()
        outcome = client.workflow_agent("a").execute_workflow(FLOW, timeout=50)
        assert outcome["status"] == "success"
    assert failures(caplog) == ["indelible-inbox"]


def test_commands_of_other_processes_are_asked_on(tmp_path: Path, faulty: Faulty) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    faulty.fail("remote.inbox_client:InboxClient._expire")
    with opened(url), opened(url, mode="client") as client:
        outcome = client.workflow_agent("a").execute_workflow(FLOW, timeout=50)
        assert outcome["status"] == "success"
        faulty.wait()


def test_views_go_on_and_health_says_so_meanwhile(faulty: Faulty) -> None:
    with opened("memory://") as system:
        hold = threading.Event()
        rest = Loop.failed

        def failed(self: Loop, error: BaseException) -> None:
            rest(self, error)
            faulty.raised.release()
            hold.wait(50)

        faulty._monkeypatch.setattr(Loop, "failed", failed)
        faulty.fail("projections.engine.view_engine:Engine.step", times=1)
        system.workflow_agent("a").execute_workflow(FLOW, timeout=50)
        faulty.wait()
        health = system.health()
        hold.set()
        assert not health["ready"]
        (why,) = health["why"]
        assert "indelible-views (KeyError: 'nobody expected this'): see the log" in why
        assert system.caught_up(50)
        assert faulty.passed.acquire(timeout=50)


def test_pools_grow_on(faulty: Faulty) -> None:
    both = threading.Barrier(2)
    faulty.fail("actors.runtime.pool.workers:Workers._adapt_width")
    with ActorSystem("memory://") as system:
        system.register_step("meet", lambda: both.wait(50) >= 0)
        steps = [{"name": name, "type": "meet"} for name in "ab"]
        block = {"name": "p", "pattern": "parallel", "steps": steps}
        run = system.workflow_agent("a").start({"name": "w", "steps": [block]})
        assert run.result(50)["status"] == "success"
        faulty.wait()


def test_reports_are_written_on(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("indelible.reports.INTERVAL", 0.01)
    with opened("memory://") as system, Reporter(system) as reporter:
        faulty.fail("reports:Reporter.report")
        reporter.report_now()
        faulty.wait()
        assert faulty.passed.acquire(timeout=50)
    assert failures(caplog) == ["indelible-reports"]


def test_a_failing_store_is_probed_on(faulty: Faulty) -> None:
    faulty.fail("events.commit.group_commit:GroupCommit._probe")
    with opened("memory://") as system:
        system.store._group._mark_unavailable(None)  # type: ignore[attr-defined]
        faulty.wait()
        outcome = None
        assert faulty.passed.acquire(timeout=50)
        outcome = system.workflow_agent("a").execute_workflow(FLOW, timeout=50)
        assert outcome["status"] == "success"


@pytest.mark.parametrize(
    ("place", "thread"),
    [
        ("events.postgres.lease.lease_keeper:LeaseKeeper._tick", "leases"),
        ("events.postgres.lease.lease_deadlines:LeaseDeadlines._wait", "deadlines"),
        ("events.postgres.notify.notifier:Notifier._send", "hints"),
        ("events.postgres.connect.watchdog:Watchdog.check", "watchdog"),
        ("events.postgres.notify.listener:NotifyListener._listen", "hints of others"),
        ("events.lease.role_holder:RoleHolder.renew", "indelible-roles"),
    ],
)
def test_threads_of_a_store_on_postgresql_go_on(
    postgres_url: str, faulty: Faulty, caplog: pytest.LogCaptureFixture, place: str, thread: str
) -> None:
    faulty.fail(place)
    quick = LeaseTerm(10.0)
    quick.pause = 0.01
    faulty._monkeypatch.setattr("indelible.events.lease.role_holder.LeaseTerm", lambda _: quick)
    with opened(postgres_url, lease=2.0) as system, system.consumer("c"):
        system.workflow_agent("a").execute_workflow(FLOW, timeout=50)
        system.consume("d", lambda batch: None)
        faulty.wait()
        assert faulty.again.acquire(timeout=50)
    assert [name.endswith(thread) for name in failures(caplog)] == [True]
