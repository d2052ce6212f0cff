"""The view ``workflow_status``: one row for each run, folded in the order of its stream.

A batch is reduced to additions and last values for each run, so that no row is read back; runs that
are accepted in the batch are inserted, the others updated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from indelible.errors import UnknownRunError
from indelible.events.model.run_events import (
    RUN_EVENTS,
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
from indelible.projections.sql.multi_row import MultiRow, Rows, insert
from indelible.projections.sql.pipelined_statements import PipelinedStatements
from indelible.projections.tables import WORKFLOW_STATUS, renamed, stored_text
from indelible.projections.views.view import Pair

_PREFIX = len("run-")


class RunChange(msgspec.Struct, gc=False):
    """The change of one run by a batch; ``None`` leaves a column unchanged."""

    run_id: str
    completed: int = 0
    failed: int = 0
    attempts: int = 0
    retries: int = 0
    checkpoints: int = 0  # the highest number, 0 for none
    updated_at: int = 0
    version: int = 0
    position: int = 0
    correction: int = 0  # of `running`, for attempts and completions without a running step
    retrying: int = 0
    wake_at: int = 0  # when the last retry is or was due
    added: int = 0  # steps that blocks repeat
    wide: bool = False  # whether a field below is set, or the state may have changed
    state: str | None = None  # the state of an ended run
    unknown: int = 0
    skipped: int = 0
    outcome: str | None = None
    finished_at: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    error_step: str | None = None
    accepted: RunAccepted | None = None

    @property
    def running(self) -> int:
        """The change in running steps, computed once for each batch instead of at each event."""
        return self.attempts - self.completed + self.correction


class WorkflowStatus:
    """State, counts, times and the last error of every run.

    A run is ``waiting`` while a step's outcome is unknown; a run that waits for a retry or for
    an unregistered step type is ``running`` here.  The columns ``steps_running``,
    ``steps_retrying`` and ``wake_at`` are only compared with the rows of ``streams``.
    """

    name = "workflow_status"
    version = 2
    event_types = frozenset(event.wire_name for event in RUN_EVENTS)

    def __init__(self, suffix: str = "") -> None:
        """Keep the rows in a table whose name ends in ``suffix``."""
        self.tables = renamed((WORKFLOW_STATUS,), suffix)
        table = self.tables[0]
        self._insert = insert(table)
        self._narrow = MultiRow(_NARROW_TYPES, f"UPDATE {table.name} SET {_NARROW} FROM", _SAME_RUN)  # noqa: S608
        self._wide = MultiRow(
            _NARROW_TYPES + _WIDE_TYPES,
            f"UPDATE {table.name} SET {_NARROW}, {_WIDE} FROM",  # noqa: S608
            _SAME_RUN,
        )

    def beside(self, suffix: str) -> WorkflowStatus:
        """Return the same view on other tables."""
        return WorkflowStatus(suffix)

    def erase(self, connection: sa.Connection, stream: str) -> bool:
        """Remove the run's row, so that its events can be folded again."""
        table = self.tables[0]
        run_id = stream[_PREFIX:]
        connection.execute(sa.delete(table).where(table.c.run_id == run_id))
        return True

    def fold(self, events: Sequence[Pair]) -> dict[str, RunChange]:
        """Return the change of each run, by stream."""
        changes: dict[str, RunChange] = {}
        for recorded, event in events:
            stream = recorded.stream
            change = changes.get(stream)
            if change is None:
                change = changes[stream] = RunChange(stream[_PREFIX:])
            change.version = recorded.version
            change.position = recorded.position
            _APPLY[type(event)](change, event)
        return changes

    def write(self, statements: PipelinedStatements, changes: dict[str, RunChange]) -> None:
        """Insert new runs, then update the others.

        Raises:
            UnknownRunError: This view has not applied the acceptance of a run.
        """
        new: list[tuple[object, ...]] = []
        narrow: list[tuple[object, ...]] = []
        wide: list[tuple[object, ...]] = []
        for change in changes.values():
            if change.accepted is not None:
                new.append(_row(change, change.accepted))
            elif change.wide or change.added or change.running or change.retrying or change.wake_at:
                wide.append(_wide_row(change))
            else:
                narrow.append(_narrow_row(change))
        statements.add(self._insert, new)
        statements.add(self._wide, wide, self._expect(wide))
        statements.add(self._narrow, narrow, self._expect(narrow))

    def _expect(self, rows: Rows) -> Callable[[int], None]:
        def check(changed: int) -> None:
            if changed != len(rows):
                where = f"{self.tables[0].name}, or in a run of its batch"
                raise UnknownRunError(str(rows[0][0]), where)

        return check


_NARROW = """
steps_completed = steps_completed + v.column2,
steps_failed = steps_failed + v.column3,
attempts = attempts + v.column4,
retries = retries + v.column5,
checkpoints = CASE WHEN v.column6 > checkpoints THEN v.column6 ELSE checkpoints END,
updated_at = v.column7,
version = v.column8,
position = v.column9
"""

_WIDE = """
state = CASE WHEN v.column10 IS NOT NULL THEN v.column10
    WHEN steps_unknown + v.column11 > 0 THEN 'waiting' ELSE 'running' END,
steps_unknown = steps_unknown + v.column11,
steps_skipped = steps_skipped + v.column12,
outcome = COALESCE(v.column13, outcome),
finished_at = COALESCE(v.column14, finished_at),
error_type = COALESCE(v.column15, error_type),
error_message = COALESCE(v.column16, error_message),
error_step = COALESCE(v.column17, error_step),
steps_running = steps_running + v.column18,
steps_retrying = steps_retrying + v.column19,
wake_at = CASE WHEN v.column20 > wake_at THEN v.column20 ELSE wake_at END,
steps_total = steps_total + v.column21
"""

_SAME_RUN = "WHERE run_id = v.column1"
_NARROW_TYPES = ("text", *["bigint"] * 8)
_WIDE_TYPES = ("text", "bigint", "bigint", "text", "bigint", *["text"] * 3, *["bigint"] * 4)


def _narrow_row(change: RunChange) -> tuple[object, ...]:
    return (
        change.run_id,
        change.completed,
        change.failed,
        change.attempts,
        change.retries,
        change.checkpoints,
        change.updated_at,
        change.version,
        change.position,
    )


def _wide_row(change: RunChange) -> tuple[object, ...]:
    return (
        *_narrow_row(change),
        change.state,
        change.unknown,
        change.skipped,
        change.outcome,
        change.finished_at,
        change.error_type,
        change.error_message,
        change.error_step,
        change.running,
        change.retrying,
        change.wake_at,
        change.added,
    )


def _row(change: RunChange, accepted: RunAccepted) -> tuple[object, ...]:
    state = change.state
    if state is None and change.unknown > 0:
        state = "waiting"
    elif state is None:
        state = "running" if accepted.starts or change.wide else "accepted"
    return (
        change.run_id,
        accepted.agent,
        accepted.workflow,
        state,
        change.outcome,
        accepted.steps_total + change.added,
        change.completed,
        change.failed,
        change.skipped,
        change.unknown,
        change.attempts,
        change.retries,
        change.checkpoints,
        accepted.at,
        change.updated_at,
        change.finished_at,
        change.error_type,
        change.error_message,
        change.error_step,
        change.version,
        change.position,
        change.running,
        change.retrying,
        change.wake_at,
    )


# -- the changes by each event


def _accepted(change: RunChange, event: RunAccepted) -> None:
    change.accepted = event
    _add_steps(change, event)
    change.attempts += len(event.starts)
    change.checkpoints = event.checkpoint
    change.updated_at = event.at


def _started(change: RunChange, event: StepsStarted) -> None:
    count = len(event.starts)
    change.attempts += count
    _add_steps(change, event)
    if event.reason == "recovered":  # these attempts are counted as running already
        change.correction -= count
    if event.reason == "retry":
        change.retries += count
        change.retrying -= count
    elif event.reason == "resolved":
        change.unknown -= count
    _reopen(change)
    change.updated_at = event.at


def _released(change: RunChange, event: StepsReleased) -> None:
    change.attempts -= len(event.paths)
    change.updated_at = event.at


def _step_completed(change: RunChange, event: StepCompleted) -> None:
    change.completed += 1
    change.attempts += len(event.starts)
    if event.opens:
        _add_steps(change, event)
    if event.checkpoint > change.checkpoints:
        change.checkpoints = event.checkpoint
    if event.by:
        change.unknown -= 1
        change.correction += 1
        _reopen(change)
    change.updated_at = event.at


def _step_failed(change: RunChange, event: StepFailed) -> None:
    change.attempts += len(event.starts)
    _add_steps(change, event)
    ran = event.attempt > 0 and not event.by  # attempt 0: its condition could not be evaluated
    change.correction -= ran
    if event.checkpoint > change.checkpoints:
        change.checkpoints = event.checkpoint
    if event.by:
        change.unknown -= 1
        _reopen(change)
    if event.final:
        change.failed += 1
        _error(change, event.error_type, event.error_message, event.path)
    else:
        change.retrying += 1
        change.wake_at = max(change.wake_at, event.retry_at)
    change.updated_at = event.at


def _outcome_unknown(change: RunChange, event: StepOutcomeUnknown) -> None:
    change.unknown += 1
    change.correction -= 1
    _reopen(change)
    change.updated_at = event.at


def _run_completed(change: RunChange, event: RunCompleted) -> None:
    if event.failures:
        first = event.failures[0]
        _error(change, first.error_type, first.error_message, first.step)
    _end(change, "completed", event.outcome, event.at)
    change.skipped += event.skipped


def _run_failed(change: RunChange, event: RunFailed) -> None:
    _error(change, event.error_type, event.error_message, event.step)
    _end(change, "failed", "failed", event.at)
    change.skipped += event.skipped


def _run_quarantined(change: RunChange, event: RunQuarantined) -> None:
    _error(change, "Quarantined", f"cut off {event.interruptions} times", event.step)
    _end(change, "quarantined", "failed", event.at)


def _add_steps(
    change: RunChange, event: RunAccepted | StepsStarted | StepCompleted | StepFailed
) -> None:
    change.added += sum(steps for _, _, steps in event.opens)


def _end(change: RunChange, state: str, outcome: str, at: int) -> None:
    change.state = state
    change.outcome = outcome
    change.finished_at = change.updated_at = at
    change.wide = True


def _error(change: RunChange, kind: str, message: str, step: str) -> None:
    change.error_type = stored_text(kind)
    change.error_message = stored_text(message)
    change.error_step = step
    _reopen(change)


def _reopen(change: RunChange) -> None:
    change.wide = True
    change.state = None


_APPLY: dict[type, Callable[[RunChange, Any], None]] = {
    RunAccepted: _accepted,
    StepsStarted: _started,
    StepsReleased: _released,
    StepCompleted: _step_completed,
    StepFailed: _step_failed,
    StepOutcomeUnknown: _outcome_unknown,
    RunCompleted: _run_completed,
    RunFailed: _run_failed,
    RunQuarantined: _run_quarantined,
}
