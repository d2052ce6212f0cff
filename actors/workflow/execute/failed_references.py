"""Fails a step that refers to a step without a result, unless the reference allows that."""

from __future__ import annotations

from indelible.actors.workflow.definition.plan import Node
from indelible.actors.workflow.definition.references import Reference
from indelible.actors.workflow.state.node_results import reason_of
from indelible.actors.workflow.state.node_status import FAILED, SKIPPED
from indelible.actors.workflow.state.run_state import RunState
from indelible.errors import FailedReferenceError

_TEXT = 300
"""Characters of the failed step's own error in the message."""


def check_reference(state: RunState, reader: Node, reference: Reference, ref: str) -> None:
    """Check the blocks and steps on the path of ``reference``.

    A block that collects failures is a result; its failed steps are not.

    Raises:
        FailedReferenceError: A step or block on the path failed or was skipped.
    """
    assert reference.step is not None
    nodes = state.plan.nodes
    index = state.plan.find(reader.index, reference.step)
    keys = iter(reference.keys)
    while index is not None:
        node = nodes[index]
        if state.status[index] in _NO_RESULT:
            raise FailedReferenceError(reader.name, ref, node.name, _why(state, index))
        key = next(keys, None)
        index = next((child for child in node.children if nodes[child].name == key), None)


_NO_RESULT = frozenset((FAILED, SKIPPED))


def _why(state: RunState, index: int) -> str:
    if state.status[index] == SKIPPED:
        return f"was skipped: {reason_of(state, index)}"
    error = state.errors[index]
    return f"failed ({error.error_type}: {error.message[:_TEXT]})"
