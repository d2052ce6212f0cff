"""A step cannot read what its run has stored: the run stops, and its log stays true (pure)."""

from __future__ import annotations

from indelible.actors.decider import NOTHING, Decision
from indelible.actors.workflow.effects import AwaitType, SetAside
from indelible.actors.workflow.messages import Release, StepUnread
from indelible.actors.workflow.resume import release, runs
from indelible.actors.workflow.state import RunState
from indelible.errors import StoreUnavailableError

_AGAIN = 1_000_000
"""Microseconds until a step whose references could not be read tries again."""


def step_unread(state: RunState, message: StepUnread) -> Decision:
    """Wait for a database that fails; damage sets the run aside until it is mended.

    Nothing is recorded as the step's failure, which would stay for ever.  A step whose function
    was not called is ready again, whatever its policy for attempts that were cut off.
    """
    index, attempt, why = message.node, message.attempt, message.why
    if state.end is not None or state.accepted is None or not runs(state, index, attempt):
        return NOTHING
    if isinstance(why, StoreUnavailableError):
        lacks = f"what its parameters refer to cannot be read now ({why})"
        again = message.now + _AGAIN
        return Decision(
            effects=(AwaitType(index, attempt, unbegun=True, lacks=lacks, again=again),)
        )
    aside = SetAside(why)
    if message.begun:
        return Decision(effects=(aside,))
    released = release(state, Release(((index, attempt),), message.now))
    return Decision(released.events, None, (aside,))
