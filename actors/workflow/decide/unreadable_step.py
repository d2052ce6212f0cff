"""A step cannot read what its run has stored: the run stops, and its log stays true (pure)."""

from __future__ import annotations

from indelible.actors.decider import NOTHING, Decision
from indelible.actors.workflow.decide.resume_run import release, runs
from indelible.actors.workflow.run_effects import AwaitType, SetAside
from indelible.actors.workflow.run_messages import Release, StepUnread
from indelible.actors.workflow.state.run_state import RunState
from indelible.errors import StoreUnavailableError

_AGAIN = 1_000_000
"""Microseconds until a step that could not read what it needs tries again."""


def step_unread(state: RunState, message: StepUnread) -> Decision:
    """Wait for a database that fails; damage sets the run aside until it is mended.

    Nothing is recorded as the step's failure, which would stay for ever.  A step whose function
    was not called is ready again, whatever its policy for attempts that were cut off.  One whose
    function was called, and could not read an earlier result, comes here for a database that
    fails only if it may run again: it is called again as the same attempt.
    """
    index, attempt, why = message.node, message.attempt, message.why
    if state.end is not None or state.accepted is None or not runs(state, index, attempt):
        return NOTHING
    if isinstance(why, StoreUnavailableError):
        needs = "an earlier result" if message.begun else "what its parameters refer to"
        lacks, again = f"{needs} cannot be read now ({why})", message.now + _AGAIN
        wish = AwaitType(
            index, attempt, unbegun=True, lacks=lacks, again=again, begun=message.begun
        )
        return Decision(effects=(wish,))
    aside = SetAside(why)
    if message.begun:
        return Decision(effects=(aside,))
    released = release(state, Release(((index, attempt),), message.now))
    return Decision(released.events, None, (aside,))
