"""The last event of a run, with the counts that add up to its total (pure)."""

from __future__ import annotations

from indelible.actors.workflow.effects import Ended
from indelible.actors.workflow.node_status import FAILED
from indelible.actors.workflow.state import RunState
from indelible.events.run_events import FailedStep, RunCompleted, RunFailed, StepFailed

FAILURES = 10
"""Failed steps that the end of a run names: what a person reads before looking at the steps."""

_TEXT = 512
"""Characters of each of their messages."""


def conclude(
    state: RunState,
    now: int,
    *,
    completed: int = 0,
    size: int = 0,
    failure: StepFailed | None = None,
    root_failed: bool = False,
) -> tuple[RunCompleted | RunFailed, Ended]:
    """End the run, counting what the event before this one adds to ``state``.

    That event is ``failure``, or the completion of a step; ``root_failed`` says that the run ends
    without its result.  Every step that neither completed nor failed was skipped: nothing is in
    flight at the end.
    """
    assert state.accepted is not None
    completed += state.completed
    failed = state.failed + (failure is not None)
    failures = _failures(state, failure) if failed else ()
    skipped = state.plan.steps_total - completed - failed
    duration = max(0, now - state.accepted.at)
    over = Ended(state)
    if failure is None or not root_failed:
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
            failures=failures,
        )
        return end, over
    end = RunFailed(
        at=now,
        step=failure.path,
        error_type=failure.error_type,
        error_message=failure.error_message,
        completed=completed,
        failed=failed,
        skipped=skipped,
        duration=duration,
        state_bytes=state.size,
        agent=state.accepted.agent,
        failures=failures,
    )
    return end, over


def _failures(state: RunState, last: StepFailed | None) -> tuple[FailedStep, ...]:
    """The first steps that failed, in the order of the definition, ``last`` among them."""
    found: list[FailedStep] = []
    for node in state.plan.nodes:
        if node.kind != "step":
            continue
        if last is not None and node.path == last.path:
            found.append(_failed(node.path, last.error_type, last.error_message))
        elif state.status[node.index] == FAILED:
            error = state.errors[node.index]
            found.append(_failed(node.path, error.error_type, error.message))
        if len(found) == FAILURES:
            break
    return tuple(found)


def _failed(path: str, error_type: str, message: str) -> FailedStep:
    return FailedStep(path, error_type, message if len(message) <= _TEXT else f"{message[:_TEXT]}…")
