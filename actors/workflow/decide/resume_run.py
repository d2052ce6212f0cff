"""Continues a run: after recovery, when a retry is due, or after a person's decision (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from indelible.actors.decider import NOTHING, Decision
from indelible.actors.workflow.decide.attempt_result import step_raised, step_returned
from indelible.actors.workflow.decide.begin_steps import later_events, plan_starts, starts_for
from indelible.actors.workflow.decide.frontier import NextSteps
from indelible.actors.workflow.decide.look_ahead import begin_ready
from indelible.actors.workflow.run_effects import AwaitType, Begin, Ended, RetryAt, SendToRun
from indelible.actors.workflow.run_messages import (
    Proceed,
    Release,
    Resolve,
    Resume,
    RetryDue,
    StepRaised,
    StepReturned,
)
from indelible.actors.workflow.state.node_status import RUNNING, UNKNOWN
from indelible.actors.workflow.state.run_state import RunState
from indelible.errors import RefusedError
from indelible.events.model.event import Event
from indelible.events.model.run_events import (
    RunQuarantined,
    StepOutcomeUnknown,
    StepsReleased,
    StepsStarted,
)

INTERRUPTIONS = 10
"""A step cut off this often, without other progress, is assumed to kill the process."""

_NAMED = 20
"""Steps that a refusal names: a longer list would not be read."""


def retry_due(state: RunState, message: RetryDue) -> Decision:
    """Start the next attempt, unless the retry is no longer pending."""
    if state.end is not None or state.accepted is None or message.hold:
        return NOTHING
    if state.retry_at.get(message.node, message.now + 1) > message.now:
        return NOTHING
    return _begin(state, [message.node], message.now, "retry")


def resume(state: RunState, message: Resume) -> Decision:
    """Continue each step that was cut off by its policy, and start all steps that are ready."""
    if state.end is not None:
        return Decision(effects=(Ended(state),))  # its last commit may have been reported as failed
    if state.accepted is None or message.hold:
        return NOTHING
    effects: list[Any] = [RetryAt(index, due) for index, due in state.retry_at.items()]
    cut_off: list[int] = []
    for attempts, unbegun in ((message.cut_off, False), (message.unbegun, True)):
        for index, attempt in attempts:
            if not is_running(state, index, attempt):
                continue  # its result has arrived meanwhile
            if state.nodes[index].type not in message.known:
                effects.append(AwaitType(index, attempt, unbegun))
            elif unbegun:
                effects.append(Begin(index, attempt))
            else:
                cut_off.append(index)
    return _continue_cut_off(state, cut_off, begin_ready(state), message.now, effects)


def running_attempts(state: RunState) -> list[tuple[int, int]]:
    """Node and number of each attempt that has begun and not ended, by the log."""
    nodes = state.nodes
    return [
        (index, state.attempts[index])
        for index, status in enumerate(state.status)
        if status == RUNNING and nodes[index].kind == "step"
    ]


def is_running(state: RunState, index: int, attempt: int) -> bool:
    """Whether this attempt has begun and not ended, by the log."""
    return state.status[index] == RUNNING and state.attempts[index] == attempt


def proceed(state: RunState, message: Proceed) -> Decision:
    """Continue a step whose type is registered now, unless it has continued already."""
    index, attempt = message.node, message.attempt
    if state.end is not None or state.accepted is None or message.hold:
        return NOTHING
    if not is_running(state, index, attempt):
        return NOTHING
    if message.unbegun:
        return Decision(effects=(Begin(index, attempt),))
    return _continue_cut_off(state, [index], NextSteps([]), message.now, [])


def _continue_cut_off(
    state: RunState, cut_off: Sequence[int], others: NextSteps, now: int, effects: list[Any]
) -> Decision:
    """Handle the steps that were ``cut_off`` by their policies, and begin ``others``."""
    events: list[Event] = []
    again: list[int] = []
    for index in cut_off:
        node, attempt = state.nodes[index], state.attempts[index]
        if node.on_unknown == "fail":
            effects.append(SendToRun(_cut_off(index, attempt, now)))
        elif node.on_unknown == "ask":
            events.append(StepOutcomeUnknown(node.path, attempt, now))
        elif state.interruptions.get(index, 0) + 1 >= INTERRUPTIONS:
            quarantined = RunQuarantined(now, node.path, INTERRUPTIONS)
            return Decision((quarantined,), None, (Ended(state),))
        else:
            again.append(index)
    if again:
        begins = _begin(state, again, now, "recovered")
        events.extend(begins.events)
        effects.extend(begins.effects)
    ready = begin_following(state, others, now, "ready")
    return Decision([*events, *ready.events], None, [*effects, *ready.effects])


def begin_following(state: RunState, following: NextSteps, now: int, reason: str) -> Decision:
    """Record ``following`` in an event of its own."""
    starts, effects = starts_for(state, following)
    events: list[Event] = []
    if starts or following.skips or following.opens:
        skips, opens = following.skips, following.opens
        events.append(StepsStarted(now, starts, reason, skips=skips, opens=opens))
    more, effects = later_events(state, following, effects, now)
    return Decision([*events, *more], None, effects)


def release(state: RunState, message: Release) -> Decision:
    """Record that recorded attempts never began; their steps are ready again."""
    if state.end is not None or state.accepted is None:
        return NOTHING
    paths = [
        state.nodes[index].path
        for index, attempt in message.starts
        if is_running(state, index, attempt)
    ]
    return Decision((StepsReleased(message.now, paths),)) if paths else NOTHING


def resolve(state: RunState, message: Resolve) -> Decision:
    """Resolve an attempt of unknown outcome as a person has decided.

    Raises:
        RefusedError: The run does not wait for that step, or there is no such action.
    """
    named, index = message.step, None
    if state.accepted is not None:  # of a step that its block repeats only the path is unique
        index = state.plan.by_name.get(named, state.by_path.get(named))
    if index is None or state.end is not None or state.status[index] != UNKNOWN:
        found = f"the run does not wait for the outcome of step {message.step!r}"
        raise RefusedError(f"{found}; {_awaited(state)}")
    attempt = state.attempts[index]
    if message.action == "retry":
        return _begin(state, [index], message.now, "resolved", by=message.by)
    if message.action == "complete":
        returned = StepReturned(index, attempt, message.result, message.now, 0, hold=message.hold)
        return step_returned(state, returned, by=message.by)
    if message.action == "fail":
        raised = _cut_off(index, attempt, message.now, hold=message.hold)
        return step_raised(state, raised, by=message.by)
    raise RefusedError(f"no action {message.action!r}; there are retry, complete and fail")


def _awaited(state: RunState) -> str:
    """The steps whose outcome the run waits for, as text."""
    if state.end is not None:
        return "the run has ended"
    names = [repr(state.nodes[index].label) for index in sorted(state.unknown)]
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"it waits for {', '.join(names[:_NAMED])}{more}" if names else "it waits for none"


def _begin(
    state: RunState, indexes: Sequence[int], now: int, reason: str, by: str = ""
) -> Decision:
    starts, effects = plan_starts(state, indexes)
    return Decision((StepsStarted(now, starts, reason, by),), None, effects)


def _cut_off(index: int, attempt: int, now: int, *, hold: bool = False) -> StepRaised:
    return StepRaised(
        node=index,
        attempt=attempt,
        error_type="OutcomeUnknownError",
        error_message="the attempt was cut off before its outcome was recorded",
        now=now,
        duration=0,
        retryable=False,
        hold=hold,
    )
