"""Whether a run only waits: then it leaves memory, and its row has the wake time (pure)."""

from __future__ import annotations

from indelible.actors.workflow.decide.frontier import pending
from indelible.actors.workflow.state.node_status import RUNNING
from indelible.actors.workflow.state.run_state import RunState


def only_waits(state: RunState) -> bool:
    """Whether an unfinished run waits only for a time or for a person.

    This is nearly free for a run that waits for neither.
    """
    if not state.retry_at and not state.unknown:
        return False
    return not _runs_a_step(state) and not pending(state)


def _runs_a_step(state: RunState) -> bool:
    status = state.status
    running = status.count(RUNNING)  # includes blocks
    return running > sum(status[block] == RUNNING for block in state.unsettled)
