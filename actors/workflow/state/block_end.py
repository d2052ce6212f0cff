"""Propagates the end of a step or block to the blocks around it; changes a state in place."""

from __future__ import annotations

from indelible.actors.workflow.state.node_status import FAILED, PENDING, SKIPPED
from indelible.actors.workflow.state.run_state import RunState
from indelible.actors.workflow.state.run_values import EARLIER_FAILURE, Failure


def settle(state: RunState, index: int, *, failed: bool) -> int:
    """Propagate the end of the node at ``index`` to the blocks that end with it.

    Returns:
        The last node that ended: a child of the block that continues, or the root.
    """
    nodes = state.nodes
    parent = nodes[index].parent
    while parent >= 0:
        block, child = nodes[parent], nodes[index]
        pattern = block.pattern
        assert pattern is not None
        unsettled = state.unsettled[parent]
        if not failed and unsettled > 1 and not pattern.ends_early:  # the usual case
            state.unsettled[parent] = unsettled - 1
            return index
        end = pattern.end(state, block, child, failed=failed)
        state.unsettled[parent] = unsettled - 1
        if end is None:
            return index
        state.status[parent] = end
        failed = end == FAILED
        if failed:
            error = state.settled[index]
            assert type(error) is Failure
            words = pattern.why_failed(block, child, error.message)
            if words != error.message:
                error = Failure(error.error_type, words)
            state.errors[parent] = state.settled[parent] = error
        if state.unsettled[parent]:
            for other in block.children:
                skip(state, other)
            state.unsettled[parent] = 0
        index, parent = parent, block.parent
    return index


def skip(state: RunState, index: int, reason: str = EARLIER_FAILURE) -> None:
    """Skip the node at ``index``, if it is pending, and all nodes below it, the body too."""
    if state.status[index] != PENDING:
        return
    state.status[index] = SKIPPED
    state.settled[index] = reason
    node = state.nodes[index]
    if node.kind == "step":
        state.skipped += 1
    if node.body:  # all nodes of a skipped block have this status
        state.status[node.body : node.end] = bytes((SKIPPED,)) * (node.end - node.body)
    for child in node.children:
        skip(state, child, reason)
