"""The last event of a run, with the counts that add up to its total (pure)."""

from __future__ import annotations

from indelible.actors.workflow.effects import Ended
from indelible.actors.workflow.state import RunState
from indelible.events.run_events import RunCompleted, RunFailed, StepFailed


def conclude(
    state: RunState,
    now: int,
    *,
    completed: int = 0,
    failed: int = 0,
    size: int = 0,
    cause: StepFailed | None = None,
) -> tuple[RunCompleted | RunFailed, Ended]:
    """End the run, counting what the event before this one adds to ``state``.

    Every step that neither completed nor failed was skipped: nothing is in flight at the end.
    """
    assert state.accepted is not None
    completed += state.completed
    failed += state.failed
    skipped = state.plan.steps_total - completed - failed
    duration = max(0, now - state.accepted.at)
    over = Ended(state)
    if cause is None:
        outcome = "partial" if failed else "success"
        end: RunCompleted | RunFailed = RunCompleted(
            at=now,
            outcome=outcome,
            completed=completed,
            failed=failed,
            skipped=skipped,
            duration=duration,
            state_bytes=state.size + size,
            agent=state.accepted.agent,
        )
        return end, over
    end = RunFailed(
        at=now,
        step=cause.path,
        error_type=cause.error_type,
        error_message=cause.error_message,
        completed=completed,
        failed=failed,
        skipped=skipped,
        duration=duration,
        state_bytes=state.size,
        agent=state.accepted.agent,
    )
    return end, over
