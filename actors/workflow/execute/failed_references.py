"""Fails a step that refers to a step without a result, unless the reference allows that."""

from __future__ import annotations

from indelible.actors.workflow.definition.plan import Node
from indelible.actors.workflow.definition.references import Reference
from indelible.actors.workflow.state.run_values import Failure, RunValues
from indelible.errors import FailedReferenceError

_TEXT = 300
"""Characters of the failed step's own error in the message."""


def check_reference(values: RunValues, reader: Node, reference: Reference, ref: str) -> None:
    """Check the blocks and steps on the path of ``reference``.

    A block that collects failures is a result; its failed steps are not.

    Raises:
        FailedReferenceError: A step or block on the path failed or was skipped.
    """
    assert reference.step is not None
    nodes = values.nodes
    index = values.plan.find(reader.index, reference.step, nodes)
    keys = iter(reference.keys)
    while index is not None:
        node = nodes[index]
        settled = values.settled[index]
        if type(settled) is Failure or type(settled) is str:
            raise FailedReferenceError(reader.label, ref, node.label, _why(settled))
        key = next(keys, None)
        repeats = node.body > 0  # its result is a list
        index = next(
            (
                child
                for child in node.children
                if key == (str(nodes[child].order) if repeats else nodes[child].name)
            ),
            None,
        )


def _why(settled: Failure | str) -> str:
    if isinstance(settled, str):
        return f"was skipped: {settled}"
    return f"failed ({settled.error_type}: {settled.message[:_TEXT]})"
