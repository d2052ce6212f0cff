"""The row of a process: there while it reports, old when it does not, gone when it leaves."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.events.memory.store import MemoryEventStore
from indelible.failpoints import Failpoints
from indelible.reports import Reporter
from indelible.service.health_report import Health
from indelible.service.process_rows import PROCESSES, STALE, Process, read_processes
from indelible.service.survey import HEALTHY, UNHEALTHY, UNSERVED, take_survey
from until import eventually


@pytest.fixture
def system(tmp_path: Path) -> Iterator[ActorSystem]:
    with ActorSystem(f"sqlite:///{tmp_path}/runs.db") as system:
        yield system


def processes(system: ActorSystem) -> list[Process]:
    with system.store.read_views() as connection:
        return read_processes(connection)


def change(system: ActorSystem, **values: Any) -> None:
    with system.store.write_views() as connection:
        connection.execute(sa.update(PROCESSES).values(**values))


def age(system: ActorSystem, seconds: float) -> None:
    """Let the clock have gone on since the last reports."""
    change(system, reported_at=PROCESSES.c.reported_at - round(seconds * 1e6))


def test_a_process_is_seen_while_it_reports_and_gone_when_it_has_stopped(
    system: ActorSystem,
) -> None:
    assert processes(system) == []
    with Reporter(system, "api"):
        [process] = processes(system)
    assert processes(system) == []
    assert (process.name, process.pid, process.alive) == ("api", os.getpid(), True)
    assert process.health is not None
    assert process.health.shards.held == 1


def test_reports_go_on_by_themselves(system: ActorSystem) -> None:
    reported = threading.Semaphore(0)
    with Reporter(system, on_report=lambda _health: reported.release()):
        age(system, 2 * STALE)
        for _ in range(2):
            assert reported.acquire(timeout=20)
        [process] = processes(system)
    assert process.alive


@pytest.mark.parametrize("seconds", [STALE + 1, -STALE - 1], ids=["late", "of the future"])
def test_a_report_of_another_time_is_stale(system: ActorSystem, seconds: float) -> None:
    reporter = Reporter(system)
    reporter.report()
    assert take_survey(access_to(system).parts).verdict == HEALTHY
    age(system, seconds)
    survey = take_survey(access_to(system).parts)
    assert not survey.processes[0].alive
    assert survey.verdict == UNHEALTHY
    reporter.report()
    assert take_survey(access_to(system).parts).verdict == HEALTHY
    reporter.stop()
    assert take_survey(access_to(system).parts).verdict == UNSERVED


def test_where_one_process_owns_the_store_its_predecessor_is_dead_at_once(
    system: ActorSystem,
) -> None:
    Reporter(system, "killed").report()  # never stopped
    with Reporter(system, "next"):
        survey = take_survey(access_to(system).parts)
    alive = {process.name: process.alive for process in survey.processes}
    assert alive == {"next": True, "killed": False}
    assert survey.verdict == HEALTHY
    assert "another process has taken its place" in survey.why[0]


def test_rows_of_the_dead_are_kept_for_an_hour(system: ActorSystem) -> None:
    Reporter(system, "killed").report()
    for seconds, left in ((3_000, ["killed", "next"]), (700, ["next"])):
        age(system, seconds)
        with Reporter(system, "next"):
            assert sorted(process.name for process in processes(system)) == left


@pytest.mark.parametrize("report", [b"", b"\xc1", b"\x80", b"\xa1x"])
def test_a_report_that_cannot_be_read_is_no_health(system: ActorSystem, report: bytes) -> None:
    Reporter(system).report()
    change(system, report=report)
    [process] = processes(system)
    assert process.alive
    assert process.health is None
    assert take_survey(access_to(system).parts).verdict == UNHEALTHY


def test_a_process_that_holds_a_lease_and_never_reported_is_alive(system: ActorSystem) -> None:
    Reporter(system).report()
    change(system, reported_at=0, report=b"", lease_until=2**62)
    assert processes(system)[0].alive
    change(system, lease_until=1)
    assert not processes(system)[0].alive


def test_a_store_that_cannot_be_written_is_said_once_and_reported_to_again(
    system: ActorSystem, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from indelible.errors import StoreUnavailableError

    def fail() -> Any:
        raise StoreUnavailableError("disk full")

    seen: list[Health] = []
    reporter = Reporter(system, on_report=seen.append)
    with caplog.at_level(logging.WARNING, "indelible.reports"):
        with monkeypatch.context() as patch:
            patch.setattr(system.store, "write_views", fail)
            reporter.report()
            reporter.report()
            assert [record.getMessage().count("disk full") for record in caplog.records] == [1]
        reporter.report()
        with monkeypatch.context() as patch:
            patch.setattr(system.store, "write_views", fail)
            reporter.report()
            reporter.stop()
    assert len(caplog.records) == 3
    assert len(seen) == 4
    assert len(processes(system)) == 1  # nothing could take it away


def test_a_reporter_ends_with_a_system_that_was_closed_under_it(tmp_path: Path) -> None:
    reported = threading.Semaphore(0)
    system = ActorSystem(f"sqlite:///{tmp_path}/runs.db").open()
    reporter = Reporter(system, on_report=lambda _health: reported.release())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("indelible.reports.INTERVAL", 0.01)
        reporter.__enter__()
        assert reported.acquire(timeout=20)
        system.close()
        reporter._thread.join(20)
        assert not reporter._thread.is_alive()


def test_a_store_in_memory_is_reported_on_like_any_other() -> None:
    store = MemoryEventStore(failpoints=Failpoints(), shards=3)
    with ActorSystem(store) as system, Reporter(system):
        survey = take_survey(access_to(system).parts)
    assert (survey.verdict, survey.shards) == (HEALTHY, 3)


def test_on_postgresql_the_report_goes_into_the_row_that_the_store_keeps(postgres_url: str) -> None:
    with ActorSystem(postgres_url) as first, ActorSystem(postgres_url) as second:
        silent = take_survey(access_to(first).parts)
        assert [process.health for process in silent.processes] == [None, None]
        assert all(process.alive for process in silent.processes)
        with Reporter(first, "first"), Reporter(second, "second"):
            survey = take_survey(access_to(second).parts)

            def is_settled() -> bool:
                """Whether no shard changes hands any more, and both have reported after that."""
                nonlocal survey
                survey = take_survey(access_to(second).parts)
                held = sum(process.shards for process in survey.processes)
                ready = [bool(one.health and one.health.ready) for one in survey.processes]
                return held == survey.shards and all(ready)

            eventually(is_settled)
            assert {process.name for process in survey.processes} == {"first", "second"}
            assert (survey.verdict, survey.why) == (HEALTHY, [])
        assert len(processes(first)) == 2
        second.close()
        assert [process.name for process in processes(first)] == ["first"]


def test_on_postgresql_a_row_that_was_taken_away_is_not_made_twice(postgres_url: str) -> None:
    with ActorSystem(postgres_url) as system:
        with system.store.write_views() as connection:
            connection.execute(sa.delete(PROCESSES))
        reporter = Reporter(system, "x")
        reporter.report()
        assert len(processes(system)) <= 1  # the store's next lease brings it back
        reporter.stop()


def test_a_report_can_be_had_before_it_is_due(
    system: ActorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indelible.reports.INTERVAL", 3_600.0)
    reported = threading.Semaphore(0)
    with Reporter(system, on_report=lambda _health: reported.release()) as reporter:
        assert reported.acquire(timeout=20)  # the one of the beginning
        reporter.report_now()
        assert reported.acquire(timeout=20)
