"""Parked events: retried in the order of their stream, or skipped; decided in the log."""

from __future__ import annotations

from typing import Any

import pytest

from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.event import Event
from indelible.events.model.projection_events import EventRetried, EventSkipped, stream_of
from indelible.events.model.run_events import RunAccepted, StepCompleted, StepFailed
from indelible.projections.queries.view_queries import ParkedEvent, Views
from indelible.projections.views.metrics import Metrics
from indelible.projections.views.workflow_status import WorkflowStatus
from unit.projections.conftest import Log

T0 = 1_700_000_000_000_000


def accepted(run_id: str) -> RunAccepted:
    return RunAccepted(run_id, "etl", "w", b"", b"", 2, T0, (("s", 1),))


def completed() -> StepCompleted:
    return StepCompleted("s", 1, T0 + 5, 10)


class Picky:
    """Makes views refuse the second event of run 2 until it is mended."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.mended = False
        self.why = "not this one"
        for view in (WorkflowStatus, Metrics):
            self._spoil(view, patch)

    def _spoil(self, view: Any, patch: pytest.MonkeyPatch) -> None:
        fold = view.fold

        def picky(one: Any, events: Any) -> Any:
            if not self.mended and any(e.version == 2 and e.stream == "run-2" for e, _ in events):
                raise ValueError(self.why)
            return fold(one, events)

        patch.setattr(view, "fold", picky)


@pytest.fixture
def picky(monkeypatch: pytest.MonkeyPatch) -> Picky:
    return Picky(monkeypatch)


def decide(log: Any, *events: Event) -> None:
    """Record decisions, as the actor of the view's stream does."""
    for event in events:
        assert isinstance(event, EventRetried | EventSkipped)
        log.append_to(stream_of(event.projection), event)


def parked(log: Any, name: str) -> list[ParkedEvent]:
    found: list[ParkedEvent] = log.views.parked(name)
    return found


def test_what_follows_a_parked_event_is_applied_without_it(log: Any, picky: Picky) -> None:
    log.run("2")
    log.settle(log.engine())
    row = log.views.run("2")
    assert (row.state, row.steps_completed, row.version) == ("completed", 1, 4)
    assert [event.version for event in parked(log, "workflow_status")] == [2]


@pytest.mark.parametrize("batch", [1, 1_000])
def test_a_mended_view_that_retries_holds_what_it_would_have_held(
    log: Any, picky: Picky, batch: int
) -> None:
    for run in ("1", "2", "3"):
        log.run(run)
    engine = log.engine(batch=batch)
    log.settle(engine)
    picky.mended = True
    [event] = parked(log, "workflow_status")
    decide(log, EventRetried("workflow_status", event.shard, event.position, T0))
    decide(log, EventRetried("metrics", event.shard, event.position, T0))
    log.settle(engine)
    assert log.views.parked() == []
    retried = log.rows()
    assert log.views.run("2").steps_completed == 2
    assert log.views.metrics("etl")[0].steps_completed == 6
    for name in ("workflow_status", "metrics"):
        engine.rebuild(name)
    log.settle(engine)
    assert log.rows() == retried


def test_a_retry_folds_the_whole_stream_again_and_takes_in_its_other_parked_events(
    log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ValueError("nothing works")

    with monkeypatch.context() as patch:
        patch.setattr(WorkflowStatus, "fold", fails)
        log.run("1")
        engine = log.engine()
        log.settle(engine)
        log.append("1", log.unreadable())
        log.settle(engine)
    assert len(parked(log, "workflow_status")) == 5
    decide(log, EventRetried("workflow_status", 0, 3, T0))
    log.settle(engine)
    assert log.views.run("1").state == "completed"
    assert [event.position for event in parked(log, "workflow_status")] == [5]


def test_a_retry_leaves_to_later_batches_what_they_will_apply(log: Any, picky: Picky) -> None:
    log.append("2", accepted("2"))
    log.append("2", completed())
    engine = log.engine(batch=1)
    log.settle(engine)
    picky.mended = True
    decide(log, EventRetried("workflow_status", 0, 2, T0))
    log.append("2", completed())
    log.settle(engine)
    row = log.views.run("2")
    assert (row.steps_completed, row.version) == (2, 3)


def test_an_event_that_still_cannot_be_applied_stays_parked_with_the_new_error(
    log: Any, picky: Picky
) -> None:
    log.run("2")
    engine = log.engine()
    log.settle(engine)
    picky.why = "nor today"
    for name in ("workflow_status", "metrics"):
        decide(log, EventRetried(name, 0, 2, T0))
    log.settle(engine)
    errors = [(event.position, event.error, event.state) for event in log.views.parked()]
    assert errors == [(2, "ValueError: nor today", "parked")] * 2
    assert log.views.run("2").state == "completed"


def test_a_skipped_event_is_listed_apart_and_can_still_be_retried(log: Any, picky: Picky) -> None:
    log.run("2")
    engine = log.engine()
    log.settle(engine)
    decide(log, EventSkipped("workflow_status", 0, 2, T0))
    log.settle(engine)
    assert log.views.parked("workflow_status", state="parked") == []
    assert [event.position for event in log.views.parked(state="skipped")] == [2]
    assert [event.state for event in parked(log, "metrics")] == ["parked"]
    picky.mended = True
    decide(log, EventRetried("workflow_status", 0, 2, T0))
    log.settle(engine)
    assert parked(log, "workflow_status") == []
    assert log.views.run("2").steps_completed == 2


def test_a_retry_keeps_the_mark_of_another_event_that_was_skipped(log: Any) -> None:
    log.run("1")
    log.append("1", log.unreadable(), log.unreadable())
    engine = log.engine()
    log.settle(engine)
    decide(log, EventSkipped("workflow_status", 0, 5, T0))
    decide(log, EventRetried("workflow_status", 0, 6, T0))
    log.settle(engine)
    assert [(row.position, row.state) for row in parked(log, "workflow_status")] == [
        (5, "skipped"),
        (6, "parked"),
    ]


def test_what_was_skipped_stays_skipped_in_a_rebuilt_view(log: Any, picky: Picky) -> None:
    log.run("2")
    engine = log.engine(batch=1)
    log.settle(engine)
    engine.rebuild("metrics")
    decide(log, EventSkipped("metrics", 0, 2, T0))
    log.settle(engine)
    before = log.rows()["parked_events"]
    engine.rebuild("metrics")
    log.settle(engine)
    assert log.rows()["parked_events"] == before
    assert [row.state for row in parked(log, "metrics")] == ["skipped"]


def test_a_mark_outlives_a_rebuild_that_meets_the_decision_before_the_event() -> None:
    log = Log("memory://")
    log.store = MemoryEventStore(clock=log.clock, shards=2)
    log.store.open()
    views = Views(log.store)
    name = next(n for n in ("metrics", "workflow_status") if not log.store.shard_of(stream_of(n)))
    run = next(str(n) for n in range(99) if log.store.shard_of(f"run-{n}"))
    log.append(run, log.unreadable())
    engine = log.engine(batch=1)
    log.settle(engine)
    decide(log, EventSkipped(name, 1, 1, T0))
    log.settle(engine)
    for turn in (0, 1):  # either shard comes first once
        engine.feed._first_shard = turn
        engine.rebuild(name)
        log.settle(engine)
        assert [row.state for row in views.parked(name)] == ["skipped"]


def test_a_decision_about_an_event_that_is_not_parked_changes_nothing(log: Any) -> None:
    log.run("1")
    engine = log.engine()
    log.settle(engine)
    before = log.rows()
    decide(log, EventRetried("metrics", 0, 2, T0), EventSkipped("metrics", 0, 3, T0))
    decide(log, EventRetried("no such view", 0, 2, T0))
    log.settle(engine)
    after = log.rows()
    assert {**after, "projection_cursors": ()} == {**before, "projection_cursors": ()}


def test_a_retry_that_the_database_cuts_off_is_carried_out_once(log: Any, picky: Picky) -> None:
    left = [True] * 2

    def fails() -> None:
        if left and picky.mended:
            left.pop()
            raise OSError("pulled the plug")

    log.run("2")
    engine = log.engine(view_before=fails)
    log.settle(engine)
    picky.mended = True
    decide(log, EventRetried("metrics", 0, 2, T0))
    log.settle(engine)
    assert not left
    assert log.views.metrics("etl")[0].steps_completed == 2
    assert parked(log, "metrics") == []


def test_text_that_a_database_does_not_take_is_parked_or_shown_in_its_place(log: Any) -> None:
    log.append("1", RunAccepted("1", "etl", "w", b"", b"", 1, T0, (("s", 1),)))
    log.append("1", StepFailed("s", 1, T0, 1, "E", "a\0b", final=True))
    log.settle(log.engine())
    assert log.views.run("1").error_message == "a\ufffdb"
