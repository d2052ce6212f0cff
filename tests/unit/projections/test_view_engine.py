"""The engine: cursor and rows move together, a bad event stops nothing, a database may go away."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import exc

from indelible.errors import StoreUnavailableError
from indelible.events.model.run_events import RunAccepted, StepCompleted
from indelible.projections.views.metrics import Metrics
from indelible.projections.views.workflow_status import WorkflowStatus

T0 = 1_700_000_000_000_000


def fails(*_: object) -> None:
    raise OSError("pulled the plug")


def test_rows_and_cursor_move_together_or_not_at_all(log: Any) -> None:
    log.run("1")
    engine = log.engine(view_before=fails)
    before = log.rows()
    for _ in range(5):
        log.clock.advance(10)
        engine.step()
    assert log.rows() == before
    log.settle(log.engine())
    assert log.views.run("1").steps_completed == 2
    assert log.views.cursors()["metrics"] == {0: 4}


def test_a_batch_whose_commit_was_lost_and_happened_is_not_applied_twice(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_views, lost = log.store.write_views, [1]

    @contextmanager
    def flaky() -> Any:
        with write_views() as connection:
            yield connection
        if lost:
            lost.pop()
            raise StoreUnavailableError("no answer")

    monkeypatch.setattr(log.store, "write_views", flaky)
    log.run("1")
    log.settle(log.engine())
    assert not lost
    assert log.views.run("1").steps_completed == 2
    assert log.views.metrics("etl")[0].steps_completed == 2


def test_an_event_that_cannot_be_read_is_parked_and_stops_no_other(log: Any) -> None:
    log.run("1")
    log.append("1", log.unreadable())
    log.run("2")
    log.settle(log.engine())
    assert {row.run_id: row.state for row in log.views.runs()} == {
        "1": "completed",
        "2": "completed",
    }
    parked = log.views.parked()
    assert [(row.projection, row.position, row.type) for row in parked] == [
        ("metrics", 5, "run.step_completed"),
        ("workflow_status", 5, "run.step_completed"),
    ]
    assert "EventDecodeError" in parked[0].error
    assert parked[0].parked_at == T0


def test_an_event_that_one_view_cannot_apply_is_parked_for_that_view_alone(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = WorkflowStatus.fold

    def picky(self: WorkflowStatus, events: Any) -> Any:
        if any(event.version == 2 and event.stream == "run-2" for event, _ in events):
            raise ValueError("not this one")
        return fold(self, events)

    monkeypatch.setattr(WorkflowStatus, "fold", picky)
    for run in ("1", "2", "3"):
        log.run(run)
    log.settle(log.engine())
    [parked] = log.views.parked()
    assert (parked.projection, parked.stream, parked.version) == ("workflow_status", "run-2", 2)
    assert parked.error == "ValueError: not this one"
    assert {row.run_id: row.steps_completed for row in log.views.runs()} == {"1": 2, "2": 1, "3": 2}
    assert log.views.metrics("etl")[0].steps_completed == 6


def test_events_of_a_run_that_was_never_accepted_are_parked_by_both(log: Any) -> None:
    log.append("lost", StepCompleted("s", 1, T0, 1), StepCompleted("t", 1, T0, 1))
    log.run("1")
    log.settle(log.engine())
    assert [(row.projection, row.position) for row in log.views.parked()] == [
        ("metrics", 1),
        ("metrics", 2),
        ("workflow_status", 1),
        ("workflow_status", 2),
    ]
    assert [row.run_id for row in log.views.runs()] == ["1"]


def test_a_rebuild_parks_the_same_events_again_and_leaves_out_what_works_now(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.run("1")
    log.append("1", log.unreadable())
    with monkeypatch.context() as patch:
        patch.setattr(Metrics, "fold", fails)
        log.settle(log.engine())
    assert len(log.views.parked("metrics")) == 5
    engine = log.engine()
    engine.rebuild("metrics")
    log.settle(engine)
    assert [row.position for row in log.views.parked("metrics")] == [5]
    assert log.views.metrics("etl")[0].requests == 1


@pytest.mark.parametrize(
    "error",
    [
        exc.OperationalError("UPDATE", None, Exception("database or disk is full")),
        StoreUnavailableError("database or disk is full"),
    ],
)
def test_a_database_that_is_away_parks_nothing_and_the_views_go_on_when_it_is_back(
    log: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    engine = log.engine()
    write = WorkflowStatus.write

    def away(*_: object) -> None:
        raise error

    monkeypatch.setattr(WorkflowStatus, "write", away)
    log.run("1")
    for _ in range(5):
        log.clock.advance(10)
        engine.step()
    assert engine.covers({0: 4}) is False
    assert log.views.metrics("etl")[0].requests == 1  # the other view does not wait
    monkeypatch.setattr(WorkflowStatus, "write", write)
    log.settle(engine)
    assert log.views.parked() == []
    assert log.views.run("1").state == "completed"


def test_a_failed_view_is_tried_again_later_and_later(log: Any) -> None:
    log.run("1")
    tries = []

    def counted() -> None:
        tries.append(True)
        fails()

    engine = log.engine(view_before=counted)
    updater = engine.updaters["metrics"]
    waits = []
    for _ in range(12):
        while engine.step():
            pass
        tried = len(tries)
        assert not engine.step()  # not before its time
        assert len(tries) == tried
        wait = (updater.retry_at - log.clock.monotonic()) / 1e9
        due = engine.due_in()
        assert due is not None
        assert due <= wait
        waits.append(wait)
        log.clock.advance(wait)
    assert waits[:3] == [0.05, 0.1, 0.2]
    assert waits[-1] == 5


def test_a_database_that_is_away_is_not_asked_without_a_pause(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = log.engine()
    log.settle(engine)
    for name in ("write_views", "positions"):
        monkeypatch.setattr(log.store, name, fails)
    log.clock.advance(100)
    for _ in range(3):
        engine.step()
    due = engine.due_in()
    assert due is None or due > 0


def test_a_rebuild_that_was_asked_for_unheard_is_not_slept_through(log: Any) -> None:
    engine = log.engine()
    log.settle(engine)
    engine.rebuild("metrics")
    due = engine.due_in()
    assert due is not None
    assert due <= 0.05
    log.settle(engine)
    assert not engine.rebuilds


def test_what_memory_could_not_hold_is_read_from_the_rows(log: Any) -> None:
    engine = log.engine(kept=3, batch=2)
    for run in range(10):
        log.run(str(run))
    log.settle(engine)
    assert log.views.summary().completed == 10
    assert log.views.metrics("etl")[0].steps_completed == 20


def test_live_events_are_not_read_back_from_the_rows(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = log.engine()
    log.run("1")
    monkeypatch.setattr(log.store, "read_shard", fails)
    log.settle(engine)
    assert log.views.run("1").state == "completed"


def test_what_all_views_have_applied_leaves_memory(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = log.engine()
    log.run("1")
    log.settle(engine)
    monkeypatch.setattr(log.store, "read_shard", fails)
    with pytest.raises(OSError, match="plug"):
        engine.feed.read({}, 10)


def test_a_second_start_goes_on_where_the_first_stood(log: Any) -> None:
    log.run("1")
    log.settle(log.engine())
    log.append("2", RunAccepted("2", "etl", "w", b"", b"", 2, T0, (("s", 1),)))
    log.settle(log.engine())
    log.append("2", StepCompleted("s", 1, T0, 5))  # its agent comes from the table now
    log.settle(log.engine())
    [etl] = log.views.metrics("etl")
    assert (etl.steps_completed, etl.active) == (3, 1)
