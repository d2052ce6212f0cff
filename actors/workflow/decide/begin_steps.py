"""Events and effects that begin the next steps, or end the run (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from indelible.actors.workflow.decide.conclude_run import conclude
from indelible.actors.workflow.decide.frontier import NextSteps
from indelible.actors.workflow.run_effects import AnswerCondition, Begin, Ended
from indelible.actors.workflow.state.run_state import RunState
from indelible.events.model.event import Event
from indelible.events.model.run_events import Start, StepFailed


def starts_for(
    state: RunState, following: NextSteps, *, hold: bool = False
) -> tuple[tuple[Start, ...], Sequence[Any]]:
    """The starts to record in the event that leads to ``following``, and effects.

    There are none on ``hold``.
    """
    if hold:
        return (), ()
    if following.ahead is not None:
        state = following.ahead
    if len(following.steps) == 1 and not following.lookups:  # the usual case in a sequence
        index = following.steps[0]
        attempt = state.attempts[index] + 1
        return ((state.nodes[index].path, attempt),), (Begin(index, attempt),)
    starts, effects = plan_starts(state, following.steps)
    return starts, [*effects, *map(AnswerCondition, following.lookups)]


def later_events(
    state: RunState,
    following: NextSteps,
    effects: Sequence[Any],
    now: int,
    *,
    hold: bool = False,
    completed: int = 0,
    size: int = 0,
    failed: StepFailed | None = None,
) -> tuple[list[Event], Sequence[Any]]:
    """The events after the event that leads to ``following``, and all effects.

    ``state`` does not contain that event yet: ``completed``, ``size`` and ``failed`` describe it.
    """
    ahead = state if following.ahead is None else following.ahead
    events: list[Event] = []
    failures = [] if failed is None else [failed]
    for one in following.condition_failures:
        starts, more = ((), ()) if hold else plan_starts(ahead, one.steps)
        failure = StepFailed(
            path=ahead.nodes[one.node].path,
            attempt=0,
            at=now,
            duration=0,
            error_type=one.error_type,
            error_message=one.message,
            final=True,
            starts=starts,
            skips=tuple(one.skips),
            opens=tuple(one.opens),
        )
        events.append(failure)
        failures.append(failure)
        effects = [*effects, *more]
    if following.ended:
        root_failed = following.failed
        events.append(
            conclude(
                ahead,
                now,
                completed=completed,
                size=size,
                failures=failures,
                root_failed=root_failed,
            )
        )
        effects = (Ended(state),)
    return events, effects


def plan_starts(state: RunState, nodes: Sequence[int]) -> tuple[tuple[Start, ...], Sequence[Begin]]:
    """The next attempt of each of ``nodes``: for the event, and as an effect."""
    starts, effects = [], []
    for index in nodes:
        attempt = state.attempts[index] + 1
        starts.append((state.nodes[index].path, attempt))
        effects.append(Begin(index, attempt))
    return tuple(starts), tuple(effects)
