"""workflow_status: the state and the counts of a run at every point of its life."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from indelible.events.model.event import Event
from indelible.events.model.run_events import (
    RunAccepted,
    RunCompleted,
    RunFailed,
    RunQuarantined,
    StepCompleted,
    StepFailed,
    StepOutcomeUnknown,
    StepsReleased,
    StepsStarted,
)
from indelible.projections.queries.view_queries import RunRow

T0 = 1_700_000_000_000_000
ACCEPTED = RunAccepted("r", "etl", "w", b"d", b"i", 2, T0, (("a", 1),), 1)
DONE = StepCompleted("a", 1, T0 + 2, 10, starts=(("b", 1),), checkpoint=2)
FAILED = StepFailed("a", 1, T0 + 2, 10, "ValueError", "bad", final=True)
AGAIN = StepFailed("a", 1, T0 + 2, 10, "ValueError", "bad", final=False, retry_at=T0 + 3)
UNKNOWN = StepOutcomeUnknown("a", 1, T0 + 2)
END = RunCompleted(T0 + 7_500, "success", 2, 0, 0, 7_500, 100, "etl")


@pytest.fixture
def seen(log: Any) -> Any:
    """The row after events that arrive one at a time, which all cuts of the log must give."""

    def seen(*events: Event) -> RunRow:
        for event in events:
            log.append("r", event)
        log.settle(log.engine(batch=1))
        one_by_one = log.rows()
        engine = log.engine()
        engine.rebuild("workflow_status")
        log.settle(engine)
        assert log.rows() == one_by_one
        row: RunRow = log.views.run("r")
        return row

    return seen


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([RunAccepted("r", "etl", "w", b"d", b"i", 2, T0)], "accepted"),
        ([ACCEPTED], "running"),
        (
            [
                RunAccepted("r", "etl", "w", b"d", b"i", 2, T0),
                StepsStarted(T0 + 1, (("a", 1),), "ready"),
            ],
            "running",
        ),
        ([ACCEPTED, DONE], "running"),
        ([ACCEPTED, AGAIN], "running"),
        ([ACCEPTED, UNKNOWN], "waiting"),
        ([ACCEPTED, UNKNOWN, StepsStarted(T0 + 3, (("a", 2),), "resolved", "me")], "running"),
        ([ACCEPTED, UNKNOWN, StepCompleted("a", 1, T0 + 3, 0, by="me")], "running"),
        (
            [ACCEPTED, UNKNOWN, StepFailed("a", 1, T0 + 3, 0, "E", "x", final=True, by="me")],
            "running",
        ),
        ([ACCEPTED, UNKNOWN, StepOutcomeUnknown("b", 1, T0 + 2), DONE], "waiting"),
        (
            [
                ACCEPTED,
                UNKNOWN,
                StepOutcomeUnknown("b", 1, T0 + 2),
                StepsStarted(T0 + 3, (("a", 2),), "resolved", "me"),
            ],
            "waiting",
        ),
        ([ACCEPTED, UNKNOWN, RunQuarantined(T0 + 3, "a", 10)], "quarantined"),
        ([ACCEPTED, DONE, END], "completed"),
        ([ACCEPTED, FAILED, RunFailed(T0 + 2, "a", "E", "x", 0, 1, 1, 9, 9, "etl")], "failed"),
    ],
)
def test_the_state_follows_the_events(seen: Any, events: list[Event], state: str) -> None:
    assert seen(*events).state == state


def test_a_completed_run_shows_its_times_and_counts(seen: Any) -> None:
    row = seen(ACCEPTED, DONE, StepCompleted("b", 1, T0 + 7_500, 10), END)
    assert row == RunRow(
        run_id="r",
        agent="etl",
        workflow="w",
        state="completed",
        outcome="success",
        steps_total=2,
        steps_completed=2,
        steps_failed=0,
        steps_skipped=0,
        steps_unknown=0,
        attempts=2,
        retries=0,
        checkpoints=2,
        started_at=T0,
        updated_at=T0 + 7_500,
        finished_at=T0 + 7_500,
        error_type=None,
        error_message=None,
        error_step=None,
        version=4,
        position=4,
    )
    assert row.execution_time_ms == 7.5


def test_a_failed_run_names_the_step_and_its_error_and_its_counts_add_up(seen: Any) -> None:
    end = RunFailed(T0 + 9, "block", "ValueError", "bad", 0, 1, 1, 9, 9, "etl")
    row = seen(ACCEPTED, FAILED, end)
    assert (row.outcome, row.error_type, row.error_message, row.error_step) == (
        "failed",
        "ValueError",
        "bad",
        "block",
    )
    assert row.steps_completed + row.steps_failed + row.steps_skipped == row.steps_total


def test_what_blocks_repeat_is_part_of_the_total(seen: Any) -> None:
    accepted = replace(ACCEPTED, opens=(("orders", 2, 6),))
    opens = (("lines", 1, 3), ("lines[0]/x", 2, 4))
    opened = StepCompleted("a", 1, T0 + 5, 1, starts=(("lines[0]/y", 1),), opens=opens)
    failed = replace(FAILED, opens=(("more", 1, 1),))
    started = StepsStarted(T0 + 6, (), "ready", opens=(("poll", 1, 1),))
    assert seen(accepted, opened, failed, started).steps_total == 17


def test_a_partial_run_keeps_the_error_of_its_last_failed_step(seen: Any) -> None:
    end = RunCompleted(T0 + 9, "partial", 1, 1, 0, 9, 9, "etl")
    row = seen(ACCEPTED, FAILED, StepCompleted("b", 1, T0 + 5, 1), end)
    assert (row.outcome, row.error_step) == ("partial", "a")


def test_a_failure_that_a_retry_mended_is_no_error_of_the_run(seen: Any) -> None:
    row = seen(ACCEPTED, AGAIN, StepsStarted(T0 + 3, (("a", 2),), "retry"), DONE, END)
    assert (row.error_type, row.retries, row.steps_failed, row.attempts) == (None, 1, 0, 3)


def test_an_attempt_cut_off_by_a_crash_is_an_attempt_but_no_retry(seen: Any) -> None:
    row = seen(ACCEPTED, StepsStarted(T0 + 3, (("a", 2),), "recovered"))
    assert (row.attempts, row.retries) == (2, 0)


def test_an_attempt_that_never_began_is_not_counted(seen: Any) -> None:
    row = seen(ACCEPTED, StepsReleased(T0 + 1, ["a"]), StepsStarted(T0 + 3, (("a", 2),), "ready"))
    assert row.attempts == 1


def test_a_quarantined_run_says_what_was_cut_off(seen: Any) -> None:
    row = seen(ACCEPTED, RunQuarantined(T0 + 4, "a", 10))
    assert (row.outcome, row.error_step, row.error_message, row.finished_at) == (
        "failed",
        "a",
        "cut off 10 times",
        T0 + 4,
    )


def test_a_run_that_is_not_over_has_no_execution_time(seen: Any) -> None:
    assert seen(ACCEPTED).execution_time_ms is None
