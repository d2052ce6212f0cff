"""The last event of a run, with the counts that add up to its total (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from indelible.actors.workflow.state.instances import in_order
from indelible.actors.workflow.state.node_status import FAILED
from indelible.actors.workflow.state.run_state import RunState
from indelible.events.model.run_events import RunCompleted, RunFailed, StepFailed, StepFailure

FAILURES = 10
"""Failed steps that the end of a run names: enough for a first look."""

_TEXT = 512
"""Characters of the message of each of these steps."""


def conclude(
    state: RunState,
    now: int,
    *,
    completed: int = 0,
    size: int = 0,
    failures: Sequence[StepFailed] = (),
    root_failed: bool = False,
) -> RunCompleted | RunFailed:
    """End the run, counting also the events that are decided with it and not in ``state`` yet.

    These are ``completed`` completions with ``size`` bytes, and ``failures``; with ``root_failed``
    the last failure has ended the run.  Every step that neither completed nor failed was skipped:
    no attempt is under way at the end.  A ``state`` that is ahead of the log has the log's counts.
    """
    assert state.accepted is not None
    nodes, by_path = state.nodes, state.by_path
    completed += state.completed
    failed = state.failed
    if failures:
        failed += sum(nodes[by_path[one.path]].pattern is None for one in failures)
    found = failures or state.errors
    named = _failures(state, {one.path: one for one in failures}) if found else ()
    skipped = state.steps_total - completed - failed
    duration = max(0, now - state.accepted.at)
    if not root_failed:
        return RunCompleted(
            at=now,
            outcome="partial" if named else "success",
            completed=completed,
            failed=failed,
            skipped=skipped,
            duration=duration,
            state_bytes=state.size + size,
            agent=state.accepted.agent,
            failures=named,
        )
    last = failures[-1]
    return RunFailed(
        at=now,
        step=last.path,
        error_type=last.error_type,
        error_message=last.error_message,
        completed=completed,
        failed=failed,
        skipped=skipped,
        duration=duration,
        state_bytes=state.size + size,
        agent=state.accepted.agent,
        failures=named,
    )


def _failures(state: RunState, last: Mapping[str, StepFailed]) -> tuple[StepFailure, ...]:
    """The first failed steps, in the order of the definition, including ``last``.

    A block is included if it failed itself, because its condition had no answer.
    """
    found: list[StepFailure] = []
    for node in in_order(state):
        if node.path in last:
            one = last[node.path]
            found.append(_failed(node.path, one.error_type, one.error_message))
        elif state.status[node.index] == FAILED and state.failures.get(node.index):
            error = state.errors[node.index]
            found.append(_failed(node.path, error.error_type, error.message))
        if len(found) == FAILURES:
            break
    return tuple(found)


def _failed(path: str, error_type: str, message: str) -> StepFailure:
    return StepFailure(
        path, error_type, message if len(message) <= _TEXT else f"{message[:_TEXT]}…"
    )
