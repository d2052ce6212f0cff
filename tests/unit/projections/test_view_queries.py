"""Views: pages, filters, sums that add up, figures of agents."""

from __future__ import annotations

from typing import Any

import pytest

from indelible.events.model.run_events import (
    RunAccepted,
    RunCompleted,
    RunFailed,
    RunQuarantined,
    StepCompleted,
    StepFailed,
    StepOutcomeUnknown,
)
from indelible.projections.queries.view_lag import ViewLag

T0 = 1_700_000_000_000_000
HOUR = 3_600_000_000


def accepted(run_id: str) -> RunAccepted:
    return RunAccepted(run_id, "etl", "w", b"", b"", 2, T0, (("s", 1),))


def completed() -> StepCompleted:
    return StepCompleted("s", 1, T0 + 5, 10)


@pytest.fixture
def busy(log: Any) -> Any:
    """Seven runs of two agents, in most states."""
    for number in range(7):
        agent = "etl" if number < 5 else "ops"
        log.append(
            str(number),
            RunAccepted(str(number), agent, "w", b"", b"", 1, T0 + number // 2, (("s", 1),)),
        )
        log.clock.advance(1)
    log.append("0", StepCompleted("s", 1, T0 + 50, 40, cpu=1_500_000))
    log.append("0", RunCompleted(T0 + 50, "success", 1, 0, 0, 1_000_000, 3_000_000, "etl"))
    log.append("1", StepCompleted("s", 1, T0 + 50, 60, cpu=500_000))
    log.append("1", RunCompleted(T0 + 50, "success", 1, 0, 0, 3_000_000, 1_000_000, "etl"))
    log.append("2", StepFailed("s", 1, T0 + 50, 50, "E", "x", final=True))
    log.append("2", RunFailed(T0 + 50, "s", "E", "x", 0, 1, 0, 2_000_000, 500_000, "etl"))
    log.append("3", RunQuarantined(T0 + 50, "s", 10))
    log.append("5", StepOutcomeUnknown("s", 1, T0 + 50))
    log.settle(log.engine())
    return log.views


def test_runs_come_newest_first_and_page_by_page_without_a_gap(busy: Any) -> None:
    everything = busy.runs()
    assert [row.run_id for row in everything] == ["6", "5", "4", "3", "2", "1", "0"]
    pages, last = [], None
    while page := busy.runs(limit=2, after=last):
        pages += page
        last = page[-1]
    assert pages == everything


def test_runs_are_found_by_state_and_agent(busy: Any) -> None:
    assert [row.run_id for row in busy.runs(state="completed")] == ["1", "0"]
    assert [row.run_id for row in busy.runs(agent="ops")] == ["6", "5"]
    assert [row.run_id for row in busy.runs(agent="ops", state="waiting")] == ["5"]


def test_a_run_that_does_not_exist_is_none(busy: Any) -> None:
    assert busy.run("nobody") is None


@pytest.mark.parametrize(
    ("agent", "active", "completed", "failed", "total"),
    [(None, 3, 2, 2, 7), ("etl", 1, 2, 2, 5), ("ops", 2, 0, 0, 2), ("nobody", 0, 0, 0, 0)],
)
def test_the_summary_adds_up(
    busy: Any, agent: str | None, active: int, completed: int, failed: int, total: int
) -> None:
    summary = busy.summary(agent)
    assert (summary.active, summary.completed, summary.failed, summary.total) == (
        active,
        completed,
        failed,
        total,
    )
    assert summary.active + summary.completed + summary.failed == summary.total
    assert sum(summary.by_state.values()) == summary.total


def test_an_agent_has_its_figures(busy: Any) -> None:
    [etl] = busy.metrics("etl")
    assert (etl.requests, etl.succeeded, etl.failed, etl.quarantined) == (4, 2, 1, 1)
    assert (etl.active, etl.success_rate, etl.errors) == (1, 50.0, 2)
    assert etl.response_mean_ms == 2_000
    assert etl.response_p50_ms == pytest.approx(2_000, rel=0.01)
    assert etl.response_p99_ms == pytest.approx(3_000, rel=0.01)
    assert (etl.steps_completed, etl.steps_failed) == (2, 1)
    assert etl.step_time_s == pytest.approx(150e-6)
    assert (etl.memory_mb, etl.memory_max_mb, etl.cpu_s) == (0.5, 3.0, 2.0)
    assert etl.uptime_hours(etl.first_at + HOUR) == 1.0
    assert etl.steps_per_minute == pytest.approx(2 / ((etl.last_at - etl.first_at) / 60e6))


def test_what_was_not_measured_is_none_and_never_a_made_up_number(busy: Any) -> None:
    [ops] = busy.metrics("ops")
    assert (ops.requests, ops.success_rate, ops.response_mean_ms) == (0, None, None)
    assert (ops.response_p50_ms, ops.response_p99_ms) == (None, None)
    assert busy.metrics("nobody") == []


def test_all_agents_come_by_name(busy: Any) -> None:
    assert [row.agent for row in busy.metrics()] == ["etl", "ops"]


def test_a_reader_sees_how_far_the_views_are_behind_in_events_and_in_time(log: Any) -> None:
    engine = log.engine(batch=1)
    assert log.views.lag() == {}
    for step in (accepted("1"), completed(), completed()):
        log.append("1", step)
        log.clock.advance(1.5)
    engine.step()
    assert log.views.cursors() == {"workflow_status": {0: 1}, "metrics": {0: 1}}
    behind = ViewLag(events=2, seconds=1.5, since=T0 + 1_500_000)
    assert log.views.lag() == {"workflow_status": behind, "metrics": behind}
    log.settle(engine)
    assert log.views.lag() == {"workflow_status": ViewLag(), "metrics": ViewLag()}


def test_parked_events_are_found_by_view_and_state_and_place(log: Any) -> None:
    log.append("1", log.unreadable())
    log.settle(log.engine())
    assert [row.projection for row in log.views.parked()] == ["metrics", "workflow_status"]
    [row] = log.views.parked("metrics", state="parked")
    assert row == log.views.parked_at("metrics", 0, 1)
    assert log.views.parked(state="skipped") == []
    assert log.views.parked_at("metrics", 0, 2) is None
