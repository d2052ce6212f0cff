"""Handles a step that cannot read stored data of its run: the run waits or stops (pure)."""

from __future__ import annotations

from indelible.actors.decider import NOTHING, Decision
from indelible.actors.workflow.decide.resume_run import is_running, release
from indelible.actors.workflow.run_effects import AwaitType, SetAside
from indelible.actors.workflow.run_messages import Release, StepUnread
from indelible.actors.workflow.state.run_state import RunState
from indelible.errors import StoreUnavailableError

_RETRY_AFTER = 1_000_000
"""Microseconds until a step that could not read its data tries again."""


def step_unread(state: RunState, message: StepUnread) -> Decision:
    """Wait if the database fails; set the run aside if the data are damaged, until a repair.

    No failure of the step is recorded, because that would be final.  A step whose function was not
    called is ready again, also if its policy is not to retry cut-off attempts.  A step whose
    function was called and could not read an earlier result waits for the database only if it may
    run again: it is called again as the same attempt.
    """
    index, attempt, why = message.node, message.attempt, message.why
    if state.end is not None or state.accepted is None or not is_running(state, index, attempt):
        return NOTHING
    if isinstance(why, StoreUnavailableError):
        needs = "an earlier result" if message.begun else "what its parameters refer to"
        lacks, retry_at = f"{needs} cannot be read now ({why})", message.now + _RETRY_AFTER
        wish = AwaitType(
            index, attempt, unbegun=True, lacks=lacks, retry_at=retry_at, begun=message.begun
        )
        return Decision(effects=(wish,))
    aside = SetAside(why)
    if message.begun:
        return Decision(effects=(aside,))
    released = release(state, Release(((index, attempt),), message.now))
    return Decision(released.events, None, (aside,))
