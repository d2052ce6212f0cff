"""Handles the answer to a condition: its step or block opens, is skipped, or fails (pure)."""

from __future__ import annotations

from indelible.actors.decider import NOTHING, Decision
from indelible.actors.workflow.decide.look_ahead import follow_answer
from indelible.actors.workflow.decide.resume_run import begin_following
from indelible.actors.workflow.run_effects import AnswerCondition, SetAside
from indelible.actors.workflow.run_messages import ConditionAnswered
from indelible.actors.workflow.state.node_status import PENDING
from indelible.actors.workflow.state.run_state import RunState
from indelible.errors import StoreUnavailableError

_RETRY_AFTER = 1_000_000
"""Microseconds until a blob that could not be read is read again."""


def condition_answered(state: RunState, message: ConditionAnswered) -> Decision:
    """Record the next steps, unless they have been recorded already.

    A pending answer is not recorded in the log: after a crash the steps that are ready, and their
    conditions, are evaluated again.
    """
    if state.end is not None or state.accepted is None or message.hold:
        return NOTHING
    if state.status[message.node] != PENDING:
        return NOTHING
    if isinstance(message.unread, StoreUnavailableError):
        return Decision(effects=(AnswerCondition(message.node, message.now + _RETRY_AFTER),))
    if message.unread is not None:
        return Decision(effects=(SetAside(message.unread),))
    following = follow_answer(state, message.node, message.answer)
    return begin_following(state, following, message.now, "condition")
