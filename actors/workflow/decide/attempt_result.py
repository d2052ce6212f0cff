"""Handles the result of an attempt: its step completes, fails, or waits for a retry (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from indelible.actors.decider import NOTHING, Decision
from indelible.actors.effects.retry_policy import retry_delay
from indelible.actors.workflow.decide.begin_steps import later_events, starts_for
from indelible.actors.workflow.decide.frontier import after
from indelible.actors.workflow.decide.look_ahead import follow
from indelible.actors.workflow.run_effects import RetryAt
from indelible.actors.workflow.run_messages import StepRaised, StepReturned
from indelible.actors.workflow.state.node_status import RUNNING, UNKNOWN
from indelible.actors.workflow.state.run_state import RunState
from indelible.actors.workflow.state.run_values import Failure
from indelible.events.codec.values import BLOB_THRESHOLD
from indelible.events.model.run_events import Open, Skip, Start, StepCompleted, StepFailed


def step_returned(state: RunState, message: StepReturned, by: str = "") -> Decision:
    """Record the result and start the next steps; a late or repeated result changes nothing."""
    index = message.node
    if not _awaited(state, index, message.attempt):
        return NOTHING  # of time-out and completion, the first in the mailbox wins
    plan, result, size, now = state.plan, message.result, len(message.result), message.now
    digest = b""
    blobs: Sequence[tuple[bytes, bytes]] = ()
    if size > BLOB_THRESHOLD:
        digest = hashlib.sha256(result).digest()
        blobs, result = ((digest, result),), b""
    following = (
        follow(state, index, message.result) if plan.chooses else after(state, index, failed=False)
    )
    starts, effects = starts_for(state, following, hold=message.hold)
    marked = (
        state.since_mark + 1 >= plan.checkpoint_steps
        or now - state.marked_at >= plan.checkpoint_seconds * 1_000_000
    )
    completed = StepCompleted(
        path=state.nodes[index].path,
        attempt=message.attempt,
        at=now,
        duration=message.duration,
        result=result,
        blob=digest,
        size=size,
        cpu=message.cpu,
        starts=starts,
        checkpoint=state.checkpoints + 1 if marked else 0,
        by=by,
        skips=following.skips,
        opens=following.opens,
    )
    if not following.ended and not following.condition_failures:
        return Decision((completed,), None, effects, blobs)
    more, effects = later_events(
        state, following, effects, now, hold=message.hold, completed=1, size=size
    )
    return Decision((completed, *more), None, effects, blobs)


def step_raised(state: RunState, message: StepRaised, by: str = "") -> Decision:
    """Record the failure; retry, or let the block continue or end as its pattern says."""
    index = message.node
    if not _awaited(state, index, message.attempt):
        return NOTHING
    node = state.nodes[index]
    failures = state.failures.get(index, 0) + 1
    if message.retryable and failures < node.retry.attempts:
        assert state.accepted is not None
        delay = retry_delay(node.retry, state.accepted.run_id, node.path, failures)
        due = message.now + round(delay * 1_000_000)
        failed = _failed(state, message, by, retry_at=due)
        return Decision((failed,), None, (RetryAt(index, due),))
    error = Failure(message.error_type, message.error_message)
    following = follow(state, index, error)
    starts, effects = starts_for(state, following, hold=message.hold)
    skips, opens = following.skips, following.opens
    failed = _failed(state, message, by, final=True, starts=starts, skips=skips, opens=opens)
    more, effects = later_events(
        state, following, effects, message.now, hold=message.hold, failed=failed
    )
    return Decision((failed, *more), None, effects)


def _awaited(state: RunState, index: int, attempt: int) -> bool:
    if state.end is not None or state.accepted is None or state.attempts[index] != attempt:
        return False
    return state.status[index] == RUNNING or state.status[index] == UNKNOWN


def _failed(
    state: RunState,
    message: StepRaised,
    by: str,
    *,
    final: bool = False,
    retry_at: int = 0,
    starts: tuple[Start, ...] = (),
    skips: tuple[Skip, ...] = (),
    opens: tuple[Open, ...] = (),
) -> StepFailed:
    return StepFailed(
        path=state.nodes[message.node].path,
        attempt=message.attempt,
        at=message.now,
        duration=message.duration,
        error_type=message.error_type,
        error_message=message.error_message,
        final=final,
        retry_at=retry_at,
        cpu=message.cpu,
        starts=starts,
        by=by,
        traceback=message.traceback,
        causes=message.causes,
        skips=skips,
        opens=opens,
    )
