"""The answer to a condition has come: its step or block opens, is left out, or fails (pure)."""

from __future__ import annotations

from indelible.actors.decider import NOTHING, Decision
from indelible.actors.workflow.decide.look_ahead import go_on
from indelible.actors.workflow.decide.resume_run import begin_what_follows
from indelible.actors.workflow.run_effects import LookUp, SetAside
from indelible.actors.workflow.run_messages import ConditionAnswered
from indelible.actors.workflow.state.node_status import PENDING
from indelible.actors.workflow.state.run_state import RunState
from indelible.errors import StoreUnavailableError

_AGAIN = 1_000_000
"""Microseconds until a blob that could not be read is read again."""


def condition_answered(state: RunState, message: ConditionAnswered) -> Decision:
    """Record what follows, unless it has been recorded already.

    While it is on its way nothing says so but the state: what is ready is looked at again after a
    crash, and so is its condition.
    """
    if state.end is not None or state.accepted is None or message.hold:
        return NOTHING
    if state.status[message.node] != PENDING:
        return NOTHING
    if isinstance(message.unread, StoreUnavailableError):
        return Decision(effects=(LookUp(message.node, message.now + _AGAIN),))
    if message.unread is not None:
        return Decision(effects=(SetAside(message.unread),))
    answer = message.reason if message.failure is None else message.failure
    return begin_what_follows(state, go_on(state, message.node, answer), message.now, "condition")
