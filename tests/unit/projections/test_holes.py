"""A view that comes to a position without an event parks that position, and goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from at_rest import lose
from indelible.errors import StoreCorruptError
from indelible.events.model.projection_events import EventRetried, stream_of
from indelible.projections.queries.views_as_of import TimedViews
from indelible.projections.views.custom import CustomView
from indelible.projections.views.default_views import default_projections
from unit.projections.conftest import T0, Log, accepted, completed

VIEWS = ("metrics", "workflow_status")


def places(log: Log) -> dict[str, list[int]]:
    return {name: [event.position for event in log.views.parked(name)] for name in VIEWS}


def test_lost_events_are_parked_and_all_others_are_applied(log: Any) -> None:
    for run in ("1", "2", "3"):
        log.run(run)  # four events each
    lose(log.store, "run-1", 2)
    lose(log.store, "run-2", 3, 4)
    engine = log.engine(batch=3, kept=1)
    log.settle(engine)
    assert places(log) == {name: [2, 7, 8] for name in VIEWS}
    assert "is missing" in log.views.parked("metrics")[0].error
    assert log.views.run("1").steps_completed == 1
    assert log.views.run("2").state == "running"
    assert (log.views.run("3").state, log.views.run("3").steps_completed) == ("completed", 2)
    engine.rebuild("workflow_status")
    before = log.rows()
    log.settle(engine)
    assert log.rows()["workflow_status"] == before["workflow_status"]
    assert places(log) == {name: [2, 7, 8] for name in VIEWS}


def test_what_stays_lost_stays_parked_when_it_is_retried(log: Any) -> None:
    for run in ("1", "2"):
        log.run(run)
    lose(log.store, "run-1", 2)
    engine = log.engine(kept=1)
    log.settle(engine)
    before = log.rows()
    for name in VIEWS:
        log.append_to(stream_of(name), EventRetried(name, 0, 2, T0))
    log.settle(engine)
    assert places(log) == {name: [2] for name in VIEWS}
    assert {name: log.rows()[name] for name in VIEWS} == {name: before[name] for name in VIEWS}


def test_a_parked_event_of_a_stream_with_a_hole_stays_parked_when_it_is_retried(log: Any) -> None:
    log.append("1", completed())  # of a run that was never accepted
    log.run("2")
    log.append("1", completed(), completed())
    engine = log.engine(kept=1)
    log.settle(engine)
    lose(log.store, "run-1", 2)
    name = "workflow_status"
    log.append_to(stream_of(name), EventRetried(name, 0, 1, T0))
    log.settle(engine)
    parked = {event.position: event.error for event in log.views.parked(name)}
    assert "'run-1' at version 2" in parked[1]


def test_views_of_the_past_are_folded_around_what_is_lost(log: Any) -> None:
    for run in ("1", "2"):
        log.run(run)
    lose(log.store, "run-1", 2)
    views = TimedViews(log.store, log.types, lambda: (*default_projections(), *map(CustomView, ())))
    past = views.as_of(datetime(2100, 1, 1, tzinfo=UTC))
    assert [event.position for event in past.parked("metrics")] == [2]
    assert [row.state for row in past.runs()] == ["completed", "completed"]


def test_the_lag_of_a_log_whose_last_event_is_lost_is_an_error_of_ours(log: Any) -> None:
    log.run("1")
    log.settle(log.engine())
    log.append("2", accepted("2"))
    lose(log.store, "run-2", 1)
    with pytest.raises(StoreCorruptError, match="position 5 of shard 0"):
        log.views.lag()
